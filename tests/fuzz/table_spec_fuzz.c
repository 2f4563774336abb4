/*
 * What may stand in main.cf for a table or a list: any words open as something or are refused with a reason, and what opened can be asked. The first line is the
 * key. No file and no server is reached.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "table/match_list.h"
#include "table/table.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define TEXT_MAX	2000u

static int
no_file(const char *path)
{
	(void)path;
	errno = ENOENT;
	return -1;
}

static void
as_tables(const struct conf *conf, const char *text, struct span key)
{
	struct buf value = BUF_INIT(1 << 20);
	struct err err = { ERR_NONE, "" };
	struct tables t;

	if (tables_open(&t, conf, text, &err)) {
		(void)tables_get(&t, NULL, key, &value, &err);
		(void)tables_get_address(&t, NULL, key, "+-", true, &value, &err);
		tables_clear(&t);
	} else if (err.text[0] == '\0') {
		abort();
	}
	buf_clear(&value);
}

static void
as_list(const struct conf *conf, const char *text, struct span key)
{
	struct err err = { ERR_NONE, "" };

	for (int kind = MATCH_STRING; kind <= MATCH_CLIENT; kind++) {
		struct match_list *l = match_list_new(conf, "relay_domains", text, (enum match_kind)kind, &err);
		if (l == NULL && err.text[0] == '\0')
			abort();
		if (l != NULL && kind != MATCH_CLIENT)
			(void)match_list_name(l, NULL, key, &err);
		else if (l != NULL)
			(void)match_list_client(l, NULL, SPAN("unknown"), key, &err);
		match_list_free(l);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf *conf;
	struct span rest = span_of(data, size), key;

	if (conf == NULL) {
		struct conf_problems problems = { .count = 0 };
		conf = conf_parse("/nowhere", SPAN_NONE, SPAN_NONE, &problems);
		conf_problems_clear(&problems);
		table_use(&(struct table_env){ .open = no_file });
	}
	if (!span_cut(&rest, '\n', &key) || rest.len > TEXT_MAX || span_has(rest, '\0'))
		return 0;
	char *text = span_dup(rest);
	/* The C library's expressions take stack and time of their own. */
	if (strstr(text, "regexp:") == NULL) {
		as_tables(conf, text, key);
		as_list(conf, text, key);
	}
	free(text);
	return 0;
}
