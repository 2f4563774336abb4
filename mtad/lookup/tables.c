/* The tables that were asked for, open until the configuration changes. */
#include <stdlib.h>

#include "base/mem.h"
#include "lookup/lookup.h"
#include "table/files.h"
#include "table/table.h"

#define OPEN_MAX_TABLES	500u

static struct {
	struct conf	*conf;
	char		**allowed;
	size_t		 allowed_count;
	struct table	**open;
	size_t		 open_count;
} lookup;

static void
forget(void)
{
	for (size_t i = 0; i < lookup.open_count; i++)
		table_free(lookup.open[i]);
	for (size_t i = 0; i < lookup.allowed_count; i++)
		free(lookup.allowed[i]);
	free(lookup.open);
	free(lookup.allowed);
	lookup.open = NULL;
	lookup.allowed = NULL;
	lookup.open_count = lookup.allowed_count = 0;
}

void
lookup_use(struct conf *conf)
{
	forget();
	conf_unref(lookup.conf);
	lookup.conf = conf;
	if (conf != NULL)
		lookup.allowed_count = table_remotes(conf, &lookup.allowed);
}

/* Whoever asks could be somebody else's by now: it gets no connection to a place of its choice. */
bool
lookup_allowed(struct span spec)
{
	if (span_eqs(spec, "unix:passwd.byname") || span_eqs(spec, "unix:group.byname"))
		return true;
	for (size_t i = 0; i < lookup.allowed_count; i++)
		if (span_eqs(spec, lookup.allowed[i]))
			return true;
	return false;
}

static struct table *
table_for(struct span spec, struct err *err)
{
	struct table *t;

	for (size_t i = 0; i < lookup.open_count; i++)
		if (span_eqs(spec, table_name(lookup.open[i])))
			return lookup.open[i];
	if (!lookup_allowed(spec) || lookup.open_count == OPEN_MAX_TABLES) {
		err_set(err, ERR_SYS, "table %.*s is not known to the lookup role", SPAN_ARG(span_head(spec, 100)));
		return NULL;
	}
	if ((t = table_open(lookup.conf, spec, err)) == NULL)
		return NULL;
	lookup.open = mem_grow(lookup.open, lookup.open_count + 1, sizeof *lookup.open);
	lookup.open[lookup.open_count++] = t;
	return t;
}

enum lookup_status
lookup_table(struct span spec, struct span key, struct buf *out)
{
	struct err err = { ERR_NONE, "" };
	struct table *t = table_for(spec, &err);
	enum table_result r = t == NULL ? TABLE_FAILED : table_get(t, NULL, key, out, &err);

	if (r == TABLE_FAILED) {
		buf_reset(out);
		buf_str(out, err.text);
	}
	return r == TABLE_FOUND ? LOOKUP_FOUND : r == TABLE_ABSENT ? LOOKUP_NOT_THERE : LOOKUP_FAILED;
}
