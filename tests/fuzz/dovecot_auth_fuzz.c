/* What an authentication server sends: whole and in pieces, it must come to the same. The first byte says how long they are. */
#include <stdint.h>

#include "base/err.h"
#include "net/dovecot_auth.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
on_reply(void *arg, const struct dovecot_reply *r)
{
	buf_printf(arg, "%u %d %d ", r->id, (int)r->answer, r->temporary);
	buf_span(arg, r->data);
	buf_span(arg, r->user);
	buf_span(arg, r->reason);
}

static void
run(struct span in, size_t step, struct buf *out)
{
	struct dovecot_auth d = { .done = false };
	struct err err = { ERR_NONE, "" };

	dovecot_auth_begin(&d, 1, out);
	for (; in.len > 0; in = span_skip(in, step))
		if (!dovecot_auth_input(&d, span_head(in, step), on_reply, out, &err)) {
			buf_str(out, err.text);
			break;
		}
	buf_printf(out, " %zu %d", d.mechanism_count, d.done);
	dovecot_auth_clear(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(0), parts = BUF_INIT(0);

	if (size < 1)
		return 0;
	run(span_of(data + 1, size - 1), size, &whole);
	run(span_of(data + 1, size - 1), data[0] % 16u + 1, &parts);
	if (!span_eq(buf_view(&whole), buf_view(&parts)))
		panic("replies depend on how the bytes come");
	buf_clear(&whole);
	buf_clear(&parts);
	return 0;
}
