#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/role.h"
#include "local/private.h"
#include "mail/delivery_log.h"
#include "mail/dsn.h"
#include "mail/forward.h"

#define PROGRESS_AFTER	SECOND
#define TIME_LIMIT	(1000 * SECOND)		/* a child that hangs on a lock or a file server */
#define CHILD_FDS	4			/* report, segment, forwards, spill: behind stdin, stdout, stderr */

/* -- in the child ----------------------------------------------------------------------------- */

/* Leaves the child with its three descriptors and nothing of the parent's. */
static void
keep_descriptors(int fds[CHILD_FDS])
{
	int high[CHILD_FDS], null = open("/dev/null", O_RDWR);
	for (int i = 0; i < CHILD_FDS; i++)
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	for (int i = 0; i < CHILD_FDS; i++) {
		if (high[i] >= 0)
			dup2(high[i], 3 + i);
		fds[i] = high[i] >= 0 ? 3 + i : -1;
	}
	close_range(3 + CHILD_FDS, ~0u, 0);
	if (fds[CHILD_FDS - 1] < 0)
		close(3 + CHILD_FDS - 1);
}

static void
reset_signals(void)
{
	sigset_t none;
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static noreturn void
child_main(struct job *job, int report_fd)
{
	int fds[CHILD_FDS] = { report_fd, job->segment_fd, job->forwards_fd, job->spill_fd };
	struct report r = { .status = OUTCOME_DEFERRED };
	setpgid(0, 0);
	reset_signals();
	keep_descriptors(fds);
	umask(077);
	job->segment_fd = fds[1];
	job->forwards_fd = fds[2];
	job->spill_fd = fds[3];
	job_run(job, &r);
	struct buf b = BUF_INIT(REPORT_MAX);
	report_pack(&b, &r);
	(void)!write(fds[0], b.ptr, b.len);
	_exit(0);
}

/* -- in the parent ------------------------------------------------------------------------------ */

void
delivery_free(struct delivery *d)
{
	struct delivery **at = &d->local->deliveries;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	loop_timer_stop(&d->timer);
	if (d->spill_fd >= 0)
		close(d->spill_fd);
	if (d->pipe >= 0)
		close(d->pipe);
	conf_unref(d->conf);
	free(d->transport);
	free(d->nexthop);
	free(d->sender);
	buf_clear(&d->recipients);
	buf_clear(&d->outcomes);
	buf_clear(&d->forwards);
	if (d->forwards_fd >= 0)
		close(d->forwards_fd);
	free(d);
}

void
delivery_send_result(struct delivery *d)
{
	struct ipc_result m = { .lease = d->lease, .id_usec = d->id.usec, .id_writer = d->id.writer, .last = 1,
		.scope = d->scope, .outcomes = buf_view(&d->outcomes), .forwards = buf_view(&d->forwards) };
	ipc_send_result(d->local->queue, &m, -1);
}

static const char *
program_name(const struct delivery *d)
{
	static const char *const names[] = { [PROGRAM_LOCAL] = "local", [PROGRAM_VIRTUAL] = "virtual", [PROGRAM_PIPE] = "pipe" };
	return names[d->program];
}

/* What the recipient was before aliases of the site; empty where that is not to be kept. */
static struct span
original_of(const struct delivery *d)
{
	const struct recipient *r = &d->now;

	if (r->original.len > 0)
		return r->original;
	if (!conf_bool(conf_main(d->conf), P_enable_original_recipient))
		return SPAN_NONE;
	return span_starts(r->orcpt, "rfc822;") ? span_skip(r->orcpt, 7) : r->address;
}

static void
log_delivery(const struct delivery *d, struct span recipient, struct span original, const struct report *r)
{
	struct buf line = BUF_INIT(16384);
	char id[QID_TEXT];
	struct delivery_log l = { .recipient = recipient, .orig_to = original, .relay = span_str(d->transport), .arrival = d->arrival,
		.active = d->active, .handoff = d->handoff, .done = clock_wall(), .dsn = span_str(r->dsn),
		.probe = d->probe,
		.status = r->status == OUTCOME_EXPANDED ? OUTCOME_SENT : r->status, .text = span_str(r->text) };
	delivery_log_put(&line, &l);
	log_info(program_name(d), "%s: %s", qid_text(d->id, id), line.ptr);
	buf_clear(&line);
}

static void
soften(const struct delivery *d, struct report *r)
{
	char dsn[DSN_TEXT];

	if (r->status != OUTCOME_BOUNCED || !conf_bool(d->view, P_soft_bounce))
		return;
	r->status = OUTCOME_DEFERRED;
	memcpy(r->dsn, dsn_with_class(span_str(r->dsn), '4', dsn), sizeof r->dsn);
}

/* What became of each that the recipient was expanded to; false where a line of its own is to be logged. */
static bool
log_leaves(struct delivery *d, struct span leaves)
{
	struct unpack u = { .left = leaves };
	struct span original = d->now.original.len > 0 ? d->now.original : d->now.address;

	while (unpack_more(&u)) {
		struct report r = { .status = OUTCOME_DEFERRED };
		struct span to = unpack_span(&u);
		bool listed = unpack_u8(&u) != 0;	/* whom it was written to is nobody's business */
		r.status = unpack_u8(&u);
		struct span dsn = unpack_span(&u), text = unpack_span(&u);
		snprintf(r.dsn, sizeof r.dsn, "%.*s", SPAN_ARG(dsn));
		snprintf(r.text, sizeof r.text, "%.*s", SPAN_ARG(text));
		if (u.fault)
			return false;
		soften(d, &r);
		log_delivery(d, to, listed || span_eq(to, original) ? SPAN_NONE : original, &r);
	}
	return true;
}

static void
finish_recipient(struct delivery *d, struct report *r, bool quiet)
{
	struct local *l = d->local;
	soften(d, r);
	struct outcome o = { .number = d->now.number, .status = r->status, .dsn = span_str(r->dsn),
		.text = span_str(r->text), .relay = span_str(d->transport) };
	outcome_pack(&d->outcomes, &o);
	d->scope = r->scope;
	if (!quiet)
		log_delivery(d, d->now.address, d->now.original, r);
	*(r->status <= OUTCOME_EXPANDED ? &l->sent : r->status == OUTCOME_DEFERRED ? &l->deferred : &l->bounced) += 1;
}

/* The messages that the child wants made in this recipient's place. The bytes are root's own process's, and checked all the same. */
static bool
take_forwards(struct delivery *d, struct unpack *u)
{
	struct unpack again = *u;
	struct forward f;
	bool ok = true;

	while (unpack_more(u))
		ok = forward_unpack(unpack_span(u), &f) && ok;
	ok = ok && !u->fault;
	while (ok && unpack_more(&again)) {
		pack_u32(&d->forwards, d->now.number);
		pack_span(&d->forwards, unpack_span(&again));
	}
	return ok;
}

/* What the child left beside its report (expand.c). False where it cannot be read. */
static bool
take_notes(struct delivery *d, bool final, bool *quiet)
{
	struct stat st;

	*quiet = false;
	if (d->forwards_fd < 0 || fstat(d->forwards_fd, &st) != 0 || st.st_size == 0)
		return true;
	struct buf all = BUF_INIT(2 * FORWARD_BYTES_MAX);
	char *room = (uint64_t)st.st_size <= all.max ? buf_room(&all, (size_t)st.st_size) : NULL;
	ssize_t n = room == NULL ? -1 : pread(d->forwards_fd, room, (size_t)st.st_size, 0);
	struct unpack u = { .left = span_of(room, n < 0 ? 0 : (size_t)n) };
	uint8_t how = unpack_u8(&u);
	struct span leaves = unpack_span(&u);
	bool ok = n == (ssize_t)st.st_size && !u.fault && log_leaves(d, leaves);
	ok = ok && (!final || take_forwards(d, &u));
	*quiet = ok && (how & NOTES_SAY_ALL) != 0;
	if (ok && (how & NOTES_FORWARDED) != 0) {
		struct report r;
		report_set(&r, OUTCOME_EXPANDED, SCOPE_RECIPIENT, "2.0.0", FORWARDED_TEXT);
		log_delivery(d, d->now.address, d->now.original, &r);
	}
	buf_clear(&all);
	return ok;
}

/* Of one recipient, or of all that were delivered to at once. */
static void
finish(struct delivery *d, struct report *r)
{
	if (r->warning[0] != '\0')
		log_warning(program_name(d), "%s", r->warning);
	bool quiet;
	if (!take_notes(d, r->status != OUTCOME_DEFERRED, &quiet))
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "local resources: the list of new messages cannot be read");
	if (d->forwards_fd >= 0)	/* of one recipient alone */
		close(d->forwards_fd);
	d->forwards_fd = -1;
	if (!d->at_once) {
		finish_recipient(d, r, quiet);
		return;
	}
	struct unpack all = { .left = buf_view(&d->recipients) };
	while (recipient_next(&all, &d->now)) {
		struct report own = *r;
		finish_recipient(d, &own, false);
	}
	d->left = all;
}

/* Its limit and some time to say so. */
static int64_t
time_limit(const struct delivery *d)
{
	int64_t limit;
	if (!conf_transport_time(d->conf, d->transport, "_time_limit", &limit) || limit < TIME_LIMIT)
		limit = TIME_LIMIT;
	return limit + 60 * SECOND;
}

/* First after a second, for `why`; then when the time is up. */
static void
timer_fired(void *arg)
{
	struct delivery *d = arg;
	if (!d->told) {
		struct ipc_progress m = { .lease = d->lease, .stage = LEASE_FILE, .peer = d->now.address };
		ipc_send_progress(d->local->queue, &m, -1);
		d->told = true;
		loop_timer_set(&d->timer, time_limit(d) - PROGRESS_AFTER);
	} else if (d->pid > 0) {
		kill(-d->pid, SIGKILL);
	}
}

static pid_t
fork_child(struct job *job, int report_fd)
{
	sigset_t all, before;
	log_flush();		/* or the child would have the same lines to write */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		child_main(job, report_fd);
	int error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

static bool
start_child(struct delivery *d, struct report *r)
{
	struct segment *s = local_segment(d->local, d->loc.segment);
	int ends[2];
	if (s == NULL && !d->probe) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "segment %u of the spool is not open here", d->loc.segment);
		return false;
	}
	struct job job = { .view = d->view, .program = d->program, .transport = d->transport, .nexthop = span_str(d->nexthop),
		.id = d->id, .recipient = d->now.address, .recipients = buf_view(&d->recipients),
		.original = original_of(d), .delivered = d->now.address, .orcpt = d->now.orcpt, .notify = d->now.notify,
		.sender = span_str(d->sender),
		.hostname = role_hostname(), .now = clock_wall(), .segment_fd = d->probe ? -1 : s->fd, .nonce = d->probe ? 0 : s->nonce, .probe = d->probe, .loc = d->loc,
		.spill_fd = d->spill_fd };
	if (d->program == PROGRAM_LOCAL && d->forwards_fd < 0)
		d->forwards_fd = memfd_create("forwards", MFD_CLOEXEC);
	job.forwards_fd = d->forwards_fd;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "local resources: %s", strerror(errno));
		return false;
	}
	d->pid = fork_child(&job, ends[1]);
	int error = errno;
	close(ends[1]);
	if (d->pid < 0) {
		d->pid = 0;
		close(ends[0]);
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "local resources: cannot start a process: %s", strerror(error));
		return false;
	}
	d->pipe = ends[0];
	d->local->running++;
	d->told = false;
	loop_timer_init(&d->timer, timer_fired, d);
	loop_timer_set(&d->timer, PROGRESS_AFTER);
	return true;
}

void
delivery_next(struct delivery *d)
{
	struct report r;
	while (recipient_next(&d->left, &d->now)) {
		r = (struct report){ .status = OUTCOME_DEFERRED };
		if (start_child(d, &r))
			return;
		finish(d, &r);
	}
	if (d->left.fault)
		log_error(program_name(d), "the queue role sent a damaged list of recipients");
	d->done = true;
	delivery_send_result(d);
	local_check_stop(d->local);
}

/* What the child said, or what its end says. */
static void
collect(struct delivery *d, int status, struct report *r)
{
	char bytes[REPORT_MAX];
	ssize_t n = read(d->pipe, bytes, sizeof bytes);
	close(d->pipe);
	d->pipe = -1;
	if (n > 0 && report_unpack(span_of(bytes, (size_t)n), r))
		return;
	if (WIFSIGNALED(status))
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery process ended by signal %d%s", WTERMSIG(status),
		    WTERMSIG(status) == SIGKILL ? " (time limit?)" : "");
	else
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery process gave no report");
	log_warning(program_name(d), "user <%.*s>: %s", SPAN_ARG(d->now.address), r->text);
}

void
delivery_reap(void *arg)
{
	struct local *l = arg;
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct delivery *d = l->deliveries;
		while (d != NULL && d->pid != pid)
			d = d->next;
		if (d == NULL)
			continue;
		struct report r = { .status = OUTCOME_DEFERRED };
		d->pid = 0;
		l->running--;
		loop_timer_stop(&d->timer);
		collect(d, status, &r);
		finish(d, &r);
		delivery_next(d);
	}
}
