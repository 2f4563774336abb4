/* "domain=filter" of DNS lists, then an address to ask about: bounded, and never a query outside the list's domain. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/dnsbl.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size), text;
	struct buf query = BUF_INIT(4096);
	struct dnsbl d;
	struct err err;

	if (!span_cut(&all, '\n', &text))
		text = SPAN_NONE;
	if (dnsbl_parse(text, &d, &err)) {
		if (dnsbl_query(&d, all, &query) && !span_ends(buf_view(&query), d.domain))
			abort();
		if (dnsbl_hit(&d, all) && !dnsbl_query(&d, all, &query))
			abort();
		if (!d.filtered && !dnsbl_hit(&d, SPAN("127.0.0.2")))
			abort();
	} else if (err.text[0] == '\0') {
		abort();
	}
	dnsbl_clear(&d);
	buf_clear(&query);
	return 0;
}
