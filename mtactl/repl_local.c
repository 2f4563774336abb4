/*
 * Completion from files: tables of the configuration, and their keys. Like the daemon, a large table must not hold up who types: one of more than
 * some MiB is not looked through.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "mtactl/local.h"
#include "mtactl/repl.h"
#include "table/named.h"
#include "table/source.h"

#define TABLE_BYTES	((off_t)4 << 20)

/* Each time anew: it is edited in the lines between. */
static struct conf *
load(const struct repl *r)
{
	const struct session *s = r->session;
	struct conf_problems problems = { .count = 0 };
	struct conf *c = conf_load(s->conf_dir, s->overrides, s->override_count, &problems);

	conf_problems_clear(&problems);
	return c;
}

static void
add_tables(struct candidates *c, const struct named_table *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct span users = span_str(list[i].users), one;
		candidate_add(c, span_str(list[i].spec), users);
		while (span_cut(&users, ',', &one))
			if (span_find(span_trim(one), ' ') == span_trim(one).len)
				candidate_add(c, span_trim(one), span_str(list[i].spec));
	}
}

static void
add_keys(struct candidates *c, const struct named_table *t)
{
	struct err err = { .kind = ERR_NONE };
	struct source_entry e;
	struct stat st;

	if (t->grammar == NULL || stat(t->name, &st) != 0 || st.st_size > TABLE_BYTES)
		return;
	struct source *s = source_open(span_str(t->grammar), t->name, &err);
	for (size_t i = 0, before = c->count; s != NULL && c->count - before < LIVE_MAX && i < source_count(s); i++)
		if (source_entry(s, i, &e) && e.kind == SOURCE_PAIR)
			candidate_add(c, e.key, e.value);
	source_free(s);
}

static bool
is_meant(const struct named_table *t, struct span text)
{
	struct span users = span_str(t->users), one;

	if (span_eqs(text, t->spec) || span_eqs(text, t->name))
		return true;
	while (span_cut(&users, ',', &one))
		if (span_eq(span_trim(one), text))
			return true;
	return false;
}

bool
repl_local_values(struct repl *r, struct span field, struct candidates *c)
{
	struct named_table *list;

	if (!span_eqs(field, "table") && !span_starts(field, "key:"))
		return false;
	struct conf *conf = load(r);
	if (conf == NULL)
		return true;
	size_t n = tables_named(conf, &list);
	if (span_eqs(field, "table"))
		add_tables(c, list, n);
	for (size_t i = 0; span_starts(field, "key:") && i < n; i++)
		if (is_meant(&list[i], span_skip(field, 4)))
			add_keys(c, &list[i]);
	tables_named_free(list, n);
	conf_unref(conf);
	return true;
}
