/*
 * config support, check, diff: what mtad does with each parameter, what is wrong with a configuration, how it differs from another.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lint/lint.h"
#include "mtactl/explain.h"
#include "mtactl/local.h"
#include "mtactl/postfix_conf.h"
#include "policy/policy.h"

/* -- support ------------------------------------------------------------------------------- */

static bool
find_standing(struct session *s, struct span name, unsigned *standing)
{
	for (*standing = 0; *standing < STANDING_COUNT; (*standing)++)
		if (span_caseeqs(name, param_standing_name((enum param_standing)*standing)))
			return true;
	session_say(s, "--standing is honoured, accepted, planned or unsupported");
	return false;
}

static int
support(struct session *s, const struct request *req)
{
	struct span name, only;
	unsigned standing = STANDING_COUNT, shown = 0;
	char *pattern = request_get(req, "name", &name) ? span_dup(name) : NULL;
	int status = 0;

	if (request_get(req, "standing", &only) && !find_standing(s, only, &standing))
		status = 64;
	for (unsigned i = 0; status == 0 && i < PARAM_COUNT; i++) {
		const struct param_row *row = param_row((enum param)i);
		struct buf text = BUF_INIT(0);
		if ((standing < STANDING_COUNT && row->standing != standing) || (pattern != NULL && fnmatch(pattern, row->name, 0) != 0))
			continue;
		config_support_row(&text, row);
		session_row(s, buf_view(&text));
		buf_clear(&text);
		shown++;
	}
	if (status == 0 && shown == 0) {
		const char *near = pattern == NULL ? NULL : param_nearest(span_str(pattern));
		session_say(s, "no parameter is like that%s%s%s", near != NULL ? "; did you mean " : "", near != NULL ? near : "",
		    near != NULL ? "?" : "");
		status = 1;
	}
	free(pattern);
	return status;
}

/* -- check --------------------------------------------------------------------------------- */

static void
trouble_row(struct session *s, const char *file, unsigned line, bool error, const char *code, const char *text)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "level", span_str(error ? "error" : "warning"));
	if (file != NULL)
		jsonl_str(&j, "file", span_str(file));
	if (line > 0)
		jsonl_i64(&j, "line", line);
	if (code != NULL)
		jsonl_str(&j, "code", span_str(code));
	jsonl_str(&j, "message", span_str(text));
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
}

/* The linter finds much of it again; a place that was named is not named twice. */
static bool
is_told(const struct conf_problems *problems, const struct lint_finding *f)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct conf_problem *p = &problems->items[i];
		if (p->line == f->line && p->file != NULL && f->file != NULL && strcmp(p->file, f->file) == 0)
			return true;
	}
	return false;
}

static int
check(struct session *s)
{
	struct conf_problems problems = { .count = 0 };
	struct lint_options options = { .dir = s->conf_dir, .overrides = s->overrides, .override_count = s->override_count };
	struct lint_report report;
	bool wrong = false;

	struct conf *c = conf_load(s->conf_dir, s->overrides, s->override_count, &problems);
	if (c != NULL)
		policy_check_conf(c, &problems);
	for (size_t i = 0; i < problems.count; i++) {
		const struct conf_problem *p = &problems.items[i];
		trouble_row(s, p->file, p->line, p->level == PROBLEM_ERROR, NULL, p->text);
		wrong = wrong || p->level == PROBLEM_ERROR;
	}
	(void)lint_run(&options, &report);
	for (size_t i = 0; i < report.count; i++) {
		const struct lint_finding *f = &report.items[i];
		if (f->level != LINT_ERROR || is_told(&problems, f))
			continue;
		trouble_row(s, f->file, f->line, true, lint_rule(f->code)->code, f->message);
		wrong = true;
	}
	lint_report_clear(&report);
	conf_problems_clear(&problems);
	conf_unref(c);
	return wrong ? 78 : 0;
}

/* -- diff ---------------------------------------------------------------------------------- */

struct side {
	struct postfix	 postfix;
	struct postconf	 conf;
};

static int
side_open(struct side *side, const struct session *s, const char *dir)
{
	*side = (struct side){ .postfix = { .name = s->name, .session = { .name = s->name, .conf_dir = dir } } };
	side->conf = (struct postconf){ .postfix = &side->postfix, .lenient = true };
	return postconf_read(&side->conf);
}

/* False where it is not set there. */
static bool
text_of(const struct side *side, const char *name, struct buf *out)
{
	const struct setting_text *t = postconf_find(&side->conf, span_str(name));

	buf_str(out, "");
	if (t != NULL)
		postconf_words(out, span_str(t->value));
	return t != NULL;
}

static bool
line_of(const struct side *side, const char *const *key, struct buf *out)
{
	buf_str(out, "");
	for (size_t i = 0; i < side->conf.service_count; i++) {
		char *const *f = side->conf.services[i].fields;
		if (strcmp(f[0], key[0]) != 0 || strcmp(f[1], key[1]) != 0)
			continue;
		for (size_t k = 2; k < MASTER_FIELDS - 1; k++)
			buf_printf(out, "%s ", f[k]);
		master_text_command(&side->conf.services[i], NULL, false, out);
		return true;
	}
	return false;
}

/* 1 where they differ, and a row for it. */
static int
compare(struct session *s, const char *file, struct span name, const struct buf *here, const struct buf *there)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	if (here != NULL && there != NULL && span_eq(buf_view(here), buf_view(there)))
		return 0;
	jsonl_object(&j, NULL);
	jsonl_str(&j, "file", span_str(file));
	jsonl_str(&j, "name", name);
	if (here != NULL)
		jsonl_str(&j, "here", buf_view(here));
	if (there != NULL)
		jsonl_str(&j, "there", buf_view(there));
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
	return 1;
}

static int
compare_settings(struct session *s, const struct side *here, const struct side *there)
{
	const char **names;
	size_t n = postconf_names(&here->conf, &names);
	int status = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			struct buf a = BUF_INIT(0), b = BUF_INIT(0);
			bool in_a = text_of(here, names[i], &a), in_b = text_of(there, names[i], &b);
			enum param known;
			/* The second time round: names that only the other side has, and that no catalogue knows. */
			bool now = pass == 0 || (!in_a && !param_find(span_str(names[i]), &known));
			if (now && (in_a || in_b) && strcmp(names[i], "config_directory") != 0)
				status |= compare(s, "main.cf", span_str(names[i]), in_a ? &a : NULL, in_b ? &b : NULL);
			buf_clear(&a);
			buf_clear(&b);
		}
		free(names);
		names = NULL;
		if (pass == 0)
			n = postconf_names(&there->conf, &names);
	}
	return status;
}

static int
compare_services(struct session *s, const struct side *here, const struct side *there)
{
	const struct side *sides[] = { here, there };
	int status = 0;

	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < sides[k]->conf.service_count; i++) {
			const char *key[] = { sides[k]->conf.services[i].fields[0], sides[k]->conf.services[i].fields[1] };
			struct buf a = BUF_INIT(0), b = BUF_INIT(0), name = BUF_INIT(0);
			bool in_a = line_of(here, key, &a), in_b = line_of(there, key, &b);
			buf_printf(&name, "%s/%s", key[0], key[1]);
			if (k == 0 || !in_a)
				status |= compare(s, "master.cf", buf_view(&name), in_a ? &a : NULL, in_b ? &b : NULL);
			buf_clear(&a);
			buf_clear(&b);
			buf_clear(&name);
		}
	return status;
}

static int
diff(struct session *s, const struct request *req)
{
	struct side here, there;
	struct span other;
	int status = 78;

	if (!request_get(req, "dir", &other))
		return 64;
	char *dir = span_dup(other);
	bool a = side_open(&here, s, s->conf_dir) == 0, b = side_open(&there, s, dir) == 0;
	if (a && b && there.conf.count + there.conf.service_count <= 1) {
		session_say(s, "%s has no main.cf or master.cf with something in it", dir);
		status = 65;
	} else if (a && b) {
		status = compare_settings(s, &here, &there);
		status |= compare_services(s, &here, &there);
	}
	postconf_clear(&here.conf);
	postconf_clear(&there.conf);
	free(dir);
	return status;
}

int
config_support_run(struct session *s, const struct request *req)
{
	if (req->command == CMD_config_support)
		return support(s, req);
	return req->command == CMD_config_check ? check(s) : diff(s, req);
}
