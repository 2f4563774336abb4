#include "base/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"

struct fact {
	struct span	 whole;		/* place, source length, source, key: what it is known by */
	struct span	 source, key;
	struct span	 value;
	uint32_t	 place;
	enum fact_state	 state;
	bool		 out;		/* handed to the driver */
};

struct facts {
	struct arena	 arena;
	struct map	 map;
	struct fact	**list;		/* in the order of asking */
	size_t		 count, cap;
	size_t		 next;		/* the first that was not handed out */
	unsigned	 open;
	uint32_t	 decision;	/* in the ids, so that late answers are known as such */
	int64_t		 now;
	bool		 over;
};

#define KEY_HEAD	8	/* place, source length */
#define KEY_SHORT	512	/* a key up to this needs no memory to be looked up */

static struct span
fact_key(const void *item)
{
	return ((const struct fact *)item)->whole;
}

struct facts *
facts_new(void)
{
	struct facts *f;
	MEM_NEW(f);
	f->arena = ARENA_INIT(FACTS_BYTES_MAX);
	f->map = MAP_INIT(fact_key);
	f->decision = 1;
	return f;
}

void
facts_free(struct facts *f)
{
	if (f == NULL)
		return;
	map_clear(&f->map);
	arena_clear(&f->arena);
	free(f->list);
	free(f);
}

void
facts_reset(struct facts *f, int64_t now)
{
	f->now = now;
	f->over = false;
	f->decision++;
	if (f->count == 0)
		return;
	map_clear(&f->map);
	arena_reset(&f->arena);
	f->count = f->next = f->open = 0;
}

int64_t
facts_now(const struct facts *f)
{
	return f->now;
}

/* The bytes that a fact is known by; in `space` where they fit, else in the arena. */
static struct span
make_key(struct facts *f, char space[KEY_SHORT], uint32_t place, struct span source, struct span key)
{
	size_t len = KEY_HEAD + source.len + key.len;
	char *p = len <= KEY_SHORT ? space : len > FACTS_BYTES_MAX ? NULL : arena_new(&f->arena, len);

	if (p == NULL)
		return SPAN_NONE;
	num_put32((unsigned char *)p, place);
	num_put32((unsigned char *)p + 4, (uint32_t)source.len);
	if (source.len > 0)
		memcpy(p + KEY_HEAD, source.ptr, source.len);
	if (key.len > 0)
		memcpy(p + KEY_HEAD + source.len, key.ptr, key.len);
	return span_of(p, len);
}

static struct fact *
add(struct facts *f, uint32_t place, struct span whole, size_t source_len)
{
	struct fact *new = f->count < FACTS_MAX ? arena_new(&f->arena, sizeof *new) : NULL;
	struct span kept = new == NULL ? SPAN_NONE : arena_span(&f->arena, whole);

	if (kept.ptr == NULL)
		return NULL;
	new->whole = kept;
	new->source = span_of(kept.ptr + KEY_HEAD, source_len);
	new->key = span_skip(kept, KEY_HEAD + source_len);
	new->place = place;
	new->state = FACT_PENDING;
	if (f->count == f->cap) {
		f->cap = f->cap == 0 ? 16 : f->cap * 2;
		f->list = mem_grow(f->list, f->cap, sizeof(struct fact *));
	}
	f->list[f->count++] = new;
	map_add(&f->map, new);
	return new;
}

/* The fact, which is wanted from now on; NULL past the bounds. */
static struct fact *
find(struct facts *f, uint32_t place, struct span source, struct span key)
{
	char space[KEY_SHORT];
	struct span whole = make_key(f, space, place, source, key);
	struct fact *found = NULL;

	if (whole.ptr != NULL) {
		found = map_get(&f->map, whole);
		if (found == NULL)
			found = add(f, place, whole, source.len);
	}
	if (found == NULL)
		f->over = true;
	return found;
}

enum fact_state
facts_get(struct facts *f, uint32_t place, struct span source, struct span key, struct span *value)
{
	if (f == NULL) {
		*value = SPAN("nothing can be asked here");
		return FACT_FAILED;
	}
	const struct fact *fact = find(f, place, source, key);
	if (fact == NULL) {
		*value = SPAN("too many lookups for one decision");
		return FACT_FAILED;
	}
	*value = fact->value;
	return fact->state;
}

void
facts_hint(struct facts *f, struct span source, struct span key)
{
	if (f != NULL && f->count < FACTS_MAX / 2)
		find(f, FACT_PURE, source, key);
}

bool
facts_wanted(struct facts *f, struct fact_want *want)
{
	if (f->next == f->count)
		return false;
	struct fact *fact = f->list[f->next];
	want->id = (uint64_t)f->decision << 32 | f->next++;
	want->place = fact->place;
	want->source = fact->source;
	want->key = fact->key;
	fact->out = true;
	f->open++;
	return true;
}

bool
facts_answer(struct facts *f, uint64_t id, enum fact_state state, struct span value)
{
	size_t at = (uint32_t)id;

	if (id >> 32 != f->decision || at >= f->count || state == FACT_PENDING)
		return false;
	struct fact *fact = f->list[at];
	if (!fact->out || fact->state != FACT_PENDING)
		return false;
	fact->value = arena_span(&f->arena, value);
	fact->state = state;
	if (fact->value.ptr == NULL && value.len > 0) {
		f->over = true;
		fact->state = FACT_FAILED;
		fact->value = SPAN("the answer is too long");
	}
	f->open--;
	return true;
}

unsigned
facts_open(const struct facts *f)
{
	return f->open;
}

bool
facts_over(const struct facts *f)
{
	return f->over;
}
