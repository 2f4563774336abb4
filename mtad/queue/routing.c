/*
 * Routing at activation: route/ with the facts of one decision. Tables in memory answer at once; for one that blocks the recipient waits until the
 * lookup role has answered, and is routed anew.
 */
#include "queue/role.h"

#include "base/clock.h"

static struct span
filter_part(struct span filter, bool nexthop)
{
	size_t colon = span_find(filter, ':');

	return nexthop ? span_skip(filter, colon + 1) : span_head(filter, colon);
}

/* A filter that names no next hop gets default_filter_nexthop, else the recipient's domain; a local part alone is ours. */
static struct span
filter_nexthop(const struct role_queue *rq, const struct entry *e, uint32_t rcpt)
{
	struct span named = span_trim(span_str(conf_str(conf_program(rq->conf, "qmgr"), P_default_filter_nexthop)));
	struct span address = entry_address(e, rcpt), domain = span_skip(address, span_rfind(address, '@') + 1);

	return named.len > 0 ? named : domain.len > 0 ? domain : span_str(role_hostname());
}

enum routed
routing_route(void *arg, const struct entry *e, uint32_t rcpt, struct queue_route *to)
{
	struct role_queue *rq = arg;
	struct route *r = &rq->route;

	if (e->extra != NULL && e->extra->filter != NULL) {
		struct span filter = span_str(e->extra->filter);
		to->transport = filter_part(filter, false);
		to->nexthop = filter_part(filter, true);
		if (to->nexthop.len == 0)
			to->nexthop = filter_nexthop(rq, e, rcpt);
		return ROUTED_TO;
	}
	facts_reset(rq->facts, clock_wall());
	while (route_resolve(rq->router, rq->facts, entry_address(e, rcpt), entry_sender(e), r, NULL) == ROUTE_PENDING)
		if (!answers_give(rq, e->id))
			return ROUTED_LATER;
	if (r->failed) {
		to->dsn = span_str(r->dsn);
		to->text = span_str(r->reason.text);
		return ROUTED_DEFER;
	}
	to->transport = r->transport;
	to->nexthop = r->nexthop;
	return ROUTED_TO;
}
