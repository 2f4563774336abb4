#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pack.h"
#include "spool/batch.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/segment.h"

#include "unit/spool/util.h"

static const struct envelope full = {
	.id = { 1234567890123456, 99 }, .arrival = -5, .flags = ENVELOPE_8BIT | ENVELOPE_HOLD, .size = 4711,
	.sender = { "a@b", 3 }, .envid = { "env", 3 }, .hold_reason = { "held", 4 }, .service = { "smtpd", 5 },
	.filter = { "f:g", 3 }, .client_name = { "host", 4 }, .client_addr = { "::1", 3 }, .helo = { "hi", 2 },
	.protocol = { "ESMTP", 5 }, .sasl_user = { "me", 2 }, .message_id = { "<x@y>", 5 }, .subject = { "s\0t", 3 },
	.client_port = { "4000", 4 }, .sasl_method = { "PLAIN", 5 }, .sasl_sender = { "x+2By", 5 },
	.origin = { 17, 4 }, .origin_event = 12,
};

static struct envelope
sample(struct buf *rcpt, uint32_t n)
{
	struct envelope e = full;

	buf_reset(rcpt);
	for (uint32_t i = 0; i < n; i++)
		recipient_pack(rcpt, &(struct recipient){ .number = i, .notify = NOTIFY_DELAY, .address = SPAN("u@d") });
	e.recipient_count = n;
	e.recipients = buf_view(rcpt);
	return e;
}

static void
flatten(struct buf *out, const struct envelope *e, struct span header, struct span body, uint64_t spill_length)
{
	struct buf head = BUF_INIT(0);
	struct iovec iov[MESSAGE_IOV];

	buf_reset(out);
	int n = message_layout(&head, e, header, body, spill_length, iov);
	assert_true(n <= MESSAGE_IOV);
	for (int i = 0; i < n; i++)
		buf_put(out, iov[i].iov_base, iov[i].iov_len);
	buf_clear(&head);
}

static void
test_there_and_back(void **state)
{
	static const struct { const char *name; const char *header, *body; uint64_t spill, spill_length; } rows[] = {
		{ "plain", "A: b\n\n", "body\n", 0, 0 },
		{ "no body", "A: b\n\n", "", 0, 0 },
		{ "nothing", "", "", 0, 0 },
		{ "no header", "", "body", 0, 0 },
		{ "spilled", "A: b\n\n", "", 77, 5000000000 },
		{ "spilled, empty", "A: b\n\n", "", 78, 0 },
	};
	struct buf rcpt = BUF_INIT(0), out = BUF_INIT(0);
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct envelope e = sample(&rcpt, (uint32_t)i * 3);
		struct message m = { 0 };
		e.spill = rows[i].spill;
		flatten(&out, &e, span_str(rows[i].header), span_str(rows[i].body), rows[i].spill_length);
		assert_true(message_parse(buf_view(&out), &m, &err));
		assert_true(span_eqs(m.header, rows[i].header));
		assert_true(span_eqs(m.body, rows[i].body));
		assert_true(m.spill_length == rows[i].spill_length);
		assert_true(qid_eq(m.envelope.id, e.id));
		assert_true(span_eq(m.envelope.subject, e.subject));
		assert_true(span_eqs(m.envelope.sasl_user, "me"));
		assert_true(span_eqs(m.envelope.client_port, "4000") && span_eqs(m.envelope.sasl_sender, "x+2By"));
		assert_int_equal(m.envelope.flags, e.flags);
		assert_int_equal(m.envelope.arrival, -5);
		assert_int_equal(m.envelope.origin_event, 12);
		assert_int_equal(m.envelope.recipient_count, i * 3);
		assert_true(span_eq(m.envelope.recipients, e.recipients));
		/* Cut anywhere, or with a byte too many: refused, never read past the end (the copy is exact). */
		for (size_t n = 0; n < out.len; n++) {
			char *cut = mem_new(n + 1);
			memcpy(cut, out.ptr, n);
			assert_false(message_parse(span_of(cut, n), &m, &err) && n < out.len);
			assert_int_equal(err.kind, ERR_PERM);
			free(cut);
		}
		buf_char(&out, 'x');
		assert_false(message_parse(buf_view(&out), &m, &err));
	}
	buf_clear(&rcpt);
	buf_clear(&out);
}

static void
test_whose_mail(void **state)
{
	struct buf rcpt = BUF_INIT(0), out = BUF_INIT(0), forward = BUF_INIT(0);
	struct envelope e = sample(&rcpt, 1), got;
	struct envelope_client c = { .name = SPAN("o.test"), .addr = SPAN("203.0.113.5"), .port = SPAN("99"), .protocol = SPAN("SMTP"), .ident = SPAN("Q"), .local = true };
	struct err err;

	(void)state;
	e.protocol = SPAN("UTF8SMTPSA");
	envelope_client(&e, &c);
	assert_true(span_eqs(c.name, "host") && span_eqs(c.protocol, "ESMTP") && span_eqs(c.port, "4000") && c.ident.len == 0 && !c.local);
	c.local = true;
	c.ident = SPAN("Q");
	envelope_client_pack(&forward, &c);
	e.forward = buf_view(&forward);
	envelope_pack(&out, &e);
	assert_true(envelope_unpack(buf_view(&out), &got, &err));
	envelope_client(&got, &c);
	assert_true(span_eqs(c.name, "host") && span_eqs(c.ident, "Q") && c.local);
	/* What is damaged counts as not said. */
	got.forward.len--;
	envelope_client(&got, &c);
	assert_true(span_eqs(c.name, "host") && c.ident.len == 0 && !c.local);
	/* One of an older version ends with the recipients. */
	e.client_port = e.sasl_method = e.sasl_sender = e.forward = SPAN_NONE;
	buf_reset(&out);
	envelope_pack(&out, &e);
	out.ptr[0] = 1;
	assert_true(envelope_unpack(span_head(buf_view(&out), out.len - 16), &got, &err));
	assert_true(got.forward.len == 0 && got.recipient_count == 1);
	assert_false(envelope_unpack(buf_view(&out), &got, &err));
	buf_clear(&rcpt);
	buf_clear(&out);
	buf_clear(&forward);
}

static void
test_recipients_must_fit(void **state)
{
	struct buf rcpt = BUF_INIT(0), out = BUF_INIT(0);
	struct envelope e, got;
	struct err err;

	(void)state;
	for (int fault = 0; fault < 4; fault++) {
		e = sample(&rcpt, 3);
		if (fault == 0)
			e.recipient_count = 2;
		else if (fault == 1)
			e.recipient_count = 4;
		else if (fault == 2)
			rcpt.ptr[0] = 1;
		else
			e.recipients.len--;
		buf_reset(&out);
		envelope_pack(&out, &e);
		assert_false(envelope_unpack(buf_view(&out), &got, &err));
	}
	buf_clear(&rcpt);
	buf_clear(&out);
}

static void
test_read_from_a_file(void **state)
{
	struct buf rcpt = BUF_INIT(0), out = BUF_INIT(0);
	char name[] = "/tmp/mtad-spool-XXXXXX";
	struct message m = { 0 };
	struct image im;
	uint64_t at[2];
	struct err err;

	(void)state;
	struct envelope e = sample(&rcpt, 2);
	flatten(&out, &e, SPAN("H: 1\n\n"), SPAN("body"), 0);
	image_new(&im, 16384, 42);
	image_batch(&im, (struct span[]){ SPAN("an event"), buf_view(&out) }, 2, at);
	/* image_batch writes events: make the second one a message. */
	struct record_head h = { .type = RECORD_MESSAGE, .length = (uint32_t)out.len, .sequence = 1 };
	record_finish(im.bytes + at[1], 42, at[1], &h);
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, im.bytes, im.at), im.at);
	struct loc loc = loc_make(1, at[1], (uint32_t)out.len + RECORD_HEADER);
	for (int i = 0; i < 3; i++) {
		assert_true(message_read(fd, 42, loc, &m, &err));
		assert_true(span_eqs(m.body, "body"));
		message_reset(&m);
	}
	const struct { const char *name; uint64_t nonce; struct loc loc; } bad[] = {
		{ "another life", 43, loc },
		{ "an event", 42, loc_make(1, at[0], 8 + RECORD_HEADER) },
		{ "wrong place", 42, loc_make(1, at[1] + 64, loc.length) },
		{ "wrong length", 42, loc_make(1, at[1], loc.length - 1) },
		{ "past the end", 42, loc_make(1, 1 << 20, loc.length) },
		{ "no length", 42, loc_make(1, at[1], 0) },
		{ "huge", 42, loc_make(1, at[1], UINT32_MAX) },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err.kind = ERR_NONE;
		assert_false(message_read(fd, bad[i].nonce, bad[i].loc, &m, &err));
		assert_int_equal(err.kind, ERR_PERM);
	}
	message_clear(&m);
	close(fd);
	image_free(&im);
	buf_clear(&rcpt);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_whose_mail), cmocka_unit_test(test_recipients_must_fit),
		cmocka_unit_test(test_read_from_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
