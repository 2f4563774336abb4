/*
 * The user's own editor on a copy of a table; what it leaves is checked, shown and asked about before it counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/local.h"
#include "table/source.h"

#define TEXT_MAX	((size_t)512 << 20)

static const char *
editor(void)
{
	const char *name = getenv("VISUAL");

	if (name == NULL || *name == '\0')
		name = getenv("EDITOR");
	return name == NULL || *name == '\0' ? "vi" : name;
}

/* $EDITOR may have arguments: a shell takes it apart. */
static bool
run_editor(struct session *s, const char *path)
{
	struct buf command = BUF_INIT(4096);
	int status = -1;

	display_flush(&s->display);
	buf_printf(&command, "exec %s \"$1\"", editor());
	pid_t pid = command.over ? -1 : fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command.ptr, "sh", path, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	buf_clear(&command);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	session_say(s, "the editor (%s) did not end well; nothing is changed", editor());
	return false;
}

static bool
write_copy(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = span_skip(text, (size_t)n);
	}
	return true;
}

/* By its name: editors put a new file in the place of the old one. */
static bool
read_copy(const char *path, struct buf *out)
{
	char bytes[65536];
	size_t n;
	FILE *f = fopen(path, "re");

	buf_reset(out);
	if (f == NULL)
		return false;
	while (!out->over && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
		buf_put(out, bytes, n);
	bool ok = ferror(f) == 0 && !out->over;
	fclose(f);
	return ok;
}

/* The first letter of the answer; 'a' where there is none. */
static int
ask(struct session *s, const char *question)
{
	char line[128];

	display_flush(&s->display);
	fprintf(stderr, "%s ", question);
	fflush(stderr);
	if (fgets(line, sizeof line, stdin) == NULL)
		return 'a';
	return line[0] >= 'A' && line[0] <= 'Z' ? line[0] + 32 : line[0];
}

static void
show_diff(struct session *s, struct source *source)
{
	struct buf diff = BUF_INIT(0), safe = BUF_INIT(0);

	source_diff(source, &diff);
	safe_text(&safe, buf_view(&diff), true);
	display_flush(&s->display);
	fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&safe)));
	buf_clear(&diff);
	buf_clear(&safe);
}

/* 0: agreed. 1: abandoned. -1: edit again. */
static int
judge(struct session *s, struct source *source, const char *path)
{
	struct buf text = BUF_INIT(TEXT_MAX), safe = BUF_INIT(0);
	struct err err = { .kind = ERR_NONE };
	int answer, result = 1;

	if (!read_copy(path, &text)) {
		session_say(s, "cannot read what the editor wrote to %s", path);
	} else if (!source_set(source, buf_view(&text), &err)) {
		safe_text(&safe, span_str(err.text), false);
		session_say(s, "%s", safe.ptr);
		answer = ask(s, "[e]dit again or [a]bandon?");
		result = answer == 'e' ? -1 : 1;
	} else if (!source_edited(source)) {
		result = 0;
	} else {
		show_diff(s, source);
		answer = ask(s, "write this? [y]es, [e]dit again, [n]o:");
		result = answer == 'y' ? 0 : answer == 'e' ? -1 : 1;
	}
	buf_clear(&text);
	buf_clear(&safe);
	return result;
}

int
map_edit(struct session *s, struct source *source)
{
	const char *dir = getenv("TMPDIR");
	struct buf path = BUF_INIT(4096);
	int result = -1;

	buf_printf(&path, "%s/mtactl-edit-XXXXXX", dir != NULL && *dir == '/' ? dir : "/tmp");
	int fd = path.over ? -1 : mkstemp(path.ptr);
	bool ok = fd >= 0 && write_copy(fd, source_text(source));
	if (fd >= 0)
		close(fd);
	if (!ok)
		session_say(s, "cannot make a copy to edit: %s", strerror(errno));
	while (ok && result < 0)
		result = run_editor(s, path.ptr) ? judge(s, source, path.ptr) : 1;
	if (fd >= 0)
		unlink(path.ptr);
	buf_clear(&path);
	if (ok && result == 1)
		session_say(s, "nothing is changed");
	return !ok ? 75 : result;
}
