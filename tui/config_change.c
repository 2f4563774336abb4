/*
 * Changes of the configuration: settings of main.cf by the prompt, either file in an editor. Each is checked, shown, and written after a yes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/textfile.h"
#include "conf/edit.h"
#include "mtactl/display.h"
#include "tui/change.h"
#include "tui/config_view.h"
#include "tui/editor.h"
#include "tui/pane.h"

#define FILE_MAX	((size_t)4 << 20)

static struct config_view *
of(struct view *v)
{
	return (struct config_view *)v;
}

/* -- checks --------------------------------------------------------------- */

/* What the first error says; what is to be corrected is named with its file and line. */
static void
say_problem(struct console *con, const char *how, const struct conf_problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct conf_problem *one = &p->items[i];
		const char *name = one->file == NULL ? "" : strrchr(one->file, '/') != NULL ? strrchr(one->file, '/') + 1 : one->file;
		if (one->level != PROBLEM_ERROR)
			continue;
		console_say(con, STYLE_BAD, "%s: %s:%u: %s", how, name, one->line, one->text);
		return;
	}
	console_say(con, STYLE_BAD, "%s: the configuration would be wrong", how);
}

static bool
is_known_finding(const struct config_view *c, const struct lint_finding *f)
{
	for (size_t i = 0; i < c->text.report.count; i++)
		if (c->text.report.items[i].code == f->code && strcmp(c->text.report.items[i].message, f->message) == 0)
			return true;
	return false;
}

/* What the linter would find in this main.cf and has not found in the one on the screen. */
static void
put_findings(const struct config_view *c, struct span main_cf, struct buf *notes)
{
	const struct console *con = c->view.con;
	struct lint_report report = { .count = 0 };
	struct lint_options options = {
		.dir = con->conf_dir, .overrides = con->overrides, .override_count = con->override_count, .main_cf = main_cf,
	};

	if (!c->text.linted)
		return;
	lint_run(&options, &report);
	for (size_t i = 0; i < report.count; i++) {
		const struct lint_finding *f = &report.items[i];
		if (f->level >= LINT_WARNING && !is_known_finding(c, f))
			buf_printf(notes, "%s %s, line %u: %s\n", lint_rule(f->code)->code, lint_level_name(f->level), f->line, f->message);
	}
	lint_report_clear(&report);
}

/* Warnings that a master.cf gives and the one on the screen did not. */
static void
put_warnings(const struct config_view *c, const struct conf_problems *p, struct buf *notes)
{
	for (size_t i = 0; i < p->count; i++) {
		bool known = false;
		for (size_t n = 0; n < c->text.report.count && !known; n++)
			known = strcmp(c->text.report.items[n].message, p->items[i].text) == 0;
		if (!known)
			buf_printf(notes, "warning: %s:%u: %s\n", p->items[i].file == NULL ? "" : p->items[i].file, p->items[i].line, p->items[i].text);
	}
}

/* -- settings ------------------------------------------------------------- */

static bool
commit_setting(void *arg, struct err *err)
{
	return conf_edit_commit(arg, err);
}

static void
clear_setting(void *arg)
{
	conf_edit_free(arg);
}

/* Takes the edit over; the command belongs to it. */
static void
propose(struct view *v, struct conf_edit *e, struct buf *command)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_edit_check(e, &problems);
	struct change change = { .what = mem_str(conf_edit_path(e)), .commit = commit_setting, .clear = clear_setting, .arg = e };

	change.command = buf_take(command);
	if (conf == NULL) {
		say_problem(v->con, "refused", &problems);
		change_clear(&change);
	} else {
		conf_edit_diff(e, &change.diff);
		put_findings(of(v), conf_edit_text(e), &change.notes);
		change_ask(v->con, &change);
	}
	conf_unref(conf);
	conf_problems_clear(&problems);
}

static struct conf_edit *
open_main(struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	struct conf_edit *e = change_may(v->con) ? conf_edit_open(v->con->conf_dir, &err) : NULL;

	if (e == NULL && err.kind != ERR_NONE)
		console_say(v->con, STYLE_BAD, "%s", err.text);
	return e;
}

static void
set_typed(struct view *v, struct span text)
{
	struct err err = { .kind = ERR_NONE };
	struct buf command = BUF_INIT(400);
	struct span name = span_trim(span_head(text, span_find(text, '=')));
	struct span value = span_trim(span_skip(text, span_find(text, '=') + 1));

	if (span_trim(text).len == 0)
		return;
	if (!span_has(text, '=')) {
		console_say(v->con, STYLE_WARN, "type it as name = value");
		return;
	}
	struct conf_edit *e = open_main(v);
	if (e == NULL)
		return;
	buf_printf(&command, "config set '%.*s = %.*s'", SPAN_ARG(name), SPAN_ARG(value));
	if (conf_edit_set(e, name, value, &err)) {
		propose(v, e, &command);
	} else {
		console_say(v->con, STYLE_BAD, "refused: %s", err.text);
		conf_edit_free(e);
	}
	buf_clear(&command);
}

/* The setting that the row under the cursor belongs to. False, and said, where there is none. */
static bool
setting_here(struct view *v, struct conf_edit *e, struct conf_edit_setting *s)
{
	const struct config_row *row = config_current(of(v));

	if (row != NULL && row->file == 1) {
		console_say(v->con, STYLE_WARN, "master.cf is changed in your editor: E");
		return false;
	}
	for (size_t i = 0; row != NULL && row->file == 0 && i < conf_edit_count(e); i++)
		if (conf_edit_setting(e, i, s) && row->line >= s->line && row->line <= s->last)
			return true;
	console_say(v->con, STYLE_WARN, "there is no setting on this line (a adds one)");
	return false;
}

void
config_key_edit(struct view *v)
{
	struct conf_edit *e = open_main(v);
	struct conf_edit_setting s;
	struct buf text = BUF_INIT(PROMPT_MAX - 1);

	if (e != NULL && setting_here(v, e, &s)) {
		buf_printf(&text, "%.*s = %.*s", SPAN_ARG(s.name), SPAN_ARG(s.value));
		if (text.over)
			console_say(v->con, STYLE_WARN, "this value is too long to be typed: E opens the file in your editor");
		else
			prompt_open(&v->con->prompt, v, "config set ", text.ptr, set_typed);
	}
	buf_clear(&text);
	conf_edit_free(e);
}

void
config_key_add(struct view *v)
{
	if (change_may(v->con))
		prompt_open(&v->con->prompt, v, "config set ", NULL, set_typed);
}

void
config_key_unset(struct view *v)
{
	struct conf_edit *e = open_main(v);
	struct conf_edit_setting s;
	struct err err = { .kind = ERR_NONE };
	struct buf command = BUF_INIT(400);

	if (e == NULL || !setting_here(v, e, &s)) {
		conf_edit_free(e);
		return;
	}
	char *name = span_dup(s.name);
	buf_printf(&command, "config unset %s", name);
	if (conf_edit_unset(e, span_str(name), &err)) {
		propose(v, e, &command);
	} else {
		console_say(v->con, STYLE_BAD, "%s", err.text);
		conf_edit_free(e);
	}
	free(name);
	buf_clear(&command);
}

/* -- whole files ---------------------------------------------------------- */

static bool
commit_file(void *arg, struct err *err)
{
	return textfile_commit(arg, err);
}

static void
clear_file(void *arg)
{
	textfile_free(arg);
}

/* Whether the configuration would be right with this text as that file. False, and said, where not. */
static bool
check_files(struct view *v, size_t file, struct span text, struct buf *notes)
{
	const struct config_file *files = of(v)->text.files;
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_parse(v->con->conf_dir, file == 0 ? text : buf_view(&files[0].text),
	    file == 1 ? text : buf_view(&files[1].text), &problems);
	bool ok = conf != NULL;

	if (ok && file == 0)
		put_findings(of(v), text, notes);
	else if (ok)
		put_warnings(of(v), &problems, notes);
	else
		say_problem(v->con, "refused (E goes on)", &problems);
	conf_unref(conf);
	conf_problems_clear(&problems);
	return ok;
}

static size_t
file_here(struct view *v)
{
	const struct config_row *row = config_current(of(v));

	return row == NULL ? 0 : row->file;
}

static bool
is_file(struct view *v, size_t file)
{
	if (file >= CONFIG_FILES)
		console_say(v->con, STYLE_WARN, "this is neither main.cf nor master.cf");
	return file < CONFIG_FILES;
}

static void
forget_draft(struct config_view *c)
{
	free(c->draft);
	c->draft = NULL;
}

/* What the editor left: a wrong text is kept, so that the work is not lost. */
static void
propose_text(struct view *v, struct textfile *f, size_t file, struct span text)
{
	struct config_view *c = of(v);
	struct change change = { .what = mem_str(textfile_path(f)), .commit = commit_file, .clear = clear_file, .arg = f };

	forget_draft(c);
	if (!check_files(v, file, text, &change.notes)) {
		c->draft = span_dup(text);
		c->draft_file = file;
		change_clear(&change);
		return;
	}
	textfile_set(f, text);
	textfile_diff(f, &change.diff);
	change_ask(v->con, &change);
}

void
config_key_editor(struct view *v)
{
	struct config_view *c = of(v);
	size_t file = c->draft != NULL ? c->draft_file : file_here(v);
	struct err err = { .kind = ERR_NONE };
	struct buf text = BUF_INIT(FILE_MAX);

	if (!change_may(v->con) || !is_file(v, file))
		return;
	struct textfile *f = textfile_open(c->text.files[file].path, FILE_MAX, &err);
	if (f != NULL) {
		buf_span(&text, c->draft != NULL ? span_str(c->draft) : textfile_text(f));
		if (editor_run(&text, &err))
			propose_text(v, f, file, buf_view(&text));
		else
			textfile_free(f);
	}
	if (err.kind != ERR_NONE)
		console_say(v->con, STYLE_BAD, "%s", err.text);
	buf_clear(&text);
}

static bool
commit_undo(void *arg, struct err *err)
{
	return textfile_undo(arg, NULL, err);
}

void
config_key_undo(struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	struct change change = { .commit = commit_undo, .clear = free };

	if (!is_file(v, file_here(v)))
		return;
	const char *path = of(v)->text.files[file_here(v)].path;
	struct textfile *before = change_may(v->con) ? textfile_before(path, FILE_MAX, &err) : NULL;

	if (before != NULL) {
		change.what = mem_str(path);
		change.arg = mem_str(path);
		change.command = file_here(v) == 0 ? mem_str("config undo") : NULL;
		textfile_diff(before, &change.diff);
		change_ask(v->con, &change);
	} else if (err.kind != ERR_NONE) {
		console_say(v->con, STYLE_WARN, "%s", err.text);
	}
	textfile_free(before);
}

void
config_key_reload(struct view *v)
{
	change_reload(v->con);
}
