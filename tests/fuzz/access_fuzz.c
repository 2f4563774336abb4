/* access(5) results: any value yields an action whose parts lie within it, and a status that can be sent. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/action.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span value = span_of(data, size);
	struct access a;

	access_parse(value, &a);
	if (a.text.len > 0 && (a.text.ptr < value.ptr || a.text.ptr + a.text.len > value.ptr + value.len))
		abort();
	if (a.action == ACCESS_CODE && (a.code < 400 || a.code > 599))
		abort();
	bool refuses = a.action == ACCESS_CODE || a.action == ACCESS_REJECT || a.action == ACCESS_DEFER || a.action == ACCESS_DEFER_IF_PERMIT ||
	    a.action == ACCESS_DEFER_IF_REJECT;
	if (refuses != (a.dsn[0] != '\0') || memchr(a.dsn, '\0', sizeof a.dsn) == NULL || (refuses && !span_has(SPAN("245"), a.dsn[0])))
		abort();
	if ((a.action == ACCESS_EMPTY) != (span_trim(value).len == 0))
		abort();
	return 0;
}
