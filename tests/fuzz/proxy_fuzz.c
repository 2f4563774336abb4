/* A PROXY header: whole, and byte by byte as it comes off a socket; both must agree. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size == 0 ? 1 : size);
	struct proxy_header whole, h;
	const char *why, *early;
	enum proxy_result result, r = PROXY_MORE;
	size_t n = 0;

	if (size > 0)
		memcpy(copy, data, size);
	result = proxy_parse(span_of(copy, size), &whole, &why);
	if ((result == PROXY_BAD) != (why != NULL) || (result == PROXY_DONE && (whole.len > size || whole.len == 0 || whole.len > PROXY_HEADER_MAX)))
		abort();
	while (n < size && r == PROXY_MORE)
		r = proxy_parse(span_of(copy, ++n), &h, &early);
	if (r != result || (r == PROXY_DONE && (h.len != n || h.len != whole.len || h.own != whole.own)))
		abort();
	if (r == PROXY_MORE && size > PROXY_HEADER_MAX)
		abort();
	free(copy);
	return 0;
}
