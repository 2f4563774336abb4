/* texthash:/path: the source of a table, "key value" a line, read as it is. */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/lines.h"
#include "table/type.h"

/* The key, perhaps "in quotes with \" inside", off the front of a line. */
static bool
take_key(struct span *line, struct buf *key)
{
	size_t n = 0;

	if (line->ptr[0] != '"') {
		while (n < line->len && line->ptr[n] != ' ' && line->ptr[n] != '\t')
			n++;
		buf_put(key, line->ptr, n);
		*line = span_skip(*line, n);
		return true;
	}
	for (n = 1; n < line->len && line->ptr[n] != '"'; n++) {
		if (line->ptr[n] == '\\' && n + 1 < line->len)
			n++;
		buf_char(key, line->ptr[n]);
	}
	if (n >= line->len)
		return false;
	*line = span_skip(*line, n + 1);
	return true;
}

static void
texthash_close(void *state)
{
	if (state != NULL)
		pairs_clear(state);
	free(state);
}

static bool
read_lines(struct pairs *p, struct span path, struct span text, struct err *err)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(1 << 20) };
	struct buf key = BUF_INIT(TABLE_KEY_MAX);
	struct span line;
	unsigned number = 0;
	bool ok = true;

	while (ok && conf_lines_next(&lines, &line, &number)) {
		buf_reset(&key);
		ok = line.ptr[0] != ' ' && line.ptr[0] != '\t' && take_key(&line, &key);
		struct span value = span_trim(line);
		ok = ok && value.len > 0 && key.len > 0 && !key.over;
		if (ok)
			pairs_add(p, buf_view(&key), value);
	}
	if (!ok)
		err_set(err, ERR_SYS, "%.*s:%u: expected a key, white space and a value",
		    SPAN_ARG(span_head(path, 120)), number);
	buf_clear(&lines.text);
	buf_clear(&key);
	return ok;
}

static bool
texthash_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct span text;
	struct pairs *p;

	if (!conf_file(conf, name, &text)) {
		err_set(err, ERR_SYS, "texthash: %.*s was not read with the configuration; give its whole path",
		    SPAN_ARG(span_head(name, 120)));
		return false;
	}
	MEM_NEW(p);
	pairs_init(p);
	if (!read_lines(p, name, text, err)) {
		texthash_close(p);
		return false;
	}
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

const struct table_type table_texthash = { "texthash", texthash_open, texthash_close, texthash_get };
