/*
 * Which idle connection a delivery may take: one to its next hop that it would be given as it is if it were opened now, with the TLS policy and the login
 * that the tables have for this mail. Tables that are part of a generation change with it, and its connections end then; others may say something new
 * at any time, and what they say of a login may depend on the sender.
 */
#include "base/loop.h"
#include "send/core.h"

static enum table_result
policy_holds(struct delivery *d, const struct conn *c)
{
	const struct tls_client *tls = &c->settings->tls;

	return c->plan == NULL || !(tls->by_policy || tls->by_site) ? TABLE_FOUND : tls_plan_holds(c->plan, delivery_facts(d));
}

static enum table_result
login_holds(struct delivery *d, const struct conn *c)
{
	const struct login_rules *rules = c->settings->login;
	struct err err = { ERR_NONE, "" };

	if (rules == NULL)
		return TABLE_FOUND;
	enum table_result got = login_find(rules, delivery_facts(d), d->sender, span_str(c->host), span_str(c->destination), &d->login, &err);
	if (got == TABLE_FOUND)
		return c->login != NULL && span_eqs(buf_view(&d->login), c->login->text) ? TABLE_FOUND : TABLE_ABSENT;
	if (got == TABLE_ABSENT)
		return c->login == NULL ? TABLE_FOUND : TABLE_ABSENT;
	return got;
}

/* What cannot be looked up now says so when a connection is opened. */
static struct conn *
find(struct delivery *d, bool *pending)
{
	const struct pool *p = pool_find(d);

	*pending = false;
	for (struct conn *c = p == NULL ? NULL : p->idle; c != NULL; c = c->idle_next) {
		enum table_result got = policy_holds(d, c);
		if (got == TABLE_FOUND)
			got = login_holds(d, c);
		if (got == TABLE_FOUND)
			return c;
		*pending = *pending || got == TABLE_PENDING;
	}
	return NULL;
}

bool
conn_idle_for(struct delivery *d)
{
	bool pending;

	return find(d, &pending) != NULL || pending;
}

/* The one that was used last: the others may run out. */
enum reuse
conn_take_idle(struct delivery *d, struct conn **out)
{
	bool pending;

	do
		*out = find(d, &pending);
	while (*out == NULL && pending && !facts_over(d->facts) && !delivery_ask(d, delivery_begin_again));
	if (*out == NULL)
		return pending && !facts_over(d->facts) ? REUSE_LATER : REUSE_NONE;
	struct conn *c = *out;
	pool_take(c);
	c->state = CONN_OPEN;
	c->uses++;
	c->delivery = d;
	d->send->reuses++;
	return REUSE_TAKEN;
}
