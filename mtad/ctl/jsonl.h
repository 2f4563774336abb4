/*
 * JSON without a tree. Writing goes straight into a buffer; strings come out as valid UTF-8 whatever goes in: a byte
 * that is not part of a valid sequence becomes U+FFFD; what is harmful on a terminal (base/utf8.h) is escaped. Reading walks members and elements as spans of the input, for clients that take
 * thousands of rows; it bounds everything but accepts some text that is not quite JSON, so requests from outside go through jansson instead.
 */
#ifndef CTL_JSONL_H
#define CTL_JSONL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/utf8.h"

struct jsonl {			/* start with { .out = buf } */
	struct buf	*out;
	bool		 comma;		/* one is due before the next value */
};

/* The key of ptr NULL: an array's element, or the outermost. */
void	jsonl_open(struct jsonl *, struct span key, char bracket);
void	jsonl_close(struct jsonl *, char bracket);
void	jsonl_put_str(struct jsonl *, struct span key, struct span);
void	jsonl_put_i64(struct jsonl *, struct span key, int64_t);
void	jsonl_put_raw(struct jsonl *, struct span key, struct span);

/*
 * The same by a key that is a literal, whose length the compiler knows (rows are made by the hundred thousand). Any of them may be NULL.
 */
static inline void
jsonl_object(struct jsonl *j, const char *key)
{
	jsonl_open(j, span_str(key), '{');
}

static inline void
jsonl_array(struct jsonl *j, const char *key)
{
	jsonl_open(j, span_str(key), '[');
}

static inline void
jsonl_end_object(struct jsonl *j)
{
	jsonl_close(j, '}');
}

static inline void
jsonl_end_array(struct jsonl *j)
{
	jsonl_close(j, ']');
}

static inline void
jsonl_str(struct jsonl *j, const char *key, struct span s)
{
	jsonl_put_str(j, span_str(key), s);
}

static inline void
jsonl_i64(struct jsonl *j, const char *key, int64_t n)
{
	jsonl_put_i64(j, span_str(key), n);
}

/* A value that is JSON already. */
static inline void
jsonl_raw(struct jsonl *j, const char *key, struct span value)
{
	jsonl_put_raw(j, span_str(key), value);
}

static inline void
jsonl_bool(struct jsonl *j, const char *key, bool value)
{
	jsonl_put_raw(j, span_str(key), value ? SPAN("true") : SPAN("false"));
}

/* The string alone, with its quotes. */
void	jsonl_quote(struct buf *, struct span);

/* A walk over an object's members or an array's elements. */
struct jsonl_walk {
	struct span	left;
	bool		fault;
};
/* False where the text is no object (no array). */
bool	jsonl_walk_object(struct jsonl_walk *, struct span text);
bool	jsonl_walk_array(struct jsonl_walk *, struct span text);
/* key: the raw bytes between the quotes; value: raw, as json_text and json_int take it. False at the end or at a fault. */
bool	jsonl_member(struct jsonl_walk *, struct span *key, struct span *value);
bool	jsonl_element(struct jsonl_walk *, struct span *value);
/* The next member's key alone; its value begins what is left then, unmeasured. For a member that is known to be the last. */
bool	jsonl_member_key(struct jsonl_walk *, struct span *key);
bool	jsonl_member_value(struct jsonl_walk *, struct span *value);
/* An element that is an object, entered where it stands: walk its members to their end, then go on with jsonl_after. */
bool	jsonl_element_object(struct jsonl_walk *array, struct jsonl_walk *object);
bool	jsonl_after(struct jsonl_walk *array, const struct jsonl_walk *object);
/* One member by its name; false where it is not there. */
bool	jsonl_find(struct span object, const char *key, struct span *value);

/* Appends a raw string's text, escapes undone; false (nothing appended) where it is no string or badly escaped. */
bool	jsonl_text(struct span raw, struct buf *);
bool	jsonl_int(struct span raw, int64_t *);
bool	jsonl_is_string(struct span raw);
bool	jsonl_true(struct span raw);

#endif
