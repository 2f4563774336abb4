/*
 * What a parameter is: its meaning, default and value here, and where it is set.
 */
#include "mtactl/display.h"
#include "tui/config_view.h"
#include "tui/pane.h"

static void
put_row(struct buf *out, const char *name, struct span value)
{
	buf_printf(out, "  \033[2m%-10s\033[0m ", name);
	safe_text(out, value, false);
	buf_char(out, '\n');
}

static void
put_known(struct buf *out, enum param p)
{
	static const char *const types[] = { "text", "number", "time", "yes or no" };
	static const char *const standings[] = {
		"as Postfix does", "accepted, and needs no effect here", "not supported: it has no effect",
	};
	const struct param_row *row = param_row(p);
	struct buf type = BUF_INIT(200);

	put_row(out, "is", span_str(row->summary));
	buf_str(&type, types[row->type]);
	if (row->type == PARAM_INT && (row->min != 0 || row->max != 0))
		buf_printf(&type, ", from %lld%s", (long long)row->min, row->max == 0 ? "" : " to ");
	if (row->type == PARAM_INT && row->max != 0)
		buf_printf(&type, "%lld", (long long)row->max);
	put_row(out, "takes", buf_view(&type));
	put_row(out, "mtad", span_str(standings[row->standing]));
	put_row(out, "default", row->def[0] != '\0' ? span_str(row->def) : SPAN("(empty)"));
	buf_clear(&type);
}

static void
put_services(struct buf *out, const struct conf *conf, struct span name)
{
	const char *ours = conf_raw(conf_main(conf), name);

	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		const char *raw = conf_raw(conf_view(conf, s), name);
		if (raw == NULL || (ours != NULL && strcmp(raw, ours) == 0))
			continue;
		struct buf where = BUF_INIT(4096);
		buf_printf(&where, "master.cf:%u, service %s: -o %.*s=%s", s->line, s->name, SPAN_ARG(name), raw);
		put_row(out, "set", buf_view(&where));
		buf_clear(&where);
	}
}

static void
put_here(struct buf *out, const struct conf *conf, struct span name)
{
	struct buf text = BUF_INIT(1 << 20);
	struct err err = { .kind = ERR_NONE };
	unsigned line = conf_line(conf, name);
	const char *raw = conf_raw(conf_main(conf), name);

	if (line > 0)
		buf_printf(&text, "main.cf:%u", line);
	put_row(out, "set", line > 0 ? buf_view(&text) : SPAN("not in main.cf"));
	if (raw != NULL)
		put_row(out, "value", raw[0] != '\0' ? span_str(raw) : SPAN("(empty)"));
	buf_reset(&text);
	if (raw != NULL && strchr(raw, '$') != NULL && conf_expanded(conf_main(conf), name, &text, &err))
		put_row(out, "that is", buf_view(&text));
	else if (err.kind != ERR_NONE)
		put_row(out, "that is", span_str(err.text));
	put_services(out, conf, name);
	buf_clear(&text);
}

void
config_lookup(struct console *con, struct span given)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);
	struct buf out = BUF_INIT(0), name = BUF_INIT(1024);
	enum param p;

	buf_span(&name, span_head(given, 200));
	buf_str(&out, "\n\033[32m");
	safe_text(&out, buf_view(&name), false);
	buf_str(&out, "\033[0m\n");
	if (param_find(buf_view(&name), &p))
		put_known(&out, p);
	else
		put_row(&out, "is", SPAN("no parameter that mtad knows: a name of the site's own, which others may use as $name"));
	if (!param_find(buf_view(&name), &p) && param_nearest(buf_view(&name)) != NULL)
		put_row(&out, "near", span_str(param_nearest(buf_view(&name))));
	if (conf != NULL)
		put_here(&out, conf, buf_view(&name));
	else
		put_row(&out, "value", SPAN("(the configuration has errors: see the findings)"));
	pane_push(con, buf_view(&name), &out);
	console_echo(con, "config explain %.*s", SPAN_ARG(buf_view(&name)));
	buf_clear(&name);
	conf_unref(conf);
	conf_problems_clear(&problems);
}
