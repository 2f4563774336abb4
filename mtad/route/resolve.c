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
	struct span	 sender;
	struct span	 transport, nexthop;	/* of the router, or of these */
	struct buf	 mapped, by_sender, by_sender_host;
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
failed(struct resolving *x, const char *param, enum route_status *status)
{
	note(x, "%s: %s", param, x->err.text);
	x->out->failed = true;
	x->out->dsn = "4.3.0";
	x->out->reason = x->err;
	*status = ROUTE_DONE;
	return STOP;
}

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
	return failed(x, param, status);
}

/* The same of a table's answer, which is in *value. */
static enum answer
found(struct resolving *x, enum table_result result, const char *param, const struct buf *value, enum route_status *status)
{
	switch (result) {
	case TABLE_ABSENT:
		return NO;
	case TABLE_FOUND:
		note(x, "%s: %.*s", param, SPAN_ARG(buf_view(value)));
		return YES;
	case TABLE_PENDING:
		*status = ROUTE_PENDING;
		return STOP;
	case TABLE_FAILED:
		break;
	}
	return failed(x, param, status);
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

bool
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
	return (r->dequoted && span_has(local, '@')) || (r->swap_bangpath && span_has(local, '!')) ||
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
		if (!address_split(work_view(&x->address), &name, &domain)) {
			work_put(&x->address, SPAN("@"));	/* a bare name is a user here */
			work_put(&x->address, x->router->myhostname);
			address_split(work_view(&x->address), &name, &domain);
		}
		enum answer a = is_local(x, without_dot(domain), status);
		if (a == STOP)
			return STOP;
		*local = a == YES;
		if (a == NO || !has_routing(x->router, name))
			return YES;
		work_set(&rest, name);
		rewrite_local(x->router, &rest);
		note(x, "%.*s: sender-specified route to %.*s", SPAN_ARG(work_view(&x->address)),
		    SPAN_ARG(work_view(&rest)));
		x->address = rest;
	}
	return NO;
}

/* user@1.2.3.4 as user@[1.2.3.4], where that is wanted. */
static enum answer
bracket_number(struct resolving *x, bool *local, enum route_status *status)
{
	struct span name, domain;
	struct ip ip;

	if (!x->router->numeric_domain || !address_split(work_view(&x->address), &name, &domain) ||
	    !ip_parse(domain, &ip) || ip.len != 4)
		return YES;
	struct work old = x->address;
	address_split(work_view(&old), &name, &domain);
	work_set(&x->address, name);
	work_put(&x->address, SPAN("@["));
	work_put(&x->address, domain);
	work_put(&x->address, SPAN("]"));
	address_split(work_view(&x->address), &name, &domain);
	enum answer a = is_local(x, domain, status);
	*local = a == YES;
	return a == STOP ? STOP : YES;
}

/* A table that is asked for the sender; its answer into *value. */
static enum answer
ask_sender(struct resolving *x, const struct tables *tables, const char *param, struct span null_key, struct buf *value,
    enum route_status *status)
{
	value->max = 65536;
	return found(x, sender_lookup(x->router, tables, x->facts, x->sender, null_key, value, &x->err), param, value, status);
}

/* Where mail of the classes relay and default goes: `to`, or what its tables say for the sender. */
static enum answer
remote(struct resolving *x, struct destination to, struct span domain, enum route_status *status)
{
	const struct router *r = x->router;
	enum answer a = NO;

	if (x->out->class == ROUTE_DEFAULT) {
		a = ask_sender(x, &r->sender_transport, "sender_dependent_default_transport_maps", r->null_transport_key,
		    &x->by_sender, status);
		if (a == YES)
			to = destination_of(x->by_sender.ptr);
	}
	x->transport = to.transport;
	x->nexthop = to.nexthop;
	if (a == STOP || to.nexthop.len > 0)
		return a == STOP ? STOP : YES;
	a = ask_sender(x, &r->sender_relayhost, "sender_dependent_relayhost_maps", r->null_relayhost_key, &x->by_sender_host,
	    status);
	x->nexthop = a == YES ? buf_view(&x->by_sender_host) : r->relayhost.len > 0 ? r->relayhost : domain;
	return a == STOP ? STOP : YES;
}

/* Class and default destination of a domain that is not ours. */
static enum answer
classify(struct resolving *x, struct span domain, enum route_status *status)
{
	const struct router *r = x->router;
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
	return remote(x, a == YES ? r->relay_to : r->default_to, domain, status);
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
	enum answer a = found(x, transport_lookup(x->router, x->facts, work_view(&x->address), domain, &x->mapped, &x->err),
	    "transport_maps", &x->mapped, status);
	if (a != YES)
		return a == STOP ? STOP : YES;
	struct destination to = destination_of(x->mapped.ptr);
	if (to.transport.len > 0) {
		x->transport = to.transport;
		x->nexthop = to.nexthop.len > 0 ? to.nexthop : span_eqs(to.transport, "error") || span_eqs(to.transport, "retry") ?
		    SPAN("Address is undeliverable") : domain;	/* their next hop is what is said */
	} else if (to.nexthop.len > 0) {
		x->nexthop = to.nexthop;
	}
	return YES;
}

/* relocated(5): mail for who has moved goes back with the new address. */
static enum answer
map_relocated(struct resolving *x, enum route_status *status)
{
	struct span ext;

	if (x->router->relocated_maps.count == 0)
		return YES;
	x->by_sender.max = 65536;
	buf_reset(&x->by_sender);
	if (x->router->relocated_prefix)
		buf_str(&x->by_sender, "5.1.6 User has moved to ");
	enum answer a = found(x, router_find_address(x->router, &x->router->relocated_maps, x->facts, work_view(&x->address),
	    &x->by_sender, &ext, &x->err), "relocated_maps", &x->by_sender, status);
	if (a == YES) {
		x->transport = SPAN("error");
		x->nexthop = buf_view(&x->by_sender);
	}
	return a == STOP ? STOP : YES;
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
	if (a == STOP || bracket_number(x, &local, status) == STOP)
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
	/* Programs that get the address on their command line would take it for an option. */
	if (!r->hyphen_first && span_starts(work_view(&x->address), "-")) {
		bad_address(x, "begins with a hyphen (allow_min_user)");
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
	if (map_transport(x, domain, status) == STOP)
		return STOP;
	return map_relocated(x, status);
}

enum route_status
route_resolve(const struct router *router, struct facts *facts, struct span recipient, struct span sender,
    struct route *out, struct buf *trace)
{
	struct resolving x = { .router = router, .facts = facts, .out = out, .trace = trace,
	    .sender = sender };
	enum route_status status = ROUTE_DONE;
	struct buf text = out->text;

	buf_reset(&text);
	*out = (struct route){ .class = ROUTE_DEFAULT, .text = text };
	work_set(&x.address, recipient.len == 0 ? router->empty_recipient : recipient);
	if (resolve(&x, &status) != STOP)
		finish(&x);
	buf_clear(&x.mapped);
	buf_clear(&x.by_sender);
	buf_clear(&x.by_sender_host);
	return status;
}
