#include <string.h>

#include "policy/private.h"

#define DEPTH_MAX	100	/* lists that tables name within lists, as Postfix bounds them */

static void
set_name(struct check *c)
{
	const struct policy_session *s = c->session;
	static const char *const classes[LIST_COUNT] = {
		"Client host", "Helo command", "Sender address", "Recipient address", "Recipient address", "Data command",
		"End-of-data", "Etrn command",
	};

	c->class = classes[c->list];
	switch (c->list) {
	case LIST_CLIENT:
		c->name = buf_view(&c->client);
		break;
	case LIST_HELO:
		c->name = s->helo;
		break;
	case LIST_SENDER:
		c->name = s->sender;
		break;
	case LIST_RELAY:
	case LIST_RECIPIENT:
		c->name = s->recipient;
		break;
	case LIST_ETRN:
		c->name = s->etrn;
		break;
	default:
		c->name = span_str(stage_command(c->stage));
		break;
	}
}

struct naming
name_as(struct check *c, struct span name, const char *class)
{
	struct naming was = { c->name, c->class };

	c->name = name;
	c->class = class;
	return was;
}

void
name_back(struct check *c, struct naming was)
{
	c->name = was.name;
	c->class = was.class;
}

static enum result
run_rule(struct check *c, const struct rule *rule)
{
	struct traced t;

	c->rule = rule->what;
	c->at = rule;
	trace_begin(c, &t);
	enum result r = rule->what->check(c, span_str(rule->arg));
	trace_rule(c, &t, rule, r);
	return r;
}

/* The first OK ends it, REFUSED and PENDING end all. */
enum result
run_rules(struct check *c, const struct rules *rules)
{
	enum result r = DUNNO;

	if (c->depth >= DEPTH_MAX)
		return refuse_configuration(c);
	c->depth++;
	for (size_t i = 0; i < rules->count && r == DUNNO; i++) {
		const struct rule *rule = &rules->list[i];
		r = run_rule(c, rule);
		/* It is for the one behind it, and what that one's tables name. */
		if (rule->what->check != check_warn_if_reject && c->warn >= c->depth)
			c->warn = 0;
		if (c->permit_defer.active && c->reject_defer.active)
			break;
	}
	if (c->warn >= c->depth)
		c->warn = 0;
	c->depth--;
	return r;
}

static enum result
run_list(struct check *c, enum list list)
{
	const struct rules *rules = &c->policy->lists[list];

	if (rules->count == 0)
		return DUNNO;
	c->list = list;
	set_name(c);
	enum result r = run_rules(c, rules);
	if (r == DUNNO)
		c->rule = NULL;
	return r;
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
	struct traced t;

	if (!c->permit_defer.active)
		return DUNNO;
	c->rule = restriction_find(SPAN("defer_if_permit"));
	c->warn = 0;
	trace_begin(c, &t);
	policy_note(c, "put off by %s, and nothing refused it", c->permit_defer.by);
	enum result r = refuse_text(c, c->permit_defer.code, c->permit_defer.dsn, c->permit_defer.reply.ptr);
	trace_other(c, &t, "at the end of the lists", "defer_if_permit", r);
	return r;
}

static void
verdict_reset(struct policy_verdict *v)
{
	buf_reset(&v->text);
	buf_reset(&v->log);
	buf_reset(&v->warnings);
	buf_reset(&v->effects);
	*v = (struct policy_verdict){ .action = POLICY_OK, .dsn = "2.0.0", .reply = "", .restriction = "", .text = v->text, .log = v->log,
	    .warnings = v->warnings, .effects = v->effects };
}

/* An address that no mail can ever go to is a mistake in the command, before any restriction. */
static enum result
check_syntax(struct check *c, bool sender)
{
	struct route *route;
	struct policy_verdict *v = c->verdict;
	struct traced t;

	trace_begin(c, &t);
	if (sender ? c->session->sender.len == 0 : !c->session->has_recipient)
		return DUNNO;
	if ((sender ? resolve_sender(c, &route) : resolve_recipient(c, &route)) == PENDING)
		return PENDING;
	if (route->failed || !route->bad_syntax) {
		/* A failed lookup is for the restriction that needs it. */
		verdict_reset(v);
		return DUNNO;
	}
	v->action = POLICY_REFUSE;
	v->code = 501;
	v->dsn = sender ? "5.1.7" : "5.1.3";
	v->reply = sender ? "Bad sender address syntax" : "Bad recipient address syntax";
	trace_other(c, &t, "before the lists", "address syntax", REFUSED);
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

static enum result
run_one_listed(struct check *c, bool sender)
{
	const char *name = sender ? "reject_unlisted_sender" : "reject_unlisted_recipient";
	struct traced t;

	if (!conf_bool(c->policy->view, sender ? P_smtpd_reject_unlisted_sender : P_smtpd_reject_unlisted_recipient))
		return DUNNO;
	c->rule = restriction_find(span_str(name));
	trace_begin(c, &t);
	enum result r = check_listed(c, sender);
	trace_other(c, &t, sender ? "smtpd_reject_unlisted_sender" : "smtpd_reject_unlisted_recipient", name, r);
	return r;
}

/* Unlisted sender, then unlisted recipient, where the lists did not settle it already. */
static enum result
run_listed(struct check *c)
{
	enum result r = run_one_listed(c, true);

	return r != DUNNO || c->listed_done ? r : run_one_listed(c, false);
}

static enum result
run_recipient(struct check *c)
{
	static const enum list relay_first[] = { LIST_RELAY, LIST_RECIPIENT };
	static const enum list relay_last[] = { LIST_RECIPIENT, LIST_RELAY };
	struct traced t;
	enum result r;

	/* RFC 5321, 4.5.1: the bare postmaster is always taken. */
	if (span_caseeqs(c->session->recipient, "postmaster")) {
		trace_begin(c, &t);
		policy_note(c, "mail to a postmaster without a domain is always taken");
		trace_other(c, &t, "before the lists", "postmaster", OK);
		return OK;
	}
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

void
check_clear(struct check *c)
{
	buf_clear(&c->client);
	buf_clear(&c->fact);
	buf_clear(&c->work);
	buf_clear(&c->permit_defer.reply);
	buf_clear(&c->reject_defer.reply);
}

static void
finish(struct check *c, enum result r)
{
	struct policy_verdict *v = c->verdict;

	if (c->recipient_done && !c->policy->recipient.failed)
		v->route = &c->policy->recipient;
	if (c->facts != NULL && facts_over(c->facts) && r != PENDING && r != REFUSED)
		refuse_lookup(c, c->name, "more lookups than one decision may have");
	if (v->discard && v->action == POLICY_OK)
		v->action = POLICY_DISCARD;
	check_clear(c);
}

enum policy_status
policy_check(struct policy *p, enum policy_stage stage, const struct policy_session *s, struct facts *facts,
    struct policy_verdict *v, struct buf *trace)
{
	struct check c = { .policy = p, .session = s, .facts = facts, .verdict = v, .trace = trace, .stage = stage, .class = "",
	    .client = BUF_INIT(4096), .fact = BUF_INIT(4096), .work = BUF_INIT(65536), .permit_defer.reply = BUF_INIT(8192),
	    .reject_defer.reply = BUF_INIT(8192) };
	enum result r = OK;

	verdict_reset(v);
	if (!s->trusted) {
		buf_printf(&c.client, "%.*s[%.*s]", SPAN_ARG(s->client_name), SPAN_ARG(s->client_addr));
		r = run_stage(&c);
	}
	finish(&c, r);
	return r == PENDING ? POLICY_PENDING : POLICY_DONE;
}

void
policy_verdict_clear(struct policy_verdict *v)
{
	buf_clear(&v->text);
	buf_clear(&v->log);
	buf_clear(&v->warnings);
	buf_clear(&v->effects);
}

bool
policy_effect_next(struct span *left, enum policy_effect *what, struct span *text)
{
	size_t end;

	if (left->len < 2 || (end = span_find(*left, '\0')) == left->len)
		return false;
	*what = (enum policy_effect)left->ptr[0];
	*text = span_of(left->ptr + 1, end - 1);
	*left = span_skip(*left, end + 1);
	return true;
}
