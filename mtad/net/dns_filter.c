#include "net/dns_filter.h"

#include "base/log.h"

static void
put_tlsa(struct buf *out, struct span data)
{
	const unsigned char *d = (const unsigned char *)data.ptr;

	if (data.len < 3)
		return;
	buf_printf(out, "%u %u %u ", d[0], d[1], d[2]);
	for (size_t i = 3; i < data.len; i++)
		buf_printf(out, "%02X", d[i]);
}

void
dns_filter_line(struct buf *out, enum dns_type type, const char *owner, const struct dns_item *item)
{
	char text[NET_ADDR_TEXT];

	buf_printf(out, "%s. %u IN %s ", owner, item->ttl, dns_type_name(type));
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		buf_str(out, net_addr_text(&item->addr, text));
		break;
	case DNS_MX:
		buf_printf(out, "%u %s.", item->preference, item->name);
		break;
	case DNS_SRV:
		buf_printf(out, "%u %u %u %s.", item->preference, item->weight, item->port, item->name);
		break;
	case DNS_TLSA:
		put_tlsa(out, item->data);
		break;
	case DNS_TXT:
		buf_str(out, item->name);
		break;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		buf_printf(out, "%s.", item->name);
		break;
	}
}

enum dns_kept
dns_filter(const struct dns_filter *f, enum dns_type type, const char *owner, const struct dns_item *item)
{
	struct buf line = BUF_INIT(8192), value = BUF_INIT(1024);
	struct err err = { ERR_NONE, "" };
	enum dns_kept kept = DNS_FILTER_BAD;

	dns_filter_line(&line, type, owner, item);
	enum table_result got = tables_get(&f->tables, NULL, buf_view(&line), &value, &err);
	if (got == TABLE_ABSENT)
		kept = DNS_KEPT;
	else if (got == TABLE_FOUND && span_caseeqs(span_trim(buf_view(&value)), "IGNORE"))
		kept = DNS_DROPPED;
	else if (got == TABLE_FOUND)
		log_warning(f->program, "%s: unknown DNS reply filter action: \"%s\"", f->title, value.ptr);
	else
		log_warning(f->program, "%s: %s", f->title, err.text);
	if (kept == DNS_DROPPED)
		log_info(f->program, "ignoring DNS RR: %s", line.ptr);
	buf_clear(&line);
	buf_clear(&value);
	return kept;
}
