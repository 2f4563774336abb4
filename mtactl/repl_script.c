/*
 * Commands that nobody types: -e, -F, standard input. The first that fails ends it, its place being named; "-" before a command lets
 * the script go on all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mtactl/repl.h"

static int
run_script_line(struct repl *r, struct span line)
{
	line = span_trim(line);
	bool may_fail = span_starts(line, "-");
	int status = repl_exec(r, may_fail ? span_skip(line, 1) : line);

	return may_fail && !r->interrupted ? 0 : status;
}

int
repl_run_text(struct session *s, const char *command)
{
	struct repl r = { .session = s };

	return run_script_line(&r, span_str(command));
}

static int
run_lines(struct session *s, FILE *f, const char *name)
{
	struct repl r = { .session = s, .no_input = f == stdin };
	size_t room = 0;
	char *text = NULL;
	ssize_t n;
	int status = 0;

	for (unsigned number = 1; status == 0 && !r.leave && (n = getline(&text, &room, f)) >= 0; number++) {
		status = run_script_line(&r, span_of(text, (size_t)n));
		if (status != 0)
			fprintf(stderr, "%s:%u: ended with status %d\n", name, number, status);
	}
	free(text);
	if (ferror(f)) {
		session_say(s, "%s: %s", name, strerror(errno));
		status = 75;
	}
	return status;
}

int
repl_run_file(struct session *s, const char *path)
{
	bool from_stdin = strcmp(path, "-") == 0;
	FILE *f = from_stdin ? stdin : fopen(path, "re");

	if (f == NULL) {
		session_say(s, "%s: %s", path, strerror(errno));
		return errno == EACCES ? 77 : 64;
	}
	int status = run_lines(s, f, from_stdin ? "standard input" : path);
	if (!from_stdin)
		fclose(f);
	return status;
}
