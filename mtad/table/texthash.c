/* texthash:/path: the source of a table, "key value" a line, read as it is. */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/lines.h"
#include "table/type.h"

static void
texthash_close(void *state)
{
	if (state != NULL)
		pairs_clear(state);
	free(state);
}

static void
add_line(struct pairs *p, struct span path, struct span line, unsigned number)
{
	struct span key, value;
	const char *why;

	if (!table_pair(line, &key, &value, &why)) {
		table_warn(path, number, "%s -- ignoring this line", why);
		return;
	}
	if (span_ends(key, ":"))
		table_note(path, number, "record is in \"key: value\" format; is this an alias file?");
	if (key.len > TABLE_KEY_MAX)
		table_warn(path, number, "the key is too long -- ignoring this line");
	else if (!pairs_add(p, key, value))
		table_note(path, number, "duplicate entry: \"%.*s\"", SPAN_ARG(span_head(key, 200)));
}

static bool
texthash_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct conf_lines lines = { .next = 1, .text = BUF_INIT(1 << 20) };
	struct buf space;
	struct span line;
	struct pairs *p;
	unsigned number = 0;

	if (!table_text(conf, "texthash", name, &space, &lines.rest, err))
		return false;
	MEM_NEW(p);
	pairs_init(p);
	while (conf_lines_next(&lines, &line, &number))
		if (table_line_ok(name, number, &lines, line))
			add_line(p, name, line, number);
	buf_clear(&lines.text);
	buf_clear(&space);
	*state = p;
	return true;
}

static enum table_result
texthash_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	(void)self;
	(void)facts;
	(void)err;
	return pairs_get(state, key, value);
}

static bool
texthash_each(const void *state, table_each_fn *fn, void *arg, struct err *err)
{
	(void)err;
	pairs_each(state, fn, arg);
	return true;
}

const struct table_type table_texthash = { "texthash", texthash_open, texthash_close, texthash_get,
    .flags = TABLE_TEXT, .each = texthash_each };
