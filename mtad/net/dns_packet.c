#include "net/dns_packet.h"

#include <ctype.h>

#define HEADER		12
#define TYPE_SOA	6
#define NAME_MAX_TEXT	254	/* 255 on the wire is 253 as text; a dot before the first label is counted */
#define POINTERS_MAX	127	/* a name has at most 127 labels, so no honest one needs more */

static unsigned
byte_at(const struct dns_packet *p, size_t at)
{
	return (unsigned char)p->data.ptr[at];
}

static unsigned
get16(const struct dns_packet *p, size_t at)
{
	return byte_at(p, at) << 8 | byte_at(p, at + 1);
}

/* Past a name, without following pointers. */
static bool
skip_name(const struct dns_packet *p, size_t *at)
{
	while (*at < p->data.len) {
		unsigned n = byte_at(p, *at);
		if (n >= 0xc0) {
			*at += 2;
			return *at <= p->data.len;
		}
		if (n > 63)
			return false;
		*at += n + 1;
		if (n == 0)
			return true;
	}
	return false;
}

bool
dns_packet_open(struct dns_packet *p, struct span data)
{
	*p = (struct dns_packet){ .data = data, .at = HEADER };
	if (data.len < HEADER || !(byte_at(p, 2) & 0x80))
		return false;
	p->rcode = byte_at(p, 3) & 15;
	p->answers = get16(p, 6);
	for (unsigned questions = get16(p, 4); questions > 0; questions--) {
		if (!skip_name(p, &p->at) || p->data.len - p->at < 4)
			return false;
		p->at += 4;
	}
	return true;
}

static bool
fault(struct dns_packet *p)
{
	p->fault = true;
	p->answers = 0;
	return false;
}

bool
dns_packet_next(struct dns_packet *p, struct dns_record *r)
{
	if (p->answers == 0)
		return false;
	p->answers--;
	r->owner = p->at;
	if (!skip_name(p, &p->at) || p->data.len - p->at < 10)
		return fault(p);
	r->type = get16(p, p->at);
	r->class = get16(p, p->at + 2);
	r->ttl = (uint32_t)get16(p, p->at + 4) << 16 | get16(p, p->at + 6);
	size_t len = get16(p, p->at + 8);
	p->at += 10;
	if (p->data.len - p->at < len)
		return fault(p);
	r->at = p->at;
	r->data = span_of(p->data.ptr + p->at, len);
	p->at += len;
	return true;
}

bool
dns_packet_ttl(struct span data, uint32_t *ttl)
{
	struct dns_packet p;
	struct dns_record r;
	bool any = false;

	if (!dns_packet_open(&p, data))
		return false;
	if (p.answers == 0)
		p.answers = get16(&p, 8);	/* the authority section comes next */
	bool negative = get16(&p, 6) == 0;
	while (dns_packet_next(&p, &r)) {
		if (negative && (r.type != TYPE_SOA || r.data.len < 20))
			continue;
		/* RFC 2308, section 5: the record's own, or its last field. */
		size_t end = r.at + r.data.len;
		uint32_t minimum = negative ? (uint32_t)get16(&p, end - 4) << 16 | get16(&p, end - 2) : r.ttl;
		uint32_t least = r.ttl < minimum ? r.ttl : minimum;
		*ttl = any && *ttl < least ? *ttl : least;
		any = true;
	}
	return any;
}

static bool
put_label(const struct dns_packet *p, size_t at, size_t n, char out[DNS_NAME], size_t *used)
{
	if (*used + n + 1 > NAME_MAX_TEXT)
		return false;
	if (*used > 0)
		out[(*used)++] = '.';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)byte_at(p, at + i);
		if (!(c < 0x80 && isalnum(c)) && c != '-' && c != '_' && c != '/' && c != '*')
			return false;
		out[(*used)++] = (char)tolower(c);
	}
	return true;
}

bool
dns_packet_name(const struct dns_packet *p, size_t *start, char out[DNS_NAME])
{
	size_t used = 0, at = *start;
	unsigned jumps = 0;

	while (at < p->data.len) {
		unsigned n = byte_at(p, at);
		if (n >= 0xc0) {
			if (p->data.len - at < 2 || ++jumps > POINTERS_MAX)
				return false;
			size_t to = get16(p, at) & 0x3fff;
			if (to >= at)
				return false;
			if (jumps == 1)
				*start = at + 2;
			at = to;
			continue;
		}
		if (n > 63 || p->data.len - at - 1 < n)
			return false;
		at++;
		if (n == 0) {
			if (jumps == 0)
				*start = at;
			out[used] = '\0';
			return true;
		}
		if (!put_label(p, at, n, out, &used))
			return false;
		at += n;
	}
	return false;
}

bool
dns_record_mx(const struct dns_packet *p, const struct dns_record *r, uint16_t *preference,
    char out[DNS_NAME])
{
	size_t at = r->at + 2;

	if (r->data.len < 3)
		return false;
	*preference = (uint16_t)get16(p, r->at);
	return dns_packet_name(p, &at, out) && at == r->at + r->data.len;
}

bool
dns_record_srv(const struct dns_packet *p, const struct dns_record *r, struct dns_srv *s, char out[DNS_NAME])
{
	size_t at = r->at + 6;

	if (r->data.len < 7)
		return false;
	*s = (struct dns_srv){ (uint16_t)get16(p, r->at), (uint16_t)get16(p, r->at + 2), (uint16_t)get16(p, r->at + 4) };
	return dns_packet_name(p, &at, out) && at == r->at + r->data.len;
}

bool
dns_record_name(const struct dns_packet *p, const struct dns_record *r, char out[DNS_NAME])
{
	size_t at = r->at;

	return dns_packet_name(p, &at, out) && at == r->at + r->data.len;
}

bool
dns_record_txt(const struct dns_record *r, char out[DNS_NAME])
{
	size_t n = 0;

	for (struct span rest = r->data; rest.len > 0;) {
		size_t len = (unsigned char)rest.ptr[0];
		if (len >= rest.len)
			return false;
		for (size_t i = 1; i <= len && n + 1 < DNS_NAME; i++)
			out[n++] = (unsigned char)rest.ptr[i] < ' ' || rest.ptr[i] == 0x7f ? '?' : rest.ptr[i];
		rest = span_skip(rest, len + 1);
	}
	out[n] = '\0';
	return true;
}
