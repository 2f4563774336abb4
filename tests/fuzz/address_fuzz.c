/*
 * Paths of MAIL FROM and RCPT TO, and address lists of headers. What is taken must survive being written
 * and read again, strictly.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/address.h"
#include "mail/dsn.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static bool
inside(struct span outer, struct span inner)
{
	return inner.len == 0 || (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

static void
again(struct span address)
{
	struct buf quoted = BUF_INIT(0), back = BUF_INIT(0);
	struct span rest;
	const char *fault;
	buf_char(&quoted, '<');
	address_quote(&quoted, address);
	buf_char(&quoted, '>');
	must(address_path(buf_view(&quoted), ADDRESS_STRICT | ADDRESS_8BIT | ADDRESS_EMPTY, &back, &rest, &fault));
	must(rest.len == 0 && span_eq(buf_view(&back), address));
	buf_clear(&quoted);
	buf_clear(&back);
}

static void
path(struct span in, unsigned flags)
{
	struct buf out = BUF_INIT(0);
	struct span rest, user, ext;
	const char *fault = NULL;
	if (address_path(in, flags, &out, &rest, &fault)) {
		must(inside(in, rest) && out.len <= ADDRESS_MAX);
		must((flags & (ADDRESS_UTF8 | ADDRESS_8BIT)) != 0 || span_is_ascii(buf_view(&out)));
		again(buf_view(&out));
		address_extension(address_local(buf_view(&out)), "+-", &user, &ext);
	} else {
		must(fault != NULL && out.len == 0);
	}
	buf_clear(&out);
}

static void
list(struct span in)
{
	struct mailbox_list l = { .left = in };
	struct mailbox m;
	struct buf out = BUF_INIT(0);
	for (size_t n = 0; mailbox_next(&l, &m); n++) {
		must(n <= in.len && inside(in, m.raw) && inside(in, m.name) && inside(in, m.spec));
		buf_reset(&out);
		if (mailbox_address(m.spec, &out))
			again(buf_view(&out));
	}
	buf_clear(&out);
}

static void
parameters(struct span in)
{
	struct buf out = BUF_INIT(0), back = BUF_INIT(0);
	uint8_t notify;
	(void)dsn_notify_parse(in, &notify);
	(void)dsn_envid_parse(in, &out);
	buf_reset(&out);
	if (dsn_orcpt_parse(in, &out)) {
		struct buf value = BUF_INIT(0);
		dsn_orcpt_put(&value, buf_view(&out));
		/* Longer than RFC 3461 allows once everything is encoded: only then may it be refused. */
		must((dsn_orcpt_parse(buf_view(&value), &back) && span_eq(buf_view(&back), buf_view(&out))) || value.len > 500);
		buf_clear(&value);
	}
	buf_clear(&out);
	buf_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1), ip;
	bool v6;
	path(in, data[0] & 15);
	list(in);
	parameters(in);
	(void)address_hostname_ok(in, true);
	(void)address_literal(in, &ip, &v6);
	return 0;
}
