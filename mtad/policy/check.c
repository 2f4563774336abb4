#include <string.h>

#include "policy/private.h"

static void
set_name(struct check *c)
{
	const struct policy_session *s = c->session;
	static const char *const classes[LIST_COUNT] = {
		"Client host", "Helo command", "Sender address", "Recipient address", "Recipient address", "Data command",
		"End-of-data", "Etrn command",
	};

	c->class = classes[c->list];
	buf_reset(&c->name);
	switch (c->list) {
	case LIST_CLIENT:
		buf_printf(&c->name, "%.*s[%.*s]", SPAN_ARG(s->client_name), SPAN_ARG(s->client_addr));
		break;
	case LIST_HELO:
		buf_span(&c->name, s->helo);
		break;
	case LIST_SENDER:
		buf_span(&c->name, s->sender);
		break;
	case LIST_RELAY:
	case LIST_RECIPIENT:
		buf_span(&c->name, s->recipient);
		break;
	case LIST_ETRN:
		buf_span(&c->name, s->etrn);
		break;
	default:
		buf_str(&c->name, stage_command(c->stage));
		break;
	}
}

/* One list: the first OK ends it, REFUSED and PENDING end all. */
static enum result
run_list(struct check *c, enum list list)
{
	const struct rules *rules = &c->policy->lists[list];

	if (rules->count == 0)
		return DUNNO;
	c->list = list;
	set_name(c);
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];
		bool warn = c->warn;
		c->position = (unsigned)i;
		c->rule = rule->what;
		enum result r = rule->what->check(c, span_str(rule->arg));
		/* warn_if_reject is for the one behind it. */
		if (warn)
			c->warn = false;
		if (r == OK)
			policy_note(c, "%s: permit", rule->what->name);
		if (r != DUNNO) {
			c->warn = false;
			return r;
		}
	}
	c->warn = false;
	c->rule = NULL;
	return DUNNO;
}

static enum result
run_lists(struct check *c, const enum list *lists, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum result r = run_list(c, lists[i]);
		if (r == REFUSED || r == PENDING)
			return r;
	}
	return DUNNO;
}

/* What came earlier in the session and was put off until now. */
static enum result
run_delayed(struct check *c)
{
	enum result r;

	if (!c->policy->delay_reject)
		return DUNNO;
	if ((r = run_list(c, LIST_CLIENT)) == REFUSED || r == PENDING)
		return r;
	if (c->session->helo.len > 0 && ((r = run_list(c, LIST_HELO)) == REFUSED || r == PENDING))
		return r;
	if (c->session->has_sender && ((r = run_list(c, LIST_SENDER)) == REFUSED || r == PENDING))
		return r;
	return DUNNO;
}

/* A refusal put off for want of facts: no list refused, but one could not be sure. */
static enum result
run_defer(struct check *c)
{
	if (c->permit_defer.len == 0)
		return DUNNO;
	c->rule = restriction_find(SPAN("defer_if_permit"));
	struct policy_verdict *v = c->verdict;
	buf_reset(&v->text);
	buf_put(&v->text, c->permit_defer.ptr, c->permit_defer.len + 1);
	v->action = POLICY_REFUSE;
	v->code = 450;
	v->dsn = "4.7.0";
	v->reply = v->text.ptr;
	v->restriction = c->rule->name;
	return REFUSED;
}

/* An address that no mail can ever go to is a mistake in the command, before any restriction. */
static enum result
check_syntax(struct check *c, bool sender)
{
	struct route *route;
	struct policy_verdict *v = c->verdict;

	if (sender ? c->session->sender.len == 0 : !c->session->has_recipient)
		return DUNNO;
	if ((sender ? resolve_sender(c, &route) : resolve_recipient(c, &route)) == PENDING)
		return PENDING;
	if (route->failed || !route->bad_syntax) {
		/* A failed lookup is for the restriction that needs it. */
		*v = (struct policy_verdict){ .action = POLICY_OK, .dsn = "2.0.0", .reply = "", .restriction = "",
		    .text = v->text, .log = v->log };
		return DUNNO;
	}
	v->action = POLICY_REFUSE;
	v->code = 501;
	v->dsn = sender ? "5.1.7" : "5.1.3";
	v->reply = sender ? "Bad sender address syntax" : "Bad recipient address syntax";
	return REFUSED;
}

static enum result
run_sender(struct check *c)
{
	enum result syntax = check_syntax(c, true);
	if (syntax != DUNNO)
		return syntax;
	enum result r = c->policy->delay_reject ? DUNNO : run_list(c, LIST_SENDER);
	if (r == REFUSED || r == PENDING)
		return r;
	return run_defer(c);
}

/* Unlisted sender, then unlisted recipient, where the lists did not settle it already. */
static enum result
run_listed(struct check *c)
{
	const struct view *v = c->policy->view;
	enum result r = DUNNO;

	c->rule = restriction_find(SPAN("reject_unlisted_sender"));
	if (conf_bool(v, P_smtpd_reject_unlisted_sender))
		r = check_listed(c, true);
	if (r == REFUSED || r == PENDING)
		return r;
	c->rule = restriction_find(SPAN("reject_unlisted_recipient"));
	if (conf_bool(v, P_smtpd_reject_unlisted_recipient) && !c->listed_done)
		r = check_listed(c, false);
	return r;
}

static enum result
run_recipient(struct check *c)
{
	static const enum list relay_first[] = { LIST_RELAY, LIST_RECIPIENT };
	static const enum list relay_last[] = { LIST_RECIPIENT, LIST_RELAY };
	enum result r;

	/* RFC 5321, 4.5.1: the bare postmaster is always taken. */
	if (span_caseeqs(c->session->recipient, "postmaster"))
		return OK;
	if ((r = check_syntax(c, false)) != DUNNO || (r = run_delayed(c)) != DUNNO)
		return r;
	r = run_lists(c, c->policy->relay_first ? relay_first : relay_last, 2);
	if (r != DUNNO || (r = run_defer(c)) != DUNNO)
		return r;
	return run_listed(c);
}

static enum result
run_stage(struct check *c)
{
	enum result r = DUNNO;

	switch (c->stage) {
	case POLICY_CLIENT:
		return c->policy->delay_reject ? DUNNO : run_list(c, LIST_CLIENT);
	case POLICY_HELO:
		return c->policy->delay_reject ? DUNNO : run_list(c, LIST_HELO);
	case POLICY_SENDER:
		return run_sender(c);
	case POLICY_RECIPIENT:
	case POLICY_VRFY:
		return run_recipient(c);
	case POLICY_DATA:
		r = run_list(c, LIST_DATA);
		break;
	case POLICY_END_OF_DATA:
		r = run_list(c, LIST_END_OF_DATA);
		break;
	case POLICY_ETRN:
		r = run_delayed(c);
		if (r == DUNNO)
			r = run_list(c, LIST_ETRN);
		break;
	}
	return r == REFUSED || r == PENDING ? r : run_defer(c);
}

enum policy_status
policy_check(struct policy *p, enum policy_stage stage, const struct policy_session *s, struct facts *facts,
    struct policy_verdict *v, struct buf *trace)
{
	struct check c = { .policy = p, .session = s, .facts = facts, .verdict = v, .trace = trace, .stage = stage,
	    .class = "", .name = BUF_INIT(8192), .permit_defer = BUF_INIT(8192), .reject_defer = BUF_INIT(8192) };
	struct buf text = v->text, log = v->log;
	enum result r = OK;

	buf_reset(&text);
	buf_reset(&log);
	*v = (struct policy_verdict){ .action = POLICY_OK, .dsn = "2.0.0", .reply = "", .restriction = "", .text = text,
	    .log = log };
	if (!s->trusted)
		r = run_stage(&c);
	if (c.recipient_done && !p->recipient.failed)
		v->route = &p->recipient;
	if (facts != NULL && facts_over(facts) && r != PENDING && r != REFUSED) {
		refuse(&c, 451, "4.3.0", "Temporary lookup failure");
		r = REFUSED;
	}
	buf_clear(&c.name);
	buf_clear(&c.permit_defer);
	buf_clear(&c.reject_defer);
	return r == PENDING ? POLICY_PENDING : POLICY_DONE;
}

void
policy_verdict_clear(struct policy_verdict *v)
{
	buf_clear(&v->text);
	buf_clear(&v->log);
}
