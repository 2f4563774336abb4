/*
 * The configuration, and where the running daemon is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mtactl/session.h"

#define FILE_MAX	((size_t)4 << 20)

bool
session_configure(struct session *s)
{
	struct conf_problems problems = { .count = 0 };
	struct buf text = BUF_INIT(0);

	if (s->conf != NULL)
		return true;
	s->conf = conf_load(s->conf_dir, s->overrides, s->override_count, &problems);
	if (s->conf == NULL && !s->hush) {
		conf_problems_print(&problems, &text);
		fputs(text.len > 0 ? text.ptr : "the configuration cannot be read\n", stderr);
		buf_clear(&text);
	}
	conf_problems_clear(&problems);
	return s->conf != NULL;
}

static bool
read_file(const char *dir, const char *name, struct buf *out)
{
	struct buf path = BUF_INIT(4096);
	char bytes[8192];
	size_t n;

	buf_printf(&path, "%s/%s", dir, name);
	FILE *f = path.over ? NULL : fopen(path.ptr, "re");
	buf_clear(&path);
	if (f == NULL)
		return false;
	while (!out->over && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
		buf_put(out, bytes, n);
	fclose(f);
	return !out->over;
}

/* The last plain "name = value" line; one that goes on in the next line, or names another parameter, is not taken. */
static char *
find_setting(struct span text, const char *name)
{
	struct span line;
	char *found = NULL;

	while (span_cut(&text, '\n', &line)) {
		size_t n = span_find(line, '=');
		if (n == line.len || !span_eqs(span_rtrim(span_head(line, n)), name))
			continue;
		struct span value = span_trim(span_skip(line, n + 1));
		free(found);
		found = value.len > 0 && !span_has(value, '$') ? span_dup(value) : NULL;
	}
	return found;
}

static char *
guess_queue_directory(const struct session *s)
{
	struct buf text = BUF_INIT(FILE_MAX);
	char *found = NULL;

	for (size_t i = 0; i < s->override_count; i++)
		if (strcmp(s->overrides[i].name, "queue_directory") == 0)
			return mem_str(s->overrides[i].value);
	if (read_file(s->conf_dir, "main.cf", &text))
		found = find_setting(buf_view(&text), "queue_directory");
	buf_clear(&text);
	return found != NULL ? found : mem_str(param_row(P_queue_directory)->def);
}

void
session_locate(struct session *s)
{
	if (s->queue_directory != NULL)
		return;
	if (session_configure(s))
		s->queue_directory = mem_str(conf_str(conf_main(s->conf), P_queue_directory));
	else
		s->queue_directory = guess_queue_directory(s);
}

void
session_path(const struct session *s, const char *name, struct buf *out)
{
	buf_printf(out, "%s/%s", s->queue_directory, name);
}
