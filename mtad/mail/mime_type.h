/*
 * What MIME headers say, as far as mtad needs it: type, boundary, transfer encoding (RFC 2045, 2046).
 */
#ifndef MAIL_MIME_TYPE_H
#define MAIL_MIME_TYPE_H

#include <stdbool.h>

#include "base/span.h"

#define MIME_BOUNDARY_MAX	256

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_DIGEST, MIME_MESSAGE };
enum mime_encoding { MIME_ENC_NONE, MIME_ENC_7BIT, MIME_ENC_8BIT, MIME_ENC_BINARY, MIME_ENC_OTHER };

struct mime_type {
	bool		 has_version, has_type, has_encoding;
	enum mime_kind	 kind;		/* MIME_LEAF also for a multipart without a usable boundary */
	enum mime_encoding encoding;
	char		 boundary[MIME_BOUNDARY_MAX];
	size_t		 boundary_len;
};

/* From a header block. in_digest: the type where none is said is message/rfc822. */
void	mime_type_look(struct span block, bool in_digest, struct mime_type *);

#endif
