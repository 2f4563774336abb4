/* The rows of a table, from its text: of the file that an index was or will be made of, or of the table's own words. */
#include <stdlib.h>

#include "base/mem.h"
#include "lint/private.h"

#define FILES_MAX	200

static const char *const from_files[] = {
	"hash", "btree", "lmdb", "cdb", "gdbm", "dbm", "sdbm", "texthash", "cidr", "regexp", "pcre",
};

static bool
is_file_type(struct span type)
{
	for (size_t i = 0; i < sizeof from_files / sizeof *from_files; i++)
		if (span_eqs(type, from_files[i]))
			return true;
	return false;
}

struct source *
file_source(struct lint *l, struct span path)
{
	for (size_t i = 0; i < l->file_count; i++)
		if (span_eqs(path, l->files[i]->path))
			return l->files[i];
	if (l->file_count >= FILES_MAX)
		return NULL;
	l->files = mem_grow(l->files, l->file_count + 1, sizeof(struct source *));
	MEM_NEW(l->files[l->file_count]);
	source_read(l, l->files[l->file_count], arena_str(&l->arena, path));
	return l->files[l->file_count++];
}

const struct source *
table_source(struct lint *l, struct span table)
{
	if (span_starts(table, "proxy:"))
		table = span_skip(table, 6);
	size_t colon = span_find(table, ':');
	struct span path = span_skip(table, colon + 1);
	if (!is_file_type(span_head(table, colon)) || !span_starts(path, "/"))
		return NULL;
	return file_source(l, path);
}

/* A pattern ends at its second delimiter, behind which flags may stand; another key at the first blank outside quotes. */
static size_t
key_length(struct span text)
{
	size_t n = 0;
	char end = text.len == 0 ? '\0' : text.ptr[0];

	if (end == '/' || end == '!') {
		for (n = 1; n < text.len && text.ptr[n] != '/'; n++)
			n += text.ptr[n] == '\\';
	}
	for (bool quoted = false; n < text.len && (quoted || !span_has(SPAN(LINT_BLANKS), text.ptr[n])); n++) {
		if (text.ptr[n] == '\\' && n + 1 < text.len)
			n++;
		else if (text.ptr[n] == '"')
			quoted = !quoted;
	}
	return n < text.len ? n : text.len;
}

static bool
each_line(struct lint *l, const struct source *s, entry_fn *fn, void *arg)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct logical *g = &s->logicals[i];
		struct span text = span_ltrim(g->text);
		size_t n = key_length(text);
		struct table_entry e = { span_head(text, n), span_trim(span_skip(text, n)), at_span(g, span_trim(text)) };
		if (span_ends(e.key, ":") && e.key.len > 1)
			e.key.len--;	/* aliases */
		if (!fn(l, &e, arg))
			break;
	}
	return true;
}

/* "{ key = value, ... }" with groups in {} for what holds blanks or commas. */
static bool
each_inline(struct lint *l, struct span text, struct place p, entry_fn *fn, void *arg)
{
	struct span word;

	text = span_trim(text);
	if (!span_starts(text, "{") || !span_ends(text, "}") || text.len < 2)
		return false;
	text = span_of(text.ptr + 1, text.len - 2);
	while (span_word(&text, ",\n", &word)) {
		word = span_trim(word);
		if (span_starts(word, "{"))
			word = span_trim(span_skip(word, 1));
		if (span_ends(word, "}"))
			word = span_trim(span_head(word, word.len - 1));
		size_t eq = span_find(word, '=');
		struct table_entry e = { span_trim(span_head(word, eq)), span_trim(span_skip(word, eq + 1)), p };
		if (e.key.len > 0 && !fn(l, &e, arg))
			break;
	}
	return true;
}

bool
each_entry(struct lint *l, struct span table, struct place p, entry_fn *fn, void *arg)
{
	if (span_starts(table, "proxy:"))
		table = span_skip(table, 6);
	struct span name = span_skip(table, span_find(table, ':') + 1);
	if (span_starts(table, "static:")) {
		struct table_entry e = { SPAN("*"), name, p };
		fn(l, &e, arg);
		return true;
	}
	if (span_starts(table, "inline:"))
		return each_inline(l, name, p, fn, arg);
	const struct source *s = table_source(l, table);
	return s != NULL && s->readable && each_line(l, s, fn, arg);
}
