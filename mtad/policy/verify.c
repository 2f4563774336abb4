/* Whether an address is deliverable, as probes found out. What is not known is waited for a little. */
#include "policy/private.h"

#include <stdio.h>

#include "base/clock.h"

#define TEMPORARY	451

/* The parameters of recipients and senders. */
struct kind {
	const char	*class, *dsn;
	enum param	 defer_code, reject_code, reason, tempfail_action;
};

static const struct kind kinds[] = {
	{ "Recipient address", "5.1.1", P_unverified_recipient_defer_code, P_unverified_recipient_reject_code,
	    P_unverified_recipient_reject_reason, P_unverified_recipient_tempfail_action },
	{ "Sender address", "5.1.7", P_unverified_sender_defer_code, P_unverified_sender_reject_code,
	    P_unverified_sender_reject_reason, P_unverified_sender_tempfail_action },
};

/* As the state role has them. */
enum { FOUND_OK, FOUND_DEFER, FOUND_BOUNCE, FOUND_NOTHING };

static bool
pause_for_it(struct check *c)
{
	char seconds[24];
	struct span value;
	uint32_t place = FACT_PLACE((unsigned)c->stage, ++c->effects);

	snprintf(seconds, sizeof seconds, "%lld", (long long)(conf_time(c->policy->view, P_address_verify_poll_delay) / SECOND));
	return facts_get(c->facts, place, SPAN("sleep"), span_str(seconds), &value) != FACT_PENDING;
}

/* Asked a few times: a probe takes its time. PENDING, or DUNNO with *state and *value of the last answer. */
static enum result
ask(struct check *c, struct span address, enum fact_state *state, struct span *value)
{
	int64_t count = conf_int(c->policy->view, P_address_verify_poll_count);

	for (int64_t i = 0; ; i++) {
		uint32_t place = FACT_PLACE((unsigned)c->stage, ++c->effects);
		*state = facts_get(c->facts, place, SPAN("verify"), address, value);
		if (*state == FACT_PENDING)
			return PENDING;
		if (*state != FACT_KNOWN || value->len == 0 || value->ptr[0] != '0' + FOUND_NOTHING || i + 1 >= count)
			return DUNNO;
		if (!pause_for_it(c))
			return PENDING;
	}
}

static enum result
judge(struct check *c, const struct kind *k, int found, struct span text)
{
	const struct view *v = c->policy->view;
	const char *reason = conf_str(v, k->reason);
	int code = (int)conf_int(v, found == FOUND_BOUNCE ? k->reject_code : k->defer_code);
	const char *what = code / 100 == 4 ? "unverified" : "undeliverable";

	if (*reason != '\0')
		text = span_str(reason);
	policy_note(c, "%s: %.*s", found == FOUND_BOUNCE ? "undeliverable" : found == FOUND_DEFER ? "cannot be told" : "not known yet",
	    SPAN_ARG(span_head(text, 200)));
	if (code / 100 == 2)
		return DUNNO;
	if (code / 100 == 4)
		return defer_if_permit(c, k->tempfail_action, code, k->dsn, "<%.*s>: %s rejected: %s address: %.*s",
		    SPAN_ARG(span_head(c->name, 1000)), c->class, what, SPAN_ARG(span_head(text, 250)));
	return refuse(c, code, k->dsn, "%s rejected: %s address: %.*s", c->class, what, SPAN_ARG(span_head(text, 250)));
}

static enum result
check_address(struct check *c, const struct kind *k, struct span address)
{
	enum fact_state state;
	struct span value;
	struct naming was;

	enum result r = ask(c, address, &state, &value);
	if (r != DUNNO)
		return r;
	was = name_as(c, address, k->class);
	if (state != FACT_KNOWN || value.len == 0) {
		policy_warn(c, "verify service failure");
		r = defer_if_permit(c, k->tempfail_action, TEMPORARY - 1, k->dsn, "<%.*s>: %s rejected: address verification problem",
		    SPAN_ARG(span_head(address, 1000)), c->class);
	} else if (value.ptr[0] != '0' + FOUND_OK) {
		r = judge(c, k, value.ptr[0] - '0', span_skip(value, 1));
	}
	name_back(c, was);
	return r;
}

enum result
check_unverified_recipient(struct check *c, struct span arg)
{
	(void)arg;
	return !c->session->has_recipient ? DUNNO : check_address(c, &kinds[0], c->session->recipient);
}

enum result
check_unverified_sender(struct check *c, struct span arg)
{
	(void)arg;
	return !c->session->has_sender || c->session->sender.len == 0 ? DUNNO : check_address(c, &kinds[1], c->session->sender);
}
