/* Proof of an open relay: mtad's own decision code, asked with made-up strangers. */
#include "lint/private.h"
#include "policy/policy.h"

#define STEPS_MAX	16	/* of one decision that asks for facts */

static const enum param lists[] = {
	P_smtpd_client_restrictions, P_smtpd_helo_restrictions, P_smtpd_sender_restrictions, P_smtpd_relay_restrictions,
	P_smtpd_recipient_restrictions,
};

static const struct {
	const char	*client, *sender, *recipient;
} strangers[] = {
	{ "192.0.2.1", "someone@example.org", "user@example.net" },
	{ "198.51.100.77", "", "user@example.net" },
	{ "203.0.113.9", "someone@example.org", "user@[192.0.2.200]" },
	{ "172.17.0.1", "someone@example.org", "user@example.net" },
	{ "2001:db8::1", "someone@example.org", "user@example.net" },
};

/* What the decision code of this version knows: words that it does not, and refusals by what cannot be known here, are left out. */
static bool
put_known(const char *list, struct buf *out)
{
	static const char *const known[] = { "permit", "permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination",
	    "permit_inet_interfaces", "reject", "defer", "reject_unauth_destination", "defer_unauth_destination", "defer_if_permit",
	    "reject_unlisted_recipient", "reject_non_fqdn_recipient", "reject_non_fqdn_sender" };
	struct span rest = span_str(list), word;
	bool permits = false;

	while (span_word(&rest, LINT_SEPS, &word)) {
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (span_eqs(word, known[i]))
				buf_printf(out, "%s ", known[i]);
		permits = permits || span_eqs(word, "permit");
	}
	return permits;
}

/* True where one of the lists has a permit of its own. */
static bool
put_settings(const struct view *v, const char *relay, const char *recipient, const char *mynetworks, struct buf *out)
{
	bool permits = false;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		const char *value = lists[i] == P_smtpd_relay_restrictions && relay != NULL ? relay :
		    lists[i] == P_smtpd_recipient_restrictions && recipient != NULL ? recipient : conf_str(v, lists[i]);
		buf_printf(out, "%s = ", param_row(lists[i])->name);
		permits = put_known(value, out) || permits;
		/* A list ends in a silent permit; said aloud, the check for lists without any refusal is content too. */
		buf_str(out, lists[i] == P_smtpd_recipient_restrictions ? "permit reject\n" : "\n");
	}
	for (int i = 0; i < PARAM_COUNT; i++)
		if (param_row((enum param)i)->type == PARAM_STR && is_table_param((enum param)i))
			buf_printf(out, "%s =\n", param_row((enum param)i)->name);
	buf_printf(out, "mynetworks = %s\n", mynetworks != NULL ? mynetworks : conf_str(v, P_mynetworks));
	buf_printf(out, "relay_domains = %s\n", conf_str(v, P_relay_domains));
	buf_str(out, "smtpd_reject_unlisted_recipient = no\n");
	return permits;
}

/* Facts are canned: there is nothing but the configuration. */
static bool
says_yes(struct policy *p, size_t i, struct facts *facts, struct policy_verdict *v, struct buf *trace)
{
	struct policy_session s = { .client_name = SPAN("unknown"), .client_addr = span_str(strangers[i].client),
	    .server_addr = SPAN("192.0.2.254"), .helo = SPAN("stranger.example.org"), .protocol = SPAN("ESMTP"),
	    .sender = span_str(strangers[i].sender), .recipient = span_str(strangers[i].recipient), .has_sender = true,
	    .has_recipient = true, .esmtp = true };
	struct fact_want want;
	enum policy_status status = POLICY_PENDING;

	facts_reset(facts, 0);
	for (int step = 0; step < STEPS_MAX && status == POLICY_PENDING; step++) {
		buf_reset(trace);
		status = policy_check(p, POLICY_RECIPIENT, &s, facts, v, trace);
		while (status == POLICY_PENDING && facts_wanted(facts, &want))
			facts_answer(facts, want.id, FACT_ABSENT, SPAN_NONE);
	}
	return status == POLICY_DONE && v->action == POLICY_OK;
}

/* Who said yes first: "smtpd_relay_restrictions<TAB>permit_mynetworks<TAB>permit<TAB>..." in the trace. */
static void
put_reason(const struct buf *trace, bool permits, struct buf *text)
{
	struct span rest = buf_view(trace), line, list, name, verdict;

	while (rest.ptr != NULL && span_cut(&rest, '\n', &line)) {
		if (!span_cut(&line, '\t', &list) || !span_cut(&line, '\t', &name) || !span_cut(&line, '\t', &verdict) ||
		    !span_eqs(verdict, "permit"))
			continue;
		if (permits || !span_eqs(name, "permit"))
			buf_printf(text, " by %.*s", SPAN_ARG(name));
		return;
	}
}

static bool
try_strangers(struct conf *c, bool permits, struct buf *text)
{
	struct err err = { ERR_NONE, "" };
	struct router *router = router_new(c, &err);
	struct policy *p = router == NULL ? NULL : policy_new(conf_main(c), router, &err);
	struct facts *facts = facts_new();
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf trace = BUF_INIT(65536);
	bool found = false;

	for (size_t i = 0; p != NULL && !found && i < sizeof strangers / sizeof *strangers; i++) {
		found = says_yes(p, i, facts, &v, &trace);
		if (!found)
			continue;
		buf_printf(text, "client %s may send to <%s>: 250", strangers[i].client, strangers[i].recipient);
		put_reason(&trace, permits, text);
	}
	policy_verdict_clear(&v);
	buf_clear(&trace);
	facts_free(facts);
	policy_free(p);
	router_free(router);
	return found;
}

bool
witness_relay(struct lint *l, const struct lint_service *s, const char *relay, const char *recipient,
    const char *mynetworks, struct buf *text)
{
	struct buf more = BUF_INIT(0);
	bool found = false;

	bool permits = put_settings(view_of(l, s), relay, recipient, mynetworks, &more);
	struct conf *c = model_conf_with(l, buf_view(&more));
	if (c != NULL)
		found = try_strangers(c, permits, text);
	conf_unref(c);
	buf_clear(&more);
	return found;
}
