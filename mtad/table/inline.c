/* inline:{ key = value, { key = value with spaces } }: a table written where it is used. */
#include <stdlib.h>

#include "base/mem.h"
#include "table/type.h"

#define SEPS	"\t\r\n ,"

/* { ... } without its braces; false where it is none. */
static bool
unbrace(struct span s, struct span *inside)
{
	s = span_trim(s);
	if (s.len < 2 || s.ptr[0] != '{' || s.ptr[s.len - 1] != '}')
		return false;
	*inside = span_trim(span_of(s.ptr + 1, s.len - 2));
	return true;
}

/* One "key = value", as words or in braces, off the front. */
static bool
take_pair(struct span *rest, struct span *key, struct span *value)
{
	struct span word, inside;

	if (!table_word(rest, &word))
		return false;
	if (unbrace(word, &inside)) {
		size_t eq = span_find(inside, '=');
		*key = span_rtrim(span_head(inside, eq));
		*value = span_ltrim(span_skip(inside, eq + 1));
		return eq < inside.len && key->len > 0;
	}
	size_t eq = span_find(word, '=');
	*key = span_head(word, eq);
	*value = span_skip(word, eq + 1);
	if (eq < word.len && value->len > 0)
		return key->len > 0;
	/* "key =value", "key= value", "key = value" */
	if (eq == word.len) {
		if (!table_word(rest, &word) || word.ptr[0] != '=')
			return false;
		*value = span_skip(word, 1);
	}
	return key->len > 0 && (value->len > 0 || table_word(rest, value));
}

static void
inline_close(void *state)
{
	if (state != NULL)
		pairs_clear(state);
	free(state);
}

static bool
inline_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct span rest, key, value;
	struct pairs *p;

	(void)conf;
	if (!unbrace(name, &rest)) {
		err_set(err, ERR_SYS, "write inline:{ key = value, ... }");
		return false;
	}
	MEM_NEW(p);
	pairs_init(p);
	for (;;) {
		while (rest.len > 0 && span_has(SPAN(SEPS), rest.ptr[0]))
			rest = span_skip(rest, 1);
		if (rest.len == 0)
			break;
		struct span at = span_head(rest, 60);
		if (!take_pair(&rest, &key, &value)) {
			err_set(err, ERR_SYS, "inline: expected key = value at \"%.*s\"", SPAN_ARG(at));
			inline_close(p);
			return false;
		}
		pairs_put(p, key, value);
	}
	*state = p;
	return true;
}

static enum table_result
inline_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	(void)self;
	(void)facts;
	(void)err;
	return pairs_get(state, key, value);
}

static bool
inline_each(const void *state, table_each_fn *fn, void *arg, struct err *err)
{
	(void)err;
	pairs_each(state, fn, arg);
	return true;
}

const struct table_type table_inline = { "inline", inline_open, inline_close, inline_get, .each = inline_each };
