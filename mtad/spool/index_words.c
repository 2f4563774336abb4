#include "spool/index_words.h"

#include <stdlib.h>

#include "base/mem.h"

#define TEXT_MAX	400u		/* longer ones are read */
#define NAME_MAX_LEN	255u
#define ROOM_LEAST	((size_t)1 << 20)
#define ROOM_MESSAGE	4u		/* bytes more for each message in the queue */
#define SEEN		16384u		/* texts that were met once: their hashes, the newest in each place */

struct index_words {
	uint32_t	 number;	/* its place in items[]; a recipient has one more */
	uint32_t	 count;		/* recipients that have it */
	uint32_t	 next_free;
	uint16_t	 len;
	char		 key[];		/* lengths of transport and nexthop, whether there is a text; then the three */
};

#define KEY_HEAD	3u
#define KEY_MAX		(KEY_HEAD + 2 * NAME_MAX_LEN + TEXT_MAX)

static struct span
words_key(const void *item)
{
	const struct index_words *w = item;

	return span_of(w->key, w->len);
}

void
words_init(struct index *ix)
{
	ix->words = (struct words_table){ .map = MAP_INIT(words_key) };
}

void
words_clear(struct index *ix)
{
	struct words_table *t = &ix->words;

	for (uint32_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
	free(t->seen);
	map_clear(&t->map);
}

static size_t
cost_of(const struct index_words *w)
{
	return sizeof *w + w->len + 48;		/* the allocation, its places in items and in the map */
}

/* Its key as a new item would have it. */
static size_t
put_key(char *key, const struct words *w, bool text)
{
	size_t at = KEY_HEAD;
	const struct span parts[] = { w->transport, w->nexthop, text ? w->text : SPAN_NONE };

	key[0] = (char)(uint8_t)w->transport.len;
	key[1] = (char)(uint8_t)w->nexthop.len;
	key[2] = text;
	for (size_t i = 0; i < 3; i++) {
		if (parts[i].len > 0)
			memcpy(key + at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	return at;
}

/* Whether it was met before, as far as that is remembered. */
static bool
seen_before(struct words_table *t, struct span text)
{
	uint64_t full = map_hash(text);
	uint32_t hash = (uint32_t)full;

	if (t->seen == NULL)
		t->seen = mem_array(SEEN, sizeof *t->seen);
	uint32_t *place = &t->seen[(full >> 32) % SEEN];
	bool met = *place == hash;
	*place = hash;
	return met;
}

static struct index_words *
words_make(struct index *ix, struct span key)
{
	struct words_table *t = &ix->words;

	size_t room = ROOM_LEAST + ROOM_MESSAGE * ix->count;
	if (t->bytes + sizeof(struct index_words) + key.len > (key.ptr[2] ? room / 4 * 3 : room))
		return NULL;	/* a part of it is for destinations alone */
	struct index_words *w = mem_new(sizeof *w + key.len);
	w->len = (uint16_t)key.len;
	memcpy(w->key, key.ptr, key.len);
	if (t->free != 0) {
		w->number = t->free - 1;
		t->free = t->items[w->number]->next_free;
		free(t->items[w->number]);
	} else {
		if (t->count == t->cap) {
			t->cap = t->cap == 0 ? 64 : t->cap * 2;
			t->items = mem_grow(t->items, t->cap, sizeof(struct index_words *));
		}
		w->number = t->count++;
	}
	t->items[w->number] = w;
	t->bytes += cost_of(w);
	map_add(&t->map, w);
	return w;
}

void
words_forget(struct index *ix, struct entry_rcpt *r)
{
	struct words_table *t = &ix->words;

	if (r->words == 0)
		return;
	struct index_words *w = t->items[r->words - 1];
	r->words = 0;
	if (--w->count > 0)
		return;
	(void)map_del(&t->map, words_key(w));
	t->bytes -= cost_of(w);
	/* Only the shell stays until its number is used again. */
	struct index_words *shell = mem_new(sizeof *shell);
	shell->number = w->number;
	shell->next_free = t->free;
	t->items[w->number] = shell;
	t->free = w->number + 1;
	free(w);
}

void
words_learn(struct index *ix, struct entry_rcpt *r, const struct words *what)
{
	char key[KEY_MAX];

	if (what->transport.len > NAME_MAX_LEN || what->nexthop.len > NAME_MAX_LEN)
		return;
	if (r->words != 0 && ix->words.items[r->words - 1]->key[2])
		return;
	struct index_words *w = NULL;
	if (what->text.len <= TEXT_MAX) {
		struct span with = span_of(key, put_key(key, what, true));
		w = map_get(&ix->words.map, with);
		if (w == NULL && seen_before(&ix->words, with))
			w = words_make(ix, with);
	}
	if (w == NULL && r->words != 0)
		return;		/* what is known is as much */
	if (w == NULL) {
		struct span without = span_of(key, put_key(key, what, false));
		w = map_get(&ix->words.map, without);
		if (w == NULL)
			w = words_make(ix, without);
	}
	if (w == NULL)
		return;
	w->count++;
	words_forget(ix, r);
	r->words = w->number + 1;
}

bool
words_of(const struct index *ix, const struct entry_rcpt *r, struct words *out)
{
	if (r->words == 0)
		return false;
	const struct index_words *w = ix->words.items[r->words - 1];
	struct span rest = span_skip(words_key(w), KEY_HEAD);
	out->transport = span_head(rest, (uint8_t)w->key[0]);
	rest = span_skip(rest, out->transport.len);
	out->nexthop = span_head(rest, (uint8_t)w->key[1]);
	out->text = span_skip(rest, out->nexthop.len);
	out->has_text = w->key[2] != 0;
	return true;
}
