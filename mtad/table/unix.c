/* unix:passwd.byname, unix:group.byname: users and groups of the system. The lookup role answers; here they are facts. */
#include "table/type.h"

#define NAME_MAX_LEN	64	/* no system has longer user names: not worth a question */

static bool
unix_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	(void)conf;
	*state = NULL;
	if (span_eqs(name, "passwd.byname") || span_eqs(name, "group.byname"))
		return true;
	err_set(err, ERR_SYS, "unix:%.*s: there are unix:passwd.byname and unix:group.byname",
	    SPAN_ARG(span_head(name, 60)));
	return false;
}

static void
unix_close(void *state)
{
	(void)state;
}

static enum table_result
unix_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	struct span answer;

	(void)state;
	if (key.len == 0 || key.len > NAME_MAX_LEN || span_has(key, '@') || span_has(key, ':') ||
	    span_has(key, '/'))
		return TABLE_ABSENT;
	switch (facts_get(facts, FACT_PURE, self, key, &answer)) {
	case FACT_KNOWN:
		buf_span(value, answer);
		return TABLE_FOUND;
	case FACT_ABSENT:
		return TABLE_ABSENT;
	case FACT_PENDING:
		return TABLE_PENDING;
	case FACT_FAILED:
		break;
	}
	err_set(err, ERR_TEMP, "%.*s: %.*s", SPAN_ARG(self), SPAN_ARG(span_head(answer, 100)));
	return TABLE_FAILED;
}

const struct table_type table_unix = { "unix", unix_open, unix_close, unix_get, .flags = 0 };
