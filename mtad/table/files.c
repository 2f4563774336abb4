#include "table/files.h"

#include <stdlib.h>

#include "base/mem.h"
#include "table/compiled.h"
#include "table/named.h"
#include "table/type.h"

struct gathering {
	struct table_file *items;
	size_t		 count;
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
	}
}

size_t
table_files(const struct conf *conf, struct table_file **files)
{
	struct gathering g = { NULL, 0 };
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
