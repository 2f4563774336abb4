#include "table/shared.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

#define KEPT_MAX	1000u	/* complaints of one table: nobody reads more */

struct complaint {
	bool		 note;
	unsigned	 line;
	char		*text;
};

struct complaints {
	struct complaint *items;
	size_t		 count;
};

struct shared {
	struct shared	*next;
	const struct table_type *type;
	char		*path;
	size_t		 len;		/* of the text */
	uint64_t	 hash;		/* keyed at random, so no two texts are made to be alike */
	unsigned	 refs;
	void		*state;
	struct complaints complaints;
};

static struct shared *all;

void
complaint_add(struct complaints *c, bool note, unsigned line, const char *text)
{
	if (c->count >= KEPT_MAX)
		return;
	c->items = mem_grow(c->items, c->count + 1, sizeof *c->items);
	c->items[c->count++] = (struct complaint){ note, line, mem_str(text) };
}

static void
shared_free(struct shared *s)
{
	for (size_t i = 0; i < s->complaints.count; i++)
		free(s->complaints.items[i].text);
	free(s->complaints.items);
	free(s->path);
	free(s);
}

static void
tell_again(const struct shared *s)
{
	for (size_t i = 0; i < s->complaints.count; i++) {
		const struct complaint *c = &s->complaints.items[i];
		if (c->note)
			table_note(span_str(s->path), c->line, "%s", c->text);
		else
			table_warn(span_str(s->path), c->line, "%s", c->text);
	}
}

static struct shared *
find(const struct table_type *type, struct span name, struct span text, uint64_t hash)
{
	for (struct shared *s = all; s != NULL; s = s->next)
		if (s->type == type && s->hash == hash && s->len == text.len && span_eqs(name, s->path))
			return s;
	return NULL;
}

bool
shared_open(const struct table_type *type, const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct shared *s;
	struct span text;

	if (!(type->flags & TABLE_TEXT) || !conf_file(conf, name, &text))
		return type->open(conf, name, state, err);
	uint64_t hash = map_hash(text);
	if ((s = find(type, name, text, hash)) != NULL) {
		s->refs++;
		*state = s->state;
		tell_again(s);
		return true;
	}
	MEM_NEW(s);
	*s = (struct shared){ .next = all, .type = type, .path = span_dup(name), .len = text.len, .hash = hash, .refs = 1 };
	table_keep_complaints(&s->complaints);
	bool ok = type->open(conf, name, &s->state, err);
	table_keep_complaints(NULL);
	if (!ok) {
		shared_free(s);
		return false;
	}
	all = s;
	*state = s->state;
	return true;
}

void
shared_close(const struct table_type *type, void *state)
{
	struct shared **at = &all, *s;

	if (type->flags & TABLE_TEXT)
		while (*at != NULL && (*at)->state != state)
			at = &(*at)->next;
	if (!(type->flags & TABLE_TEXT) || *at == NULL) {
		type->close(state);
		return;
	}
	s = *at;
	if (--s->refs > 0)
		return;
	*at = s->next;
	type->close(s->state);
	shared_free(s);
}
