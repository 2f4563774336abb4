#include "mail/header_address.h"

#include "mail/address.h"

static const struct {
	const char	*name;
	enum header_addresses what;
} headers[] = {
	{ "from", ADDRESSES_SENDER }, { "to", ADDRESSES_RECIPIENT }, { "cc", ADDRESSES_RECIPIENT },
	{ "bcc", ADDRESSES_RECIPIENT }, { "sender", ADDRESSES_SENDER }, { "reply-to", ADDRESSES_SENDER },
	{ "errors-to", ADDRESSES_SENDER }, { "return-receipt-to", ADDRESSES_SENDER },
	{ "disposition-notification-to", ADDRESSES_SENDER }, { "mail-followup-to", ADDRESSES_SENDER },
	{ "apparently-to", ADDRESSES_RECIPIENT },
	{ "resent-from", ADDRESSES_SENDER }, { "resent-sender", ADDRESSES_SENDER },
	{ "resent-reply-to", ADDRESSES_SENDER }, { "resent-to", ADDRESSES_RECIPIENT },
	{ "resent-cc", ADDRESSES_RECIPIENT }, { "resent-bcc", ADDRESSES_RECIPIENT },
};

enum header_addresses
header_addresses(struct span name)
{
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		if (span_caseeqs(name, headers[i].name))
			return headers[i].what;
	return ADDRESSES_NONE;
}

void
header_replace_addresses(struct buf *out, const struct header *h, header_address_fn *fn, void *arg)
{
	struct mailbox_list list = { .left = h->value };
	struct buf given = BUF_INIT(8192), to = BUF_INIT(8192);
	const char *from = h->raw.ptr;
	struct mailbox box;

	while (mailbox_next(&list, &box)) {
		buf_reset(&given);
		buf_reset(&to);
		if (box.spec.len == 0 || !mailbox_address(box.spec, &given) || given.len == 0)
			continue;
		if (!fn(arg, buf_view(&given), &to) || to.over || given.over)
			continue;
		buf_put(out, from, (size_t)(box.spec.ptr - from));
		address_quote(out, buf_view(&to));
		from = box.spec.ptr + box.spec.len;
	}
	buf_put(out, from, (size_t)(h->raw.ptr + h->raw.len - from));
	buf_clear(&given);
	buf_clear(&to);
}
