/*
 * A byte buffer that grows up to a stated maximum. Past it, `over` is set and
 * stays set until buf_reset: what was put since is lost, so a writer checks once, before use.
 * ptr is terminated with NUL behind the len bytes after every call (ptr is never NULL once something was put).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct buf {
	char	*ptr;
	size_t	 len;
	size_t	 cap;
	size_t	 max;		/* 0: BUF_MAX */
	bool	 over;
};

#define BUF_MAX		((size_t)256 << 20)
/* An empty buffer; owns nothing until something is put. */
#define BUF_INIT(m)	((struct buf){ .max = (m) })

void	buf_clear(struct buf *);	/* frees; the buffer may be used again */
void	buf_reset(struct buf *);	/* empties, keeps the memory, ends `over` */

void	buf_put(struct buf *, const void *, size_t);
void	buf_span(struct buf *, struct span);
void	buf_str(struct buf *, const char *);
void	buf_char(struct buf *, char);
void	buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	buf_vprintf(struct buf *, const char *fmt, va_list);

/* Room for n more bytes at the returned place, or NULL (and over). Follow with buf_added(how many were filled). */
char	*buf_room(struct buf *, size_t n);
void	buf_added(struct buf *, size_t n);
/* Drops the first n bytes. */
void	buf_drop(struct buf *, size_t n);
/* Gives memory back where it has much more than it holds. */
void	buf_fit(struct buf *);
/* Cuts to the first n bytes. */
void	buf_cut(struct buf *, size_t n);

static inline struct span
buf_view(const struct buf *b)
{
	return (struct span){ b->ptr, b->len };
}

/* The bytes as a terminated string on the heap, the caller's; the buffer is empty after. */
char	*buf_take(struct buf *);

#endif
