#include "tui/editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "tui/term.h"

/* Only its owner may read the copy: a table may hold passwords. */
static bool
make_copy(char *path, struct span text, struct err *err)
{
	int fd = mkstemp(path);
	bool ok = fd >= 0 && io_write_all(fd, text);

	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	if (!ok)
		err_sys(err, "%s", path);
	if (!ok && fd >= 0)
		(void)unlink(path);
	return ok;
}

/* By its name: editors write a new file and rename it. */
static bool
read_copy(const char *path, struct buf *text, struct err *err)
{
	struct buf got = BUF_INIT(text->max);
	char bytes[65536];
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		err_sys(err, "%s", path);
		return false;
	}
	while (!got.over && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
		buf_put(&got, bytes, n);
	bool ok = !ferror(f) && !got.over;
	fclose(f);
	if (!ok) {
		err_set(err, ERR_SYS, "the edited text cannot be read, or is too large");
		buf_clear(&got);
		return false;
	}
	if (got.ptr == NULL)
		buf_str(&got, "");
	buf_clear(text);
	*text = got;
	return true;
}

static const char *
editor(void)
{
	static const char *const names[] = { "VISUAL", "EDITOR" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = getenv(names[i]);
		if (value != NULL && *value != '\0')
			return value;
	}
	return "vi";
}

/* $EDITOR may have arguments: the shell splits them, and gets the path as an argument of its own. */
static void
run_child(const char *path)
{
	char command[4096];

	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	snprintf(command, sizeof command, "exec %s \"$1\"", editor());
	execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
	_exit(127);
}

/* Ctrl-C is the editor's while it runs. */
static int
run_and_wait(const char *path)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was_int, was_quit;
	int status = -1;

	sigemptyset(&ignore.sa_mask);
	sigaction(SIGINT, &ignore, &was_int);
	sigaction(SIGQUIT, &ignore, &was_quit);
	pid_t pid = fork();
	if (pid == 0)
		run_child(path);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGINT, &was_int, NULL);
	sigaction(SIGQUIT, &was_quit, NULL);
	return status;
}

bool
editor_run(struct buf *text, struct err *err)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	bool ok = false;

	if (text->over) {
		err_set(err, ERR_SYS, "the text is too large for an editor");
		return false;
	}
	int n = snprintf(path, sizeof path, "%s/mtatui-XXXXXX", folder != NULL && *folder != '\0' ? folder : "/tmp");
	if (n < 0 || (size_t)n >= sizeof path) {
		err_set(err, ERR_SYS, "TMPDIR is too long");
		return false;
	}
	if (!make_copy(path, buf_view(text), err))
		return false;
	term_lend();
	int status = run_and_wait(path);
	term_take_back();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		err_set(err, ERR_SYS, "the editor (%.100s) failed; nothing was changed", editor());
	else
		ok = read_copy(path, text, err);
	(void)unlink(path);
	return ok;
}
