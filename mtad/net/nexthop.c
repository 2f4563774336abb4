#include "net/resolve.h"

#include "base/num.h"

/* A word of that name; case does not matter. */
static bool
lists(const char *list, struct span word)
{
	struct span rest = span_str(list), w;

	while (span_word(&rest, "\t\r\n ,", &w))
		if (span_caseeq(w, word))
			return true;
	return false;
}

bool
nexthop_parse(struct span s, const struct resolve_settings *settings, struct nexthop *out)
{
	struct nexthop n = { .port = settings->port, .mx = settings->use_mx };
	struct span service = settings->service == NULL ? SPAN_NONE : span_trim(span_str(settings->service));

	if (span_starts(s, "unix:")) {
		n.is_unix = true;
		n.host = span_skip(s, 5);
		*out = n;
		return n.host.len > 0;
	}
	if (span_starts(s, "inet:"))
		s = span_skip(s, 5);
	struct span port = SPAN_NONE;
	if (span_starts(s, "[")) {
		size_t end = span_find(s, ']');
		if (end == s.len)
			return false;
		n.host = span_head(span_skip(s, 1), end - 1);
		if (span_casestarts(n.host, "IPv6:"))	/* as address literals have it */
			n.host = span_skip(n.host, 5);
		n.mx = false;
		port = span_skip(s, end + 1);
		if (port.len > 0 && port.ptr[0] != ':')
			return false;
	} else {
		n.host = span_head(s, span_find(s, ':'));
		port = span_skip(s, n.host.len);
		/* An IPv6 address without brackets: it is one where it has more than one colon. */
		if (span_rfind(s, ':') != n.host.len) {
			n.host = s;
			port = SPAN_NONE;
		}
	}
	if (port.len > 0 && !net_port_named(service = span_skip(port, 1), settings->ports, &n.port))
		return false;
	if (n.mx && settings->srv_services != NULL && lists(settings->srv_services, service))
		n.service = service;
	*out = n;
	return n.host.len > 0;
}
