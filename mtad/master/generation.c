#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/dns_anchor.h"
#include "master/linting.h"
#include "master/listen.h"
#include "master/notify.h"
#include "master/tables.h"
#include "master/tls_store.h"
#include "net/tls_server.h"
#include "policy/policy.h"

#define RELOAD_PATIENCE	(10 * SECOND)

bool
generation_load(struct master *m, struct conf_problems *problems, struct conf **out)
{
	*out = conf_load(m->options.dir, m->options.overrides, m->options.override_count, problems);
	if (*out == NULL)
		return false;
	tables_watch_lines(problems);
	policy_check_conf(*out, problems);
	tables_watch_lines(NULL);
	tls_check_conf(*out, problems);
	listen_check(*out, problems);
	if (problems->errors == 0)
		return true;
	conf_unref(*out);
	*out = NULL;
	return false;
}

/* -- the log ------------------------------------------------------------------------------------- */

static int
open_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int
open_log_file(const char *path)
{
	if (strcmp(path, "/dev/stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
}

/* Opened anew at each reload: whoever rotates logs renames the file and reloads. */
bool
log_to(struct master *m, struct err *err)
{
	const struct view *v = conf_main(m->conf);
	const char *path = conf_str(v, P_maillog_file), *host = conf_str(v, P_myhostname);
	enum log_sink sink = LOG_SINK_FILE;
	int fd;

	if (path[0] != '\0') {
		if ((fd = open_log_file(path)) < 0) {
			err_sys(err, "maillog_file = %s", path);
			return false;
		}
	} else if (m->options.foreground) {
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
		sink = LOG_SINK_STDERR;
		host = isatty(STDERR_FILENO) == 1 ? "" : host;
	} else if ((fd = open_syslog()) >= 0) {
		sink = LOG_SINK_SYSLOG;
	} else {
		err_set(err, ERR_SYS, "no system log answers at /dev/log: set maillog_file, or start with -f");
		return false;
	}
	log_flush();
	log_open(sink, fd, host, conf_str(v, P_syslog_name));
	if (m->log_fd >= 0)
		(void)close(m->log_fd);
	m->log_fd = fd;
	m->log_on_stderr = sink == LOG_SINK_STDERR;
	return true;
}

static void
add_log(struct master *m, struct descs *now)
{
	char identity[96];
	struct stat st;

	if (m->log_fd < 0 || fstat(m->log_fd, &st) < 0)
		return;
	(void)snprintf(identity, sizeof identity, "log:%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	descs_add(now, ROLE_COUNT, EVERY_SLOT, "log", identity, fcntl(m->log_fd, F_DUPFD_CLOEXEC, 0));
}

/* -- descriptors --------------------------------------------------------------------------------- */

static bool
add_files(struct descs *now, const struct conf *conf, struct err *err)
{
	static const enum role readers[] = { ROLE_SEND, ROLE_RECEIVE };
	const char *zone = conf_str(conf_main(conf), P_mtad_dns_zone);

	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
		(void)descs_add_file(now, readers[i], "resolv-conf", "/etc/resolv.conf");
		(void)descs_add_file(now, readers[i], "hosts", "/etc/hosts");
		if (zone[0] != '\0' && !descs_add_file(now, readers[i], "dns-zone", zone)) {
			err_sys(err, "mtad_dns_zone = %s", zone);
			return false;
		}
	}
	return true;
}

static void
add_directories(struct descs *now, const struct instance *in)
{
	descs_add(now, ROLE_QUEUE, EVERY_SLOT, "spool", "spool", fcntl(in->spool_fd, F_DUPFD_CLOEXEC, 0));
	descs_add(now, ROLE_QUEUE, EVERY_SLOT, "queue-directory", "queue-directory", fcntl(in->dir_fd, F_DUPFD_CLOEXEC, 0));
	if (in->data_fd >= 0)
		descs_add(now, ROLE_STATE, EVERY_SLOT, "data", "data", fcntl(in->data_fd, F_DUPFD_CLOEXEC, 0));
}

static bool
make_descs(struct master *m, const struct conf *conf, struct descs *now, struct err *err)
{
	add_log(m, now);
	add_directories(now, &m->instance);
	descs_add(now, ROLE_RECEIVE, EVERY_SLOT, "seats", "seats", fcntl(m->seats_fd, F_DUPFD_CLOEXEC, 0));
	tables_add(now, m, conf);
	tls_store_add(now, conf);
	return add_files(now, conf, err) && dns_anchor_add(now, conf, err) &&
	    listen_open(now, m->generation == 0 ? NULL : &m->descs, conf, &m->instance, m->receive_slots, err);
}

/* -- generations ------------------------------------------------------------------------------------ */

/* In memory only, and sealed: every role reads the same bytes and none can change them. */
static int
freeze(const struct conf *conf, struct err *err)
{
	struct buf b = BUF_INIT(0);
	size_t done = 0;

	conf_freeze(conf, &b);
	int fd = memfd_create("mtad-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	while (fd >= 0 && done < b.len) {
		ssize_t n = write(fd, b.ptr + done, b.len - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (fd < 0 || done < b.len || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		err_sys(err, "cannot freeze the configuration");
		if (fd >= 0)
			(void)close(fd);
		fd = -1;
	}
	buf_clear(&b);
	return fd;
}

static void
tell_change(struct master *m, const struct descs *before)
{
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		if (c->ipc == NULL)
			continue;
		descs_send(&m->descs, before, c->ipc, c->role, c->slot, m->generation);
		ipc_send_go(c->ipc, &(struct ipc_go){ m->generation }, m->conf_fd);
	}
}

/* What libunbound is told once, when a send process starts. */
static bool
resolver_changed(const struct conf *was, const struct conf *is, const struct descs *before, const struct descs *now)
{
	static const char *const keys[] = { "dns-zone", "hosts", "resolv-conf", "dns-anchor" };
	const struct view *a = conf_main(was), *b = conf_main(is);

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (!descs_alike(before, now, ROLE_SEND, keys[i]))
			return true;
	return strcmp(conf_str(a, P_mtad_dns_servers), conf_str(b, P_mtad_dns_servers)) != 0 ||
	    conf_time(a, P_mtad_dns_timeout) != conf_time(b, P_mtad_dns_timeout);
}

static void
note(struct master *m, const char *text)
{
	size_t len = strlen(m->reload_note);

	(void)snprintf(m->reload_note + len, sizeof m->reload_note - len, "%s", text);
}

bool
generation_use(struct master *m, struct conf *conf, struct err *err)
{
	struct descs now = { 0 }, before = m->descs;
	uint32_t slots = m->receive_slots;

	int fd = freeze(conf, err);
	m->receive_slots = children_receivers(conf);
	if (fd < 0 || !make_descs(m, conf, &now, err)) {
		descs_clear(&now);
		m->receive_slots = slots;
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	if (m->conf_fd >= 0)
		(void)close(m->conf_fd);
	bool names = m->generation > 0 && resolver_changed(m->conf, conf, &before, &now);
	if (m->conf != conf)
		conf_unref(m->conf);
	m->conf = conf;
	m->conf_fd = fd;
	if (m->generation++ == 0)
		m->first = conf_ref(conf);
	m->descs = now;
	tell_change(m, &before);
	descs_clear(&before);
	m->reload_note[0] = '\0';
	if (m->generation > 1)
		children_fit(m, m->reload_note, sizeof m->reload_note);
	if (names) {
		note(m, "; send processes are started anew, one after the other, for the changed DNS settings; receive processes keep the old ones until a restart");
		children_roll(m);
	}
	return true;
}

static const char *
user_of(const struct instance *in, enum role role)
{
	return role == ROLE_LOCAL ? "" : role == ROLE_QUEUE ? in->queue.name : in->mail.name;
}

/* The queue role works below the queue directory, state in the data directory; lookup asks the name services, which want files; local is root. */
static const char *
root_of(const struct instance *in, enum role role)
{
	if (!in->privileged || role == ROLE_LOCAL || role == ROLE_LOOKUP)
		return "";
	if (role == ROLE_STATE && in->data != NULL)
		return in->data;
	return role == ROLE_QUEUE ? in->dir : in->empty;
}

void
generation_tell(struct child *c)
{
	struct master *m = c->master;
	const struct view *v = conf_main(m->conf);

	ipc_send_init(c->ipc, &(struct ipc_init){
	    .generation = m->generation, .epoch = c->epoch,
	    .hostname = span_str(conf_str(v, P_myhostname)),
	    .user = span_str(user_of(&m->instance, c->role)),
	    .chroot = span_str(root_of(&m->instance, c->role)),
	    .sandbox = 1,
	    .syslog_name = span_str(conf_str(v, P_syslog_name)),
	}, m->conf_fd);
	descs_send(&m->descs, NULL, c->ipc, c->role, c->slot, m->generation);
	ipc_send_go(c->ipc, &(struct ipc_go){ m->generation }, -1);
}

/* -- reload ------------------------------------------------------------------------------------------- */

static void
reload_end(struct master *m, bool ok, const char *text)
{
	loop_timer_stop(&m->reload_timer);
	m->reloading = false;
	notify("READY=1");
	if (m->reload_asked)
		master_answer(m, m->reload_request, ok, text);
	m->reload_asked = false;
}

static void
reload_late(void *arg)
{
	struct master *m = arg;

	log_warning(NULL, "reload: some processes have not taken the new configuration yet");
	reload_end(m, true, "the new configuration is in use; some processes have not taken it yet");
}

void
reload_progress(struct master *m)
{
	char text[sizeof m->reload_note + 64];

	if (!m->reloading)
		return;
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].ipc != NULL && !m->children[i].stopping && m->children[i].generation != m->generation)
			return;
	(void)snprintf(text, sizeof text, "the new configuration is in use%s", m->reload_note);
	reload_end(m, true, text);
}

static void
refuse(struct master *m, const char *text)
{
	log_error(NULL, "reload refused: %s", text);
	reload_end(m, false, text);
}

void
log_problems(const struct conf_problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct conf_problem *at = &p->items[i];
		void (*say)(const char *, const char *, ...) = at->level == PROBLEM_ERROR ? log_error : log_warning;
		if (at->file == NULL)
			say(NULL, "%s", at->text);
		else if (at->line == 0)
			say(NULL, "%s: %s", at->file, at->text);
		else
			say(NULL, "%s:%u: %s", at->file, at->line, at->text);
	}
}

/* What only a restart can change. */
static const char *
changed_for_good(const struct conf *was, const struct conf *is)
{
	static const struct {
		enum param p;
		const char *name;
	} fixed[] = {
		{ P_queue_directory, "queue_directory" }, { P_mail_owner, "mail_owner" }, { P_mtad_queue_owner, "mtad_queue_owner" },
	};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (strcmp(conf_str(conf_main(was), fixed[i].p), conf_str(conf_main(is), fixed[i].p)) != 0)
			return fixed[i].name;
	return NULL;
}

/* What a reload cannot change while mail flows; m->waits has it until it is as it was, or a restart. */
static void
waits_for_restart(const struct conf *was, const struct conf *is, char *out, size_t size)
{
	static const struct {
		enum param p;
		const char *name;
	} late[] = {
		{ P_setgid_group, "setgid_group" }, { P_data_directory, "data_directory" }, { P_syslog_name, "syslog_name" }, { P_myhostname, "myhostname (in log lines)" },
	};
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < sizeof late / sizeof *late && len < size; i++)
		if (strcmp(conf_str(conf_main(was), late[i].p), conf_str(conf_main(is), late[i].p)) != 0)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ", late[i].name);
	if (len < size && conf_bool(conf_main(was), P_mtad_sync) != conf_bool(conf_main(is), P_mtad_sync))
		(void)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ", "mtad_sync");
}

static void
say_waits(struct master *m)
{
	waits_for_restart(m->first, m->conf, m->waits, sizeof m->waits);
	if (m->waits[0] == '\0')
		return;
	log_warning(NULL, "reload: %s: the old value stays in use until a restart", m->waits);
	note(m, "; ");
	note(m, m->waits);
	note(m, ": the old value stays in use until a restart");
}

static void
use_new(struct master *m, struct conf *conf)
{
	struct err err = { 0 };
	char text[320];

	const char *fixed = changed_for_good(m->conf, conf);
	if (fixed == NULL)
		tables_build(conf);
	if (fixed != NULL) {
		(void)snprintf(text, sizeof text, "%s changed, which needs a restart", fixed);
	} else if (!generation_use(m, conf, &err)) {
		(void)snprintf(text, sizeof text, "%s", err.text);
	} else {
		say_waits(m);
		m->reloading = true;
		loop_timer_init(&m->reload_timer, reload_late, m);
		loop_timer_set(&m->reload_timer, RELOAD_PATIENCE);
		log_info(NULL, "reload -- version %s, configuration %s", conf_str(conf_main(conf), P_mail_version), m->options.dir);
		reload_progress(m);
		return;
	}
	conf_unref(conf);
	refuse(m, text);
}

/* What the linter calls an error would run, and do harm: it is refused as well. */
static bool
is_clean(const struct master *m, const struct conf_problems *problems, struct buf *text)
{
	struct lint_report report;
	bool refused = linting_run(&m->options, problems, &report);

	linting_log(&report);
	if (refused)
		linting_text(&report, false, text);
	lint_report_clear(&report);
	return !refused;
}

void
reload(struct master *m, uint64_t request, bool asked)
{
	struct conf_problems problems = { 0 };
	struct buf text = BUF_INIT(65536);
	struct conf *conf;
	struct err err;

	if (m->phase != PHASE_RUNNING) {
		if (m->phase == PHASE_STOPPING && asked) {
			master_answer(m, request, false, "the daemon is stopping");
			return;
		}
		/* As soon as it has started; who asked hears of it then. */
		if (asked && m->reload_asked)
			master_answer(m, m->reload_request, true, "another reload followed");
		if (asked)
			m->reload_request = request;
		m->reload_asked = m->reload_asked || asked;
		m->reload_later = true;
		return;
	}
	if (m->reload_asked)
		reload_end(m, true, "another reload followed");
	m->reload_asked = asked;
	m->reload_request = request;
	notify("RELOADING=1");
	if (!log_to(m, &err))
		log_error(NULL, "%s", err.text);
	bool loaded = generation_load(m, &problems, &conf);
	log_problems(&problems);
	if (!loaded)
		conf_problems_print(&problems, &text);
	if (loaded && !is_clean(m, &problems, &text)) {
		conf_unref(conf);
		loaded = false;
	}
	if (loaded) {
		use_new(m, conf);
	} else {
		log_error(NULL, "reload refused: the running configuration is kept");
		reload_end(m, false, text.ptr == NULL ? "" : text.ptr);
	}
	conf_problems_clear(&problems);
	buf_clear(&text);
}
