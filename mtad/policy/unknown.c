/* Names that the DNS does not know. */
#include <stdio.h>

#include "net/dns_fact.h"
#include "policy/private.h"

static enum asked
ask(struct check *c, struct span source, const char *type, struct span name, struct span *value)
{
	struct buf key = BUF_INIT(1024);
	enum asked r = ASKED_NONE;

	buf_printf(&key, "%s %.*s", type, SPAN_ARG(name));
	*value = SPAN_NONE;
	switch (key.over ? FACT_ABSENT : facts_get(c->facts, FACT_PURE, source, buf_view(&key), value)) {
	case FACT_KNOWN:
		r = ASKED_FOUND;
		policy_note(c, "%s: %.*s", key.ptr, SPAN_ARG(span_head(span_rtrim(*value), 200)));
		break;
	case FACT_ABSENT:
		policy_note(c, "%s: none", key.ptr);
		break;
	case FACT_FAILED:
		policy_note(c, "%s: no answer", key.ptr);
		r = ASKED_RETRY;
		break;
	case FACT_PENDING:
		r = ASKED_PENDING;
		break;
	}
	if (r != ASKED_FOUND)
		*value = SPAN_NONE;
	buf_clear(&key);
	return r;
}

enum asked
ask_dns(struct check *c, const char *type, struct span name, struct span *value)
{
	return ask(c, SPAN("dns"), type, name, value);
}

enum asked
ask_host(struct check *c, const char *type, struct span name, struct span *value)
{
	return ask(c, SPAN("host"), type, name, value);
}

/* -- the client ---------------------------------------------------------------------------- */

static enum result
unknown_name(struct check *c, enum policy_name_status status, const char *what, const char *dsn)
{
	char text[160];

	if (status == POLICY_NAME_OK) {
		policy_note(c, "the client's name is %.*s", SPAN_ARG(*what == '\0' ? c->session->client_name : c->session->reverse_client_name));
		return DUNNO;
	}
	(void)snprintf(text, sizeof text, "Client host rejected: cannot find your %shostname, [%.*s]", what, SPAN_ARG(c->session->client_addr));
	policy_note(c, "%s", status == POLICY_NAME_TEMP ? "no answer" : status == POLICY_NAME_FORGED ? "the name does not lead back" : "no name");
	return refuse_text(c, status == POLICY_NAME_TEMP ? 450 : (int)conf_int(c->policy->view, P_unknown_client_reject_code), dsn, text);
}

enum result
check_unknown_client_hostname(struct check *c, struct span arg)
{
	(void)arg;
	return unknown_name(c, c->session->client_name_status, "", "4.7.25");
}

enum result
check_unknown_reverse_client_hostname(struct check *c, struct span arg)
{
	(void)arg;
	return unknown_name(c, c->session->reverse_client_name_status, "reverse ", "4.7.1");
}

/* The address has a name; that one leads nowhere. */
enum result
check_unknown_forward_client_hostname(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->reverse_client_name_status == POLICY_NAME_OK ? unknown_name(c, c->session->client_name_status, "", "4.7.25") : DUNNO;
}

/* -- HELO and domains ------------------------------------------------------------------------ */

/* MX, A or AAAA; *null: it says that it takes no mail. */
static enum asked
ask_any(struct check *c, struct span name, bool *null)
{
	static const char *const types[] = { "MX", "A", "AAAA" };
	enum asked all = ASKED_NONE;
	struct span value;

	*null = false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		enum asked r = ask_dns(c, types[i], name, &value);
		if (r == ASKED_PENDING)
			return r;
		if (r == ASKED_FOUND && i == 0)
			*null = dns_fact_null_mx(value);
		if (r == ASKED_FOUND)
			return r;
		if (r == ASKED_RETRY)
			all = r;
	}
	return all;
}

enum result
check_unknown_helo_hostname(struct check *c, struct span arg)
{
	struct span helo = c->session->helo;
	enum result r = DUNNO;
	bool null;

	(void)arg;
	if (is_helo_literal(helo))
		return check_helo_literal(c);
	if (helo.len == 0)
		return DUNNO;
	enum asked got = ask_any(c, helo, &null);
	if (got == ASKED_PENDING)
		return PENDING;
	struct naming was = name_as(c, helo, "Helo command");
	if (got == ASKED_NONE)
		r = refuse_class(c, (int)conf_int(c->policy->view, P_unknown_hostname_reject_code), "4.7.1", "Host not found");
	else if (got == ASKED_RETRY)
		r = defer_if_permit(c, P_unknown_helo_hostname_tempfail_action, 450, "4.7.1", "<%.*s>: %s rejected: Host not found",
		    SPAN_ARG(c->name), c->class);
	name_back(c, was);
	return r;
}

static enum result
judge_domain(struct check *c, struct span domain, bool sender)
{
	const char *dsn = sender ? "4.1.8" : "4.1.2";
	bool null;

	switch (ask_any(c, domain, &null)) {
	case ASKED_PENDING:
		return PENDING;
	case ASKED_FOUND:
		if (null)
			return refuse(c, sender ? 550 : 556, sender ? "5.7.27" : "5.1.10", "%s rejected: Domain %.*s does not accept mail (nullMX)",
			    c->class, SPAN_ARG(domain));
		return DUNNO;
	case ASKED_NONE:
		return refuse_class(c, (int)conf_int(c->policy->view, P_unknown_address_reject_code), dsn, "Domain not found");
	case ASKED_RETRY:
		break;
	}
	return defer_if_permit(c, P_unknown_address_tempfail_action, 450, dsn, "<%.*s>: %s rejected: Domain not found",
	    SPAN_ARG(c->name), c->class);
}

/* Domains that are ours, and literals, need no DNS. */
static enum result
unknown_domain(struct check *c, struct span address, bool sender)
{
	struct route *route;
	enum result r = resolve_address(c, address, &route);

	if (r != DUNNO)
		return r;
	if (route->class != ROUTE_DEFAULT && route->class != ROUTE_RELAY) {
		policy_note_class(c, route);
		return DUNNO;
	}
	char domain[DNS_NAME];
	if (route->domain.len == 0 || route->domain.len >= sizeof domain || route->domain.ptr[0] == '[')
		return DUNNO;
	memcpy(domain, route->domain.ptr, route->domain.len);
	struct naming was = name_as(c, address, sender ? "Sender address" : "Recipient address");
	r = judge_domain(c, span_of(domain, route->domain.len), sender);
	name_back(c, was);
	return r;
}

enum result
check_unknown_sender_domain(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_sender && c->session->sender.len > 0 ? unknown_domain(c, c->session->sender, true) : DUNNO;
}

enum result
check_unknown_recipient_domain(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_recipient ? unknown_domain(c, c->session->recipient, false) : DUNNO;
}
