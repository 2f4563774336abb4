#include "net/proxy.h"

#include "base/num.h"

/* -- version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 40312 25\r\n" ---------------------------------------- */

#define LINE_MAX_LEN	108u	/* with its end, as the specification counts */
#define BLANKS		" \r\n"

static bool
take_address(struct span *rest, int family, struct net_addr *out)
{
	struct span word;

	return span_word(rest, BLANKS, &word) && !span_casestarts(word, "IPv6:") && net_addr_parse(word, 0, out) && out->sa.sa_family == family;
}

/* Without zeros in front, which could be read in two ways. */
static bool
take_port(struct span *rest, struct net_addr *out)
{
	struct span word;
	uint32_t port;

	if (!span_word(rest, BLANKS, &word) || !num_u32(word, &port) || port > 65535 || (word.len > 1 && word.ptr[0] == '0'))
		return false;
	net_addr_set_port(out, (uint16_t)port);
	return true;
}

static const char *
read_line(struct span line, struct proxy_header *h)
{
	struct span word;

	(void)span_word(&line, BLANKS, &word);
	if (!span_word(&line, BLANKS, &word))
		return "bad or missing protocol type";
	if (span_eqs(word, "UNKNOWN")) {
		h->own = true;
		return NULL;
	}
	int family = span_eqs(word, "TCP4") ? AF_INET : span_eqs(word, "TCP6") ? AF_INET6 : AF_UNSPEC;
	if (family == AF_UNSPEC)
		return "bad or missing protocol type";
	if (!take_address(&line, family, &h->client))
		return "bad or missing client address";
	if (!take_address(&line, family, &h->server))
		return "bad or missing server address";
	if (!take_port(&line, &h->client))
		return "bad or missing client port";
	return take_port(&line, &h->server) ? NULL : "bad or missing server port";
}

static enum proxy_result
parse_line(struct span in, struct proxy_header *h, const char **why)
{
	size_t end = span_find(in, '\n');

	if (end == in.len && in.len < LINE_MAX_LEN)
		return PROXY_MORE;
	if (end >= LINE_MAX_LEN) {
		*why = "missing protocol header terminator";
		return PROXY_BAD;
	}
	h->len = end + 1;
	*why = read_line(span_head(in, end), h);
	return *why == NULL ? PROXY_DONE : PROXY_BAD;
}

/* -- version 2 ------------------------------------------------------------------------------------------- */

static const unsigned char signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
#define FIXED_LEN	16u

static unsigned
byte(struct span s, size_t at)
{
	return (unsigned char)s.ptr[at];
}

static const char *
read_addresses(struct span in, size_t len, struct proxy_header *h)
{
	unsigned family = byte(in, 13);
	size_t size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
	struct span body = span_of(in.ptr + FIXED_LEN, len);

	if (size == 0)
		return "unsupported network protocol";
	if (len < 2 * size + 4)
		return "short address field";
	uint16_t from = (uint16_t)(byte(body, 2 * size) << 8 | byte(body, 2 * size + 1));
	uint16_t to = (uint16_t)(byte(body, 2 * size + 2) << 8 | byte(body, 2 * size + 3));
	(void)net_addr_bytes(body.ptr, size, from, &h->client);
	(void)net_addr_bytes(body.ptr + size, size, to, &h->server);
	return NULL;
}

static enum proxy_result
parse_binary(struct span in, struct proxy_header *h, const char **why)
{
	if (in.len < FIXED_LEN)
		return PROXY_MORE;
	size_t len = byte(in, 14) << 8 | byte(in, 15);
	*why = NULL;
	if (byte(in, 12) != 0x20 && byte(in, 12) != 0x21)
		*why = (byte(in, 12) & 0xf0) != 0x20 ? "unrecognized protocol version" : "unsupported command";
	else if (FIXED_LEN + len > PROXY_HEADER_MAX)
		*why = "the header is too long";
	if (*why != NULL)
		return PROXY_BAD;
	if (in.len < FIXED_LEN + len)
		return PROXY_MORE;
	h->len = FIXED_LEN + len;
	h->own = byte(in, 12) == 0x20;
	if (!h->own)
		*why = read_addresses(in, len, h);
	return *why == NULL ? PROXY_DONE : PROXY_BAD;
}

/* -- either ------------------------------------------------------------------------------------------------ */

static bool
begins(struct span in, const void *with, size_t len)
{
	return memcmp(in.ptr, with, in.len < len ? in.len : len) == 0;
}

enum proxy_result
proxy_parse(struct span in, struct proxy_header *h, const char **why)
{
	*h = (struct proxy_header){ .len = 0 };
	*why = NULL;
	if (in.len == 0)
		return PROXY_MORE;
	if (begins(in, signature, sizeof signature))
		return parse_binary(in, h, why);
	if (begins(in, "PROXY ", 6))
		return parse_line(in, h, why);
	*why = "bad or missing protocol header";
	return PROXY_BAD;
}
