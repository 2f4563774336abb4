/* Replies of a filter before the queue, cut in pieces by the first byte: what is passed on is printable lines, within bounds, the same however the bytes come. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/filter.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
look(const struct filter_reply *r)
{
	if (r->text.len > 2 * FILTER_REPLY_MAX || r->text.over)
		abort();
	for (size_t i = 0; i < r->text.len; i++) {
		unsigned char c = (unsigned char)r->text.ptr[i];
		if ((c < ' ' && !(c == '\r' && i + 1 < r->text.len && r->text.ptr[i + 1] == '\n') && !(c == '\n' && i > 0 && r->text.ptr[i - 1] == '\r')) || c >= 0x7f)
			abort();
	}
	(void)filter_reply_class(r);
	(void)filter_xforward_offered(r);
}

static void
take(struct span in, size_t step, struct buf *all)
{
	struct filter_reply r = { .text = BUF_INIT(4 * FILTER_REPLY_MAX), .line = BUF_INIT(2 * FILTER_REPLY_MAX) };

	while (in.len > 0) {
		size_t used = filter_reply_take(&r, span_head(in, step < in.len ? step : in.len));
		if (used == 0)
			abort();
		in = span_skip(in, used);
		if (!r.whole)
			continue;
		look(&r);
		if (r.text.len > 0)
			buf_span(all, buf_view(&r.text));
		buf_char(all, '|');
	}
	filter_reply_clear(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(0), pieces = BUF_INIT(0);

	if (size < 2)
		return 0;
	struct span in = span_of((const char *)data + 1, size - 1);
	take(in, in.len, &whole);
	take(in, 1 + data[0] % 16, &pieces);
	if (whole.len != pieces.len || (whole.len > 0 && memcmp(whole.ptr, pieces.ptr, whole.len) != 0))
		abort();
	buf_clear(&whole);
	buf_clear(&pieces);
	return 0;
}
