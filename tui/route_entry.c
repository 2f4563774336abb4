#include "tui/route_entry.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "table/source.h"
#include "tui/table_view.h"

#define KEYS_MAX	40
#define SEPS		"\t\r\n ,"

struct wanted {
	char		*keys[KEYS_MAX];	/* in the order in which they count */
	size_t		 count;
};

static void
want(struct wanted *w, struct span one, struct span two)
{
	struct buf key = BUF_INIT(2048);

	buf_span(&key, one);
	buf_span(&key, two);
	if (w->count < KEYS_MAX && key.len > 0 && !key.over)
		w->keys[w->count++] = span_dup(buf_view(&key));
	buf_clear(&key);
}

static bool
parents_match(const struct view *view)
{
	struct span rest = span_str(conf_str(view, P_parent_domain_matches_subdomains)), word;

	while (span_word(&rest, SEPS, &word))
		if (span_eqs(word, "transport_maps"))
			return true;
	return false;
}

static void
want_all(struct wanted *w, const struct conf *conf, struct span address)
{
	const struct view *view = conf_main(conf);
	struct span local, domain, user, ext;

	want(w, address, SPAN_NONE);
	if (address_split(address, &local, &domain)) {
		if (address_extension(local, conf_str(view, P_recipient_delimiter), &user, &ext))
			want(w, user, span_of(domain.ptr - 1, domain.len + 1));
		want(w, domain, SPAN_NONE);
		for (size_t at = 1; at + 1 < domain.len && w->count < KEYS_MAX - 1; at++)
			if (domain.ptr[at] == '.')
				want(w, span_skip(domain, parents_match(view) ? at + 1 : at), SPAN_NONE);
	}
	want(w, SPAN("*"), SPAN_NONE);
}

static bool
is_user(const struct named_table *t, const char *parameter)
{
	struct span rest = span_str(t->users), one;

	while (span_cut(&rest, ',', &one))
		if (span_eqs(span_trim(one), parameter))
			return true;
	return false;
}

static bool
look_in(const struct named_table *t, const char *key, struct route_entry *found)
{
	struct err err = { .kind = ERR_NONE };
	struct source *s = source_open(span_str(t->grammar), t->name, &err);
	struct source_entry e;
	size_t at;

	if (s != NULL && source_find(s, span_str(key), 0, &at) && source_entry(s, at, &e) && e.kind == SOURCE_PAIR)
		*found = (struct route_entry){ mem_str(t->spec), span_dup(e.key), span_dup(e.value), e.line };
	source_free(s);
	return found->spec != NULL;
}

bool
route_entry_find(struct console *con, struct span recipient, struct route_entry *found)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);
	struct wanted wanted = { .count = 0 };
	struct named_table *tables = NULL;
	size_t n = 0;

	*found = (struct route_entry){ .spec = NULL };
	conf_problems_clear(&problems);
	if (conf != NULL) {
		n = tables_named(conf, &tables);
		want_all(&wanted, conf, recipient);
	}
	for (size_t k = 0; k < wanted.count; k++) {
		for (size_t i = 0; i < n && found->spec == NULL; i++)
			if (tables[i].grammar != NULL && is_user(&tables[i], "transport_maps"))
				(void)look_in(&tables[i], wanted.keys[k], found);
		free(wanted.keys[k]);
	}
	tables_named_free(tables, n);
	conf_unref(conf);
	return found->spec != NULL;
}

void
route_entry_clear(struct route_entry *r)
{
	free(r->spec);
	free(r->key);
	free(r->value);
	*r = (struct route_entry){ .spec = NULL };
}

void
route_entry_edit(struct console *con, const struct route_entry *r, const char *selector)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);
	struct named_table *tables = NULL;
	size_t n = conf == NULL ? 0 : tables_named(conf, &tables);

	for (size_t i = 0; i < n; i++)
		if (tables[i].grammar != NULL && span_eqs(span_str(tables[i].spec), r->spec)) {
			console_push(con, table_new(con, &tables[i]));
			table_mend(con->top, span_str(r->key), selector);
			break;
		}
	tables_named_free(tables, n);
	conf_unref(conf);
	conf_problems_clear(&problems);
}
