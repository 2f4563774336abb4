#include "policy/dnsbl.h"

#include <stdlib.h>

#include "base/num.h"
#include "mail/address.h"
#include "table/network.h"

static void
allow(struct dnsbl *d, unsigned octet, uint32_t from, uint32_t to)
{
	for (uint32_t v = from; v <= to; v++)
		d->octets[octet][v / 64] |= (uint64_t)1 << v % 64;
}

static bool
take_number(struct span *s, uint32_t *out)
{
	size_t n = 0;

	while (n < s->len && n < 4 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
		n++;
	if (!num_u32(span_head(*s, n), out) || *out > 255)
		return false;
	*s = span_skip(*s, n);
	return true;
}

/* "2", "4..8" */
static bool
take_range(struct dnsbl *d, unsigned octet, struct span *s)
{
	uint32_t from, to;

	if (!take_number(s, &from))
		return false;
	to = from;
	if (span_starts(*s, "..")) {
		*s = span_skip(*s, 2);
		if (!take_number(s, &to) || to < from)
			return false;
	}
	allow(d, octet, from, to);
	return true;
}

/* A number, or "[a;b..c]". */
static bool
take_octet(struct dnsbl *d, unsigned octet, struct span *s)
{
	if (!span_starts(*s, "["))
		return take_range(d, octet, s);
	*s = span_skip(*s, 1);
	while (take_range(d, octet, s)) {
		bool end = span_starts(*s, "]");
		if (!end && !span_starts(*s, ";"))
			return false;
		*s = span_skip(*s, 1);
		if (end)
			return true;
	}
	return false;
}

static bool
parse_filter(struct dnsbl *d, struct span s)
{
	for (unsigned octet = 0; octet < 4; octet++) {
		if (octet > 0) {
			if (!span_starts(s, "."))
				return false;
			s = span_skip(s, 1);
		}
		if (!take_octet(d, octet, &s))
			return false;
	}
	return s.len == 0;
}

bool
dnsbl_parse(struct span text, struct dnsbl *d, struct err *err)
{
	size_t at = span_find(text, '=');
	struct span domain = span_head(text, at);

	*d = (struct dnsbl){ .filtered = at < text.len };
	if (!address_hostname_ok(domain, false)) {
		err_set(err, ERR_SYS, "\"%.*s\" is no domain of a DNS list", SPAN_ARG(span_head(domain, 80)));
		return false;
	}
	if (d->filtered && !parse_filter(d, span_skip(text, at + 1))) {
		err_set(err, ERR_SYS, "\"%.*s\": the filter behind = is no pattern like 127.0.0.[2;4..8]", SPAN_ARG(span_head(text, 80)));
		return false;
	}
	d->domain = span_dup(domain);
	return true;
}

void
dnsbl_clear(struct dnsbl *d)
{
	free(d->domain);
	d->domain = NULL;
}

bool
dnsbl_hit(const struct dnsbl *d, struct span address)
{
	struct ip ip;

	if (!ip_parse(address, &ip) || ip.len != 4)
		return false;
	for (unsigned i = 0; d->filtered && i < 4; i++)
		if ((d->octets[i][ip.bytes[i] / 64] >> ip.bytes[i] % 64 & 1) == 0)
			return false;
	return true;
}

bool
dnsbl_query(const struct dnsbl *d, struct span address, struct buf *out)
{
	struct ip ip;

	if (!ip_parse(address, &ip))
		return false;
	for (unsigned i = ip.len; i > 0; i--) {
		unsigned b = ip.bytes[i - 1];
		if (ip.len == 4)
			buf_printf(out, "%u.", b);
		else
			buf_printf(out, "%x.%x.", b & 15, b >> 4);
	}
	buf_str(out, d->domain);
	return !out->over;
}
