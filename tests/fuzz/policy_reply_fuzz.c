/* A policy server's answer, in whatever pieces it comes: the same verdict, and an action that lies within it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/server.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size), action = SPAN_NONE, part_action = SPAN_NONE;
	const char *fault = NULL;
	size_t used = 0, part_used = 0;
	enum server_reply whole = server_reply_parse(all, &action, &used, &fault);

	if (whole == SERVER_REPLY_GOOD && (used > size || action.len == 0 || action.ptr < all.ptr || action.ptr + action.len > all.ptr + used ||
	    memchr(action.ptr, '\n', action.len) != NULL))
		abort();
	if (whole == SERVER_REPLY_BAD && fault == NULL)
		abort();
	/* Less of it is either not enough yet, or says the same. */
	for (size_t n = 0; n < size && n < 2000; n++) {
		enum server_reply part = server_reply_parse(span_head(all, n), &part_action, &part_used, &fault);
		if (part != SERVER_REPLY_MORE && (part != whole || part_used != used))
			abort();
	}
	return 0;
}
