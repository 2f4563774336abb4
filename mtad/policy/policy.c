#include "policy/policy.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
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
open_match(struct policy *p, enum param param, struct match_list **list, enum match_kind kind, struct err *err)
{
	const char *name = param_row(param)->name;

	*list = match_list_new(view_conf(p->view), name, conf_str(p->view, param), kind, err);
	if (*list == NULL)
		err_prefix(err, "%s", name);
	return *list != NULL;
}

static bool
open_rules(struct policy *p, enum param param, enum list list, struct rules *rules, struct err *err)
{
	if (rules_open(rules, p, list, span_str(conf_str(p->view, param)), err))
		return true;
	err_prefix(err, "%s", param_row(param)->name);
	return false;
}

/* One of Postfix's two words for a lookup that fails. */
static bool
open_actions(const struct policy *p, struct err *err)
{
	static const enum param params[] = { P_unknown_address_tempfail_action, P_unknown_helo_hostname_tempfail_action };

	for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
		const char *value = conf_str(p->view, params[i]);
		if (span_eqs(span_str(value), "defer") || span_eqs(span_str(value), "defer_if_permit"))
			continue;
		err_set(err, ERR_SYS, "%s: \"%s\": write defer or defer_if_permit", param_row(params[i])->name, value);
		return false;
	}
	return true;
}

static bool
has_word(const struct view *v, enum param param, const char *word)
{
	struct span rest = span_str(conf_str(v, param)), each;

	while (span_word(&rest, "\t\r\n ,", &each))
		if (span_eqs(each, word))
			return true;
	return false;
}

static bool
open_all(struct policy *p, struct err *err)
{
	for (int i = 0; i < LIST_COUNT; i++)
		if (!open_rules(p, list_params[i], (enum list)i, &p->lists[i], err))
			return false;
	if (!rules_have(&p->lists[LIST_RELAY], guards) && !rules_have(&p->lists[LIST_RECIPIENT], guards)) {
		err_set(err, ERR_SYS, "smtpd_relay_restrictions: neither this nor smtpd_recipient_restrictions refuses "
		    "anything: an open relay; add reject_unauth_destination");
		return false;
	}
	return open_match(p, P_mynetworks, &p->mynetworks, MATCH_CLIENT, err) &&
	    open_match(p, P_smtpd_client_event_limit_exceptions, &p->rate_exempt, MATCH_CLIENT, err) &&
	    open_match(p, P_smtpd_forbid_bare_newline_exclusions, &p->newline_exempt, MATCH_CLIENT, err) &&
	    open_match(p, P_smtpd_log_access_permit_actions, &p->permit_log, MATCH_STRING, err) &&
	    open_match(p, P_permit_mx_backup_networks, &p->mx_networks, MATCH_CLIENT, err) &&
	    open_rules(p, P_local_header_rewrite_clients, LIST_CLIENT, &p->rewrite_clients, err) && open_actions(p, err) &&
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
	p->relay_first = conf_bool(view, P_smtpd_relay_before_recipient_restrictions);
	p->untrusted_routing = conf_bool(view, P_allow_untrusted_routing);
	p->soft_bounce = conf_bool(view, P_soft_bounce);
	p->sasl = conf_bool(view, P_smtpd_sasl_auth_enable);
	p->any_recipient = has_word(view, P_receive_override_options, "no_unknown_recipient_checks");
	p->access_parents = has_word(view, P_parent_domain_matches_subdomains, "smtpd_access_maps");
	p->opening = true;
	if (open_all(p, err)) {
		p->opening = false;
		return p;
	}
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
	match_list_free(p->permit_log);
	match_list_free(p->mx_networks);
	policy_actions_clear(p);
	policy_tables_clear(p);
	policy_servers_clear(&p->servers);
	tables_clear(&p->sender_logins);
	tables_clear(&p->client_certs);
	tables_clear(&p->rbl_replies);
	tables_clear(&p->footers);
	tables_clear(&p->local_recipients);
	tables_clear(&p->relay_recipients);
	tables_clear(&p->mailboxes);
	for (size_t i = 0; i < sizeof p->rewritten / sizeof *p->rewritten; i++)
		tables_clear(&p->rewritten[i]);
	route_clear(&p->recipient);
	route_clear(&p->sender);
	route_clear(&p->other);
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
	struct check c = { .policy = p, .session = s, .facts = p->no_facts, .verdict = &ignored, .class = "", .name = s->client_addr };

	if (s->trusted)
		return true;
	facts_reset(p->no_facts, 0);
	enum result r = run_rules(&c, &p->rewrite_clients);
	policy_verdict_clear(&ignored);
	check_clear(&c);
	return r == OK;
}

const struct policy_server *
policy_server(const struct policy *p, struct span source)
{
	uint32_t n;

	if (!span_starts(source, "policy:") || !num_u32(span_skip(source, 7), &n) || n >= p->servers.count)
		return NULL;
	return p->servers.list[n];
}
