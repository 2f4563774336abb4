/* Names that mean nothing, and settings that mean nothing here: warnings, never silence. */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/private.h"

struct check {
	const struct conf *conf;
	struct conf_problems *problems;
	struct map	 used;		/* of struct setting: names that a value refers to */
	const char	*file;
	const char	*within;	/* the setting at hand, and its line */
	unsigned	 line;
};

static void
note_used(void *arg, struct span name)
{
	struct check *k = arg;
	if (name.len > 0 && map_get(&k->used, name) == NULL)
		map_add(&k->used, setting_new(name, SPAN_NONE, 0));
}

static bool
is_set_somewhere(const struct conf *c, struct span name)
{
	const struct transport_param *row;
	enum param p;

	if (param_find(name, &p) || map_get(&c->settings, name) != NULL ||
	    transport_param_split(c, name, &row))
		return true;
	for (size_t i = 0; i < c->line_count; i++)
		if (map_get(&c->lines[i]->view.overrides, name) != NULL)
			return true;
	return false;
}

static void
warn_undefined(void *arg, struct span name)
{
	struct check *k = arg;
	if (!is_set_somewhere(k->conf, name))
		conf_problem_add(k->problems, PROBLEM_WARNING, k->file, k->line,
		    "%s: $%.*s is not set anywhere and counts as empty", k->within, SPAN_ARG(name));
}

/* "ldap:NAME" in some value makes NAME_server_host and the like known: a table's own settings. */
static bool
belongs_to_table(const struct conf *c, struct span name)
{
	struct buf key = BUF_INIT(300);
	bool found = false;

	for (size_t i = 1; i < name.len && !found; i++) {
		if (name.ptr[i] != '_')
			continue;
		buf_reset(&key);
		buf_char(&key, ':');
		buf_span(&key, span_head(name, i));
		size_t at = 0;
		struct setting *s;
		while (!found && !key.over && (s = map_next(&c->settings, &at)) != NULL)
			found = strstr(s->value, key.ptr) != NULL;
	}
	buf_clear(&key);
	return found;
}

static bool
is_restriction_class(const struct conf *c, struct span name)
{
	struct span rest = span_str(conf_str(&c->main, P_smtpd_restriction_classes)), word;
	while (span_word(&rest, CONF_LIST_SEPS, &word))
		if (span_eq(word, name))
			return true;
	return false;
}

/* With the names in it filled in, and what parts its words as one blank: most that are compared are lists. */
static void
plain_text(const struct view *v, bool raw, struct span text, struct buf *out)
{
	struct buf whole = BUF_INIT(CONF_VALUE_MAX);
	struct span rest = text, word;

	if (!raw && view_expand(v, text, &whole, NULL))
		rest = buf_view(&whole);
	while (span_word(&rest, CONF_LIST_SEPS, &word)) {
		if (out->len > 0)
			buf_char(out, ' ');
		buf_span(out, word);
	}
	buf_clear(&whole);
}

static bool
is_default(const struct view *v, enum param p, struct span value)
{
	const struct param_row *row = param_row(p);
	struct buf given = BUF_INIT(CONF_VALUE_MAX), usual = BUF_INIT(CONF_VALUE_MAX);
	union value a = { .num = 0 }, b = { .num = 0 };

	plain_text(v, value_is_raw(p), value, &given);
	plain_text(v, value_is_raw(p), span_str(row->def), &usual);
	bool same = span_eq(buf_view(&given), buf_view(&usual));
	if (!same && row->type != PARAM_STR)
		same = value_parse(row, buf_view(&given), &a, NULL) && value_parse(row, buf_view(&usual), &b, NULL) && a.num == b.num;
	buf_clear(&given);
	buf_clear(&usual);
	return same;
}

/* transport_destination_recipient_limit and the like, where no transport has that name. */
static bool
is_template(const struct conf *c, struct span name)
{
	static const char word[] = "transport";
	const struct transport_param *own;

	return span_starts(name, word) && transport_param_find(span_skip(name, sizeof word - 1)) != NULL && !transport_param_split(c, name, &own);
}

bool
conf_ineffective(const struct view *v, struct span name, struct span value, struct buf *why)
{
	const struct transport_param *own;
	enum param p;

	if (!param_find(name, &p)) {
		if (!transport_param_split(v->conf, name, &own))
			return false;
		p = own->fallback;
	} else if (is_template(v->conf, name) && !is_default(v, p, value)) {
		buf_printf(why, "%.*s is a pattern, not a setting, and has no effect. Write the name of a transport in place of \"transport\".",
		    SPAN_ARG(name));
		return true;
	}
	const struct param_row *row = param_row(p);
	if (row->standing == HONOURED || row->standing == ACCEPTED || is_default(v, p, value))
		return false;
	buf_printf(why, row->standing == PLANNED ? "%.*s is not supported in this version and has no effect, but is planned. %s" :
	    "%.*s is not supported and has no effect. %s", SPAN_ARG(name), row->summary);
	return true;
}

static void
check_effect(struct check *k, const struct setting *s)
{
	struct buf why = BUF_INIT(2048);

	if (conf_ineffective(&k->conf->main, span_str(s->name), span_str(s->value), &why))
		conf_problem_add(k->problems, PROBLEM_WARNING, k->file, k->line, "%s", why.ptr);
	buf_clear(&why);
}

static void
check_setting(struct check *k, const struct setting *s)
{
	struct span name = span_str(s->name);
	const struct transport_param *row;
	enum param p;

	k->within = s->name;
	if (!param_find(name, &p)) {
		if (transport_param_split(k->conf, name, &row)) {
			check_effect(k, s);
			return;
		}
		if (map_get(&k->used, name) != NULL ||
		    is_restriction_class(k->conf, name) || belongs_to_table(k->conf, name))
			return;
		const char *near = param_nearest(name);
		conf_problem_add(k->problems, PROBLEM_WARNING, k->file, k->line,
		    near != NULL ? "%s is no known parameter and is not used; did you mean %s?" :
		    "%s is no known parameter and is not used%.0s", s->name, near == NULL ? "" : near);
		return;
	}
	check_effect(k, s);
}

static void
use_names(struct check *k, const struct map *settings)
{
	size_t at = 0;
	struct setting *s;
	while ((s = map_next(settings, &at)) != NULL)
		expand_names(span_str(s->value), note_used, k);
}

/* In the order of the lines, so that what is said does not depend on the map's. */
static int
by_line(const void *a, const void *b)
{
	const struct setting *const *x = a, *const *y = b;
	if ((*x)->line != (*y)->line)
		return (*x)->line < (*y)->line ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

static void
check_map(struct check *k, const struct map *settings, const char *file)
{
	struct setting **order = mem_array(settings->count + 1, sizeof *order);
	size_t at = 0, n = 0;
	struct setting *s;
	enum param p;

	while ((s = map_next(settings, &at)) != NULL)
		order[n++] = s;
	qsort(order, n, sizeof(struct setting *), by_line);
	for (size_t i = 0; i < n; i++) {
		k->file = order[i]->line == 0 ? NULL : file;
		k->line = order[i]->line;
		check_setting(k, order[i]);
		if (!param_find(span_str(order[i]->name), &p) || !value_is_raw(p))
			expand_names(span_str(order[i]->value), warn_undefined, k);
	}
	free(order);
}

void
values_check_names(const struct conf *c, struct conf_problems *problems)
{
	struct check k = { .conf = c, .problems = problems, .used = MAP_INIT(setting_key) };
	struct buf path = BUF_INIT(8192);

	use_names(&k, &c->settings);
	for (size_t i = 0; i < c->line_count; i++)
		use_names(&k, &c->lines[i]->view.overrides);
	buf_printf(&path, "%s/main.cf", c->dir);
	check_map(&k, &c->settings, path.ptr);
	buf_reset(&path);
	buf_printf(&path, "%s/master.cf", c->dir);
	for (size_t i = 0; i < c->line_count; i++)
		check_map(&k, &c->lines[i]->view.overrides, path.ptr);
	settings_clear(&k.used);
	buf_clear(&path);
}
