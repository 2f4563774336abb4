#include "spool/intern.h"

#include <stdlib.h>

#include "base/mem.h"

struct intern_text {
	uint32_t	 number;	/* its place in items[]; what stands for it is one more */
	uint32_t	 count;
	uint32_t	 next_free;
	uint16_t	 len;
	char		 text[];
};

static struct span
text_key(const void *item)
{
	const struct intern_text *t = item;

	return span_of(t->text, t->len);
}

void
intern_init(struct intern *in)
{
	*in = (struct intern){ .map = MAP_INIT(text_key) };
}

void
intern_clear(struct intern *in)
{
	for (uint32_t i = 0; i < in->count; i++)
		free(in->items[i]);
	free(in->items);
	map_clear(&in->map);
}

static size_t
cost_of(size_t len)
{
	return sizeof(struct intern_text) + len + 48;	/* the allocation, its places in items and in the map */
}

static struct intern_text *
make(struct intern *in, struct span text)
{
	struct intern_text *t = mem_new(sizeof *t + text.len);

	t->len = (uint16_t)text.len;
	memcpy(t->text, text.ptr, text.len);
	if (in->free != 0) {
		t->number = in->free - 1;
		in->free = in->items[t->number]->next_free;
		free(in->items[t->number]);
	} else {
		if (in->count == in->cap) {
			in->cap = in->cap == 0 ? 64 : in->cap * 2;
			in->items = mem_grow(in->items, in->cap, sizeof(struct intern_text *));
		}
		t->number = in->count++;
	}
	in->items[t->number] = t;
	in->bytes += cost_of(text.len);
	map_add(&in->map, t);
	return t;
}

uint32_t
intern_ref(struct intern *in, struct span text, size_t room)
{
	if (text.len == 0 || text.len > UINT16_MAX)
		return 0;
	struct intern_text *t = map_get(&in->map, text);
	if (t == NULL && in->bytes + cost_of(text.len) > room)
		return 0;
	if (t == NULL)
		t = make(in, text);
	t->count++;
	return t->number + 1;
}

void
intern_unref(struct intern *in, uint32_t number)
{
	if (number == 0)
		return;
	struct intern_text *t = in->items[number - 1];
	if (--t->count > 0)
		return;
	(void)map_del(&in->map, text_key(t));
	in->bytes -= cost_of(t->len);
	t->len = 0;
	t->next_free = in->free;	/* the shell stays until its number is used again */
	in->free = number;
}

struct span
intern_text(const struct intern *in, uint32_t number)
{
	return number == 0 || number > in->count ? SPAN_NONE : text_key(in->items[number - 1]);
}

uint32_t
intern_count(const struct intern *in, uint32_t number)
{
	return number == 0 || number > in->count ? 0 : in->items[number - 1]->count;
}
