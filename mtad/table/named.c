#include "table/named.h"

#include <stdlib.h>

#include "base/mem.h"
#include "table/source.h"

#define LIST_SEPS	"\t\r\n ,"

struct naming {
	struct named_table *items;
	size_t		 count;
	const char	*user;		/* the parameter */
	struct buf	 as;		/* how the user is shown */
};

/* "unix:private/policy" is a socket elsewhere; a table of that type has one of two names. */
static bool
is_table(struct span type, struct span name)
{
	if (span_eqs(type, "unix"))
		return span_eqs(name, "passwd.byname") || span_eqs(name, "group.byname");
	return name.len > 0 && (source_type(type) || table_type_known(type));
}

static void
add_user(struct named_table *t, const char *user)
{
	struct buf b = BUF_INIT(1 << 16);
	struct span rest = span_str(t->users), one;

	while (span_cut(&rest, ',', &one))
		if (span_eqs(span_trim(one), user))
			return;
	buf_printf(&b, "%s, %s", t->users, user);
	if (!b.over) {
		free(t->users);
		t->users = buf_take(&b);
	}
	buf_clear(&b);
}

static void
add(struct naming *n, struct span spec, struct span type, struct span name)
{
	bool aliases = strcmp(n->user, "alias_maps") == 0 || strcmp(n->user, "alias_database") == 0;
	struct named_table *t = NULL;

	for (size_t i = 0; i < n->count && t == NULL; i++)
		if (span_eqs(spec, n->items[i].spec))
			t = &n->items[i];
	if (t != NULL) {
		add_user(t, n->as.ptr);
	} else {
		n->items = mem_grow(n->items, n->count + 1, sizeof *n->items);
		t = &n->items[n->count++];
		*t = (struct named_table){ span_dup(spec), span_dup(type), span_dup(name), mem_str(n->as.ptr), false,
		    table_type_known(type), NULL };
	}
	t->aliases = t->aliases || aliases;
	if (source_type(type) && span_starts(name, "/"))
		t->grammar = t->aliases && source_compiled(type) ? "aliases" : t->type;
}

static void
scan(struct naming *n, struct span text)
{
	struct span word;

	while (table_word(&text, &word)) {
		/* Restrictions may be grouped in braces. */
		if (span_starts(word, "{") && word.len > 2) {
			struct span inner = span_of(word.ptr + 1, word.len - 1), part;
			while (span_word(&inner, LIST_SEPS "{}", &part)) {
				size_t colon = span_find(part, ':');
				if (is_table(span_head(part, colon), span_skip(part, colon + 1)))
					add(n, part, span_head(part, colon), span_skip(part, colon + 1));
			}
			continue;
		}
		if (span_starts(word, "!"))
			word = span_skip(word, 1);
		if (span_starts(word, "proxy:"))
			word = span_skip(word, 6);
		size_t colon = span_find(word, ':');
		if (colon < word.len && is_table(span_head(word, colon), span_skip(word, colon + 1)))
			add(n, word, span_head(word, colon), span_skip(word, colon + 1));
	}
}

static void
name_user(struct naming *n, const char *param, const struct service *s)
{
	static const char *const types[] = { "inet", "unix", "fifo", "pass" };

	n->user = param;
	buf_reset(&n->as);
	if (s != NULL)
		buf_printf(&n->as, "%s %s -o ", s->name, types[s->type]);
	buf_str(&n->as, param);
}

/* Lists of restrictions that the site named itself. */
static void
scan_classes(struct naming *n, const struct view *v)
{
	struct span classes = span_str(conf_str(v, P_smtpd_restriction_classes)), word;
	struct err err;

	while (span_word(&classes, LIST_SEPS, &word)) {
		struct buf value = BUF_INIT(1 << 20);
		char *name = span_dup(word);
		name_user(n, name, view_service(v));
		if (conf_raw(v, word) != NULL && conf_expanded(v, word, &value, &err))
			scan(n, buf_view(&value));
		buf_clear(&value);
		free(name);
	}
}

/* Of a default, what it names itself: "$transport_maps" says only that it is the same as another. */
static void
scan_default(struct naming *n, const struct view *v, const char *raw)
{
	struct span rest = span_str(raw), word;
	struct err err;

	while (span_word(&rest, LIST_SEPS, &word)) {
		struct buf value = BUF_INIT(65536);
		if (!span_starts(word, "$") && !span_starts(word, "static:") && conf_expand(v, word, &value, &err))
			scan(n, buf_view(&value));
		buf_clear(&value);
	}
}

static void
scan_param(struct naming *n, const struct view *v, enum param p)
{
	const struct param_row *row = param_row(p);
	bool set = view_service(v) != NULL || conf_line(view_conf(v), span_str(row->name)) > 0;

	name_user(n, row->name, view_service(v));
	if (set)
		scan(n, span_str(conf_str(v, p)));
	else if (row->standing == HONOURED)
		scan_default(n, v, row->def);
}

/* Lists of names of tables, and files that the daemon itself writes. */
static bool
is_no_table(enum param p)
{
	return p == P_proxy_read_maps || p == P_proxy_write_maps || p == P_address_verify_map || p == P_postscreen_cache_map;
}

/* All that main.cf's view has, or where a line's view differs from it. */
static void
scan_view(struct naming *n, const struct view *v, const struct view *but)
{
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		if (param_row(p)->type != PARAM_STR || is_no_table(p))
			continue;
		const char *value = conf_str(v, p);
		if (strchr(value, ':') != NULL && (but == NULL || strcmp(value, conf_str(but, p)) != 0))
			scan_param(n, v, p);
	}
}

size_t
tables_named(const struct conf *c, struct named_table **out)
{
	struct naming n = { .as = BUF_INIT(8192) };

	scan_view(&n, conf_main(c), NULL);
	scan_classes(&n, conf_main(c));
	for (size_t i = 0; i < conf_service_count(c); i++)
		scan_view(&n, conf_view(c, conf_service(c, i)), conf_main(c));
	buf_clear(&n.as);
	*out = n.items;
	return n.count;
}

void
tables_named_free(struct named_table *t, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(t[i].spec);
		free(t[i].type);
		free(t[i].name);
		free(t[i].users);
	}
	free(t);
}

/* -- one question ------------------------------------------------------------------------------- */

struct conf *
table_conf(const struct conf *conf)
{
	struct conf_problems problems = { .count = 0 };
	struct buf main_cf = BUF_INIT(65536);

	buf_printf(&main_cf, "default_database_type = %s\nsocketmap_max_query_size = %lld\nsocketmap_max_reply_size = %lld\n",
	    conf_str(conf_main(conf), P_default_database_type), (long long)conf_int(conf_main(conf), P_socketmap_max_query_size),
	    (long long)conf_int(conf_main(conf), P_socketmap_max_reply_size));
	struct conf *c = conf_parse(conf_dir(conf), buf_view(&main_cf), SPAN_NONE, &problems);
	conf_problems_clear(&problems);
	buf_clear(&main_cf);
	return c;
}

enum table_result
table_ask(const struct conf *conf, struct span spec, struct span key, struct buf *value, struct err *err)
{
	enum table_result result = TABLE_FAILED;
	struct conf *own = table_conf(conf);
	struct table *t = NULL;

	if (own == NULL)
		err_set(err, ERR_SYS, "no configuration can be made to ask it with");
	else
		t = table_open(own, spec, err);
	if (t != NULL)
		result = table_get(t, NULL, key, value, err);
	if (result == TABLE_PENDING) {
		err_set(err, ERR_TEMP, "only the daemon can ask %.*s", SPAN_ARG(span_head(spec, 100)));
		result = TABLE_FAILED;
	}
	table_free(t);
	conf_unref(own);
	return result;
}
