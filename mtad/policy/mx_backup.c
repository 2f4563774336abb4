/* permit_mx_backup: mail for domains whose MX records name this machine. */
#include "net/dns_fact.h"
#include "policy/private.h"

struct exchangers {
	struct span	 value;		/* of the MX fact, or a name */
	bool		 fallback;	/* there is none: the domain itself */
};

static bool
next_exchanger(struct exchangers *x, unsigned *preference, struct span *name)
{
	struct span line;

	*preference = 0;
	while (span_cut(&x->value, '\n', &line)) {
		if (x->fallback && line.len > 0) {
			*name = line;
			return true;
		}
		if (!x->fallback && dns_fact_mx(line, preference, name) && name->len > 0)
			return true;
	}
	return false;
}

enum which { OUR_OWN, IN_NETWORKS };

/* Every address, or one, of the host is such; *retry: nobody could say. */
static enum result
judge_host(struct check *c, struct span host, enum which which, bool *yes)
{
	static const char *const families[] = { "A", "AAAA" };
	struct span value, line;
	bool any = false, all = true, retry = false;

	for (size_t i = 0; i < 2; i++) {
		enum asked got = ask_host(c, families[i], host, &value);
		if (got == ASKED_PENDING)
			return PENDING;
		retry = retry || got == ASKED_RETRY;
		while (got == ASKED_FOUND && span_cut(&value, '\n', &line)) {
			if (line.len == 0)
				continue;
			bool is = which == OUR_OWN ? route_own_address(c->policy->router, line) :
			    match_list_client(c->policy->mx_networks, c->facts, SPAN_NONE, line, NULL) == MATCH_YES;
			any = any || is;
			all = all && is;
		}
	}
	if (retry)
		defer_if_reject(c, 450, "4.4.4", "<%.*s>: %s rejected: Unable to look up host %.*s as mail exchanger: Host not found, try again",
		    SPAN_ARG(c->name), c->class, SPAN_ARG(host));
	*yes = which == OUR_OWN ? any : any && all;
	return DUNNO;
}

static bool
our_name(const struct check *c, struct span host)
{
	const struct view *v = c->policy->view;
	struct span rest = span_str(conf_str(v, P_mydestination)), word;

	if (span_caseeq(host, span_str(conf_str(v, P_myhostname))))
		return true;
	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_caseeq(host, word))
			return true;
	return false;
}

/* Whether one of the exchangers is this machine. */
static enum result
is_ours(struct check *c, struct exchangers x, bool *yes)
{
	struct exchangers names = x;
	struct span host;
	unsigned preference;
	enum result r = DUNNO;

	*yes = false;
	while (!*yes && next_exchanger(&names, &preference, &host))
		*yes = our_name(c, host);
	while (!*yes && r == DUNNO && next_exchanger(&x, &preference, &host))
		r = judge_host(c, host, OUR_OWN, yes);
	return r;
}

/* Whether all the first ones are in permit_mx_backup_networks. */
static enum result
first_are_known(struct check *c, struct exchangers x, bool *yes)
{
	struct exchangers best = x;
	struct span host;
	unsigned preference, least = 65536;
	enum result r = DUNNO;

	while (next_exchanger(&best, &preference, &host))
		if (preference < least)
			least = preference;
	*yes = true;
	while (r == DUNNO && *yes && next_exchanger(&x, &preference, &host))
		if (preference == least)
			r = judge_host(c, host, IN_NETWORKS, yes);
	return r;
}

static enum result
by_exchangers(struct check *c, struct span domain)
{
	struct exchangers x = { .fallback = false };
	enum result r;
	bool yes;

	switch (ask_dns(c, "MX", domain, &x.value)) {
	case ASKED_PENDING:
		return PENDING;
	case ASKED_RETRY:
		defer_if_reject(c, 450, "4.4.4", "<%.*s>: %s rejected: Unable to look up mail exchanger information: Host not found, try again",
		    SPAN_ARG(c->name), c->class);
		return DUNNO;
	case ASKED_NONE:
		x = (struct exchangers){ .value = domain, .fallback = true };
		break;
	case ASKED_FOUND:
		break;
	}
	if ((r = is_ours(c, x, &yes)) != DUNNO || !yes)
		return r;
	if (!match_list_empty(c->policy->mx_networks) && ((r = first_are_known(c, x, &yes)) != DUNNO || !yes))
		return r;
	return permit(c);
}

enum result
check_permit_mx_backup(struct check *c, struct span arg)
{
	struct route *route;
	char domain[DNS_NAME];

	(void)arg;
	if (!c->session->has_recipient)
		return DUNNO;
	enum result r = resolve_recipient(c, &route);
	if (r != DUNNO)
		return r;
	if (is_auth_destination(c, route)) {
		policy_note_class(c, route);
		return permit(c);
	}
	if (route->routed || route->domain.len == 0 || route->domain.len >= sizeof domain || route->domain.ptr[0] == '[')
		return DUNNO;
	memcpy(domain, route->domain.ptr, route->domain.len);
	struct naming was = name_as(c, c->session->recipient, "Recipient address");
	r = by_exchangers(c, span_of(domain, route->domain.len));
	name_back(c, was);
	return r;
}
