#include "mtactl/explain.h"

#include <stdlib.h>

#include "conf/edit.h"
#include "ctl/jsonl.h"

static const char *const types[] = { "text", "number", "time", "yes or no" };
static const char *const meanings[STANDING_COUNT] = {
	"works as in Postfix",
	"may be set, and needs no effect here",
	"has no effect in this version, but is planned; mtad warns where it is set",
	"is not supported; mtad warns where it is set",
};

static void
put_range(struct jsonl *j, const struct param_row *row)
{
	if (row->type == PARAM_BOOL || row->type == PARAM_STR)
		return;
	jsonl_i64(j, "min", row->min);
	if (row->max != 0)
		jsonl_i64(j, "max", row->max);
}

static void
put_known(struct jsonl *j, const struct param_row *row)
{
	jsonl_str(j, "type", span_str(types[row->type]));
	put_range(j, row);
	jsonl_str(j, "default", span_str(row->def));
	jsonl_str(j, "standing", span_str(param_standing_name(row->standing)));
	jsonl_str(j, "meaning", span_str(meanings[row->standing]));
	jsonl_str(j, "summary", span_str(row->summary));
}

void
config_support_row(struct buf *row, const struct param_row *p)
{
	struct jsonl j = { .out = row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "name", span_str(p->name));
	put_known(&j, p);
	jsonl_end_object(&j);
}

static void
put_value(struct jsonl *j, const struct view *v, struct span name, const char *key)
{
	struct buf text = BUF_INIT((size_t)1 << 20);
	struct err err = { .kind = ERR_NONE };
	const char *raw = conf_raw(v, name);

	if (raw == NULL)
		return;
	jsonl_str(j, key, span_str(raw));
	if (strchr(raw, '$') != NULL && conf_expanded(v, name, &text, &err))
		jsonl_str(j, "expanded", buf_view(&text));
	buf_clear(&text);
}

static void
put_main_places(struct jsonl *j, const char *dir, struct span name)
{
	struct err err = { .kind = ERR_NONE };
	struct conf_edit *e = conf_edit_open(dir, &err);
	struct conf_edit_setting s;

	for (size_t i = 0; e != NULL && conf_edit_setting(e, i, &s); i++) {
		if (!span_eq(s.name, name))
			continue;
		jsonl_object(j, NULL);
		jsonl_str(j, "file", span_str(conf_edit_path(e)));
		jsonl_i64(j, "line", s.line);
		jsonl_str(j, "value", s.value);
		jsonl_bool(j, "counts", s.counts);
		jsonl_end_object(j);
	}
	conf_edit_free(e);
}

static void
put_service_places(struct jsonl *j, const char *dir, const struct conf *c, struct span name)
{
	static const char *const kinds[] = { "inet", "unix", "fifo", "pass" };
	struct buf text = BUF_INIT(4096);
	const char *of_main = conf_raw(conf_main(c), name);

	for (size_t i = 0; i < conf_service_count(c); i++) {
		const struct service *s = conf_service(c, i);
		const char *own = conf_raw(conf_view(c, s), name);
		bool is_own = span_eqs(name, "service_name") || span_eqs(name, "process_name");
		if (is_own || own == NULL || (of_main != NULL && strcmp(own, of_main) == 0))
			continue;
		buf_reset(&text);
		buf_printf(&text, "%s/master.cf", dir);
		jsonl_object(j, NULL);
		jsonl_str(j, "file", buf_view(&text));
		jsonl_i64(j, "line", s->line);
		buf_reset(&text);
		buf_printf(&text, "%s %s", s->name, kinds[s->type]);
		jsonl_str(j, "service", buf_view(&text));
		put_value(j, conf_view(c, s), name, "value");
		jsonl_bool(j, "counts", true);
		jsonl_end_object(j);
	}
	buf_clear(&text);
}

bool
config_explain_row(struct buf *row, const char *dir, const struct conf *c, struct span name, struct err *err)
{
	struct jsonl j = { .out = row };
	enum param p;
	bool known = param_find(name, &p);

	if (!known && conf_raw(conf_main(c), name) == NULL) {
		const char *near = param_nearest(name);
		err_set(err, ERR_PERM, "%.*s: unknown parameter%s%s%s", SPAN_ARG(span_head(name, 80)),
		    near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
		return false;
	}
	jsonl_object(&j, NULL);
	jsonl_str(&j, "name", name);
	if (known)
		put_known(&j, param_row(p));
	else
		jsonl_str(&j, "summary", SPAN("a name of this configuration's own, for use in other values"));
	put_value(&j, conf_main(c), name, "value");
	jsonl_array(&j, "set");
	put_main_places(&j, dir, name);
	put_service_places(&j, dir, c, name);
	jsonl_end_array(&j);
	jsonl_end_object(&j);
	return true;
}
