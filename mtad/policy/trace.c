/* How a decision is come to, a line a restriction: for mtactl simulate, and for sessions that somebody looks at. With nobody looking nothing of it is made. */
#include <stdarg.h>

#include "policy/private.h"

static const char *const list_names[LIST_COUNT] = {
	"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions",
	"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions",
};

/* A tab or a line end in it would be taken for the trace's own. */
static void
make_plain(struct check *c, size_t from)
{
	for (size_t i = from; i < c->fact.len; i++)
		if ((unsigned char)c->fact.ptr[i] < ' ')
			c->fact.ptr[i] = '?';
}

void
policy_note(struct check *c, const char *fmt, ...)
{
	va_list ap;

	if (c->trace == NULL)
		return;
	if (c->fact.len > 0)
		buf_str(&c->fact, "; ");
	size_t from = c->fact.len;
	va_start(ap, fmt);
	buf_vprintf(&c->fact, fmt, ap);
	va_end(ap);
	make_plain(c, from);
}

void
policy_missed(struct check *c, struct span key)
{
	if (c->trace == NULL)
		return;
	if (c->fact.len == 0 || c->missed != c->fact.len) {
		policy_note(c, "no entry for %.*s", SPAN_ARG(key));
	} else {
		size_t from = c->fact.len;
		buf_printf(&c->fact, ", %.*s", SPAN_ARG(key));
		make_plain(c, from);
	}
	c->missed = c->fact.len;
}

void
policy_note_class(struct check *c, const struct route *r)
{
	static const char *const of[] = {
		[ROUTE_LOCAL] = "is local (mydestination, inet_interfaces)", [ROUTE_VIRTUAL_ALIAS] = "is in virtual_alias_domains",
		[ROUTE_VIRTUAL_MAILBOX] = "is in virtual_mailbox_domains", [ROUTE_RELAY] = "is in relay_domains",
		[ROUTE_DEFAULT] = "is none of mydestination, virtual_alias_domains, virtual_mailbox_domains and relay_domains",
	};

	if (c->trace == NULL || r->failed)
		return;
	policy_note(c, "%.*s%s%s", SPAN_ARG(r->domain), r->domain.len > 0 ? " " : "", r->domain.len > 0 ? of[r->class] : "an address without a domain");
	if (r->routed && !c->policy->untrusted_routing)
		policy_note(c, "the sender chose a way on (allow_untrusted_routing = no)");
}

void
policy_note_login(struct check *c)
{
	if (c->session->sasl_user.len == 0)
		policy_note(c, "not logged in");
	else
		policy_note(c, "logged in as %.*s", SPAN_ARG(c->session->sasl_user));
}

void
policy_note_name(struct check *c, const char *what, struct span name)
{
	if (name.len == 0)
		policy_note(c, "%s is empty", what);
	else
		policy_note(c, "%s is %.*s", what, SPAN_ARG(name));
}

void
policy_note_tls(struct check *c)
{
	const struct policy_tls *tls = &c->session->tls;

	if (tls->protocol.len == 0)
		policy_note(c, "no TLS");
	else
		policy_note(c, "%.*s, %s", SPAN_ARG(tls->protocol), tls->trusted ? "a verified client certificate" :
		    tls->ccert_fingerprint.len > 0 ? "a client certificate that is not verified" : "no client certificate");
}

void
trace_begin(struct check *c, struct traced *t)
{
	const struct policy_verdict *v = c->verdict;

	buf_reset(&c->fact);
	c->missed = 0;
	c->fact_told = false;
	*t = (struct traced){ .list = c->list, .done = v->log.len + v->warnings.len + v->effects.len,
	    .put_off = c->permit_defer.active + c->reject_defer.active };
}

static void
put_result(struct check *c, const struct traced *t, enum result r)
{
	const struct policy_verdict *v = c->verdict;

	if (r == REFUSED)
		buf_printf(c->trace, "%d %s %s", v->code, v->dsn, v->reply);
	else if (r == OK)
		buf_str(c->trace, "permit");
	else if (v->log.len + v->warnings.len + v->effects.len != t->done || c->permit_defer.active + c->reject_defer.active != t->put_off)
		buf_str(c->trace, "noted");
	else
		buf_char(c->trace, '-');
}

static void
put_line(struct check *c, const char *list, const char *name, const char *arg)
{
	buf_printf(c->trace, "%s\t%s%s", list, name, arg == NULL ? "" : " ");
	put_clean(c->trace, span_str(arg));
	buf_char(c->trace, '\t');
}

static void
put_fact(struct check *c)
{
	buf_printf(c->trace, "\t%.*s\n", SPAN_ARG(buf_view(&c->fact)));
}

void
trace_rule(struct check *c, const struct traced *t, const struct rule *rule, enum result r)
{
	if (c->trace == NULL || r == PENDING)
		return;
	if (c->fact.len == 0 && r != DUNNO)
		policy_note(c, "always");
	else if (c->fact.len == 0 && rule->what->check != check_warn_if_reject)
		policy_note(c, "nothing that it could look at");
	if (!c->fact_told) {
		put_line(c, list_names[t->list], rule->what->name, rule->arg);
		put_result(c, t, r);
		put_fact(c);
	}
	c->fact_told = false;
}

void
trace_named(struct check *c, const struct rule *rule)
{
	if (c->trace == NULL || rule == NULL)
		return;
	put_line(c, list_names[c->list], rule->what->name, rule->arg);
	buf_str(c->trace, "noted");
	put_fact(c);
}

void
trace_other(struct check *c, const struct traced *t, const char *param, const char *name, enum result r)
{
	if (c->trace == NULL || r == PENDING)
		return;
	put_line(c, param, name, NULL);
	put_result(c, t, r);
	put_fact(c);
}
