/*
 * config set, unset, comment, undo: main.cf changed, and only to something that mtad would start with.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/edit.h"
#include "lint/lint.h"
#include "mtactl/local.h"
#include "policy/policy.h"

/* What is wrong with a text: what the daemon's own start finds, and the linter's errors. Lines move, so problems are told apart by their texts. */
struct verdict {
	struct conf_problems problems;
	struct lint_report report;
};

static void
judge(const struct session *s, const struct conf_edit *e, struct verdict *v)
{
	const struct lint_options options = { .dir = s->conf_dir, .main_cf = conf_edit_text(e) };

	*v = (struct verdict){ .problems = { NULL, 0, 0 } };
	struct conf *c = conf_edit_check(e, &v->problems);
	if (c != NULL)
		policy_check_conf(c, &v->problems);
	conf_unref(c);
	(void)lint_run(&options, &v->report);
}

static void
verdict_clear(struct verdict *v)
{
	conf_problems_clear(&v->problems);
	lint_report_clear(&v->report);
}

static bool
had_problem(const struct verdict *v, const char *text)
{
	for (size_t i = 0; i < v->problems.count; i++)
		if (span_eqs(span_str(text), v->problems.items[i].text))
			return true;
	return false;
}

static bool
had_finding(const struct verdict *v, const struct lint_finding *f)
{
	for (size_t i = 0; i < v->report.count; i++)
		if (v->report.items[i].code == f->code && span_eqs(span_str(f->message), v->report.items[i].message))
			return true;
	return false;
}

static void
say_safe(struct session *s, const char *file, unsigned line, const char *what, const char *text)
{
	struct buf safe = BUF_INIT(0);

	safe_text(&safe, span_str(text), false);
	session_say(s, "%s:%u: %s: %s", file == NULL ? "main.cf" : file, line, what, safe.len > 0 ? safe.ptr : "");
	buf_clear(&safe);
}

/* Says what is new; true where some of it is an error. */
static bool
is_worse(struct session *s, const struct verdict *before, const struct verdict *after)
{
	bool worse = false;

	for (size_t i = 0; i < after->problems.count; i++) {
		const struct conf_problem *p = &after->problems.items[i];
		if (had_problem(before, p->text))
			continue;
		worse = worse || p->level == PROBLEM_ERROR;
		say_safe(s, p->file, p->line, p->level == PROBLEM_ERROR ? "error" : "warning", p->text);
	}
	bool told = worse;
	for (size_t i = 0; i < after->report.count; i++) {
		const struct lint_finding *f = &after->report.items[i];
		if (f->level < LINT_WARNING || had_finding(before, f))
			continue;
		worse = worse || f->level == LINT_ERROR;
		/* The linter finds again what the daemon's reader found. */
		if (!told)
			say_safe(s, f->file, f->line, lint_rule(f->code)->code, f->message);
	}
	return worse;
}

/* NAME VALUE, NAME=VALUE, or NAME = VALUE. */
static bool
take_setting(const struct request *req, struct span *name, struct span *value)
{
	if (!request_get(req, "name", name))
		return false;
	size_t equals = span_find(*name, '=');
	bool joined = equals < name->len, given = request_get(req, "value", value);
	if (joined == given)
		return false;
	if (joined) {
		*value = span_trim(span_skip(*name, equals + 1));
		*name = span_rtrim(span_head(*name, equals));
	} else if (given && span_starts(*value, "= ")) {
		*value = span_ltrim(span_skip(*value, 1));
	} else if (given && span_eqs(*value, "=")) {
		*value = SPAN("");
	}
	return true;
}

static int
commit(struct session *s, const struct request *req, struct conf_edit *e, const struct verdict *before, struct change *c)
{
	struct err err = { .kind = ERR_NONE };
	struct verdict after;

	if (!conf_edit_edited(e)) {
		session_say(s, "nothing to change: it is so already");
		return 0;
	}
	judge(s, e, &after);
	bool worse = is_worse(s, before, &after);
	verdict_clear(&after);
	if (worse) {
		session_say(s, "refused; %s is as it was", conf_edit_path(e));
		return 78;
	}
	struct buf diff = BUF_INIT(0);
	int status = 0;
	conf_edit_diff(e, &diff);
	c->file = span_str(conf_edit_path(e));
	c->diff = buf_view(&diff);
	c->done = !local_flag(req, "plan");
	if (c->done && !conf_edit_commit(e, &err)) {
		status = local_fail(s, &err);
	} else {
		local_change_row(s, c);
		status = c->done ? local_take_effect(s, req) : 0;
	}
	buf_clear(&diff);
	return status;
}

static int
change(struct session *s, const struct request *req, struct conf_edit *e)
{
	struct err err = { .kind = ERR_NONE };
	struct change c = { .done = true };
	struct conf_edit_setting old;
	struct buf was = BUF_INIT(0);
	struct verdict before;
	size_t index;
	bool ok;

	if (req->command == CMD_config_set && !take_setting(req, &c.key, &c.new)) {
		session_say(s, "write NAME VALUE or NAME=VALUE");
		return 64;
	}
	if (req->command != CMD_config_set)
		(void)request_get(req, "name", &c.key);
	if (conf_edit_find(e, c.key, &index) && conf_edit_setting(e, index, &old)) {
		buf_str(&was, "");
		buf_span(&was, old.value);
		c.old = buf_view(&was);
	}
	judge(s, e, &before);
	if (req->command == CMD_config_set)
		ok = conf_edit_set(e, c.key, c.new, &err);
	else if (req->command == CMD_config_unset)
		ok = conf_edit_unset(e, c.key, &err);
	else
		ok = conf_edit_comment(e, c.key, &err);
	int status = ok ? commit(s, req, e, &before, &c) : local_fail(s, &err);
	if (!ok && req->command != CMD_config_set && was.ptr == NULL)
		status = 1;
	verdict_clear(&before);
	buf_clear(&was);
	return status;
}

static int
undo(struct session *s, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	struct buf diff = BUF_INIT(0), path = BUF_INIT(4096);
	int status = 0;

	if (!conf_edit_undo(s->conf_dir, &diff, &err)) {
		status = local_fail(s, &err);
		status = err.kind == ERR_PERM ? 1 : status;
	} else {
		buf_printf(&path, "%s/main.cf", s->conf_dir);
		struct change c = { .file = buf_view(&path), .diff = buf_view(&diff), .done = true };
		local_change_row(s, &c);
		status = local_take_effect(s, req);
	}
	buf_clear(&diff);
	buf_clear(&path);
	return status;
}

int
config_change_run(struct session *s, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	struct conf_edit *e;
	int status;

	if (req->command == CMD_config_undo)
		return undo(s, req);
	if ((e = conf_edit_open(s->conf_dir, &err)) == NULL)
		return local_fail(s, &err);
	status = change(s, req, e);
	conf_edit_free(e);
	return status;
}
