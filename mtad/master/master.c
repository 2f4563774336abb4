#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seats.h"
#include "master/linting.h"
#include "master/maildrop.h"
#include "master/notify.h"
#include "master/tables.h"
#include "master/tls_store.h"

#define MOST_FILES	262144

/* -- signals ---------------------------------------------------------------------------------- */

static void
on_child(void *arg)
{
	children_reap(arg);
}

static void
on_reload(void *arg)
{
	reload(arg, 0, false);
}

static void
on_term(void *arg)
{
	log_info(NULL, "terminating on signal %d", SIGTERM);
	stop_begin(arg, 0);
}

static void
on_interrupt(void *arg)
{
	log_info(NULL, "terminating on signal %d", SIGINT);
	stop_begin(arg, 0);
}

static void
watch_signals(struct master *m)
{
	(void)signal(SIGPIPE, SIG_IGN);
	loop_signal(SIGCHLD, on_child, m);
	loop_signal(SIGHUP, on_reload, m);
	loop_signal(SIGTERM, on_term, m);
	loop_signal(SIGINT, on_interrupt, m);
}

/* -- the daemon's parent ----------------------------------------------------------------------- */

/* The parent stays until the daemon serves, so that its exit status is the truth. */
static _Noreturn void
wait_for_daemon(int pipe_fd, pid_t pid)
{
	char byte;
	int status;

	if (read(pipe_fd, &byte, 1) == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

static void
go_behind(struct master *m)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		fatal("pipe: %s", strerror(errno));
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (pid > 0) {
		(void)close(ends[1]);
		wait_for_daemon(ends[0], pid);
	}
	(void)close(ends[0]);
	m->ready_pipe = ends[1];
	(void)setsid();
}

void
master_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
}

/* From here on nobody at the terminal listens. */
static void
let_parent_go(struct master *m)
{
	if (m->ready_pipe < 0)
		return;
	master_leave_terminal();
	ssize_t n = write(m->ready_pipe, "+", 1);
	(void)n;
	(void)close(m->ready_pipe);
	m->ready_pipe = -1;
}

/* -- progress ---------------------------------------------------------------------------------------- */

static void
announce(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].wanted && m->children[i].state != CHILD_READY)
			return;
	m->phase = PHASE_RUNNING;
	log_info(NULL, "daemon started -- version %s, configuration %s",
	    conf_str(conf_main(m->conf), P_mail_version), m->options.dir);
	log_flush();
	m->maildrop = maildrop_new(m, m->instance.maildrop_fd, m->instance.maildrop);
	notify("READY=1");
	let_parent_go(m);
	if (m->reload_later) {
		bool asked = m->reload_asked;
		m->reload_later = m->reload_asked = false;
		reload(m, m->reload_request, asked);
	}
}

void
master_give_up(struct master *m, int status, const char *why)
{
	log_error(NULL, "%s", why);
	if (m->log_on_stderr)
		log_flush();
	else
		fprintf(stderr, "mtad: fatal: %s\n", why);
	stop_begin(m, status);
}

static void
check_start(struct master *m)
{
	char text[100];

	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].wanted && m->children[i].pid == 0) {
			(void)snprintf(text, sizeof text, "%s %u ended before it was ready: giving up",
			    role_name(m->children[i].role), m->children[i].slot);
			master_give_up(m, EX_TEMPFAIL, text);
			return;
		}
	announce(m);
}

void
master_progress(struct master *m)
{
	switch (m->phase) {
	case PHASE_STARTING:
		check_start(m);
		break;
	case PHASE_RUNNING:
		reload_progress(m);
		tables_progress(m);
		break;
	case PHASE_STOPPING:
		stop_progress(m);
		break;
	}
}

/* -- start ---------------------------------------------------------------------------------------------- */

static void
print_problems(const struct conf_problems *p)
{
	struct buf b = BUF_INIT(0);

	conf_problems_print(p, &b);
	if (b.len > 0)
		(void)fwrite(b.ptr, 1, b.len, stderr);
	buf_clear(&b);
}

/* What was found is kept until there is a log for it. */
static bool
load(struct master *m, struct conf_problems *problems, struct lint_report *report)
{
	bool loaded = generation_load(m, problems, &m->conf);

	print_problems(problems);
	if (loaded)
		(void)linting_run(&m->options, problems, report);
	return loaded;
}

/* Whether it would start: the linter's errors are told, and keep nobody from that. */
static void
show_findings(const struct lint_report *report)
{
	struct buf text = BUF_INIT(0);

	linting_text(report, true, &text);
	if (text.len > 0)
		(void)fwrite(text.ptr, 1, text.len, stderr);
	buf_clear(&text);
}

/* A session is a descriptor, and every role inherits the limit. */
static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max < MOST_FILES ? files.rlim_max : MOST_FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* 0, 1 and 2 must be something: else a socket would get one of these numbers, and messages of libraries. */
static void
have_stdio(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
		;
	if (fd > 2)
		(void)close(fd);
}

static int
status_of(const struct err *err)
{
	return err->kind == ERR_TEMP ? EX_TEMPFAIL : EX_CONFIG;
}

static bool
make_seats(struct master *m, struct err *err)
{
	m->seats_fd = seats_new(err);
	return m->seats_fd >= 0 && (m->seats = seats_map(m->seats_fd, err)) != NULL;
}

static void
start(struct master *m, struct conf_problems *problems, struct lint_report *report)
{
	struct err err = { 0 };
	bool privileged = geteuid() == 0 && !m->options.unprivileged;

	if (!instance_open(&m->instance, m->conf, privileged, &err))
		fatal_exit(status_of(&err), "%s", err.text);
	bool logged = log_to(m, &err);
	if (logged) {
		if (!m->log_on_stderr)
			log_problems(problems);
		linting_log(report);
		instance_warn(&m->instance, m->conf);
	}
	lint_report_clear(report);
	conf_problems_clear(problems);
	if (logged)
		tables_build(m->conf);
	if (!logged || !make_seats(m, &err) || !children_make(m) || !generation_use(m, m->conf, &err)) {
		instance_close(&m->instance);
		fatal_exit(status_of(&err), "%s", err.text);
	}
	if (chdir("/") < 0)
		log_warning(NULL, "cannot go to /: %s", strerror(errno));
	children_start(m);
	watchdog_start(m);
	tables_look_after(m);
	tls_store_look_after(m);
}

int
master_main(int argc, char **argv)
{
	static struct master m = { .conf_fd = -1, .seats_fd = -1, .log_fd = -1, .ready_pipe = -1 };
	struct conf_problems problems = { .count = 0 };
	struct lint_report report = { .count = 0 };
	int status;

	have_stdio();
	if (!options_parse(&m.options, argc, argv, &status))
		return status;
	(void)umask(022);
	tzset();
	bool loaded = load(&m, &problems, &report);
	if (!loaded || m.options.test) {
		if (loaded)
			show_findings(&report);
		lint_report_clear(&report);
		conf_problems_clear(&problems);
		conf_unref(m.conf);
		return loaded ? 0 : EX_CONFIG;
	}
	log_program("master");
	(void)prctl(PR_SET_NAME, "mtad:master");
	notify_init();
	raise_limits();
	if (!m.options.foreground)
		go_behind(&m);
	m.started = clock_wall();
	loop_init();
	watch_signals(&m);
	start(&m, &problems, &report);
	return loop_run();
}
