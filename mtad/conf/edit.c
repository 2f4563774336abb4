#include "conf/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/textfile.h"
#include "conf/private.h"

struct item {
	size_t		 from, to;	/* in the text */
	unsigned	 line;
};

struct conf_edit {
	char		*dir;
	struct textfile	*file;
	struct item	*items;
	size_t		 count;
	struct buf	 line;		/* of the setting asked for last */
};

static char *
main_path(const char *dir, const char *name)
{
	struct buf b = BUF_INIT(8192);

	buf_printf(&b, "%s/%s", dir, name);
	return b.over ? mem_str(name) : buf_take(&b);
}

/* "name = value" of a logical line; false for what main_cf_parse refuses too. */
static bool
split(struct span line, struct span *name, struct span *value)
{
	size_t eq = span_find(line, '=');

	*name = span_rtrim(span_head(line, eq));
	*value = span_trim(span_skip(line, eq + 1));
	return eq < line.len && name->len > 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t';
}

static void
read_index(struct conf_edit *e)
{
	struct span text = textfile_text(e->file), line, name, value;
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(CONF_TEXT_MAX) };
	unsigned number = 0;

	e->count = 0;
	while (conf_lines_next(&lines, &line, &number)) {
		if (!split(line, &name, &value))
			continue;
		size_t from = (size_t)(lines.raw.ptr - text.ptr);
		e->items = mem_grow(e->items, e->count + 1, sizeof *e->items);
		e->items[e->count++] = (struct item){ from, from + lines.raw.len, number };
	}
	buf_clear(&lines.text);
}

struct conf_edit *
conf_edit_open(const char *dir, struct err *err)
{
	char *path = main_path(dir, "main.cf");
	struct textfile *file = textfile_open(path, CONF_TEXT_MAX, err);
	struct conf_edit *e = NULL;

	free(path);
	if (file == NULL)
		return NULL;
	MEM_NEW(e);
	e->dir = mem_str(dir);
	e->file = file;
	e->line = BUF_INIT(CONF_TEXT_MAX);
	read_index(e);
	return e;
}

void
conf_edit_free(struct conf_edit *e)
{
	if (e == NULL)
		return;
	textfile_free(e->file);
	free(e->items);
	free(e->dir);
	buf_clear(&e->line);
	free(e);
}

const char *
conf_edit_path(const struct conf_edit *e)
{
	return textfile_path(e->file);
}

struct span
conf_edit_text(const struct conf_edit *e)
{
	return textfile_text(e->file);
}

size_t
conf_edit_count(const struct conf_edit *e)
{
	return e->count;
}

static struct span
raw_of(const struct conf_edit *e, size_t index)
{
	return span_of(conf_edit_text(e).ptr + e->items[index].from, e->items[index].to - e->items[index].from);
}

static bool
read_setting(struct conf_edit *e, size_t index, struct conf_edit_setting *s)
{
	struct span line;

	if (index >= e->count)
		return false;
	struct conf_lines lines = { .rest = raw_of(e, index), .next = e->items[index].line, .text = e->line };
	*s = (struct conf_edit_setting){ .counts = true };
	bool ok = conf_lines_next(&lines, &line, &s->line) && split(line, &s->name, &s->value);
	s->last = lines.last;
	e->line = lines.text;
	return ok;
}

/* The name at the front of a setting, without joining its lines. */
static bool
is_named(const struct conf_edit *e, size_t index, struct span name)
{
	struct span raw = raw_of(e, index);
	return span_eq(span_rtrim(span_head(raw, span_find(raw, '='))), name);
}

bool
conf_edit_find(struct conf_edit *e, struct span name, size_t *index)
{
	for (size_t i = e->count; i-- > 0; )
		if (is_named(e, i, name)) {
			*index = i;
			return true;
		}
	return false;
}

bool
conf_edit_setting(struct conf_edit *e, size_t index, struct conf_edit_setting *s)
{
	size_t last;

	if (!read_setting(e, index, s))
		return false;
	s->counts = conf_edit_find(e, s->name, &last) && last == index;
	return true;
}

/* -- changing ----------------------------------------------------------------------------- */

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || strchr("$={}#", s.ptr[i]) != NULL)
			return false;
	return s.len > 0 && s.len <= 256;
}

/* Lines behind the first go on by a blank at their start; one that would be empty or a comment cannot be part of a value. */
static bool
write_value(struct buf *out, struct span value, struct err *err)
{
	struct span rest = span_trim(value), line;

	for (bool first = true; span_cut(&rest, '\n', &line); first = false) {
		line = span_rtrim(line);
		struct span said = span_ltrim(line);
		if (!first && (said.len == 0 || said.ptr[0] == '#')) {
			err_set(err, ERR_PERM, "a line of the value is empty or begins with \"#\", which would not be read as part of it");
			return false;
		}
		if (!first)
			buf_str(out, said.ptr == line.ptr ? "\n    " : "\n");
		buf_span(out, line);
	}
	return true;
}

static void
keep_silent_lines(struct span raw, struct buf *out)
{
	struct span line;

	for (size_t at = 0; at < raw.len; at += line.len) {
		line = span_skip(raw, at);
		line = span_head(line, span_find(line, '\n') + 1);
		struct span said = span_trim(line);
		if (said.len == 0 || said.ptr[0] == '#')
			buf_span(out, line);
	}
}

/* "name = " as it stands there. */
static struct span
prefix_of(const struct conf_edit *e, size_t index)
{
	struct span raw = raw_of(e, index);
	size_t first = span_find(raw, '\n'), n = span_find(raw, '=') + 1;

	while (n < first && (raw.ptr[n] == ' ' || raw.ptr[n] == '\t'))
		n++;
	return n < first ? span_head(raw, n) : SPAN_NONE;
}

static bool
may_stand(struct span name, struct span value, struct err *err)
{
	if (!is_name(name))
		err_set(err, ERR_PERM, "\"%.*s\" is no parameter name", SPAN_ARG(span_head(name, 60)));
	else if (span_has(value, '\0') || span_has(value, '\r') || value.len > CONF_VALUE_MAX)
		err_set(err, ERR_PERM, "%.*s: the value is too long, or has bytes that cannot stand in main.cf", SPAN_ARG(name));
	else
		return true;
	return false;
}

static void
append(struct conf_edit *e, struct span line)
{
	struct span text = conf_edit_text(e);
	struct buf whole = BUF_INIT(0);

	if (text.len > 0 && text.ptr[text.len - 1] != '\n')
		buf_char(&whole, '\n');
	buf_span(&whole, line);
	textfile_splice(e->file, text.len, text.len, buf_view(&whole));
	buf_clear(&whole);
}

static bool
set(struct conf_edit *e, struct span name, struct span value, struct err *err)
{
	struct buf new = BUF_INIT(0);
	struct span prefix = SPAN_NONE;
	size_t index = 0;

	bool there = conf_edit_find(e, name, &index);
	if (there)
		prefix = prefix_of(e, index);
	if (prefix.len > 0)
		buf_span(&new, prefix);
	else
		buf_printf(&new, "%.*s = ", SPAN_ARG(name));
	if (span_trim(value).len == 0)
		buf_cut(&new, span_rtrim(buf_view(&new)).len);
	bool ok = write_value(&new, value, err);
	buf_char(&new, '\n');
	if (ok && there) {
		keep_silent_lines(raw_of(e, index), &new);
		textfile_splice(e->file, e->items[index].from, e->items[index].to, buf_view(&new));
	} else if (ok) {
		append(e, buf_view(&new));
	}
	buf_clear(&new);
	read_index(e);
	return ok;
}

bool
conf_edit_set(struct conf_edit *e, struct span name, struct span value, struct err *err)
{
	name = span_trim(name);
	if (!may_stand(name, value, err))
		return false;
	/* They may be what conf_edit_setting gave. */
	char *n = span_dup(name), *v = span_dup(value);
	bool ok = set(e, span_of(n, name.len), span_of(v, value.len), err);
	free(n);
	free(v);
	return ok;
}

/* Each line behind a "#"; lines that say nothing stay. */
static void
write_comment(struct span raw, struct buf *out)
{
	struct span line;

	for (size_t at = 0; at < raw.len; at += line.len) {
		line = span_skip(raw, at);
		line = span_head(line, span_find(line, '\n') + 1);
		struct span said = span_trim(line);
		if (said.len > 0 && said.ptr[0] != '#')
			buf_char(out, '#');
		buf_span(out, line);
	}
}

static bool
take_out(struct conf_edit *e, struct span name, void (*write)(struct span raw, struct buf *out), struct err *err)
{
	size_t index;
	bool any = false;
	char *n = span_dup(span_trim(name));

	name = span_str(n);
	while (conf_edit_find(e, name, &index)) {
		struct buf kept = BUF_INIT(0);
		write(raw_of(e, index), &kept);
		textfile_splice(e->file, e->items[index].from, e->items[index].to, buf_view(&kept));
		buf_clear(&kept);
		read_index(e);
		any = true;
	}
	if (!any)
		err_set(err, ERR_PERM, "%s is not set in %s", n, conf_edit_path(e));
	free(n);
	return any;
}

bool
conf_edit_unset(struct conf_edit *e, struct span name, struct err *err)
{
	return take_out(e, name, keep_silent_lines, err);
}

bool
conf_edit_comment(struct conf_edit *e, struct span name, struct err *err)
{
	return take_out(e, name, write_comment, err);
}

bool
conf_edit_edited(const struct conf_edit *e)
{
	return textfile_edited(e->file);
}

void
conf_edit_diff(const struct conf_edit *e, struct buf *out)
{
	textfile_diff(e->file, out);
}

/* -- what it would mean ------------------------------------------------------------------------ */

struct conf *
conf_edit_check(const struct conf_edit *e, struct conf_problems *problems)
{
	char *path = main_path(e->dir, "master.cf"), *whole = e->dir[0] == '/' ? NULL : realpath(e->dir, NULL);
	struct buf master_cf = BUF_INIT(CONF_TEXT_MAX + 65536);
	struct err err = { ERR_NONE, "" };
	struct conf *c = NULL;

	if (access(path, F_OK) != 0 && errno == ENOENT)
		buf_str(&master_cf, master_cf_builtin);
	else if (!conf_slurp(path, &master_cf, &err))
		conf_problem_add(problems, PROBLEM_ERROR, path, 0, "%s", err.text);
	if (err.kind == ERR_NONE)
		c = conf_parse(whole != NULL ? whole : e->dir, conf_edit_text(e), buf_view(&master_cf), problems);
	buf_clear(&master_cf);
	free(path);
	free(whole);
	return c;
}

bool
conf_edit_commit(struct conf_edit *e, struct err *err)
{
	return textfile_commit(e->file, err);
}

bool
conf_edit_undo(const char *dir, struct buf *diff, struct err *err)
{
	char *path = main_path(dir, "main.cf");
	bool ok = textfile_undo(path, diff, err);

	free(path);
	return ok;
}

bool
conf_edit_undo_diff(const char *dir, struct buf *diff, struct err *err)
{
	char *path = main_path(dir, "main.cf");
	struct textfile *t = textfile_before(path, CONF_TEXT_MAX, err);

	if (t != NULL)
		textfile_diff(t, diff);
	textfile_free(t);
	free(path);
	return t != NULL;
}
