/*
 * Header blocks, MIME headers, and the conversion to 7-bit, which must say the same whatever the pieces.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/header.h"
#include "mail/mime7.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
walk(struct span in)
{
	struct span rest = in;
	struct header h;
	struct buf out = BUF_INIT(0);
	while (header_next(&rest, &h)) {
		must(h.raw.len > 0 && h.name.len > 0 && h.raw.ptr + h.raw.len == rest.ptr);
		must(h.value.len == 0 || h.value.ptr + h.value.len <= rest.ptr);
		buf_reset(&out);
		header_unfold(&out, h.value);
		must(!span_has(buf_view(&out), '\n'));
		buf_reset(&out);
		header_put(&out, "X", h.value);
	}
	struct header_facts f;
	header_look(in, &f);
	must(f.length <= in.len && header_block_len(in) <= in.len);
	buf_reset(&out);
	header_copy_limited(&out, in, 100);
	must(out.len <= in.len + in.len / 2 + 1);
	buf_reset(&out);
	header_copy_without(&out, in, "to");
	must(out.len <= in.len);
	(void)header_delivered_to(in, SPAN("joe@example.org"));
	buf_clear(&out);
}

static void
convert(struct span in, size_t step, struct buf *out)
{
	struct mime7 *m = mime7_new(5);
	for (; in.len > 0; in = span_skip(in, step))
		mime7_put(m, span_head(in, step), out);
	mime7_end(m, out);
	mime7_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	struct buf whole = BUF_INIT(0), pieces = BUF_INIT(0);
	walk(in);
	convert(in, in.len + 1, &whole);
	convert(in, (size_t)data[0] + 1, &pieces);
	must(span_eq(buf_view(&whole), buf_view(&pieces)));
	buf_clear(&whole);
	buf_clear(&pieces);
	return 0;
}
