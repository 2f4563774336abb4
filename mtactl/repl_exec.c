/*
 * One line: where its output goes, its child process, its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/repl.h"
#include "mtactl/repl_line.h"

/* -- in the child --------------------------------------------------------- */

/* The options that a command may have in any place; the rest of the words stay. */
static size_t
take_options(struct session *s, const struct span *words, size_t n, struct span *left)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (span_eqs(words[i], "--json"))
			s->display.json = true;
		else if (span_eqs(words[i], "--table"))
			s->display.tty = true;
		else if (span_eqs(words[i], "--readonly"))
			s->readonly = true;
		else
			left[kept++] = words[i];
	}
	return kept;
}

static int
run_other(struct session *s, const struct span *words, size_t n)
{
	char **argv = mem_array(n + 1, sizeof *argv);

	for (size_t i = 0; i < n; i++)
		argv[i] = span_dup(words[i]);
	setenv("MAIL_CONFIG", s->conf_dir, 1);
	return other_name_main(argv[0], (int)n, argv);
}

static _Noreturn void
be_child(struct repl *r, const struct span *words, size_t n, int out)
{
	struct session *s = r->session;
	struct span *left = mem_array(n + 1, sizeof *left);
	int status;

	if (r->interactive)
		repl_signals_restore();
	if (r->no_input)
		dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	if (out >= 0 && !isatty(out))
		s->display.tty = s->display.colored = false;
	ctl_client_close(s->client);
	s->client = NULL;
	if (is_other_name(words[0].ptr)) {
		status = run_other(s, words, n);
	} else {
		n = take_options(s, words, n, left);
		status = n > 0 ? session_run(s, left, n) : 0;
	}
	fflush(NULL);
	_exit(status);
}

/* -- processes ------------------------------------------------------------ */

pid_t
repl_spawn(struct repl *r, const struct span *words, size_t n, int out, int errors)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		session_say(r->session, "cannot start a process: %s", strerror(errno));
		return -1;
	}
	if (pid > 0)
		return pid;
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (errors >= 0)
		dup2(errors, STDERR_FILENO);
	be_child(r, words, n, errors >= 0 ? -1 : out);
}

int
repl_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 70;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t
spawn_shell(struct repl *r, const char *command, int in)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		session_say(r->session, "cannot start a process: %s", strerror(errno));
	if (pid != 0)
		return pid;
	if (r->interactive)
		repl_signals_restore();
	dup2(in, STDIN_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int
run_piped(struct repl *r, const struct repl_line *line)
{
	int ends[2], status = 75, shell_status = 75;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		session_say(r->session, "cannot make a pipe: %s", strerror(errno));
		return 75;
	}
	pid_t shell = spawn_shell(r, line->to.ptr, ends[0]);
	close(ends[0]);
	pid_t pid = shell < 0 ? -1 : repl_spawn(r, line->words, line->count, ends[1], -1);
	close(ends[1]);
	if (pid > 0)
		status = repl_wait(pid);
	if (shell > 0)
		shell_status = repl_wait(shell);
	/* A pager that was left early took all that it wanted. */
	if (status == 128 + SIGPIPE)
		status = 0;
	return status != 0 ? status : shell_status;
}

static int
run_to_file(struct repl *r, const struct repl_line *line)
{
	int how = line->target == TARGET_APPEND ? O_APPEND : O_TRUNC;
	int fd = open(line->to.ptr, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | how, 0666);

	if (fd < 0) {
		session_say(r->session, "%s: %s", line->to.ptr, strerror(errno));
		return errno == EACCES || errno == EPERM ? 77 : 75;
	}
	pid_t pid = repl_spawn(r, line->words, line->count, fd, -1);
	close(fd);
	return pid < 0 ? 75 : repl_wait(pid);
}

static int
run_to_screen(struct repl *r, const struct repl_line *line)
{
	pid_t pid = repl_spawn(r, line->words, line->count, -1, -1);

	return pid < 0 ? 75 : repl_wait(pid);
}

/* -- the REPL's own words ------------------------------------------------- */

static int
say_own_help(void)
{
	puts("\nHere also:\n"
	    "  watch [SECONDS] COMMAND   again and again (every 2 seconds), until Ctrl-C\n"
	    "  COMMAND | shell command   its output into a command of the shell\n"
	    "  COMMAND > FILE            its output into a file; >> appends\n"
	    "  quit, exit, Ctrl-D        leave\n"
	    "Tab completes, ? shows what can come next. A line with a blank in front is not kept in the history.");
	return 0;
}

/* True where the line is one of those. */
static bool
run_own(struct repl *r, const struct repl_line *line, int *status)
{
	struct span word = line->words[0];

	if (line->count == 1 && (span_eqs(word, "quit") || span_eqs(word, "exit"))) {
		r->leave = true;
		*status = 0;
		return true;
	}
	if (line->count == 2 && span_eqs(word, "help") && span_eqs(line->words[1], "watch")) {
		*status = say_own_help();
		return true;
	}
	return false;
}

static int
run_line(struct repl *r, const struct repl_line *line)
{
	int status;

	if (run_own(r, line, &status))
		return status;
	if (line->watch > 0)
		return repl_watch(r, line);
	if (line->target == TARGET_SHELL)
		return run_piped(r, line);
	if (line->target != TARGET_SCREEN)
		return run_to_file(r, line);
	status = run_to_screen(r, line);
	if (status == 0 && line->count == 1 && span_eqs(line->words[0], "help"))
		say_own_help();
	return status;
}

int
repl_exec(struct repl *r, struct span text)
{
	struct err err = { .kind = ERR_NONE };
	struct repl_line line;
	int status = 0;

	r->interrupted = false;
	if (!repl_line_parse(&line, text, &err)) {
		session_say(r->session, "%s", err.text);
		status = 64;
	} else if (line.count > 0) {
		status = run_line(r, &line);
	}
	fflush(stdout);
	repl_line_clear(&line);
	r->interrupted = r->interrupted || status == 128 + SIGINT;
	return status;
}
