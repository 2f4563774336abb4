#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK	4096

struct arena_chunk {
	struct arena_chunk	*next;
	size_t			 size;
	size_t			 used;
	alignas(max_align_t) char data[];
};

void
arena_clear(struct arena *a)
{
	while (a->chunk != NULL) {
		struct arena_chunk *next = a->chunk->next;
		free(a->chunk);
		a->chunk = next;
	}
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunk;

	a->used = 0;
	if (keep == NULL)
		return;
	a->chunk = keep->next;
	arena_clear(a);
	if (keep->size > CHUNK) {
		free(keep);
		return;
	}
	keep->next = NULL;
	keep->used = 0;
	a->chunk = keep;
}

void *
arena_new(struct arena *a, size_t size)
{
	size_t n = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_chunk *c = a->chunk;

	if (n < size || (a->max != 0 && (n > a->max || a->used > a->max - n)))
		return NULL;
	if (c == NULL || c->size - c->used < n) {
		size_t room = n > CHUNK ? n : CHUNK;
		c = mem_grow(NULL, 1, sizeof *c + room);
		*c = (struct arena_chunk){ .next = a->chunk, .size = room };
		a->chunk = c;
	}
	void *p = c->data + c->used;
	memset(p, 0, n);
	c->used += n;
	a->used += n;
	return p;
}

char *
arena_str(struct arena *a, struct span s)
{
	char *p = arena_new(a, s.len + 1);

	if (p != NULL && s.len > 0)
		memcpy(p, s.ptr, s.len);
	return p;
}

struct span
arena_span(struct arena *a, struct span s)
{
	char *p = arena_str(a, s);
	return span_of(p, p == NULL ? 0 : s.len);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p = NULL;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && (p = arena_new(a, (size_t)n + 1)) != NULL)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}
