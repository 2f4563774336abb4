#include "table/source.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/textfile.h"
#include "conf/lines.h"
#include "table/source_grammar.h"
#include "table/type.h"

#define SOURCE_MAX	((size_t)512 << 20)
#define LINE_MAX_BYTES	((size_t)1 << 20)	/* of a logical line */

/* Where an entry stands in the text; what it says is parsed when it is asked for. */
struct item {
	size_t		 from, to;
	unsigned	 line;
	enum source_kind kind;
};

struct source {
	const struct source_grammar *grammar;
	struct textfile	*file;
	struct item	*items;
	size_t		 count, room;
	size_t		 bad;		/* lines that the grammar refuses, and ifs and endifs that do not fit */
	size_t		 bad_at_open;
	struct err	 first_bad;
	struct buf	 line, key;	/* of the entry asked for last */
};

/* -- reading -------------------------------------------------------------------------------- */

static bool
begins_blank(struct span line)
{
	return line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
}

/* One logical line; kind BAD, with the reason in err, where it is wrong. */
static void
parse(const struct source *s, struct span line, bool over, struct buf *key, struct source_entry *e, struct err *err)
{
	bool ok = false;

	buf_reset(key);
	if (over)
		err_set(err, ERR_PERM, "a line of more than %zu bytes", LINE_MAX_BYTES);
	else if (span_has(line, '\0'))
		err_set(err, ERR_PERM, "a NUL byte; the file should be text");
	else if (begins_blank(line))
		err_set(err, ERR_PERM, "the first entry begins with a blank; begin it at the margin");
	else
		ok = s->grammar->parse(line, key, e, err);
	if (ok && e->kind == SOURCE_PAIR && (key->over || (!s->grammar->exact && e->key.len > TABLE_KEY_MAX))) {
		err_set(err, ERR_PERM, "a key of more than %d bytes", TABLE_KEY_MAX);
		ok = false;
	}
	if (!ok) {
		e->kind = SOURCE_BAD;
		e->key = line;
		e->value = SPAN_NONE;
	}
}

static void
note_bad(struct source *s, unsigned line, const struct err *why)
{
	if (s->bad++ > 0)
		return;
	s->first_bad = *why;
	err_prefix(&s->first_bad, "%s:%u", textfile_path(s->file), line);
}

static void
add_item(struct source *s, struct item item)
{
	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->items = mem_grow(s->items, s->room, sizeof *s->items);
	}
	s->items[s->count++] = item;
}

static void
note_nesting(struct source *s, const struct item *item, size_t *depth, unsigned *opened)
{
	struct err err = { ERR_NONE, "" };

	if (item->kind == SOURCE_IF && (*depth)++ == 0)
		*opened = item->line;
	if (item->kind != SOURCE_ENDIF || (*depth > 0 && (*depth)--))
		return;
	err_set(&err, ERR_PERM, "an endif without its if");
	note_bad(s, item->line, &err);
}

/* The index of the text as it is now. */
static void
read_index(struct source *s)
{
	struct span text = textfile_text(s->file), line;
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(LINE_MAX_BYTES) };
	struct buf key = BUF_INIT(LINE_MAX_BYTES);
	unsigned number = 0, opened = 0;
	size_t depth = 0;

	s->count = s->bad = 0;
	while (conf_lines_next(&lines, &line, &number)) {
		struct source_entry e = { .kind = SOURCE_BAD };
		struct err err = { ERR_NONE, "" };
		parse(s, line, lines.text.over, &key, &e, &err);
		size_t from = (size_t)(lines.raw.ptr - text.ptr);
		struct item item = { from, from + lines.raw.len, number, e.kind };
		if (e.kind == SOURCE_BAD)
			note_bad(s, number, &err);
		note_nesting(s, &item, &depth, &opened);
		add_item(s, item);
	}
	if (depth > 0) {
		struct err err = { ERR_NONE, "" };
		err_set(&err, ERR_PERM, "an if without its endif");
		note_bad(s, opened, &err);
	}
	buf_clear(&lines.text);
	buf_clear(&key);
}

struct source *
source_open(struct span type, const char *path, struct err *err)
{
	const struct source_grammar *g = source_grammar(type);
	struct source *s;

	if (g == NULL) {
		err_set(err, ERR_PERM, "tables of type \"%.*s\" have no text to edit", SPAN_ARG(span_head(type, 40)));
		return NULL;
	}
	struct textfile *file = textfile_open(path, SOURCE_MAX, err);
	if (file == NULL)
		return NULL;
	MEM_NEW(s);
	s->grammar = g;
	s->file = file;
	s->line = BUF_INIT(LINE_MAX_BYTES);
	s->key = BUF_INIT(LINE_MAX_BYTES);
	read_index(s);
	s->bad_at_open = s->bad;
	return s;
}

void
source_free(struct source *s)
{
	if (s == NULL)
		return;
	textfile_free(s->file);
	free(s->items);
	buf_clear(&s->line);
	buf_clear(&s->key);
	free(s);
}

const char *
source_path(const struct source *s)
{
	return textfile_path(s->file);
}

struct span
source_text(const struct source *s)
{
	return textfile_text(s->file);
}

size_t
source_count(const struct source *s)
{
	return s->count;
}

bool
source_entry(struct source *s, size_t index, struct source_entry *e)
{
	struct err err = { ERR_NONE, "" };
	struct span line = SPAN_NONE;

	if (index >= s->count)
		return false;
	const struct item *item = &s->items[index];
	struct conf_lines lines = { .rest = span_of(source_text(s).ptr + item->from, item->to - item->from), .next = item->line,
	    .text = s->line };
	*e = (struct source_entry){ .kind = SOURCE_BAD };
	(void)conf_lines_next(&lines, &line, &e->line);
	e->last = lines.last;
	s->line = lines.text;
	parse(s, line, s->line.over, &s->key, e, &err);
	if (e->kind == SOURCE_BAD) {
		buf_reset(&s->key);
		buf_str(&s->key, err.text);
		e->value = buf_view(&s->key);
	}
	return true;
}

/* In a large table most entries need not be taken apart: a key begins its line, but for one in quotes. */
static bool
may_have(const struct source *s, const struct item *item, struct span key)
{
	struct span raw = span_of(source_text(s).ptr + item->from, item->to - item->from);

	return item->kind == SOURCE_PAIR && (span_starts(raw, "\"") || span_caseeq(span_head(raw, key.len), key));
}

bool
source_find(struct source *s, struct span key, size_t from, size_t *index)
{
	struct source_entry e;

	for (size_t i = from; i < s->count; i++) {
		if (!may_have(s, &s->items[i], key) || !source_entry(s, i, &e))
			continue;
		if (!(s->grammar->exact ? span_eq(e.key, key) : span_caseeq(e.key, key)))
			continue;
		*index = i;
		return true;
	}
	return false;
}

bool
source_check(struct source *s, struct err *err)
{
	if (s->bad > 0)
		*err = s->first_bad;
	return s->bad == 0;
}

/* -- changing --------------------------------------------------------------------------------- */

/* Comments and blank lines between the parts of an entry outlive it. */
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

/* A value's lines: what follows the first is indented, or it would be an entry of its own. */
static void
write_value(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		buf_char(out, value.ptr[i]);
		if (value.ptr[i] == '\n' && (i + 1 == value.len || (value.ptr[i + 1] != ' ' && value.ptr[i + 1] != '\t')))
			buf_char(out, '\t');
	}
}

/* What stands before an entry's value in its first line, and the blanks at its end; empty where the value does not begin there. */
static struct span
prefix_of(struct source *s, size_t index, struct span *blanks)
{
	struct source_entry e;
	struct span raw = span_of(source_text(s).ptr + s->items[index].from, s->items[index].to - s->items[index].from);
	size_t first = span_find(raw, '\n');

	*blanks = SPAN_NONE;
	if (!source_entry(s, index, &e) || e.kind != SOURCE_PAIR || e.value.len == 0)
		return SPAN_NONE;
	size_t at = (size_t)(e.value.ptr - s->line.ptr), n = 0;
	if (at >= first)
		return SPAN_NONE;
	while (n < at && (raw.ptr[at - 1 - n] == ' ' || raw.ptr[at - 1 - n] == '\t'))
		n++;
	*blanks = span_of(raw.ptr + at - n, n);
	return span_head(raw, at);
}

/* The text that was made says what was asked for, and nothing else. */
static bool
says(struct source *s, struct span text, struct span key, struct span value, struct err *err)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(LINE_MAX_BYTES) };
	struct buf space = BUF_INIT(LINE_MAX_BYTES);
	struct source_entry e = { .kind = SOURCE_BAD };
	struct span line, more;
	unsigned number;
	bool ok = conf_lines_next(&lines, &line, &number);

	if (ok)
		parse(s, line, lines.text.over, &space, &e, err);
	if (!ok)
		err_set(err, ERR_PERM, "\"%.*s\" cannot be a key here", SPAN_ARG(span_head(key, 80)));
	else if (e.kind == SOURCE_BAD)
		ok = false;
	else if (e.kind != SOURCE_PAIR || !span_caseeq(e.key, key) || (!span_has(value, '\n') && !span_eq(e.value, span_trim(value)))) {
		err_set(err, ERR_PERM, "\"%.*s\" with this value would be read as something else (a key with blanks has to stand in quotes)", SPAN_ARG(span_head(key, 80)));
		ok = false;
	} else if (conf_lines_next(&lines, &more, &number)) {
		err_set(err, ERR_PERM, "the value would begin an entry of its own");
		ok = false;
	}
	buf_clear(&lines.text);
	buf_clear(&space);
	return ok;
}

static bool
may_edit(const struct source *s, struct err *err)
{
	if (!s->grammar->settings)
		return true;
	err_set(err, ERR_PERM, "%s says how to reach the server that has the table; its rows are changed there", source_path(s));
	return false;
}

static bool
replace_entry(struct source *s, size_t index, struct span key, struct span value, struct err *err)
{
	struct item item = s->items[index];
	struct buf new = BUF_INIT(0);
	struct span blanks, prefix = prefix_of(s, index, &blanks);

	if (prefix.len > 0)
		buf_span(&new, prefix);
	else
		s->grammar->write(&new, key, SPAN("\t"));
	write_value(&new, span_trim(value));
	bool ok = says(s, buf_view(&new), key, value, err);
	buf_char(&new, '\n');
	if (ok) {
		keep_silent_lines(span_of(source_text(s).ptr + item.from, item.to - item.from), &new);
		textfile_splice(s->file, item.from, item.to, buf_view(&new));
	}
	buf_clear(&new);
	return ok;
}

static bool
append_entry(struct source *s, struct span key, struct span value, struct err *err)
{
	struct span text = source_text(s), blanks = SPAN_NONE;
	struct buf new = BUF_INIT(0);
	size_t last = s->count;

	while (last > 0 && s->items[last - 1].kind != SOURCE_PAIR)
		last--;
	if (last > 0)
		(void)prefix_of(s, last - 1, &blanks);
	s->grammar->write(&new, key, blanks.len > 0 ? blanks : SPAN("\t"));
	write_value(&new, span_trim(value));
	bool ok = says(s, buf_view(&new), key, value, err);
	if (ok) {
		struct buf line = BUF_INIT(0);
		if (text.len > 0 && text.ptr[text.len - 1] != '\n')
			buf_char(&line, '\n');
		buf_span(&line, buf_view(&new));
		buf_char(&line, '\n');
		textfile_splice(s->file, text.len, text.len, buf_view(&line));
		buf_clear(&line);
	}
	buf_clear(&new);
	return ok;
}

/* As the readers of some types see it. */
static bool
is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
source_put(struct source *s, struct span key, struct span value, struct err *err)
{
	size_t index;

	if (!may_edit(s, err))
		return false;
	if (key.len == 0 || key.len + value.len > LINE_MAX_BYTES / 2 || span_has(key, '\n') || span_has(key, '\0') ||
	    span_has(value, '\0') || is_white(key.ptr[0]) || is_white(key.ptr[key.len - 1])) {
		err_set(err, ERR_PERM, "the key is empty, or has blanks around it, or there are bytes that cannot stand in a table");
		return false;
	}
	/* They may be what source_entry gave. */
	char *k = span_dup(key), *v = span_dup(value);
	key.ptr = k;
	value.ptr = v;
	bool ok = source_find(s, key, 0, &index) ? replace_entry(s, index, key, value, err) : append_entry(s, key, value, err);
	if (ok)
		read_index(s);
	free(k);
	free(v);
	return ok;
}

static void
delete_entry(struct source *s, size_t index)
{
	struct item item = s->items[index];
	struct buf kept = BUF_INIT(0);

	keep_silent_lines(span_of(source_text(s).ptr + item.from, item.to - item.from), &kept);
	textfile_splice(s->file, item.from, item.to, buf_view(&kept));
	buf_clear(&kept);
}

bool
source_del(struct source *s, struct span key, struct err *err)
{
	size_t *found = NULL, n = 0, index = 0;

	if (!may_edit(s, err))
		return false;
	char *k = span_dup(key);	/* it may be what source_entry gave */
	key.ptr = k;
	for (size_t from = 0; source_find(s, key, from, &index); from = index + 1) {
		found = mem_grow(found, n + 1, sizeof *found);
		found[n++] = index;
	}
	if (n == 0)
		err_set(err, ERR_PERM, "there is no \"%.*s\" in %s", SPAN_ARG(span_head(key, 80)), source_path(s));
	for (size_t i = n; i-- > 0; )
		delete_entry(s, found[i]);
	free(found);
	free(k);
	read_index(s);
	return n > 0;
}

bool
source_set(struct source *s, struct span text, struct err *err)
{
	if (text.len > SOURCE_MAX) {
		err_set(err, ERR_PERM, "a text of more than %zu MiB", SOURCE_MAX >> 20);
		return false;
	}
	char *was = span_dup(source_text(s));
	struct span old = span_of(was, source_text(s).len);
	textfile_set(s->file, text);
	read_index(s);
	bool ok = source_check(s, err);
	if (!ok) {
		textfile_set(s->file, old);
		read_index(s);
	}
	free(was);
	return ok;
}

bool
source_edited(const struct source *s)
{
	return textfile_edited(s->file);
}

void
source_diff(const struct source *s, struct buf *out)
{
	textfile_diff(s->file, out);
}

bool
source_commit(struct source *s, struct err *err)
{
	if (s->bad > s->bad_at_open)
		return source_check(s, err);
	return textfile_commit(s->file, err);
}

void
source_keep_nothing(struct source *s)
{
	textfile_keep_nothing(s->file);
}

bool
source_undo(const char *path, struct buf *diff, struct err *err)
{
	return textfile_undo(path, diff, err);
}

bool
source_undo_diff(const char *path, struct buf *diff, struct err *err)
{
	struct textfile *t = textfile_before(path, SOURCE_MAX, err);

	if (t != NULL)
		textfile_diff(t, diff);
	textfile_free(t);
	return t != NULL;
}
