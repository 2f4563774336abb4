#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define BUF_MIN	256
#define BUF_FIT	4096	/* less is not worth the moving */

void
buf_clear(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){ .max = b->max };
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->over = false;
	if (b->ptr != NULL)
		b->ptr[0] = '\0';
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t max = b->max == 0 ? BUF_MAX : b->max;

	if (b->over || n > max || b->len > max - n) {
		b->over = true;
		return NULL;
	}
	if (b->cap < b->len + n + 1) {
		size_t cap = b->cap < BUF_MIN ? BUF_MIN : b->cap;
		while (cap < b->len + n + 1)
			cap *= 2;
		b->ptr = mem_grow(b->ptr, cap, 1);
		b->cap = cap;
	}
	return b->ptr + b->len;
}

void
buf_added(struct buf *b, size_t n)
{
	if (b->len + n + 1 > b->cap)
		panic("buf_added: %zu bytes were not reserved", n);
	b->len += n;
	b->ptr[b->len] = '\0';
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	char *room = buf_room(b, n);

	if (room == NULL)
		return;
	if (n > 0)
		memcpy(room, p, n);
	buf_added(b, n);
}

void
buf_span(struct buf *b, struct span s)
{
	buf_put(b, s.ptr, s.len);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char small[256];

	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n < 0) {
		b->over = true;
	} else if ((size_t)n < sizeof small) {
		buf_put(b, small, (size_t)n);
	} else {
		char *room = buf_room(b, (size_t)n);
		if (room != NULL) {
			(void)vsnprintf(room, (size_t)n + 1, fmt, again);
			buf_added(b, (size_t)n);
		}
	}
	va_end(again);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n > b->len)
		panic("buf_drop: %zu of %zu bytes", n, b->len);
	if (n == 0)
		return;
	memmove(b->ptr, b->ptr + n, b->len - n);
	buf_cut(b, b->len - n);
}

void
buf_fit(struct buf *b)
{
	if (b->len == 0) {
		buf_clear(b);
	} else if (b->cap > BUF_FIT && b->cap / 4 > b->len) {
		b->cap = b->len + 1;
		b->ptr = mem_grow(b->ptr, b->cap, 1);
	}
}

void
buf_cut(struct buf *b, size_t n)
{
	if (n > b->len)
		panic("buf_cut: %zu of %zu bytes", n, b->len);
	b->len = n;
	if (b->ptr != NULL)
		b->ptr[n] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *s = b->ptr == NULL ? mem_str("") : b->ptr;

	*b = (struct buf){ .max = b->max };
	return s;
}
