/*
 * Writing JSON straight into a buffer (jansson is for parsing only). Strings come out as valid UTF-8 whatever
 * goes in: a byte that is not part of a valid sequence becomes U+FFFD.
 */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct json {			/* start with { .out = buf } */
	struct buf	*out;
	bool		 comma;		/* one is due before the next value */
};

/* key NULL: an array's element, or the outermost. */
void	json_object(struct json *, const char *key);
void	json_array(struct json *, const char *key);
void	json_end_object(struct json *);
void	json_end_array(struct json *);
void	json_str(struct json *, const char *key, struct span);
void	json_i64(struct json *, const char *key, int64_t);
void	json_bool(struct json *, const char *key, bool);
/* A value that is JSON already. */
void	json_raw(struct json *, const char *key, struct span);

/* The string alone, with its quotes. */
void	json_quote(struct buf *, struct span);
/* The length of the valid UTF-8 sequence at the start of the span, 0 where there is none (RFC 3629). */
size_t	utf8_length(struct span);

#endif
