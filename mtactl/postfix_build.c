/*
 * postmap and postalias where they write: building, -i, -d.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mtactl/postfix_map.h"

#define INPUT_MAX	((size_t)256 << 20)

/* The path of a table that is built; NULL, and said, where the type is not. */
static const char *
compiled_name(const struct postmap *m, const char *spec, const char *doing)
{
	struct span type = span_head(span_str(spec), strcspn(spec, ":"));

	if (!table_type_known(type))
		postfix_fatal(m->postfix->name, "unsupported dictionary type: %.*s", SPAN_ARG(type));
	else if (!table_type_compiled(type))
		postfix_fatal(m->postfix->name, "table %s: %s is not supported", spec, doing);
	else
		return spec + type.len + 1;
	return NULL;
}

int
postmap_build(struct postmap *m, const char *spec)
{
	struct err err = { .kind = ERR_NONE };
	const char *path = compiled_name(m, spec, "building");

	if (path == NULL)
		return POSTFIX_FATAL;
	if (table_build(path, &m->build, NULL, &err))
		return 0;
	return postfix_fatal(m->postfix->name, "%s", err.text);
}

void
postmap_read_stdin(struct buf *out)
{
	char chunk[65536];
	size_t n;

	*out = BUF_INIT(INPUT_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
		buf_put(out, chunk, n);
}

int
postmap_change(struct postmap *m, const char *spec)
{
	struct err err = { .kind = ERR_NONE };
	const char *path = compiled_name(m, spec, "incremental update");
	struct buf input;

	if (path == NULL)
		return POSTFIX_FATAL;
	postmap_read_stdin(&input);
	struct table_change *c = table_change_begin(path, &m->build, &err);
	bool ok = c != NULL;
	if (ok) {
		table_change_text(c, "stdin", buf_view(&input));
		ok = table_change_end(c, true, &err);
	}
	buf_clear(&input);
	return ok ? 0 : postfix_fatal(m->postfix->name, "%s", err.text);
}

/* 0 where one of the keys was there. */
static int
delete_keys(struct postmap *m, struct table_change *c, struct span keys)
{
	struct span key;
	int status = 1;

	if (strcmp(m->delete_, "-") != 0)
		return table_change_del(c, span_str(m->delete_)) ? 0 : 1;
	while (span_cut(&keys, '\n', &key))
		if (key.len > 0 && table_change_del(c, key))
			status = 0;
	return status;
}

static int
delete_from(struct postmap *m, const char *spec, struct span keys)
{
	struct err err = { .kind = ERR_NONE };
	const char *path = compiled_name(m, spec, "delete operation");
	struct table_change *c;

	if (path == NULL)
		return 2;
	if (table_build_state(path) == BUILD_NOTHING || table_build_state(path) == BUILD_MISSING)
		return postfix_fatal(m->postfix->name, "open database %s.gdbm: No such file or directory", path) + 1;
	if ((c = table_change_begin(path, &m->build, &err)) == NULL)
		return postfix_fatal(m->postfix->name, "%s", err.text) + 1;
	int status = delete_keys(m, c, keys);
	if (!table_change_end(c, status == 0, &err))
		return postfix_fatal(m->postfix->name, "%s", err.text) + 1;
	return status;
}

int
postmap_delete(struct postmap *m, char *const *words, size_t n)
{
	struct buf keys = BUF_INIT(0), spec = BUF_INIT(0);
	int status = 1;

	if (strcmp(m->delete_, "-") == 0)
		postmap_read_stdin(&keys);
	for (size_t i = 0; status < 2 && i < n; i++) {
		buf_reset(&spec);
		postmap_spec(m, words[i], &spec);
		int one = delete_from(m, spec.ptr, buf_view(&keys));
		if (one != 1)
			status = one;
	}
	buf_clear(&keys);
	buf_clear(&spec);
	return status > 1 ? POSTFIX_FATAL : status;
}
