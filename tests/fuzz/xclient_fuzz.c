/* The arguments of XCLIENT and XFORWARD: a refusal has its reply, and what is taken keeps its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/xclient.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size == 0 ? 1 : size);
	static struct smtp_xattrs x;

	if (size > 0)
		memcpy(copy, data, size);
	for (int forward = 0; forward < 2; forward++) {
		struct buf reply = BUF_INIT(500);
		memset(&x, 'x', sizeof x);
		bool ok = smtp_xattrs_parse(span_of(copy, size), forward != 0, &x, &reply);
		if (!ok && (reply.len < 9 || reply.over || memcmp(reply.ptr, "501 5.5.4", 9) != 0 || memchr(reply.ptr, '\n', reply.len) != NULL ||
		    memchr(reply.ptr, '\r', reply.len) != NULL))
			abort();
		for (int i = 0; ok && i < XATTR_COUNT; i++)
			if (x.items[i].state == XSTATE_SAID && strnlen(x.items[i].text, sizeof x.items[i].text) == sizeof x.items[i].text)
				abort();
		buf_clear(&reply);
	}
	free(copy);
	return 0;
}
