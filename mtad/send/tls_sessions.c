#include "send/tls_sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct tls_saved {
	char		*key, *data;
	size_t		 key_len, data_len;
	int64_t		 at;		/* monotonic */
};

struct span
tls_saved_key(const void *item)
{
	const struct tls_saved *s = item;

	return span_of(s->key, s->key_len);
}

static void
saved_free(struct tls_saved *s)
{
	if (s == NULL)
		return;
	explicit_bzero(s->data, s->data_len);
	free(s->data);
	free(s->key);
	free(s);
}

/* The slot that is next, empty. */
static struct tls_saved **
make_room(struct tls_sessions *t)
{
	struct tls_saved **slot = &t->slots[t->next];

	t->next = (t->next + 1) % TLS_SESSIONS_MAX;
	if (*slot != NULL)
		saved_free(map_del(&t->by_key, tls_saved_key(*slot)));
	*slot = NULL;
	return slot;
}

void
tls_sessions_put(struct tls_sessions *t, struct span key, struct span data, int64_t now)
{
	struct tls_saved *s = map_get(&t->by_key, key);

	if (data.len == 0 || data.len > TLS_SESSION_BYTES)
		return;
	if (s == NULL) {
		struct tls_saved **slot = make_room(t);
		MEM_NEW(s);
		s->key = span_dup(key);
		s->key_len = key.len;
		*slot = s;
		map_add(&t->by_key, s);
	} else {
		explicit_bzero(s->data, s->data_len);
		free(s->data);
	}
	s->data = memcpy(mem_new(data.len), data.ptr, data.len);
	s->data_len = data.len;
	s->at = now;
}

struct span
tls_sessions_get(const struct tls_sessions *t, struct span key, int64_t now, int64_t lifetime)
{
	const struct tls_saved *s = map_get(&t->by_key, key);

	return s == NULL || now - s->at >= lifetime ? SPAN_NONE : span_of(s->data, s->data_len);
}

void
tls_sessions_forget(struct tls_sessions *t)
{
	for (size_t i = 0; i < TLS_SESSIONS_MAX; i++)
		saved_free(t->slots[i]);
	memset(t->slots, 0, sizeof t->slots);
	map_clear(&t->by_key);
	t->next = 0;
}
