#include "policy/policy.h"

#include <stdlib.h>

#include "base/mem.h"
#include "policy/private.h"

static const enum param list_params[LIST_COUNT] = {
	[LIST_CLIENT] = P_smtpd_client_restrictions,
	[LIST_HELO] = P_smtpd_helo_restrictions,
	[LIST_SENDER] = P_smtpd_sender_restrictions,
	[LIST_RELAY] = P_smtpd_relay_restrictions,
	[LIST_RECIPIENT] = P_smtpd_recipient_restrictions,
	[LIST_DATA] = P_smtpd_data_restrictions,
	[LIST_END_OF_DATA] = P_smtpd_end_of_data_restrictions,
	[LIST_ETRN] = P_smtpd_etrn_restrictions,
};

/* A server without one of these relays for everybody. */
static const char *const guards[] = {
	"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit", NULL,
};

static bool
open_match(struct policy *p, enum param param, struct match_list **list, struct err *err)
{
	const char *name = param_row(param)->name;

	*list = match_list_new(view_conf(p->view), name, conf_str(p->view, param), MATCH_CLIENT, err);
	if (*list == NULL)
		err_prefix(err, "%s", name);
	return *list != NULL;
}

static bool
open_rules(struct policy *p, enum param param, struct rules *rules, struct err *err)
{
	if (rules_open(rules, p->view, conf_str(p->view, param), err))
		return true;
	err_prefix(err, "%s", param_row(param)->name);
	return false;
}

static bool
open_all(struct policy *p, struct err *err)
{
	for (int i = 0; i < LIST_COUNT; i++)
		if (!open_rules(p, list_params[i], &p->lists[i], err))
			return false;
	if (!rules_have(&p->lists[LIST_RELAY], guards) && !rules_have(&p->lists[LIST_RECIPIENT], guards)) {
		err_set(err, ERR_SYS, "smtpd_relay_restrictions: neither this nor smtpd_recipient_restrictions refuses "
		    "anything: an open relay; add reject_unauth_destination");
		return false;
	}
	return open_match(p, P_mynetworks, &p->mynetworks, err) &&
	    open_match(p, P_smtpd_client_event_limit_exceptions, &p->rate_exempt, err) &&
	    open_match(p, P_smtpd_forbid_bare_newline_exclusions, &p->newline_exempt, err) &&
	    open_rules(p, P_local_header_rewrite_clients, &p->rewrite_clients, err) &&
	    open_recipient_tables(p, err);
}

struct policy *
policy_new(const struct view *view, const struct router *router, struct err *err)
{
	struct policy *p;

	MEM_NEW(p);
	p->view = view;
	p->router = router;
	p->no_facts = facts_new();
	p->delay_reject = conf_bool(view, P_smtpd_delay_reject);
	p->soft_bounce = conf_bool(view, P_soft_bounce);
	p->relay_first = conf_bool(view, P_smtpd_relay_before_recipient_restrictions);
	p->untrusted_routing = conf_bool(view, P_allow_untrusted_routing);
	if (open_all(p, err))
		return p;
	policy_free(p);
	return NULL;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < LIST_COUNT; i++)
		rules_clear(&p->lists[i]);
	rules_clear(&p->rewrite_clients);
	match_list_free(p->mynetworks);
	match_list_free(p->rate_exempt);
	match_list_free(p->newline_exempt);
	tables_clear(&p->local_recipients);
	tables_clear(&p->relay_recipients);
	tables_clear(&p->mailboxes);
	for (size_t i = 0; i < sizeof p->rewritten / sizeof *p->rewritten; i++)
		tables_clear(&p->rewritten[i]);
	route_clear(&p->recipient);
	route_clear(&p->sender);
	facts_free(p->no_facts);
	free(p);
}

static bool
client_in(const struct match_list *l, const struct policy_session *s)
{
	return match_list_client(l, NULL, s->client_name, s->client_addr, NULL) == MATCH_YES;
}

bool
policy_in_mynetworks(struct policy *p, const struct policy_session *s)
{
	return client_in(p->mynetworks, s);
}

bool
policy_rate_exempt(struct policy *p, const struct policy_session *s)
{
	return client_in(p->rate_exempt, s);
}

bool
policy_newline_exempt(struct policy *p, const struct policy_session *s)
{
	return client_in(p->newline_exempt, s);
}

bool
policy_rewrite_local(struct policy *p, const struct policy_session *s)
{
	struct policy_verdict ignored = { .action = POLICY_OK };
	struct check c = { .policy = p, .session = s, .facts = p->no_facts, .verdict = &ignored, .class = "" };
	enum result r = DUNNO;

	facts_reset(p->no_facts, 0);
	for (size_t i = 0; r == DUNNO && i < p->rewrite_clients.count; i++)
		r = p->rewrite_clients.list[i].what->check(&c, SPAN_NONE);
	policy_verdict_clear(&ignored);
	return s->trusted || r == OK;
}
