/*
 * The files of SQL, LDAP and memcache tables, and what is made of them: findings have a line that is there, and what has no error makes queries for any key.
 * The first line is the key, the second the type.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "table/ldap_quote.h"
#include "table/remote.h"
#include "table/remote_check.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct seen {
	unsigned	 lines;
	bool		 errors;
};

static void
on_finding(void *arg, bool error, unsigned line, const char *text)
{
	struct seen *s = arg;

	if (line > s->lines || text[0] == '\0')
		abort();
	s->errors = s->errors || error;
}

static void
make_query(const struct conf *conf, const struct remote_file *f, const char *name, struct span key)
{
	struct buf out = BUF_INIT(65536), result = BUF_INIT(65536);
	struct remote_query q;
	struct err err = { ERR_NONE, "" };
	int64_t count = 0;

	if (remote_query_init(&q, conf, f, name, "%s", &err)) {
		(void)remote_wants(&q, key);
		(void)remote_expand(q.query, key, key, ldap_quote_filter, NULL, &out);
		(void)remote_add(&q, key, key, &count, &result, &err);
		remote_query_clear(&q);
	} else if (err.text[0] == '\0') {
		abort();
	}
	buf_clear(&out);
	buf_clear(&result);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct { const char *type, *query; } types[] = {
		{ "mysql", "query" }, { "pgsql", "query" }, { "sqlite", "query" }, { "ldap", "query_filter" }, { "memcache", "key_format" },
	};
	static struct conf *conf;
	struct span rest = span_of(data, size), key, type;
	struct seen seen = { .lines = 1 };
	struct remote_file f;
	struct err err = { ERR_NONE, "" };

	if (conf == NULL) {
		struct conf_problems problems = { .count = 0 };
		conf = conf_parse("/nowhere", SPAN_NONE, SPAN_NONE, &problems);
		conf_problems_clear(&problems);
	}
	if (!span_cut(&rest, '\n', &key) || !span_cut(&rest, '\n', &type))
		return 0;
	size_t kind = type.len == 0 ? 0 : (unsigned char)type.ptr[0] % 5;
	for (size_t i = 0; i < rest.len; i++)
		seen.lines += rest.ptr[i] == '\n';
	remote_check(span_str(types[kind].type), rest, on_finding, &seen);
	bool parsed = remote_file_parse(&f, "file", rest, &err);
	if (!parsed && !seen.errors)
		abort();
	if (parsed)
		make_query(conf, &f, types[kind].query, key);
	remote_file_clear(&f);
	return 0;
}
