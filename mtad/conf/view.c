#include "conf/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* What a program knows of itself stands for its name in a value, as $service_name in Postfix's own master.cf. */
static const char *
own_name(const struct view *v, enum param p)
{
	if (p == P_config_directory)
		return v->conf->dir;
	if (v->service == NULL)
		return NULL;
	if (p == P_service_name)
		return v->service->name;
	return p == P_process_name ? v->service->command : NULL;
}

static const char *
default_of(const struct view *v, enum param p)
{
	const char *own = own_name(v, p);
	if (own != NULL)
		return own;
	const struct setting *computed = p == P_myhostname ? v->conf->host[HOST_NAME] :
	    p == P_mydomain ? v->conf->host[HOST_DOMAIN] :
	    p == P_mynetworks ? v->conf->host[HOST_NETWORKS] : NULL;
	return computed != NULL ? computed->value : param_row(p)->def;
}

const char *
view_raw(const struct view *v, struct span name, const struct setting **where)
{
	struct setting *s = v->overrides.count > 0 ? map_get(&v->overrides, name) : NULL;
	enum param p;

	if (s == NULL)
		s = map_get(&v->conf->settings, name);
	if (where != NULL)
		*where = s;
	if (s != NULL)
		return s->value;
	return param_find(name, &p) ? default_of(v, p) : NULL;
}

static const char *
lookup(void *arg, struct span name)
{
	const struct view *v = arg;
	const struct transport_param *row;
	const char *raw = view_raw(v, name, NULL);

	if (raw == NULL && transport_param_split(v->conf, name, &row))
		raw = view_raw(v, span_str(param_row(row->fallback)->name), NULL);
	return raw;
}

bool
view_expand(const struct view *v, struct span text, struct buf *out, struct err *err)
{
	struct view copy = *v;	/* the callback's argument is not const */
	return expand_text(text, lookup, &copy, out, err);
}

static struct span
string_key(const void *item)
{
	return span_str(item);
}

const char *
conf_intern(struct conf *c, struct span s)
{
	if (c->strings.key == NULL)
		c->strings = MAP_INIT(string_key);
	char *kept = map_get(&c->strings, s);
	if (kept == NULL) {
		kept = span_dup(s);
		map_add(&c->strings, kept);
	}
	return kept;
}

/* Expands and parses one parameter. Text without a $ is used where it stands: settings live as long as the conf. */
static bool
evaluate(struct view *v, enum param p, const char *raw, struct buf *scratch, struct err *err)
{
	const struct param_row *row = param_row(p);
	union value *out = &v->values->of[p];
	struct span text = span_str(raw);

	if (row->type == PARAM_STR)
		out->str = "";
	if (strchr(raw, '$') != NULL && !value_is_raw(p)) {
		buf_reset(scratch);
		if (!view_expand(v, text, scratch, err))
			return false;
		text = span_trim(buf_view(scratch));
		if (span_has(text, '\0')) {
			err_set(err, ERR_SYS, "a NUL byte in the value");
			return false;
		}
		if (row->type == PARAM_STR)
			out->str = text.len == 0 ? "" : conf_intern(v->conf, text);
	} else if (row->type == PARAM_STR) {
		out->str = raw;
	}
	/* A default that follows another parameter (default_process_limit = 1) is nobody's mistake. */
	struct param_row as = *row;
	if (raw == row->def) {
		as.min = INT64_MIN;
		as.max = 0;
	}
	return value_parse(&as, text, out, err);
}

static void
report(const struct view *v, const struct setting *where, const char *name, const char *text,
    struct conf_problems *problems)
{
	const struct service *s = v->service;
	const struct setting *own = s == NULL ? NULL : map_get(&v->overrides, span_str(name));
	const char *file = s != NULL ? "master.cf" : where != NULL && where->line == 0 ? NULL : "main.cf";
	unsigned line = s != NULL ? s->line : where != NULL ? where->line : 0;
	struct buf path = BUF_INIT(8192);

	if (file != NULL)
		buf_printf(&path, "%s/%s", v->conf->dir, file);
	conf_problem_add(problems, PROBLEM_ERROR, file == NULL ? NULL : path.ptr, line, "%s%s: %s",
	    own != NULL ? "-o " : "", name, text);
	buf_clear(&path);
}

/* Errors that main.cf's view has already are not told again for each line. */
static void
evaluate_all(struct view *v, const bool *told, bool *failed, struct conf_problems *problems)
{
	struct buf scratch = BUF_INIT(CONF_VALUE_MAX);

	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		const struct param_row *row = param_row(p);
		const struct setting *where = NULL;
		const char *raw = view_raw(v, span_str(row->name), &where);
		struct err err = { ERR_NONE, "" };
		if (evaluate(v, p, raw, &scratch, &err))
			continue;
		if (failed != NULL)
			failed[p] = true;
		bool own = v->service != NULL && map_get(&v->overrides, span_str(row->name)) != NULL;
		if (told == NULL || !told[p] || own)
			report(v, where, row->name, err.text, problems);
	}
	buf_clear(&scratch);
}

/* NAME_destination_concurrency_limit and the like, for the transports that master.cf has. */
static void
evaluate_transports(struct conf *c, struct conf_problems *problems)
{
	struct buf text = BUF_INIT(CONF_VALUE_MAX);
	size_t at = 0;
	struct setting *s;

	while ((s = map_next(&c->settings, &at)) != NULL) {
		const struct transport_param *row;
		struct err err = { ERR_NONE, "" };
		union value v;
		enum param p;
		if (param_find(span_str(s->name), &p) ||
		    !transport_param_split(c, span_str(s->name), &row))
			continue;
		buf_reset(&text);
		struct param_row as = *param_row(row->fallback);
		as.min = as.max = 0;
		if (!view_expand(&c->main, span_str(s->value), &text, &err) ||
		    !value_parse(&as, buf_view(&text), &v, &err))
			report(&c->main, s, s->name, err.text, problems);
	}
	buf_clear(&text);
}

void
values_evaluate(struct conf *c, struct conf_problems *problems)
{
	bool *failed = mem_array(PARAM_COUNT, sizeof *failed);

	MEM_NEW(c->main.values);
	evaluate_all(&c->main, NULL, failed, problems);
	for (size_t i = 0; i < c->line_count; i++) {
		struct view *v = &c->lines[i]->view;
		if (v->overrides.count == 0) {
			v->values = c->main.values;
			continue;
		}
		MEM_NEW(v->values);
		evaluate_all(v, failed, NULL, problems);
	}
	evaluate_transports(c, problems);
	free(failed);
}
