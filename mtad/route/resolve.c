#include <stdarg.h>
#include <string.h>

#include "mail/address.h"
#include "route/private.h"

#define HOPS_MAX	50	/* user%a%b%c ... each takes one */

/* One resolution. The results are pieces of route.text, made spans at the end, when the buffer does not move any more. */
struct resolving {
	const struct router *router;
	struct facts	*facts;
	struct route	*out;
	struct buf	*trace;
	struct work	 address;
	struct err	 err;
	struct span	 transport, nexthop;	/* of the router, or of `mapped` */
	struct buf	 mapped;
};

void
route_clear(struct route *r)
{
	buf_clear(&r->text);
}

static void __attribute__((format(printf, 2, 3)))
note(struct resolving *x, const char *fmt, ...)
{
	va_list ap;

	if (x->trace == NULL)
		return;
	va_start(ap, fmt);
	buf_vprintf(x->trace, fmt, ap);
	va_end(ap);
	buf_char(x->trace, '\n');
}

/* Whether the list has the name; a table that is not to be asked now ends the resolution with *status. */
enum answer { NO, YES, STOP };

static enum answer
ask(struct resolving *x, const struct match_list *l, const char *param, struct span name, enum route_status *status)
{
	switch (match_list_name(l, x->facts, name, &x->err)) {
	case MATCH_NO:
		return NO;
	case MATCH_YES:
		note(x, "%s: %.*s matches", param, SPAN_ARG(name));
		return YES;
	case MATCH_PENDING:
		*status = ROUTE_PENDING;
		return STOP;
	case MATCH_FAILED:
		break;
	}
	note(x, "%s: %s", param, x->err.text);
	x->out->failed = true;
	x->out->dsn = "4.3.0";
	x->out->reason = x->err;
	*status = ROUTE_DONE;
	return STOP;
}

bool
route_own_address(const struct router *r, struct span address)
{
	struct ip ip;

	if (!ip_parse(address, &ip))
		return false;
	for (size_t i = 0; i < r->own_count; i++)
		if (r->own[i].len == ip.len && memcmp(r->own[i].bytes, ip.bytes, ip.len) == 0)
			return true;
	return false;
}

static bool
is_own_literal(const struct router *r, struct span domain)
{
	struct span address;
	bool v6;
	return address_literal(domain, &address, &v6) && route_own_address(r, address);
}

static enum answer
is_local(struct resolving *x, struct span domain, enum route_status *status)
{
	if (domain.len == 0)
		return x->router->null_domain ? YES : NO;
	if (domain.ptr[0] == '[') {
		bool own = is_own_literal(x->router, domain);
		if (own)
			note(x, "inet_interfaces: %.*s is this machine", SPAN_ARG(domain));
		return own ? YES : NO;
	}
	return ask(x, x->router->local, "mydestination", domain, status);
}

static bool
has_routing(const struct router *r, struct span local)
{
	return span_has(local, '@') || (r->swap_bangpath && span_has(local, '!')) ||
	    (r->percent_hack && span_has(local, '%'));
}

/* What the sender left in the local part, whether or not we would follow it. */
static bool
looks_routed(struct span local)
{
	return span_has(local, '@') || span_has(local, '!') || span_has(local, '%');
}

static struct span
without_dot(struct span domain)
{
	if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

/* user@1.2.3.4 as user@[1.2.3.4], where that is wanted. */
static void
bracket_number(struct resolving *x)
{
	struct span local, domain;
	struct ip ip;

	if (!x->router->numeric_domain || !address_split(work_view(&x->address), &local, &domain) ||
	    !ip_parse(domain, &ip) || ip.len != 4)
		return;
	struct work old = x->address;
	address_split(work_view(&old), &local, &domain);
	work_set(&x->address, local);
	work_put(&x->address, SPAN("@["));
	work_put(&x->address, domain);
	work_put(&x->address, SPAN("]"));
}

/*
 * Takes local domains off as long as what is left names another: user%b@here is user@b, "user@b"@here too. *local is whether
 * the last one is ours.
 */
static enum answer
strip_local(struct resolving *x, bool *local, enum route_status *status)
{
	struct span name, domain;
	struct work rest;

	for (int hops = 0; hops < HOPS_MAX; hops++) {
		rewrite_route(x->router, &x->address);
		bracket_number(x);
		if (!address_split(work_view(&x->address), &name, &domain)) {
			work_put(&x->address, SPAN("@"));	/* a bare name is a user here */
			work_put(&x->address, x->router->myhostname);
			*local = true;
			return YES;
		}
		enum answer a = is_local(x, without_dot(domain), status);
		if (a == STOP)
			return STOP;
		*local = a == YES;
		if (a == NO || !has_routing(x->router, name))
			return YES;
		work_set(&rest, name);
		rewrite_route(x->router, &rest);
		note(x, "%.*s: sender-specified route to %.*s", SPAN_ARG(work_view(&x->address)),
		    SPAN_ARG(work_view(&rest)));
		x->address = rest;
	}
	return NO;
}

/* Class and default destination of a domain that is not ours. */
static enum answer
classify(struct resolving *x, struct span domain, enum route_status *status)
{
	const struct router *r = x->router;
	const struct destination *to = &r->default_to;
	struct route *out = x->out;
	enum answer a;

	if ((a = ask(x, r->virtual_alias, "virtual_alias_domains", domain, status)) == STOP)
		return STOP;
	if (a == YES) {
		out->class = ROUTE_VIRTUAL_ALIAS;
		x->transport = SPAN("error");
		x->nexthop = r->show_table ? SPAN("5.1.1 User unknown in virtual alias table") :
		    SPAN("5.1.1 User unknown");
		return YES;
	}
	if ((a = ask(x, r->virtual_mailbox, "virtual_mailbox_domains", domain, status)) == STOP)
		return STOP;
	if (a == YES) {
		out->class = ROUTE_VIRTUAL_MAILBOX;
		x->transport = r->virtual_to.transport;
		x->nexthop = r->virtual_to.nexthop.len > 0 ? r->virtual_to.nexthop : domain;
		return YES;
	}
	if ((a = ask(x, r->relay, "relay_domains", domain, status)) == STOP)
		return STOP;
	out->class = a == YES ? ROUTE_RELAY : ROUTE_DEFAULT;
	if (a == YES)
		to = &r->relay_to;
	x->transport = to->transport;
	x->nexthop = to->nexthop.len > 0 ? to->nexthop : r->relayhost.len > 0 ? r->relayhost : domain;
	return YES;
}

static void
bad_address(struct resolving *x, const char *why)
{
	note(x, "%.*s: %s", SPAN_ARG(work_view(&x->address)), why);
	x->out->bad_syntax = true;
	x->out->class = ROUTE_DEFAULT;
	x->transport = SPAN("error");
	x->nexthop = SPAN("5.1.3 bad address syntax");
}

static bool
domain_ok(struct span domain)
{
	struct span ip;
	struct ip number;
	bool v6;

	if (domain.len > 0 && domain.ptr[0] == '[')
		return address_literal(domain, &ip, &v6);
	return address_hostname_ok(domain, true) && !ip_parse(domain, &number);
}

/* transport_maps over what the class gave. "transport:" alone goes to the recipient's domain, ":" changes nothing. */
static enum answer
map_transport(struct resolving *x, struct span domain, enum route_status *status)
{
	if (x->router->transport_maps.count == 0 || x->out->class == ROUTE_VIRTUAL_ALIAS)
		return YES;
	x->mapped.max = 65536;
	switch (transport_lookup(x->router, x->facts, work_view(&x->address), domain, &x->mapped, &x->err)) {
	case TABLE_ABSENT:
		return YES;
	case TABLE_PENDING:
		*status = ROUTE_PENDING;
		return STOP;
	case TABLE_FAILED:
		x->out->failed = true;
		x->out->dsn = "4.3.0";
		x->out->reason = x->err;
		*status = ROUTE_DONE;
		return STOP;
	case TABLE_FOUND:
		break;
	}
	struct destination to = destination_of(x->mapped.ptr);
	note(x, "transport_maps: %s", x->mapped.ptr);
	if (to.transport.len > 0) {
		x->transport = to.transport;
		x->nexthop = to.nexthop.len > 0 ? to.nexthop : domain;
	} else if (to.nexthop.len > 0) {
		x->nexthop = to.nexthop;
	}
	return YES;
}

/* The results into the route's own memory. */
static void
finish(struct resolving *x)
{
	struct route *out = x->out;
	struct span name, domain;
	size_t address = x->address.len, transport = x->transport.len, nexthop = x->nexthop.len;

	buf_span(&out->text, work_view(&x->address));
	buf_span(&out->text, x->transport);
	buf_span(&out->text, x->nexthop);
	const char *p = out->text.ptr;
	out->recipient = span_of(p, address);
	address_split(out->recipient, &name, &domain);
	out->domain = domain;
	out->transport = span_of(p + address, transport);
	out->nexthop = span_of(p + address + transport, nexthop);
	note(x, "%.*s: class %s, transport %.*s, next hop %.*s", SPAN_ARG(out->recipient),
	    route_class_name(out->class), SPAN_ARG(out->transport), SPAN_ARG(out->nexthop));
}

/* "@here" is the empty address's user there, "user@" a user of this host. */
static void
complete_local(struct resolving *x, struct span name, struct span domain)
{
	struct work whole;

	if (name.len > 0 && domain.len > 0)
		return;
	work_set(&whole, name.len > 0 ? name : x->router->empty_recipient);
	work_put(&whole, SPAN("@"));
	work_put(&whole, domain.len > 0 ? domain : x->router->myhostname);
	x->address = whole;
}

static enum answer
resolve(struct resolving *x, enum route_status *status)
{
	const struct router *r = x->router;
	struct span name, domain;
	bool local = false;

	enum answer a = strip_local(x, &local, status);
	if (a == STOP)
		return STOP;
	address_split(work_view(&x->address), &name, &domain);
	if (domain.len > 1 && domain.ptr[domain.len - 1] == '.') {
		domain.len--;
		x->address.len--;
	}
	if (a == NO || x->address.over) {
		bad_address(x, "a route too long");
		return YES;
	}
	x->out->routed = looks_routed(name);
	if (local) {
		x->out->class = ROUTE_LOCAL;
		x->transport = r->local_to.transport;
		x->nexthop = r->local_to.nexthop.len > 0 ? r->local_to.nexthop : r->myhostname;
		complete_local(x, name, domain);
		address_split(work_view(&x->address), &name, &domain);
	} else if (!domain_ok(domain)) {
		bad_address(x, "no such domain can be");
		return YES;
	} else if (classify(x, domain, status) == STOP) {
		return STOP;
	}
	return map_transport(x, domain, status);
}

enum route_status
route_resolve(const struct router *router, struct facts *facts, struct span recipient, struct span sender,
    struct route *out, struct buf *trace)
{
	struct resolving x = { .router = router, .facts = facts, .out = out, .trace = trace };
	enum route_status status = ROUTE_DONE;
	struct buf text = out->text;

	(void)sender;	/* nothing here depends on it: sender_dependent_* tables have no effect */
	buf_reset(&text);
	*out = (struct route){ .class = ROUTE_DEFAULT, .text = text };
	work_set(&x.address, recipient.len == 0 ? router->empty_recipient : recipient);
	if (resolve(&x, &status) != STOP)
		finish(&x);
	buf_clear(&x.mapped);
	return status;
}
