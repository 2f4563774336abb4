#include "queue/probes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/dsn.h"
#include "mail/forward.h"
#include "mail/outcome.h"
#include "route/mapping.h"

#define AT_ONCE		100u	/* probes that workers have; others wait */
#define HANDED_ON_MAX	5u	/* a mailbox transport that leads to a mailbox transport ... */

/* As state/verify.h has them. */
enum { PROBE_OK, PROBE_DEFER, PROBE_BOUNCE };

struct probe {
	uint64_t	 number;	/* the state role's */
	uint64_t	 lease;		/* 0: no worker has it */
	struct qid	 id;		/* in the log */
	char		*sender, *address;
	char		*transport, *nexthop;	/* NULL: not routed yet */
	enum role	 role;
	uint32_t	 slot;
	unsigned	 handed_on;
	int64_t		 arrival;
	struct probe	*next;
};

static struct {
	struct probe	*first, **last;
	unsigned	 leased;
	uint64_t	 leases;
	uint64_t	 usec;
	struct router	*router;	/* of the configuration; made when one is needed */
	struct mapper	*mapper;
} probes;

/* -- ends ---------------------------------------------------------------------------------- */

static void
drop(struct probe *p)
{
	for (struct probe **at = &probes.first; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			if (p->next == NULL)
				probes.last = at;
			break;
		}
	if (p->lease != 0)
		probes.leased--;
	free(p->sender);
	free(p->address);
	free(p->transport);
	free(p->nexthop);
	free(p);
}

static void
end(struct role_queue *rq, struct probe *p, uint8_t status, struct span text)
{
	const struct link *state = link_get(rq, ROLE_STATE, 0);

	if (state != NULL)
		ipc_send_verify_probed(state->ipc, &(struct ipc_verify_probed){ .probe = p->number, .status = status,
		    .text = span_head(text, 400) }, -1);
	drop(p);
}

static void
log_end(const struct probe *p, const char *relay, const char *dsn, bool good, struct span text)
{
	char id[QID_TEXT];

	log_info("error", "%s: to=<%s>, relay=%s, delay=0, delays=0/0/0/0, dsn=%s, status=%s (%.*s)", qid_text(p->id, id), p->address, relay, dsn,
	    good ? "deliverable" : "undeliverable", SPAN_ARG(span_head(text, 400)));
}

/* -- where to --------------------------------------------------------------------------------- */

void
probes_configured(void)
{
	mapper_free(probes.mapper);
	router_free(probes.router);
	probes.mapper = NULL;
	probes.router = NULL;
}

static bool
have_tables(struct role_queue *rq, struct err *err)
{
	if (probes.router == NULL)
		probes.router = router_new_probing(rq->conf, err);
	if (probes.router != NULL && probes.mapper == NULL)
		probes.mapper = mapper_new(rq->conf, conf_program(rq->conf, "cleanup"), probes.router, err);
	return probes.mapper != NULL;
}

enum step { STEP_ON, STEP_WAIT, STEP_ENDED };

/* As cleanup(8) would have the address. More than one: that is good enough. */
static enum map_status
map_address(struct role_queue *rq, struct probe *p, bool *many, struct err *err)
{
	struct buf one = BUF_INIT(8192);
	struct map_list list = { .text = BUF_INIT(0) };
	struct span rest, first;

	route_rewrite(probes.router, span_str(p->address), true, &one);
	struct buf canonical = BUF_INIT(8192);
	enum map_status status = mapper_canonical(probes.mapper, rq->facts, MAP_ENVELOPE_RECIPIENT, buf_view(&one), &canonical, err);
	if (status == MAP_DONE)
		status = mapper_virtual(probes.mapper, rq->facts, buf_view(&canonical), &list, err);
	*many = status == MAP_DONE && list.count > 1;
	rest = buf_view(&list.text);
	if (status == MAP_DONE && !*many && map_list_next(&rest, &first)) {
		free(p->address);
		p->address = span_dup(first);
	}
	map_list_clear(&list);
	buf_clear(&one);
	buf_clear(&canonical);
	return status;
}

/* "5.1.1 text" as the next hop of error: and its like. */
static void
settled_by_route(struct role_queue *rq, struct probe *p, const char *transport, struct span nexthop, bool discard)
{
	size_t n = dsn_code_len(nexthop);
	bool retry = strcmp(transport, "retry") == 0;
	char dsn[DSN_TEXT];
	struct span text = nexthop;

	snprintf(dsn, sizeof dsn, "%s", discard ? "2.0.0" : retry ? "4.0.0" : "5.0.0");
	if (n > 0 && n < sizeof dsn && n < nexthop.len && nexthop.ptr[n] == ' ') {
		snprintf(dsn, sizeof dsn, "%.*s", (int)n, nexthop.ptr);
		text = span_ltrim(span_skip(nexthop, n));
	}
	log_end(p, "none", dsn, discard, text);
	end(rq, p, discard ? PROBE_OK : dsn[0] == '4' ? PROBE_DEFER : PROBE_BOUNCE, text);
}

static void
deferred(struct role_queue *rq, struct probe *p, const char *dsn, struct span text)
{
	log_end(p, "none", dsn, false, text);
	end(rq, p, PROBE_DEFER, text);
}

static enum step
route(struct role_queue *rq, struct probe *p)
{
	struct route *r = &rq->route;
	struct err err = { ERR_NONE, "" };
	enum map_status mapped;
	bool many = false;

	if (!have_tables(rq, &err)) {
		log_warning("qmgr", "probes of addresses: %s", err.text);
		deferred(rq, p, "4.3.0", SPAN("address resolver failure"));
		return STEP_ENDED;
	}
	facts_reset(rq->facts, clock_wall());
	while ((mapped = map_address(rq, p, &many, &err)) == MAP_PENDING)
		if (!answers_give(rq, p->id))
			return STEP_WAIT;
	if (many) {
		log_end(p, "none", "2.0.0", true, SPAN("aliased to multiple recipients"));
		end(rq, p, PROBE_OK, SPAN("aliased to multiple recipients"));
		return STEP_ENDED;
	}
	while (mapped == MAP_DONE &&
	    route_resolve(probes.router, rq->facts, span_str(p->address), span_str(p->sender), r, NULL) == ROUTE_PENDING)
		if (!answers_give(rq, p->id))
			return STEP_WAIT;
	if (mapped != MAP_DONE || r->failed) {
		log_warning("qmgr", "a probe of %s: %s", p->address, mapped != MAP_DONE ? err.text : r->reason.text);
		deferred(rq, p, "4.3.0", SPAN("address resolver failure"));
		return STEP_ENDED;
	}
	p->transport = span_dup(r->transport);
	p->nexthop = span_dup(r->nexthop);
	free(p->address);
	p->address = span_dup(r->recipient);
	return STEP_ON;
}

/* -- to a worker ------------------------------------------------------------------------------------ */

static struct link *
worker_for(const struct role_queue *rq, enum role role)
{
	uint32_t n = 0;

	for (struct link *l = rq->links; l != NULL; l = l->next)
		n += l->role == role && l->listed;
	uint64_t skip = n == 0 ? 0 : probes.leases % n;
	for (struct link *l = rq->links; l != NULL; l = l->next)
		if (l->role == role && l->listed && skip-- == 0)
			return l;
	return NULL;
}

static void
give(struct role_queue *rq, struct probe *p, struct link *l)
{
	int64_t now = clock_wall();

	buf_reset(&rq->scratch);
	recipient_pack(&rq->scratch, &(struct recipient){ .notify = NOTIFY_NEVER, .address = span_str(p->address) });
	p->lease = PROBE_LEASE | ++probes.leases;
	p->role = l->role;
	p->slot = l->slot;
	probes.leased++;
	struct ipc_deliver m = { .lease = p->lease, .id_usec = p->id.usec, .id_writer = p->id.writer, .transport = span_str(p->transport),
		.nexthop = span_str(p->nexthop), .sender = span_str(p->sender), .arrival = p->arrival, .active = now, .attempt = 1,
		.recipients = buf_view(&rq->scratch) };
	ipc_send_deliver(l->ipc, &m, -1);
}

static enum step
hand_out(struct role_queue *rq, struct probe *p)
{
	struct transport_limits limits;

	(void)config_transport(rq, span_str(p->transport), &limits);
	switch (limits.kind) {
	case TRANSPORT_ERROR:
	case TRANSPORT_DISCARD:
		settled_by_route(rq, p, p->transport, span_str(p->nexthop), limits.kind == TRANSPORT_DISCARD);
		return STEP_ENDED;
	case TRANSPORT_SEND:
	case TRANSPORT_LOCAL:
		break;
	case TRANSPORT_NONE:
		deferred(rq, p, "4.3.0", SPAN("mail transport unavailable"));
		return STEP_ENDED;
	}
	struct link *l = worker_for(rq, limits.kind == TRANSPORT_SEND ? ROLE_SEND : ROLE_LOCAL);
	if (l == NULL) {
		deferred(rq, p, "4.3.0", SPAN("mail transport unavailable"));
		return STEP_ENDED;
	}
	give(rq, p, l);
	return STEP_ON;
}

/* Those that no worker has and that wait for nothing, as many as may be. */
static void
go_on(struct role_queue *rq)
{
	for (struct probe *p = probes.first, *next; p != NULL && probes.leased < AT_ONCE; p = next) {
		next = p->next;
		if (p->lease == 0 && p->transport != NULL)
			(void)hand_out(rq, p);
	}
}

/* -- what comes in ------------------------------------------------------------------------------------- */

static struct qid
new_id(int64_t now)
{
	probes.usec = (uint64_t)now > probes.usec ? (uint64_t)now : probes.usec + 1;
	return (struct qid){ probes.usec, qid_writer(0, 0) };
}

void
probes_on_ask(void *arg, struct ipc *c, const struct ipc_verify_probe *m, int fd)
{
	struct role_queue *rq = arg;
	struct probe *p;
	int64_t now = clock_wall();

	(void)c;
	(void)fd;
	if (probes.last == NULL)
		probes.last = &probes.first;
	if (probes.leases == 0)		/* a worker may still have some of a predecessor's */
		probes.leases = (uint64_t)now;
	MEM_NEW(p);
	p->number = m->probe;
	p->id = new_id(now);
	p->arrival = now;
	p->sender = span_dup(m->sender);
	p->address = span_dup(m->address);
	*probes.last = p;
	probes.last = &p->next;
	if (route(rq, p) == STEP_ON)
		go_on(rq);
}

void
probes_routed(struct role_queue *rq, struct qid id)
{
	for (struct probe *p = probes.first, *next; p != NULL; p = next) {
		next = p->next;
		if (!qid_eq(p->id, id) || p->transport != NULL)
			continue;
		(void)route(rq, p);
		break;
	}
	go_on(rq);
}

/* To the mailbox transport that local(8) names: it is to say. */
static bool
is_handed_on(struct probe *p, struct span forwards)
{
	struct unpack u = { .left = forwards };
	struct forward f;

	(void)unpack_u32(&u);
	if (forwards.len == 0 || !forward_unpack(unpack_span(&u), &f) || u.fault || f.filter.len == 0 || p->handed_on++ >= HANDED_ON_MAX)
		return false;
	size_t colon = span_find(f.filter, ':');
	free(p->transport);
	free(p->nexthop);
	p->transport = span_dup(span_head(f.filter, colon));
	p->nexthop = span_dup(span_skip(f.filter, colon + 1));
	return true;
}

void
probes_result(struct role_queue *rq, struct ipc *c, const struct ipc_result *m)
{
	struct probe *p = probes.first;
	struct unpack u = { .left = m->outcomes };
	struct outcome o;

	while (p != NULL && p->lease != m->lease)
		p = p->next;
	if (m->last)
		ipc_send_result_ack(c, &(struct ipc_result_ack){ .lease = m->lease }, -1);
	if (p == NULL || !outcome_next(&u, &o))
		return;
	if (o.status <= OUTCOME_EXPANDED && is_handed_on(p, m->forwards)) {
		p->lease = 0;
		probes.leased--;
	} else {
		end(rq, p, o.status <= OUTCOME_EXPANDED ? PROBE_OK : o.status == OUTCOME_DEFERRED ? PROBE_DEFER : PROBE_BOUNCE, o.text);
	}
	go_on(rq);
}

void
probes_gone(struct role_queue *rq, enum role role, uint32_t slot)
{
	for (struct probe *p = probes.first, *next; p != NULL; p = next) {
		next = p->next;
		if (role == ROLE_STATE)
			drop(p);
		else if (p->lease != 0 && p->role == role && p->slot == slot)
			end(rq, p, PROBE_DEFER, SPAN("the delivery process ended"));
	}
	if (role != ROLE_STATE)
		go_on(rq);
}
