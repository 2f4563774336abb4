/*
 * How TLS is wanted towards a target: the policy, from tables and the configuration, and where that is DANE, the TLSA records.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "send/core.h"

struct planning {
	struct delivery	*delivery;
	struct tls_plan	*plan;
	struct tls_route route;
	char		*nexthop;
	struct dane_lookup *lookup;
};

static void
clear_plan(struct planning *p)
{
	if (p->plan == NULL)
		return;
	tls_plan_clear(p->plan);
	free(p->plan);
	p->plan = NULL;
}

void
delivery_plan_drop(struct delivery *d)
{
	struct planning *p = d->planning;

	if (p == NULL)
		return;
	d->planning = NULL;
	dane_lookup_cancel(p->lookup);
	clear_plan(p);
	free(p->nexthop);
	free(p);
}

/* The plan is made. */
static void
go_on(struct delivery *d)
{
	struct tls_plan *plan = d->planning->plan;

	d->planning->plan = NULL;
	delivery_plan_drop(d);
	if (plan->level == TLS_LEVEL_INVALID) {
		delivery_plan_failed(d, plan);
		tls_plan_clear(plan);
		free(plan);
	} else {
		delivery_connect(d, plan);
	}
}

static void
on_records(void *arg, const struct dane_answer *a)
{
	struct planning *p = arg;

	p->lookup = NULL;
	tls_plan_dane(p->plan, &p->route, a);
	go_on(p->delivery);
}

static void
look_up_records(struct planning *p)
{
	struct dane_host h = { .name = p->route.host, .final = p->route.final, .secure = p->route.secure, .port = p->route.port,
		.filter = &p->delivery->settings->resolve.filter, .force = p->delivery->settings->tls.force_tlsa };
	struct dane_lookup *lookup = dane_lookup_start(p->delivery->send->dns, &h, on_records, p);

	/* NULL: on_records was there, and p is gone. */
	if (lookup != NULL)
		p->lookup = lookup;
}

static void
begin(struct delivery *d)
{
	struct planning *p = d->planning;
	const struct tls_client *client = &d->settings->tls;

	clear_plan(p);
	MEM_NEW(p->plan);
	switch (tls_plan_begin(p->plan, client, client->by_policy || client->by_site ? delivery_facts(d) : NULL, &p->route)) {
	case TLS_PLAN_PENDING:
		/* Where nobody can be asked, the facts have failed already, and it ends there. */
		if (!delivery_ask(d, begin))
			begin(d);
		break;
	case TLS_PLAN_DANE:
		look_up_records(p);
		break;
	case TLS_PLAN_READY:
		go_on(d);
		break;
	}
}

void
delivery_plan(struct delivery *d, const struct target *t, const char *path)
{
	struct planning *p;

	if (!d->settings->tls.used || d->plain) {
		delivery_connect(d, NULL);
		return;
	}
	MEM_NEW(p);
	p->delivery = d;
	p->nexthop = path != NULL ? mem_str(path) : span_dup(d->destination);
	p->route = (struct tls_route){ .nexthop = p->nexthop, .domain = d->domain, .host = d->settings->client.myhostname,
		.final = d->settings->client.myhostname };
	if (t != NULL)
		p->route = (struct tls_route){ .nexthop = p->nexthop, .domain = d->domain, .host = t->host, .final = t->final,
			.secure = t->secure, .port = net_addr_port(&t->addr), .mx = d->mx, .mx_secure = d->mx_secure,
			.mx_final = d->mx_final };
	d->planning = p;
	begin(d);
}

/*
 * At the level may, a server with which TLS does not work is asked again in clear text, but not for mail that is new: the trouble may pass. What the server
 * itself said is no trouble with TLS.
 */
bool
delivery_try_plain(struct delivery *d, const struct conn *conn, const struct client_verdict *v)
{
	if (conn->plan == NULL || conn->plan->level != TLS_LEVEL_MAY || conn->wrapped || conn->options.login != NULL || d->targets == NULL || d->plain ||
	    (!conn->tls_failed && (conn->tls == NULL || v->code != 0)) || d->active - d->arrival < d->settings->plain_after)
		return false;
	log_info(d->settings->program, "%s: %.*s", d->id_text, SPAN_ARG(v->text));
	d->plain = true;
	d->target_at--;
	return true;
}
