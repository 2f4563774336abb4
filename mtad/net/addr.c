#include "net/addr.h"

#include <arpa/inet.h>

#include "base/num.h"

bool
net_addr_bytes(const void *bytes, size_t len, uint16_t port, struct net_addr *out)
{
	struct net_addr a = { .len = 0 };

	if (len == 4) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		memcpy(&a.in.sin_addr, bytes, 4);
		a.len = sizeof a.in;
	} else if (len == 16) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		memcpy(&a.in6.sin6_addr, bytes, 16);
		a.len = sizeof a.in6;
	} else {
		return false;
	}
	*out = a;
	return true;
}

bool
net_addr_parse(struct span s, uint16_t port, struct net_addr *out)
{
	char text[NET_ADDR_TEXT];
	unsigned char bytes[16];

	bool tagged = span_casestarts(s, "IPv6:");
	if (tagged)
		s = span_skip(s, 5);
	if (s.len == 0 || s.len >= sizeof text || span_has(s, '\0'))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	if (!tagged && inet_pton(AF_INET, text, bytes) == 1)
		return net_addr_bytes(bytes, 4, port, out);
	return inet_pton(AF_INET6, text, bytes) == 1 && net_addr_bytes(bytes, 16, port, out);
}

bool
net_addr_from(const struct sockaddr *sa, struct net_addr *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		return net_addr_bytes(&in.sin_addr, 4, ntohs(in.sin_port), out);
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&in6, sa, sizeof in6);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return net_addr_bytes(in6.sin6_addr.s6_addr + 12, 4, ntohs(in6.sin6_port), out);
	return net_addr_bytes(&in6.sin6_addr, 16, ntohs(in6.sin6_port), out);
}

const char *
net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
	const void *bytes = a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr :
	    (const void *)&a->in.sin_addr;

	if (a->len == 0 || inet_ntop(a->sa.sa_family, bytes, out, NET_ADDR_TEXT) == NULL)
		memcpy(out, "unknown", 8);
	return out;
}

uint16_t
net_addr_port(const struct net_addr *a)
{
	return ntohs(a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

void
net_addr_set_port(struct net_addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
	else
		a->in.sin_port = htons(port);
}

bool
net_addr_same_host(const struct net_addr *a, const struct net_addr *b)
{
	if (a->len == 0 || a->sa.sa_family != b->sa.sa_family)
		return false;
	return a->sa.sa_family == AF_INET6 ?
	    memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0 :
	    a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

bool
net_port(struct span s, uint16_t *port)
{
	static const struct { const char *name; uint16_t port; } services[] = {
		{ "smtp", 25 }, { "lmtp", 24 }, { "submission", 587 }, { "smtps", 465 },
		{ "submissions", 465 }, { "urd", 465 },
	};
	uint32_t n;

	if (num_u32(s, &n) && n > 0 && n < 65536) {
		*port = (uint16_t)n;
		return true;
	}
	for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
		if (span_caseeqs(s, services[i].name)) {
			*port = services[i].port;
			return true;
		}
	}
	return false;
}

bool
net_port_named(struct span name, const char *known, uint16_t *port)
{
	struct span rest = span_str(known == NULL ? "" : known), group, word;

	while (span_word(&rest, "\t\r\n ,", &group)) {
		size_t at = span_rfind(group, '=');
		struct span names = span_head(group, at);
		while (at < group.len && span_cut(&names, '=', &word))
			if (word.len > 0 && span_caseeq(word, name) && net_port(span_skip(group, at + 1), port))
				return true;
	}
	return net_port(name, port);
}
