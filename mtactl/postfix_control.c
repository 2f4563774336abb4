/*
 * postfix start, stop, reload, status, check, flush: the same words for mtad. What Postfix's script logs goes to the standard error where that is a
 * terminal, as there; what went wrong goes there always.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "lint/lint.h"
#include "mtactl/postfix.h"
#include "policy/policy.h"

#define STOP_PATIENCE	60	/* seconds until the deliveries under way have ended */

static void __attribute__((format(printf, 2, 3)))
tell(const struct postfix *p, const char *fmt, ...)
{
	va_list ap;

	if (isatty(STDERR_FILENO) == 0)
		return;
	va_start(ap, fmt);
	vtell_safe(p->name, "", fmt, ap);
	va_end(ap);
}

/* The master's process ID, 0 where it does not run: its pid file is there as long as it does, and locked. */
static unsigned
running_pid(struct postfix *p)
{
	struct session *s = &p->session;
	struct err err = { .kind = ERR_NONE };
	struct buf path = BUF_INIT(4096);
	uint32_t pid = 0;
	bool down = false;
	char text[32];

	session_locate(s);
	session_path(s, "ctl", &path);
	struct ctl_client *client = ctl_client_open(path.ptr, &down, &err);
	ctl_client_close(client);
	buf_reset(&path);
	session_path(s, "pid/master.pid", &path);
	int fd = down ? -1 : open(path.ptr, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	buf_clear(&path);
	if (n <= 0 || !num_u32(span_trim(span_of(text, (size_t)n)), &pid) || pid == 0)
		return down ? 0 : 1;
	return pid;
}

static int
status(struct postfix *p)
{
	unsigned pid = running_pid(p);

	if (pid > 0)
		tell(p, "the mail system (mtad) is running: PID: %u", pid);
	else
		tell(p, "the mail system (mtad) is not running");
	return pid > 0 ? 0 : 1;
}

static bool
is_told(const struct conf_problems *told, const struct lint_finding *f)
{
	for (size_t i = 0; i < told->count; i++)
		if (told->items[i].line == f->line && told->items[i].file != NULL && strcmp(told->items[i].file, f->file) == 0)
			return true;
	return false;
}

/* Warnings and errors of the linter, a line each; true where there are errors. */
static bool
check_lint(const struct session *s, const struct conf_problems *told, struct buf *text)
{
	const struct lint_options options = { .dir = s->conf_dir };
	struct lint_report report;

	(void)lint_run(&options, &report);
	bool wrong = report.of_level[LINT_ERROR] > 0;
	for (size_t i = 0; i < report.count; i++) {
		const struct lint_finding *f = &report.items[i];
		if (f->level < LINT_WARNING || is_told(told, f))
			continue;
		buf_printf(text, "%s:%u: %s: ", f->file, f->line, lint_level_name(f->level));
		safe_text(text, span_str(f->message), false);
		buf_printf(text, " [%s]\n", lint_rule(f->code)->code);
	}
	lint_report_clear(&report);
	return wrong;
}

static int
check(struct postfix *p)
{
	struct session *s = &p->session;
	struct conf_problems problems = { .count = 0 };
	struct buf text = BUF_INIT(0);

	s->conf = conf_load(s->conf_dir, NULL, 0, &problems);
	if (s->conf != NULL)
		policy_check_conf(s->conf, &problems);
	conf_problems_print(&problems, &text);
	int result = s->conf == NULL || problems.errors > 0 ? 1 : 0;
	if (result == 0 && check_lint(s, &problems, &text))
		result = 1;
	if (text.len > 0)
		fputs(text.ptr, stderr);
	buf_clear(&text);
	conf_problems_clear(&problems);
	return result;
}

/* The daemon beside this program first: an instance that was built and not installed has it there. */
static void
exec_daemon(struct postfix *p, bool foreground)
{
	static const char *const places[] = { "mtad", "../sbin/mtad" };
	char *argv[] = { (char[]){ "mtad" }, (char[]){ "-c" }, span_dup(span_str(p->session.conf_dir)),
		foreground ? (char[]){ "-f" } : NULL, NULL };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	size_t head = n > 0 ? span_rfind(span_of(self, (size_t)n), '/') : 0;

	for (size_t i = 0; n > 0 && i < sizeof places / sizeof places[0]; i++) {
		struct buf path = BUF_INIT(8192);
		buf_printf(&path, "%.*s/%s", (int)head, self, places[i]);
		execv(path.ptr, argv);
		buf_clear(&path);
	}
	execvp(argv[0], argv);
	free(argv[2]);
}

static int
start(struct postfix *p, bool foreground)
{
	unsigned pid = running_pid(p);

	if (pid > 0)
		return postfix_fatal(p->name, "the mail system (mtad) is already running: PID: %u", pid);
	tell(p, "starting the mail system (mtad)");
	exec_daemon(p, foreground);
	return postfix_fatal(p->name, "cannot run mtad: %s", strerror(errno));
}

/* Asks for `verb`; 0, or what Postfix's script ends with. */
static int
command(struct postfix *p, const char *verb)
{
	const struct span words[] = { span_str(verb) };
	struct buf error = BUF_INIT(4096);
	int result = postfix_ask(p, words, 1, &error);

	if (result == POSTFIX_DOWN && error.len == 0)
		postfix_fatal(p->name, "the mail system (mtad) is not running");
	else if (result != 0)
		postfix_fatal(p->name, "%s", error.len > 0 ? error.ptr : "the configuration is wrong; nothing was changed");
	buf_clear(&error);
	return result == 0 ? 0 : 1;
}

static int
stop(struct postfix *p)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };

	unsigned pid = running_pid(p);
	if (command(p, "stop") != 0)
		return 1;
	tell(p, "stopping the mail system (mtad)");
	struct buf path = BUF_INIT(4096);
	session_path(&p->session, "pid/master.pid", &path);
	for (unsigned i = 0; pid > 1 && i < STOP_PATIENCE * 20 && access(path.ptr, F_OK) == 0; i++)
		nanosleep(&moment, NULL);
	buf_clear(&path);
	return 0;
}

static int
flush(struct postfix *p)
{
	struct postfix queue = { .name = "postqueue", .session = { .name = "postqueue", .conf_dir = p->session.conf_dir } };
	char *argv[] = { (char[]){ "postqueue" }, (char[]){ "-f" }, NULL };

	optind = 0;
	int result = postqueue_main(&queue, 2, argv);
	session_clear(&queue.session);
	return result;
}

int
postfix_control_main(struct postfix *p, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+c:D:v")) != -1) {
		if (option == 'c')
			p->session.conf_dir = optarg;
		else if (option != 'v')
			return postfix_fatal(p->name, "usage: %s [-c config_dir] [-v] command", p->name);
	}
	if (optind + 1 != argc)
		return postfix_fatal(p->name, "usage: %s [-c config_dir] [-v] command", p->name);
	const char *verb = argv[optind];
	if (strcmp(verb, "status") == 0)
		return status(p);
	if (strcmp(verb, "check") == 0)
		return check(p);
	if (strcmp(verb, "start") == 0 || strcmp(verb, "start-fg") == 0)
		return start(p, strcmp(verb, "start-fg") == 0);
	if (strcmp(verb, "reload") == 0)
		return command(p, "reload");
	if (strcmp(verb, "stop") == 0)
		return stop(p);
	if (strcmp(verb, "flush") == 0)
		return flush(p);
	static const char *const others[] = { "abort", "set-permissions", "upgrade-configuration", "logrotate", "tls" };
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcmp(verb, others[i]) == 0)
			return postfix_not_yet(p->name, verb);
	return postfix_fatal(p->name, "unknown command: '%s'; it knows start, start-fg, stop, reload, status, check and flush", verb);
}
