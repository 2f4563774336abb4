#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>

#include "base/buf.h"
#include "mtactl/repl_line.h"
#include "mtactl/repl_read.h"

#define HISTORY_LINES	1000

/* Each line is appended at once, so that two REPLs keep both their histories. */
static char path[4096];

/* Whoever made it: only the user reads it. */
static bool
make_private(void)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return false;
	bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fchmod(fd, 0600) == 0;
	close(fd);
	return good;
}

void
repl_history_load(void)
{
	const char *home = getenv("HOME");

	using_history();
	stifle_history(HISTORY_LINES);
	if (home == NULL || *home != '/' || snprintf(path, sizeof path, "%s/.mtactl_history", home) >= (int)sizeof path
	    || !make_private()) {
		path[0] = '\0';
		return;
	}
	read_history(path);
	history_truncate_file(path, HISTORY_LINES);
}

void
repl_history_add(const char *line)
{
	HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;

	if (!repl_history_keeps(span_str(line)) || (last != NULL && strcmp(last->line, line) == 0))
		return;
	add_history(line);
	if (path[0] != '\0')
		append_history(1, path);
}
