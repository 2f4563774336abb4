/* Restrictions that need no more than the session. */
#include "mail/address.h"
#include "policy/private.h"
#include "table/network.h"

enum result
check_permit(struct check *c, struct span arg)
{
	(void)c;
	(void)arg;
	return OK;
}

enum result
check_reject(struct check *c, struct span arg)
{
	(void)arg;
	return refuse_class(c, (int)conf_int(c->policy->view, P_reject_code), "5.7.1", "Access denied");
}

enum result
check_defer(struct check *c, struct span arg)
{
	(void)arg;
	return refuse_class(c, (int)conf_int(c->policy->view, P_defer_code), "4.3.2", "Try again later");
}

/* The first such request counts. */
static void
keep_reply(struct check *c, struct buf *kept, const char *what)
{
	if (kept->len == 0)
		buf_printf(kept, "<%.*s>: %s rejected: %s requested", SPAN_ARG(buf_view(&c->name)), c->class, what);
}

enum result
check_defer_if_permit(struct check *c, struct span arg)
{
	(void)arg;
	if (!c->warn)
		keep_reply(c, &c->permit_defer, "defer_if_permit");
	return DUNNO;
}

enum result
check_defer_if_reject(struct check *c, struct span arg)
{
	(void)arg;
	if (!c->warn)
		keep_reply(c, &c->reject_defer, "defer_if_reject");
	return DUNNO;
}

enum result
check_warn_if_reject(struct check *c, struct span arg)
{
	(void)arg;
	c->warn = true;
	return DUNNO;
}

enum result
check_sleep(struct check *c, struct span arg)
{
	struct span value;
	uint32_t place = FACT_PLACE((unsigned)c->stage << 4 | (unsigned)c->list, c->position);

	return facts_get(c->facts, place, SPAN("sleep"), arg, &value) == FACT_PENDING ? PENDING : DUNNO;
}

enum result
check_unauth_pipelining(struct check *c, struct span arg)
{
	(void)arg;
	if (!c->session->pipelined)
		return DUNNO;
	return refuse_class(c, 503, "5.5.0", "Improper use of SMTP command pipelining");
}

enum result
check_permit_mynetworks(struct check *c, struct span arg)
{
	struct err err = { ERR_NONE, "" };

	(void)arg;
	switch (match_list_client(c->policy->mynetworks, c->facts, c->session->client_name, c->session->client_addr, &err)) {
	case MATCH_YES: return OK;
	case MATCH_NO: return DUNNO;
	case MATCH_PENDING: return PENDING;
	case MATCH_FAILED: break;
	}
	policy_note(c, "mynetworks: %s", err.text);
	return refuse(c, 451, "4.3.0", "Temporary lookup failure");
}

enum result
check_permit_inet_interfaces(struct check *c, struct span arg)
{
	(void)arg;
	return route_own_address(c->policy->router, c->session->client_addr) ? OK : DUNNO;
}

enum result
check_permit_sasl_authenticated(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->sasl_user.len > 0 ? OK : DUNNO;
}

static bool
is_literal(struct span helo)
{
	struct span ip;
	bool v6;
	return helo.len > 0 && helo.ptr[0] == '[' && address_literal(helo, &ip, &v6);
}

/* A name with a dot; a bare address is none. */
static bool
is_full_name(struct span s)
{
	struct ip ip;
	return address_hostname_ok(s, true) && span_has(s, '.') && !ip_parse(s, &ip);
}

enum result
check_invalid_helo_hostname(struct check *c, struct span arg)
{
	struct span helo = c->session->helo;
	struct ip ip;

	(void)arg;
	if (helo.len == 0 || is_literal(helo) || address_hostname_ok(helo, true) || ip_parse(helo, &ip))
		return DUNNO;
	return refuse_class(c, (int)conf_int(c->policy->view, P_invalid_hostname_reject_code), "5.5.2", "Invalid name");
}

enum result
check_non_fqdn_helo_hostname(struct check *c, struct span arg)
{
	struct span helo = c->session->helo;

	(void)arg;
	if (helo.len == 0 || is_literal(helo) || is_full_name(helo))
		return DUNNO;
	return refuse_class(c, (int)conf_int(c->policy->view, P_non_fqdn_reject_code), "5.5.2",
	    "need fully-qualified hostname");
}

static enum result
check_non_fqdn(struct check *c, struct span address)
{
	struct span local, domain;

	if (address.len == 0)
		return DUNNO;
	bool good = address_split(address, &local, &domain) && domain.len > 0 &&
	    (is_literal(domain) || is_full_name(domain));
	return good ? DUNNO : refuse_class(c, (int)conf_int(c->policy->view, P_non_fqdn_reject_code), "5.5.2",
	    "need fully-qualified address");
}

/* In a list of another stage the reply names the address all the same. */
static enum result
check_non_fqdn_named(struct check *c, struct span address, const char *class)
{
	struct buf name = c->name;
	const char *was = c->class;

	c->name = BUF_INIT(4096);
	buf_span(&c->name, address);
	c->class = class;
	enum result r = check_non_fqdn(c, address);
	buf_clear(&c->name);
	c->name = name;
	c->class = was;
	return r;
}

enum result
check_non_fqdn_sender(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_sender ? check_non_fqdn_named(c, c->session->sender, "Sender address") : DUNNO;
}

enum result
check_non_fqdn_recipient(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_recipient ? check_non_fqdn_named(c, c->session->recipient, "Recipient address") : DUNNO;
}
