#include "receive/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "receive/before_queue.h"
#include "receive/session_notice.h"
#include "receive/session_auth.h"
#include "receive/session_xclient.h"
#include "receive/state.h"

#define OUT_KEEP	512		/* an idle session's reply buffer is no larger */
#define OUT_MAX		(1 << 20)
#define FLUSH_TIME	(30 * SECOND)	/* a client that does not read its last reply */
#define IN_MAX		(256 * 1024)
#define REPLIES_MAX	(16 * 1024)	/* unwritten: then nothing more is read */
#define PROGRESS_DATA	512		/* bytes of content at once that show a client at work */


const char *
session_client(const struct session *s, char out[CLIENT_TEXT])
{
	if (s->uid >= 0)
		snprintf(out, CLIENT_TEXT, "local[uid %lld]", (long long)s->uid);
	else if (s->settings->port_logging)
		snprintf(out, CLIENT_TEXT, "%s[%s]:%u", s->name, s->addr, s->port);
	else
		snprintf(out, CLIENT_TEXT, "%s[%s]", s->name, s->addr);
	return out;
}

const char *
session_program(const struct session *s)
{
	return s->settings->program;
}

/* -- the end -- */

static void
log_end(struct session *s)
{
	char client[CLIENT_TEXT];
	struct buf *text = &s->rx->text;

	if (s->uid >= 0)
		return;
	buf_reset(text);
	smtp_server_counts(s->server, text);
	log_info(session_program(s), "disconnect from %s %s", session_client(s, client), text->ptr);
}

static void
unlink_session(struct session *s)
{
	struct receive *rx = s->rx;

	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		rx->sessions = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	rx->session_count--;
	listeners_session_ended(rx, s->settings, s->seated);
	rx->paused -= s->paused;
}

void
session_uncount(struct session *s)
{
	if (!s->counted)
		return;
	char client[RATE_CLIENT];
	ipc_send_count_disconnect(s->rx->counters.ipc, &(struct ipc_count_disconnect){ .service = s->settings->intake.service,
	    .client = span_str(rate_client(&s->settings->rates, s->addr, client)) }, -1);
	s->counted = false;
}

/* Where it ended while it was busy, this is left to whoever is busy with it. */
static void
free_dead(struct session *s)
{
	smtp_server_free(s->server);
	buf_clear(&s->in);
	buf_clear(&s->out);
	session_names_clear(s);
	free(s->helo);
	session_forward_drop(s);
	free(s->sasl_method);
	free(s->sasl_user);
	free(s->sasl_sender);
	free(s->sender);
	free(s->rcpt.address);
	free(s->rcpt.orcpt);
	free(s->rcpt.line);
	free(s->etrn);
	generation_unref(s->generation);
	free(s);
}

void
session_end(struct session *s)
{
	struct receive *rx = s->rx;

	if (s->dead)
		return;
	s->dead = true;
	session_note(s, "the session ends");
	log_end(s);
	session_record_end(s, s->lost);
	session_uncount(s);
	session_rates_drop(s);
	asks_drop(&rx->counters, s);
	session_decision_drop(s);
	session_auth_drop(s);
	before_queue_drop(s);
	if (s->intake != NULL)
		intake_orphan(s->intake);
	unlink_session(s);
	loop_io_watch(&s->io, 0);
	loop_timer_stop(&s->timer);
	session_tls_clear(s);
	close(s->fd);
	if (!s->busy)
		free_dead(s);
	receive_maybe_done(rx);
}

void
session_lost(struct session *s, const char *what)
{
	char client[CLIENT_TEXT];
	struct buf *text = &s->rx->text;

	session_note(s, what);
	s->lost = what;
	if (s->uid >= 0)
		return;
	buf_reset(text);
	smtp_server_where(s->server, text);
	log_info(session_program(s), "%s after %s from %s", what, text->ptr, session_client(s, client));
}

/* -- output -- */

/* False where the session is over. */
static bool
flush(struct session *s)
{
	if (s->out.over) {
		session_lost(s, "too many replies at once");
		session_end(s);
		return false;
	}
	if (s->tls != NULL && s->tls->shaking)
		return true;
	while (s->out_at < s->out.len) {
		ssize_t n = session_send(s, s->out.ptr + s->out_at, s->out.len - s->out_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0) {
			session_lost(s, "lost connection");
			session_end(s);
			return false;
		}
		s->out_at += (size_t)n;
	}
	s->out_at = 0;
	if (s->out.cap > OUT_KEEP)
		buf_clear(&s->out);
	else
		buf_reset(&s->out);
	return true;
}

/* -- what to wait for -- */

static void
set_timer(struct session *s, enum session_timer what, int64_t in)
{
	int64_t now = clock_mono();

	s->active = now;
	/* The client's timer is set once and put off when it comes. */
	if (what == TIMER_CLIENT && s->timer_for == TIMER_CLIENT && s->deadline > now) {
		s->deadline = now + in;
		return;
	}
	s->timer_for = what;
	s->deadline = now + in;
	loop_timer_set(&s->timer, in);
}

/* With a deadline for each request: how long from now on. Content earns its time by its bytes. */
static int64_t
time_left(struct session *s)
{
	const struct settings *set = s->settings;
	uint64_t requests = 2 * smtp_server_requests(s->server) + smtp_server_in_data(s->server), fresh = s->bytes - s->rated;
	int64_t left = s->deadline - clock_mono();
	bool ours = s->paused || smtp_server_waits(s->server) != SMTP_WAITS_INPUT, begins = s->deadline == 0 || requests != s->requests;

	s->rated = s->bytes;
	s->requests = ours ? UINT64_MAX : requests;	/* the next one begins when it is the client's turn */
	if (ours || begins || s->timer_for != TIMER_CLIENT)
		return set->timeout;
	if (smtp_server_in_data(s->server))
		left += (int64_t)(fresh * (uint64_t)SECOND / set->data_rate);
	return left > set->timeout ? set->timeout : left < 0 ? 0 : left;
}

static void
settle(struct session *s)
{
	bool unsent = s->out_at < s->out.len;
	enum smtp_server_wait waits = smtp_server_waits(s->server);

	if (s->tls != NULL && s->tls->shaking)
		return;
	if (waits == SMTP_WAITS_DELAY) {
		loop_io_watch(&s->io, 0);
		if (s->timer_for != TIMER_DELAY)
			set_timer(s, TIMER_DELAY, s->settings->error_sleep);
		return;
	}
	if (waits == SMTP_WAITS_CLOSE) {
		if (!unsent) {
			session_end(s);
			return;
		}
		loop_io_watch(&s->io, EV_WRITE);
		set_timer(s, TIMER_FLUSH, FLUSH_TIME);
		return;
	}
	set_timer(s, TIMER_CLIENT, s->settings->data_rate > 0 ? time_left(s) : s->settings->timeout);
	if (unsent)
		loop_io_watch(&s->io, EV_WRITE);
	/* What the TLS library holds already, the socket does not tell of; it can be written to at once. */
	else if (waits == SMTP_WAITS_INPUT && !s->paused)
		loop_io_watch(&s->io, session_tls_pending(s) ? EV_READ | EV_WRITE : EV_READ);
	/* Else a verdict comes, most often before the client's next bytes: they only stop the watching when they are there (on_io). */
	else if (s->io.what != EV_READ)
		loop_io_watch(&s->io, 0);
}

static void
check_paused(struct session *s)
{
	bool paused = smtp_server_in_data(s->server) && s->intake != NULL && s->intake->state == INTAKE_OPEN &&
	    (intake_blocked(s->intake) || before_queue_blocked(s));

	if (paused != s->paused)
		s->rx->paused += paused ? 1u : -1u;
	s->paused = paused;
}

/* What came in before, now that it may be looked at. */
static void
run_kept(struct session *s)
{
	while (s->in.len > 0 && !s->paused && smtp_server_waits(s->server) == SMTP_WAITS_INPUT) {
		size_t used = smtp_server_run(s->server, buf_view(&s->in));
		buf_drop(&s->in, used);
		check_paused(s);
		if (used == 0)
			break;
	}
	buf_fit(&s->in);
}

/* Replies are held back while the client is made to wait. False where the session is over. */
static bool
write_replies(struct session *s)
{
	if (s->out.len > s->out_seen || smtp_server_waits(s->server) == SMTP_WAITS_VERDICT)
		session_progress(s);
	bool ok = smtp_server_waits(s->server) == SMTP_WAITS_DELAY || flush(s);
	if (ok)
		s->out_seen = s->out.len;
	return ok;
}

/* Where so many replies were due that reading had to stop, it goes on once they are written. */
static bool
run_and_write(struct session *s)
{
	size_t had;

	do {
		had = s->in.len + s->out.len;
		run_kept(s);
		if (s->dead || !write_replies(s))
			return false;
	} while (s->in.len > 0 && s->out.len == 0 && s->in.len < had);
	return true;
}

void
session_say_stopping(struct session *s)
{
	char reply[300];

	snprintf(reply, sizeof reply, "421 4.3.2 %.200s Service shutting down", s->settings->smtp.hostname);
	smtp_server_bye(s->server, reply);
}

static void
go_on(struct session *s)
{
	session_look(s);
	if (!run_and_write(s))
		return;
	if (s->rx->stopping && smtp_server_idle(s->server)) {
		session_say_stopping(s);
		if (!write_replies(s))
			return;
	}
	if (smtp_server_waits(s->server) == SMTP_WAITS_TLS && s->out_at == s->out.len && s->tls == NULL)
		session_tls_start(s);
	if (!s->dead)
		settle(s);
}

void
session_continue(struct session *s)
{
	if (s->busy)
		return;
	s->busy = true;
	go_on(s);
	s->busy = false;
	if (s->dead)
		free_dead(s);
}

void
session_bye(struct session *s, const char *reply)
{
	smtp_server_bye(s->server, reply);
	session_continue(s);
}

/* -- input -- */

/* Into the shared buffer where nothing is kept, so that an idle session needs none. */
static void
take_input(struct session *s, size_t n)
{
	struct receive *rx = s->rx;
	struct span in = span_of(rx->read, n);
	size_t used = smtp_server_run(s->server, in);

	if (smtp_server_in_data(s->server) && n >= PROGRESS_DATA)
		session_progress(s);
	check_paused(s);
	if (used < n && !s->dead)
		buf_span(&s->in, span_skip(in, used));
}

static ssize_t
receive_some(struct session *s)
{
	struct receive *rx = s->rx;
	ssize_t n = session_recv(s, rx->read, sizeof rx->read);

	if (n <= 0)
		return n;
	/* Behind what is kept, of a client that says a few bytes at a time: go_on runs it. */
	if (s->in.len == 0)
		take_input(s, (size_t)n);
	else
		buf_span(&s->in, span_of(rx->read, (size_t)n));
	return n;
}

static void
read_input(struct session *s)
{
	ssize_t n = receive_some(s);

	s->bytes += n > 0 ? (uint64_t)n : 0;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (!s->dead) {
		session_lost(s, "lost connection");
		session_end(s);
	}
}

static void
on_io(void *arg, short what)
{
	struct session *s = arg;

	if (s->tls != NULL && s->tls->shaking)
		what = 0;
	if (session_tls_pending(s))
		what |= EV_READ;
	if ((what & EV_READ) && (s->paused || smtp_server_waits(s->server) != SMTP_WAITS_INPUT)) {
		loop_io_watch(&s->io, 0);
		return;
	}
	s->busy = true;
	session_look(s);
	if (s->tls != NULL && s->tls->shaking)
		session_tls_step(s);
	else if (what & EV_READ)
		read_input(s);
	if (!s->dead)
		go_on(s);
	s->busy = false;
	if (s->dead)
		free_dead(s);
}

static void
on_client_timer(struct session *s)
{
	char reply[300];
	int64_t now = clock_mono();

	if (s->deadline > now) {
		loop_timer_set(&s->timer, s->deadline - now);
		return;
	}
	/* It is not the client that is waited for. */
	if (smtp_server_waits(s->server) == SMTP_WAITS_VERDICT) {
		s->deadline = now + s->settings->timeout;
		loop_timer_set(&s->timer, s->settings->timeout);
		return;
	}
	session_lost(s, "timeout");
	snprintf(reply, sizeof reply, "421 4.4.2 %.200s Error: timeout exceeded", s->settings->smtp.hostname);
	session_bye(s, reply);
}

static void
on_timer(void *arg)
{
	struct session *s = arg;
	enum session_timer what = s->timer_for;

	if (what == TIMER_CLIENT) {
		on_client_timer(s);
		return;
	}
	if (what == TIMER_TLS) {
		session_tls_late(s);
		return;
	}
	s->timer_for = TIMER_CLIENT;
	s->deadline = 0;
	if (what == TIMER_FLUSH) {
		session_end(s);
		return;
	}
	smtp_server_resume(s->server);
	session_continue(s);
}

/* -- the beginning -- */

static struct session *
begin(struct receive *rx, struct settings *settings, int fd)
{
	struct session *s;

	MEM_NEW(s);
	s->rx = rx;
	s->generation = generation_ref(settings->generation);
	s->settings = settings;
	s->fd = fd;
	s->uid = -1;
	s->name = "unknown";
	transcript_begin(&rx->transcripts, &s->transcript, false);
	s->active = s->transcript.began;
	s->in = BUF_INIT(IN_MAX);
	s->out = BUF_INIT(OUT_MAX);
	s->next = rx->sessions;
	if (s->next != NULL)
		s->next->prev = s;
	rx->sessions = s;
	rx->session_count++;
	rx->connections++;
	s->seated = true;
	s->progress = s->active;
	sessions_park_begin(rx);
	loop_io_init(&s->io, fd, on_io, s);
	loop_timer_init(&s->timer, on_timer, s);
	return s;
}

static void
start(struct session *s, const struct smtp_server_options *options)
{
	s->server = smtp_server_new(&s->settings->smtp, options, &session_ops, s, &s->out);
	s->busy = true;
	smtp_server_offer_verp(s->server, s->uid >= 0);	/* of the network's: session_x_begin */
	session_auth_begin(s);
	session_record(s);
	session_look(s);
	smtp_server_start(s->server);
	go_on(s);
	s->busy = false;
	if (s->dead)
		free_dead(s);
}

static void
our_address(struct session *s, const struct net_addr *given)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct net_addr a = { .len = 0 };

	if (given != NULL)
		a = *given;
	else if (getsockname(s->fd, (struct sockaddr *)&ss, &len) == 0)
		(void)net_addr_from((struct sockaddr *)&ss, &a);
	if (a.len > 0)
		net_addr_text(&a, s->server_addr);
	(void)snprintf(s->server_port, sizeof s->server_port, "%u", (unsigned)(a.len > 0 ? net_addr_port(&a) : 0));
}

void
session_accept(struct receive *rx, struct settings *settings, int fd, const struct net_addr *client, const struct net_addr *server)
{
	struct session *s = begin(rx, settings, fd);
	const struct tls_server *tls = settings->tls;
	struct smtp_server_options options = { .discard = settings->discard, .bare_lf = settings->bare_lf, .tls = tls->level != TLS_LEVEL_NONE, .replies_max = REPLIES_MAX,
		.tls_required = tls->level == TLS_LEVEL_ENCRYPT, .tls_active = tls->wrapper };

	if (client->len == 0) {
		(void)snprintf(s->addr, sizeof s->addr, "unknown");
	} else {
		net_addr_text(client, s->addr);
		s->port = net_addr_port(client);
	}
	our_address(s, server);
	start(s, &options);
}

void
session_local(struct receive *rx, struct settings *settings, int fd)
{
	struct session *s = begin(rx, settings, fd);
	struct smtp_server_options options = { .bare_lf = SMTP_BARE_LF_NORMALIZE, .no_limits = true };
	struct ucred cred;
	socklen_t len = sizeof cred;

	s->rewrite_local = true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		log_warning(session_program(s), "local submission: SO_PEERCRED: %s", strerror(errno));
		unlink_session(s);
		generation_unref(s->generation);
		close(fd);
		free(s);
		return;
	}
	s->uid = cred.uid;
	start(s, &options);
}

void
user_refused(const struct receive *rx, uid_t uid, struct buf *out)
{
	for (size_t i = 0; i < rx->users.count; i++)
		if (rx->users.items[i].uid == uid) {
			buf_printf(out, "User %s(%u) is not allowed to submit mail", rx->users.items[i].name, (unsigned)uid);
			return;
		}
	buf_printf(out, "User unknown(%u) is not allowed to submit mail", (unsigned)uid);
}

void
session_close_now(struct session *s)
{
	s->busy = true;
	if (flush(s))
		session_end(s);
	s->busy = false;
	free_dead(s);
}
