/* static:value and static:{ value }: the same for every key. fail:text: fails for every key. */
#include <stdlib.h>

#include "table/type.h"

static bool
static_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	(void)conf;
	(void)err;
	if (name.len >= 2 && name.ptr[0] == '{' && name.ptr[name.len - 1] == '}')
		name = span_trim(span_of(name.ptr + 1, name.len - 2));
	*state = span_dup(name);
	return true;
}

static enum table_result
static_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	(void)self;
	(void)facts;
	(void)key;
	(void)err;
	buf_str(value, state);
	return TABLE_FOUND;
}

static enum table_result
fail_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	(void)facts;
	(void)key;
	(void)value;
	(void)state;
	err_set(err, ERR_TEMP, "%.*s fails always", SPAN_ARG(span_head(self, 100)));
	return TABLE_FAILED;
}

const struct table_type table_static = { "static", static_open, free, static_get, .flags = 0 };
const struct table_type table_fail = { "fail", static_open, free, fail_get, .flags = TABLE_PATTERN };
