#include "local/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define OUTPUT_MAX	4096
#define SAFE_PATH	"/usr/bin:/bin"
#define ENV_MAX		((size_t)256 << 10)
#define WORDS_MAX	1000

/* -- what is run ---------------------------------------------------------------------------------- */

void
command_free(struct command *c)
{
	for (char **word = c->argv; word != NULL && *word != NULL; word++)
		free(*word);
	free(c->argv);
	c->argv = NULL;
	buf_clear(&c->env);
}

void
command_env(struct command *c, const char *name, struct span value)
{
	c->env.max = ENV_MAX;
	if (span_has(value, '\0'))
		return;
	buf_str(&c->env, name);
	buf_char(&c->env, '=');
	buf_span(&c->env, value);
	buf_char(&c->env, '\0');
}

/* "NAME=value" of import_environment: what the daemons have, whatever they were started with. */
static bool
imported(const struct job *job, const char *name, char room[512])
{
	struct span list = span_str(conf_str(job->view, P_import_environment)), word;

	while (span_word(&list, "\t\r\n ,{}", &word)) {
		size_t eq = span_find(word, '=');
		if (eq == word.len || !span_eqs(span_head(word, eq), name))
			continue;
		snprintf(room, 512, "%.*s", SPAN_ARG(span_skip(word, eq + 1)));
		return true;
	}
	return false;
}

void
command_env_base(struct command *c, const struct job *job)
{
	struct span list = span_str(conf_str(job->view, P_export_environment)), word;

	while (span_word(&list, "\t\r\n ,{}", &word)) {
		size_t eq = span_find(word, '=');
		char name[128], room[512];
		snprintf(name, sizeof name, "%.*s", SPAN_ARG(span_head(word, eq)));
		const char *value = eq < word.len ? NULL : imported(job, name, room) ? room : strcmp(name, "MAIL_CONFIG") == 0 ? conf_dir(view_conf(job->view)) : getenv(name);
		if (eq < word.len)
			command_env(c, name, span_skip(word, eq + 1));
		else if (value != NULL)
			command_env(c, name, span_str(value));
	}
	command_env(c, "PATH", SPAN(SAFE_PATH));
}

static bool
needs_shell(const char *text)
{
	static const char plain[] = "1234567890!@%-_=+:,./ \tabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char *const builtins[] = { "alias", "bg", "cd", "command", "eval", "exec", "exit", "export", "fg", "for", "if", "read",
	    "set", "shift", "trap", "ulimit", "umask", "unset", "until", "wait", "while", "case", ":", "." };
	struct span rest = span_str(text), first;

	if (text[strspn(text, plain)] != '\0')
		return true;
	if (!span_word(&rest, " \t", &first) || span_has(first, '='))
		return true;
	for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
		if (span_eqs(first, builtins[i]))
			return true;
	return false;
}

void
command_words(struct command *c, const char *text, const char *shell)
{
	struct span rest = span_str(text), word;
	size_t n = 0;

	c->text = text;
	c->argv = mem_array(WORDS_MAX + 4, sizeof *c->argv);
	if (*shell == '\0' && !needs_shell(text)) {
		while (n < WORDS_MAX && span_word(&rest, " \t", &word))
			c->argv[n++] = span_dup(word);
		return;
	}
	rest = span_str(*shell != '\0' ? shell : "/bin/sh -c");
	while (n < 16 && span_word(&rest, " \t", &word))
		c->argv[n++] = span_dup(word);
	c->argv[n] = mem_str(text);
}

/* -- in the program's process ------------------------------------------------------------------------ */

static noreturn void
give_up(const char *what, const char *name)
{
	char text[600];
	int n = snprintf(text, sizeof text, "cannot %s %.400s: %s", what, name, strerror(errno));

	(void)!write(2, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
	_exit(75);
}

static char **
environment(const struct command *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->env.len; i++)
		n += c->env.ptr[i] == '\0';
	char **env = mem_array(n + 1, sizeof *env);
	n = 0;
	for (size_t at = 0; at < c->env.len; at += strlen(c->env.ptr + at) + 1)
		env[n++] = c->env.ptr + at;
	return env;
}

static noreturn void
program(const struct command *c, int in, int out)
{
	static const int defaults[] = { SIGPIPE, SIGXFSZ, SIGCHLD, SIGALRM, SIGTERM, SIGINT, SIGHUP };

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		signal(defaults[i], SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(75);
	close_range(3, ~0u, 0);
	if (c->directory != NULL && chdir(c->directory) != 0)
		give_up("change to directory", c->directory);
	if (c->directory == NULL && chdir("/") != 0)
		give_up("change to directory", "/");
	environ = environment(c);
	execvpe(c->argv[0], c->argv, environ);
	give_up("execute", c->argv[0]);
}

/* -- in the process that feeds it ---------------------------------------------------------------------- */

struct running {
	pid_t	 pid;
	int	 in, out;	/* our ends */
	int64_t	 until;		/* monotonic */
	bool	 late;
	char	 said[OUTPUT_MAX];
	size_t	 said_len;
};

static void
kill_all(struct running *run)
{
	run->late = true;
	kill(-run->pid, SIGKILL);
	kill(run->pid, SIGKILL);
}

/* Reads what it says as far as that is kept. False at its end. */
static bool
listen_to(struct running *run)
{
	char rest[4096];
	bool room = run->said_len < sizeof run->said;
	ssize_t n = room ? read(run->out, run->said + run->said_len, sizeof run->said - run->said_len) :
	    read(run->out, rest, sizeof rest);

	if (n > 0 && room)
		run->said_len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Waits until the program takes more (true), while it is heard. False: it takes nothing, or its time is over. */
static bool
wait_writable(struct running *run)
{
	for (;;) {
		int64_t left = run->until - clock_mono();
		struct pollfd fds[2] = { { .fd = run->in, .events = POLLOUT }, { .fd = run->out, .events = POLLIN } };
		if (left <= 0) {
			kill_all(run);
			return false;
		}
		if (poll(fds, 2, (int)(left / 1000 < 1000000 ? left / 1000 + 1 : 1000000)) < 0 && errno != EINTR)
			return false;
		if ((fds[1].revents & (POLLIN | POLLHUP)) && !listen_to(run) && run->out >= 0) {
			close(run->out);
			run->out = -1;
		}
		if (fds[0].revents & POLLERR)
			return false;
		if (fds[0].revents & POLLOUT)
			return true;
	}
}

static int
feed(void *arg, struct span s)
{
	struct running *run = arg;

	while (s.len > 0) {
		ssize_t n = write(run->in, s.ptr, s.len);
		if (n > 0) {
			s = span_skip(s, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN || !wait_writable(run))
			return -1;	/* it need not read all of it */
	}
	return 0;
}

/* Until it has ended; what it left running in the background keeps the output open, and is not waited for. */
static int
wait_end(struct running *run)
{
	int status = 0;

	for (;;) {
		pid_t pid = waitpid(run->pid, &status, WNOHANG);
		if (pid == run->pid || (pid < 0 && errno != EINTR))
			break;
		if (!run->late && clock_mono() >= run->until)
			kill_all(run);
		struct pollfd fd = { .fd = run->out, .events = POLLIN };
		/* A closed output says that the end is near; else look every 20 ms. */
		if (poll(&fd, 1, 20) > 0 && !listen_to(run)) {
			close(run->out);
			run->out = -1;
		}
	}
	while (run->out >= 0 && run->said_len < sizeof run->said) {
		struct pollfd fd = { .fd = run->out, .events = POLLIN };
		if (poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLIN) || !listen_to(run))
			break;
	}
	return status;
}

static bool
usable(const struct command *c, struct report *r)
{
	if (c->argv != NULL && c->argv[0] != NULL && !c->env.over)
		return true;
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
	report_warn(r, "\"%.100s\" is no command", c->text);
	return false;
}

static bool
start(const struct command *c, struct running *run, struct report *r)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0)
		goto failed;
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		goto failed;
	}
	run->pid = fork();
	if (run->pid == 0)
		program(c, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	run->in = in[1];
	run->out = out[0];
	run->until = clock_mono() + c->time_limit;
	fcntl(run->in, F_SETFL, O_NONBLOCK);
	fcntl(run->out, F_SETFL, O_NONBLOCK);
	if (run->pid > 0)
		return true;
	close(run->in);
	close(run->out);
failed:
	report_errno(r, errno, "cannot start \"%.200s\"", c->text);
	return false;
}

struct errand {
	const struct job *job;
	const struct actor *actor;
	struct command	*command;
};

static void
finish(const struct command *c, struct running *run, bool whole, struct report *r)
{
	close(run->in);
	int status = wait_end(run);
	struct span said = span_trim(span_of(run->said, run->said_len));

	if (run->late)
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.3.0", "Command time limit exceeded: \"%.200s\"%s%.*s", c->text,
		    said.len > 0 ? ". Command output: " : "", SPAN_ARG(span_head(said, 200)));
	else if (!whole)
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "cannot read the message: its body is cut short");
	else
		command_outcome(c, status, said, r);
	if (run->out >= 0)
		close(run->out);
}

/* The actor's process. */
static void
run_command(void *arg, struct report *r)
{
	const struct errand *e = arg;
	struct running run = { .out = -1 };
	struct message m = { 0 };

	if (e->command->chroot != NULL && geteuid() == 0 && (chroot(e->command->chroot) != 0 || chdir("/") != 0)) {
		report_errno(r, errno, "cannot change the root directory to %s", e->command->chroot);
		return;
	}
	if (!actor_become(e->actor, r))
		return;
	umask(077);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (job_read(e->job, &m, r)) {
		close(e->job->segment_fd);	/* it holds the mail of others */
		bool ready = e->command->prepare == NULL || e->command->prepare(e->command->arg, e->job, &m, e->command, r);
		if (ready && usable(e->command, r) && start(e->command, &run, r)) {
			bool whole = command_content(e->job, e->command, &m, feed, &run);
			finish(e->command, &run, whole, r);
		}
	}
	message_clear(&m);
}

void
command_deliver(const struct job *job, const struct actor *a, struct command *c, struct report *r)
{
	struct errand e = { job, a, c };

	if (a->uid == 0 || a->gid == 0) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
		report_warn(r, "\"%.100s\" is not run: no program is run as root", c->text);
	} else {
		actor_run_as_is(job, run_command, &e, r);
	}
}
