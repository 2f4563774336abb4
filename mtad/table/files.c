#include "table/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/compiled.h"
#include "table/named.h"
#include "table/remote.h"
#include "table/type.h"

struct gathering {
	struct table_file *items;
	size_t		 count;
	unsigned	 inner;		/* backups looked at: one may name itself */
};

static void
add(struct gathering *g, struct span spec, struct span name, bool compiled, bool aliases)
{
	struct buf path = BUF_INIT(4096);

	buf_span(&path, name);
	if (compiled)
		buf_str(&path, COMPILED_SUFFIX);
	for (size_t i = 0; i < g->count; i++)
		if (!path.over && strcmp(g->items[i].path, path.ptr) == 0) {
			g->items[i].aliases = g->items[i].aliases || aliases;
			buf_clear(&path);
			return;
		}
	if (!path.over) {
		g->items = mem_grow(g->items, g->count + 1, sizeof *g->items);
		g->items[g->count++] = (struct table_file){ buf_take(&path), compiled ? span_dup(name) : NULL, span_dup(spec), aliases, false };
	}
	buf_clear(&path);
}

static void scan(struct gathering *, struct span text, bool aliases);

/* A memcache table may stand before another one. */
static void
scan_backup(struct gathering *g, struct span path)
{
	struct remote_file f;

	if (g->inner++ > 20 || !remote_file_read(&f, "memcache", path, NULL))
		return;
	scan(g, span_str(remote_str(&f, "backup", "")), false);
	remote_file_clear(&f);
}

/* The words of the innermost braces are looked at like any others: what is no table's name is passed over. */
static void
scan(struct gathering *g, struct span text, bool aliases)
{
	struct span word, name;

	while (span_word(&text, "\t\r\n ,{}", &word)) {
		while (span_starts(word, "proxy:"))
			word = span_skip(word, 6);
		size_t colon = span_find(word, ':');
		name = span_skip(word, colon + 1);
		if (span_starts(name, "/") && !span_has(name, '\0') && table_type_compiled(span_head(word, colon)))
			add(g, word, name, true, aliases);
		if (!span_starts(name, "/") || span_has(name, '\0') || !(table_type_flags(span_head(word, colon)) & TABLE_ASKED_BY_FILE))
			continue;
		add(g, word, name, false, false);
		if (span_starts(word, "memcache:"))
			scan_backup(g, name);
	}
}

size_t
table_files(const struct conf *conf, struct table_file **files)
{
	struct gathering g = { .items = NULL };
	struct named_table *named;

	size_t n = tables_named(conf, &named);
	for (size_t i = 0; i < n; i++)
		scan(&g, span_str(named[i].spec), named[i].aliases);
	tables_named_free(named, n);
	bool set = conf_line(conf, SPAN("alias_maps")) > 0 || conf_line(conf, SPAN("alias_database")) > 0;
	for (size_t i = 0; i < g.count; i++)
		g.items[i].by_default = !set && strcmp(g.items[i].spec, param_row(P_alias_maps)->def) == 0;
	*files = g.items;
	return g.count;
}

bool
table_there(struct span spec)
{
	struct buf path = BUF_INIT(8192);
	const struct table_env *env = table_env();

	while (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	size_t colon = span_find(spec, ':');
	if (!table_type_compiled(span_head(spec, colon)) || !compiled_path(span_skip(spec, colon + 1), &path)) {
		buf_clear(&path);
		return false;
	}
	int fd = env->open != NULL ? env->open(path.ptr) : open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		close(fd);
	buf_clear(&path);
	return fd >= 0;
}

void
table_files_free(struct table_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(files[i].path);
		free(files[i].text);
		free(files[i].spec);
	}
	free(files);
}

/* Of all tables, also those inside of others, the ones whose type has one of these flags. */
static size_t
specs_with(const struct conf *conf, unsigned flags, char ***specs)
{
	struct named_table *named;
	struct span rest, word;
	size_t count = 0, n = tables_named(conf, &named);

	*specs = NULL;
	for (size_t i = 0; i < n; i++) {
		rest = span_str(named[i].spec);
		while (span_word(&rest, "\t\r\n ,{}", &word)) {
			while (span_starts(word, "proxy:"))
				word = span_skip(word, 6);
			if (!(table_type_flags(span_head(word, span_find(word, ':'))) & flags))
				continue;
			*specs = mem_grow(*specs, count + 1, sizeof **specs);
			(*specs)[count++] = span_dup(word);
		}
	}
	tables_named_free(named, n);
	return count;
}

size_t
table_remotes(const struct conf *conf, char ***specs)
{
	return specs_with(conf, TABLE_BLOCKS, specs);
}

size_t
table_texts(const struct conf *conf, char ***specs)
{
	struct span unused;
	size_t count = 0, n = specs_with(conf, TABLE_TEXT, specs);

	for (size_t i = 0; i < n; i++) {
		char *spec = (*specs)[i];
		bool known = !conf_file(conf, table_text_path(span_str(spec)), &unused);
		for (size_t k = 0; !known && k < count; k++)
			known = strcmp((*specs)[k], spec) == 0;
		if (known)
			free(spec);
		else
			(*specs)[count++] = spec;
	}
	return count;
}

struct span
table_text_path(struct span spec)
{
	return span_skip(spec, span_find(spec, ':') + 1);
}
