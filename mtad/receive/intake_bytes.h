/*
 * Bytes that no message may have (message_reject_characters) and bytes that are taken out (message_strip_characters), as cleanup(8) has them:
 * of what a client sends, where header and body checks are on.
 */
#ifndef RECEIVE_INTAKE_BYTES_H
#define RECEIVE_INTAKE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct intake;

struct byte_set {
	bool		 any;
	uint64_t	 bits[4];
};

struct byte_rules {
	struct byte_set	 rejected, stripped;
};

/* From C's escapes (\0 to \377, \a \b \f \n \r \t \v, \\; another letter is itself). An LF is the end of a line, and never in a set. */
struct byte_set byte_set_from(struct span text);
/* The next n bytes of the content, which are in its room already: how many are left. Where one is refused, the intake has its fault. */
size_t	intake_bytes(struct intake *, size_t n);

#endif
