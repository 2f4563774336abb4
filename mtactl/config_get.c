/*
 * config get, explain: parameters as main.cf and the catalogue have them, also where the configuration is wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mtactl/explain.h"
#include "mtactl/local.h"
#include "mtactl/postfix_conf.h"

/* A value as postconf writes it: runs of white space are one blank. */
static void
value_row(struct session *s, struct span name, struct span value)
{
	struct buf row = BUF_INIT(0), words = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	buf_str(&words, "");
	postconf_words(&words, value);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "name", name);
	jsonl_str(&j, "value", buf_view(&words));
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
	buf_clear(&words);
}

/* False where it is not known, or (of those asked for as changed) not set. */
static bool
show(struct session *s, const struct postconf *c, struct span name)
{
	struct err err = { .kind = ERR_NONE };
	struct buf raw = BUF_INIT(0), text = BUF_INIT((size_t)1 << 20);

	buf_str(&raw, "");
	buf_str(&text, "");
	bool ok = postconf_raw(c, name, &raw);
	if (ok && c->expand && postconf_expand(c, buf_view(&raw), &text, &err))
		value_row(s, name, buf_view(&text));
	else if (ok)
		value_row(s, name, buf_view(&raw));
	if (err.text[0] != '\0')
		session_say(s, "%.*s: %s", SPAN_ARG(name), err.text);
	buf_clear(&raw);
	buf_clear(&text);
	return ok;
}

static int
show_named(struct session *s, const struct postconf *c, struct span names)
{
	struct span name;
	enum param known;
	int status = 0;

	while (span_word(&names, " ", &name)) {
		if (show(s, c, name))
			continue;
		status = 1;
		char *text = span_dup(name);
		const char *near = param_nearest(name);
		if (c->only_set && (param_find(name, &known) || postconf_find(c, name) != NULL))
			session_say(s, "%s is not set", text);
		else
			session_say(s, "%s: unknown parameter%s%s%s", text, near != NULL ? "; did you mean " : "",
			    near != NULL ? near : "", near != NULL ? "?" : "");
		free(text);
	}
	return status;
}

static void
show_all(struct session *s, const struct postconf *c)
{
	const char **names;
	size_t n = postconf_names(c, &names);

	for (size_t i = 0; i < n; i++)
		(void)show(s, c, span_str(names[i]));
	free(names);
}

static void
add_overrides(struct postconf *c, const struct session *s)
{
	for (size_t i = 0; i < s->override_count; i++) {
		c->settings = mem_grow(c->settings, c->count + 1, sizeof *c->settings);
		c->settings[c->count++] = (struct setting_text){ mem_str(s->overrides[i].name), mem_str(s->overrides[i].value), false };
	}
}

static int
get(struct session *s, const struct request *req)
{
	struct postfix p = { .name = s->name, .session = { .name = s->name, .conf_dir = s->conf_dir } };
	struct postconf c = { .postfix = &p, .lenient = true };
	struct span names;
	int status = 0;

	c.only_defaults = local_flag(req, "default");
	c.only_set = local_flag(req, "changed");
	c.expand = local_flag(req, "expanded");
	if (c.only_set && c.only_defaults) {
		session_say(s, "--default and --changed contradict each other");
		return 64;
	}
	if (!c.only_defaults)
		add_overrides(&c, s);
	if (postconf_read(&c) != 0)
		status = 78;
	else if (request_get(req, "name", &names))
		status = show_named(s, &c, names);
	else
		show_all(s, &c);
	postconf_clear(&c);
	return status;
}

int
config_get_run(struct session *s, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	struct buf row = BUF_INIT(0);
	struct span name;
	int status = 0;

	if (req->command == CMD_config_get)
		return get(s, req);
	if (!request_get(req, "name", &name))
		return 64;
	if (config_explain_row(&row, s->conf_dir, local_conf(s), name, &err)) {
		session_row(s, buf_view(&row));
	} else {
		session_say(s, "%s", err.text);
		status = 1;
	}
	buf_clear(&row);
	return status;
}
