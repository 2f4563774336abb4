#include "mtactl/route_steps.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/source.h"

#define PLACES_MAX	10000

void
steps_cut(struct steps *s, size_t len)
{
	while (s->count > 0 && s->places[s->count - 1].at >= len) {
		free(s->places[s->count - 1].table);
		free(s->places[--s->count].key);
	}
	s->trace.len = len < s->trace.len ? len : s->trace.len;
}

void
steps_clear(struct steps *s)
{
	steps_cut(s, 0);
	free(s->places);
	buf_clear(&s->trace);
	*s = (struct steps){ .count = 0 };
}

void
steps_told(struct steps *s, const struct table *t, struct span key, unsigned line, struct span value)
{
	(void)value;
	if (s->count == PLACES_MAX)
		return;
	s->places = mem_grow(s->places, s->count + 1, sizeof *s->places);
	s->places[s->count++] = (struct place){ .at = s->trace.len, .table = mem_str(table_name(t)), .key = span_dup(key), .line = line };
}

void
steps_add(struct steps *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&s->trace, fmt, ap);
	va_end(ap);
	buf_char(&s->trace, '\n');
}

/* Where an entry stands in the text that the table is, or is made from. */
static unsigned
line_of(const struct place *p)
{
	struct span spec = span_str(p->table);
	struct source_entry entry;
	struct err err;
	unsigned line = 0;
	size_t index;

	if (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	struct span type = span_head(spec, span_find(spec, ':'));
	if (p->line > 0 || type.len == spec.len || !source_type(type))
		return p->line;
	char *path = span_dup(span_skip(spec, type.len + 1));
	struct source *source = path[0] == '/' ? source_open(type, path, &err) : NULL;
	if (source != NULL && source_find(source, span_str(p->key), 0, &index) && source_entry(source, index, &entry))
		line = entry.line;
	source_free(source);
	free(path);
	return line;
}

static void
put_place(const struct place *p, struct jsonl *j)
{
	unsigned line = line_of(p);

	jsonl_str(j, "table", span_str(p->table));
	jsonl_str(j, "key", span_str(p->key));
	if (line > 0)
		jsonl_i64(j, "line", line);
}

void
steps_put_place(const struct steps *s, size_t at, struct jsonl *j)
{
	for (size_t i = s->count; i-- > 0;)
		if (s->places[i].at == at) {
			put_place(&s->places[i], j);
			return;
		}
}

static void
put_step(const struct steps *s, const struct conf *conf, struct span line, size_t at, size_t *place, struct jsonl *j)
{
	struct span name = span_head(line, span_find(line, ':'));
	unsigned set = name.len < line.len ? conf_line(conf, name) : 0;

	jsonl_object(j, NULL);
	jsonl_str(j, "text", line);
	if (set > 0)
		jsonl_i64(j, "set", set);
	while (*place < s->count && s->places[*place].at < at)
		++*place;
	if (*place < s->count && s->places[*place].at == at)
		put_place(&s->places[*place], j);
	jsonl_end_object(j);
}

void
steps_put(const struct steps *s, const struct conf *conf, size_t from, size_t to, struct jsonl *j)
{
	struct span rest = span_skip(span_head(buf_view(&s->trace), to), from), line;
	size_t place = 0;

	jsonl_array(j, "steps");
	while (rest.len > 0 && span_cut(&rest, '\n', &line))
		if (line.len > 0)
			put_step(s, conf, line, (size_t)(line.ptr - s->trace.ptr), &place, j);
	jsonl_end_array(j);
}
