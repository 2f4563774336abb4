#include "table/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/num.h"

/* The address as it is written. */
static bool
parse(struct span s, struct ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	if (s.len == 0 || s.len >= sizeof text || span_has(s, '\0'))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	memset(ip, 0, sizeof *ip);
	if (!span_has(s, ':')) {
		ip->len = 4;
		return inet_pton(AF_INET, text, ip->bytes) == 1;
	}
	ip->len = 16;
	return inet_pton(AF_INET6, text, ip->bytes) == 1;
}

/* ::ffff:192.0.2.1 as 192.0.2.1; true where it was one. */
static bool
unmap(struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (ip->len != 16 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
		return false;
	memcpy(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
	ip->len = 4;
	return true;
}

bool
ip_parse(struct span s, struct ip *ip)
{
	if (!parse(s, ip))
		return false;
	unmap(ip);
	return true;
}

void
ip_mask(struct ip *ip, unsigned bits)
{
	for (unsigned i = 0; i < ip->len; i++) {
		unsigned left = bits > i * 8 ? bits - i * 8 : 0;
		if (left < 8)
			ip->bytes[i] &= (uint8_t)(0xff00 >> left);
	}
}

/* The address part, with its brackets off; *rest is what follows. */
static bool
take_address(struct span *rest, struct span *address)
{
	if (rest->len > 0 && rest->ptr[0] == '[') {
		size_t end = span_find(*rest, ']');
		if (end == rest->len)
			return false;
		*address = span_of(rest->ptr + 1, end - 1);
		*rest = span_skip(*rest, end + 1);
		return true;
	}
	size_t slash = span_find(*rest, '/');
	*address = span_head(*rest, slash);
	*rest = span_skip(*rest, slash);
	return true;
}

bool
network_parse(struct span s, struct network *n, struct err *err)
{
	struct span rest = s, address;
	uint32_t bits;

	if (!take_address(&rest, &address) || !parse(address, &n->ip)) {
		err_set(err, ERR_SYS,
		    "\"%.*s\" is no network; write 192.0.2.0/24 or [2001:db8::]/32",
		    SPAN_ARG(span_head(s, 60)));
		return false;
	}
	bits = n->ip.len * 8u;
	if (rest.len > 0 && (rest.ptr[0] != '/' || !num_u32(span_skip(rest, 1), &bits) ||
	    bits > n->ip.len * 8u)) {
		err_set(err, ERR_SYS, "\"%.*s\": the number behind the slash is from 0 to %u",
		    SPAN_ARG(span_head(s, 60)), n->ip.len * 8u);
		return false;
	}
	struct ip as_written = n->ip;
	ip_mask(&n->ip, bits);
	if (bits >= 96 && unmap(&n->ip)) {	/* [::ffff:127.0.0.0]/104 is 127.0.0.0/8 */
		unmap(&as_written);
		bits -= 96;
	}
	n->bits = (uint8_t)bits;
	if (memcmp(&as_written, &n->ip, sizeof as_written) != 0) {
		char text[INET6_ADDRSTRLEN] = "";
		inet_ntop(n->ip.len == 4 ? AF_INET : AF_INET6, n->ip.bytes, text, sizeof text);
		err_set(err, ERR_SYS, "\"%.*s\" has bits set behind the network's; write %s%s%s/%u",
		    SPAN_ARG(span_head(s, 60)), n->ip.len == 4 ? "" : "[", text,
		    n->ip.len == 4 ? "" : "]", bits);
		return false;
	}
	return true;
}

bool
network_has(const struct network *n, const struct ip *ip)
{
	size_t whole = n->bits / 8u;

	if (ip->len != n->ip.len)
		return false;
	/* What is behind the network's bits is zero in the network itself. */
	for (size_t i = 0; i < whole; i++)
		if (ip->bytes[i] != n->ip.bytes[i])
			return false;
	return n->bits % 8u == 0 || (ip->bytes[whole] & (uint8_t)(0xff00 >> n->bits % 8u)) == n->ip.bytes[whole];
}
