/* Restrictions that need no more than the session. */
#include "mail/address.h"
#include "policy/private.h"
#include "table/network.h"

enum result
check_permit(struct check *c, struct span arg)
{
	(void)arg;
	return permit(c);
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

enum result
check_defer_if_permit(struct check *c, struct span arg)
{
	(void)arg;
	return defer_if_permit(c, PARAM_COUNT, 450, "4.7.0", "<%.*s>: %s rejected: defer_if_permit requested", SPAN_ARG(c->name), c->class);
}

enum result
check_defer_if_reject(struct check *c, struct span arg)
{
	(void)arg;
	defer_if_reject(c, 450, "4.7.0", "<%.*s>: %s rejected: defer_if_reject requested", SPAN_ARG(c->name), c->class);
	return DUNNO;
}

enum result
check_warn_if_reject(struct check *c, struct span arg)
{
	(void)arg;
	if (c->warn == 0)
		c->warn = c->depth;
	return DUNNO;
}

enum result
check_sleep(struct check *c, struct span arg)
{
	struct span value;
	uint32_t place = FACT_PLACE((unsigned)c->stage, ++c->effects);

	policy_note(c, "the client waits %.*s s", SPAN_ARG(arg));
	return facts_get(c->facts, place, SPAN("sleep"), arg, &value) == FACT_PENDING ? PENDING : DUNNO;
}

enum result
check_unauth_pipelining(struct check *c, struct span arg)
{
	(void)arg;
	policy_note(c, c->session->pipelined ? "more came before this command was answered" : "nothing came ahead of its turn");
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
	case MATCH_YES:
		policy_note(c, "%.*s is in mynetworks", SPAN_ARG(c->session->client_addr));
		return permit_client(c);
	case MATCH_NO:
		policy_note(c, "%.*s is not in mynetworks", SPAN_ARG(c->session->client_addr));
		return DUNNO;
	case MATCH_PENDING:
		return PENDING;
	case MATCH_FAILED:
		break;
	}
	return refuse_lookup(c, c->name, err.text);
}

enum result
check_permit_inet_interfaces(struct check *c, struct span arg)
{
	bool own = route_own_address(c->policy->router, c->session->client_addr);

	(void)arg;
	policy_note(c, "%.*s is %s of this machine's addresses (inet_interfaces, proxy_interfaces)", SPAN_ARG(c->session->client_addr), own ? "one" : "none");
	return own ? permit_client(c) : DUNNO;
}

enum result
check_permit_sasl_authenticated(struct check *c, struct span arg)
{
	(void)arg;
	policy_note_login(c);
	return c->session->sasl_user.len > 0 ? permit_client(c) : DUNNO;
}

bool
is_helo_literal(struct span helo)
{
	return helo.len > 0 && helo.ptr[0] == '[';
}

static bool
is_good_literal(struct span s)
{
	struct span ip;
	bool v6;
	return is_helo_literal(s) && address_literal(s, &ip, &v6);
}

/* A name with a dot; a bare address is none. */
static bool
is_full_name(struct span s)
{
	struct ip ip;
	return address_hostname_ok(s, true) && span_has(s, '.') && !ip_parse(s, &ip);
}

enum result
check_helo_literal(struct check *c)
{
	struct span helo = c->session->helo;

	if (is_good_literal(helo))
		return DUNNO;
	struct naming was = name_as(c, helo, "Helo command");
	enum result r = refuse_class(c, (int)conf_int(c->policy->view, P_invalid_hostname_reject_code), "5.5.2", "invalid ip address");
	name_back(c, was);
	return r;
}

enum result
check_invalid_helo_hostname(struct check *c, struct span arg)
{
	struct span helo = c->session->helo;
	struct ip ip;

	(void)arg;
	policy_note_name(c, "HELO", helo);
	if (is_helo_literal(helo))
		return check_helo_literal(c);
	if (helo.len == 0 || address_hostname_ok(helo, true) || ip_parse(helo, &ip))
		return DUNNO;
	struct naming was = name_as(c, helo, "Helo command");
	enum result r = refuse_class(c, (int)conf_int(c->policy->view, P_invalid_hostname_reject_code), "5.5.2", "Invalid name");
	name_back(c, was);
	return r;
}

enum result
check_non_fqdn_helo_hostname(struct check *c, struct span arg)
{
	struct span helo = c->session->helo;

	(void)arg;
	policy_note_name(c, "HELO", helo);
	if (is_helo_literal(helo))
		return check_helo_literal(c);
	if (helo.len == 0 || is_full_name(helo))
		return DUNNO;
	struct naming was = name_as(c, helo, "Helo command");
	enum result r = refuse_class(c, (int)conf_int(c->policy->view, P_non_fqdn_reject_code), "5.5.2", "need fully-qualified hostname");
	name_back(c, was);
	return r;
}

static enum result
check_non_fqdn(struct check *c, struct span address)
{
	struct span local, domain;

	if (address.len == 0)
		return DUNNO;
	bool good = address_split(address, &local, &domain) && domain.len > 0 &&
	    (is_good_literal(domain) || is_full_name(domain));
	return good ? DUNNO : refuse_class(c, (int)conf_int(c->policy->view, P_non_fqdn_reject_code), "5.5.2",
	    "need fully-qualified address");
}

/* In a list of another stage the reply names the address all the same. */
static enum result
check_non_fqdn_named(struct check *c, struct span address, const char *class)
{
	struct naming was = name_as(c, address, class);
	policy_note_name(c, class, address);
	enum result r = check_non_fqdn(c, address);

	name_back(c, was);
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
