/* environ:NAME: a variable of the process's environment. NAME says nothing, as with Postfix. */
#include <stdlib.h>

#include "table/type.h"

static bool
environ_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	(void)conf;
	*state = NULL;
	if (name.len > 0)
		return true;
	err_set(err, ERR_SYS, "write environ:x; the name does not matter");
	return false;
}

static void
environ_close(void *state)
{
	(void)state;
}

static enum table_result
environ_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	char name[TABLE_KEY_MAX + 1];

	(void)state;
	(void)self;
	(void)facts;
	(void)err;
	memcpy(name, key.ptr, key.len);
	name[key.len] = '\0';
	const char *found = key.len == 0 ? NULL : getenv(name);
	if (found == NULL)
		return TABLE_ABSENT;
	buf_str(value, found);
	return TABLE_FOUND;
}

const struct table_type table_environ = { "environ", environ_open, environ_close, environ_get, .flags = 0 };
