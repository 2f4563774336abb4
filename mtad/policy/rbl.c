/* DNS lists: of clients by address, of names and domains; that refuse, and that permit. */
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "mail/address.h"
#include "policy/action.h"
#include "policy/dnsbl.h"
#include "policy/private.h"

enum listed { LISTED, NOT_LISTED, LISTED_RETRY, LISTED_PENDING };

static enum listed
ask(struct check *c, const struct dnsbl *d, struct span query)
{
	struct span value, line;

	switch (ask_dns(c, "A", query, &value)) {
	case ASKED_PENDING:
		return LISTED_PENDING;
	case ASKED_RETRY:
		policy_warn(c, "%.*s: RBL lookup error: Host or domain name not found. Name service error for name=%.*s type=A: Host not found, try again",
		    SPAN_ARG(query), SPAN_ARG(query));
		return LISTED_RETRY;
	case ASKED_NONE:
		return NOT_LISTED;
	case ASKED_FOUND:
		break;
	}
	while (span_cut(&value, '\n', &line))
		if (dnsbl_hit(d, line))
			return LISTED;
	return NOT_LISTED;
}

static bool
query_of(const struct check *c, const struct dnsbl *d, struct span what, bool is_address, struct buf *out)
{
	(void)c;
	if (is_address)
		return dnsbl_query(d, what, out);
	size_t at = span_rfind(what, '@');
	struct span domain = at < what.len ? span_skip(what, at + 1) : what;
	if (!address_hostname_ok(domain, false))
		return false;
	buf_printf(out, "%.*s.%s", SPAN_ARG(domain), d->domain);
	return !out->over;
}

/* -- the reply ------------------------------------------------------------------------------------- */

static bool
template_of(struct check *c, const struct dnsbl *d, struct buf *out, enum result *result)
{
	struct err err = { ERR_NONE, "" };

	switch (tables_get(&c->policy->rbl_replies, c->facts, span_str(d->domain), out, &err)) {
	case TABLE_FOUND:
		return true;
	case TABLE_ABSENT:
		buf_str(out, conf_str(c->policy->view, P_default_rbl_reply));
		return true;
	case TABLE_PENDING:
		*result = PENDING;
		return false;
	case TABLE_FAILED:
		break;
	}
	*result = refuse_lookup(c, span_str(d->domain), err.text);
	return false;
}

/* "554 5.7.1 text" */
static enum result
refuse_reply(struct check *c, struct span reply)
{
	char dsn[12] = "4.7.1";
	struct span word, rest = reply;
	uint32_t code;

	if (!span_word(&rest, " \t", &word) || word.len != 3 || !num_u32(word, &code) || code < 400 || code > 599) {
		policy_warn(c, "rbl response code configuration error: %.*s", SPAN_ARG(span_head(reply, 100)));
		return refuse_text(c, 450, "4.7.1", "Service unavailable");
	}
	rest = span_ltrim(rest);
	(void)access_dsn(&rest, dsn);
	char *text = span_dup(rest);
	enum result r = refuse_text(c, (int)code, dsn, text);
	free(text);
	return r;
}

static enum result
refuse_listed(struct check *c, const struct dnsbl *d, struct span query, struct span what, const char *class)
{
	char code[16];
	struct span reason = SPAN_NONE, line;
	enum result r = DUNNO;

	if (ask_dns(c, "TXT", query, &reason) == ASKED_PENDING)
		return PENDING;
	if (!span_cut(&reason, '\n', &line))
		line = SPAN_NONE;
	(void)snprintf(code, sizeof code, "%d", (int)conf_int(c->policy->view, P_maps_rbl_reject_code));
	const struct expand_extra extra[] = {
		{ "rbl_code", span_str(code) }, { "rbl_domain", span_str(d->domain) }, { "rbl_reason", line }, { "rbl_txt", line },
		{ "rbl_what", what }, { "rbl_class", span_str(class) },
	};
	struct buf template = BUF_INIT(8192), reply = BUF_INIT(8192);
	if (template_of(c, d, &template, &r)) {
		if (!policy_expand(c->policy->view, c->session, buf_view(&template), extra, sizeof extra / sizeof *extra, &reply))
			policy_warn(c, "%s: bad rbl reply template for domain %s", c->rule->name, d->domain);
		r = refuse_reply(c, buf_view(&reply));
	}
	buf_clear(&template);
	buf_clear(&reply);
	return r;
}

static enum result
reject_by(struct check *c, const struct dnsbl *d, struct span what, bool is_address, const char *class)
{
	struct buf query = BUF_INIT(1024);
	enum result r = DUNNO;

	if (what.len > 0 && query_of(c, d, what, is_address, &query)) {
		enum listed got = ask(c, d, buf_view(&query));
		if (got == LISTED_PENDING)
			r = PENDING;
		else if (got == LISTED)
			r = refuse_listed(c, d, buf_view(&query), what, class);
	}
	buf_clear(&query);
	return r;
}

static struct span
known_name(struct span name)
{
	return span_caseeqs(name, "unknown") ? SPAN_NONE : name;
}

enum result
check_rbl_client(struct check *c, struct span arg)
{
	(void)arg;
	return reject_by(c, c->at->dnsbl, c->session->client_addr, true, "Client host");
}

enum result
check_rhsbl_client(struct check *c, struct span arg)
{
	(void)arg;
	return reject_by(c, c->at->dnsbl, known_name(c->session->client_name), false, "Client host");
}

enum result
check_rhsbl_reverse_client(struct check *c, struct span arg)
{
	(void)arg;
	return reject_by(c, c->at->dnsbl, known_name(c->session->reverse_client_name), false, "Unverified Client host");
}

enum result
check_rhsbl_helo(struct check *c, struct span arg)
{
	(void)arg;
	return reject_by(c, c->at->dnsbl, c->session->helo, false, "Helo command");
}

enum result
check_rhsbl_sender(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_sender ? reject_by(c, c->at->dnsbl, c->session->sender, false, "Sender address") : DUNNO;
}

enum result
check_rhsbl_recipient(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_recipient ? reject_by(c, c->at->dnsbl, c->session->recipient, false, "Recipient address") : DUNNO;
}

/* Of Postfix's first years: the lists stand in a parameter. */
enum result
check_maps_rbl(struct check *c, struct span arg)
{
	struct span rest = span_str(conf_str(c->policy->view, P_maps_rbl_domains)), word;
	enum result r = DUNNO;

	(void)arg;
	policy_warn(c, "support for restriction \"%s\" will be removed; use \"reject_rbl_client domain-name\" instead", c->rule->name);
	while (r == DUNNO && span_word(&rest, "\t\r\n ,", &word)) {
		struct dnsbl d;
		struct err err;
		if (dnsbl_parse(word, &d, &err))
			r = reject_by(c, &d, c->session->client_addr, true, "Client host");
		dnsbl_clear(&d);
	}
	return r;
}

/* -- lists that permit -------------------------------------------------------------------------------- */

/* Nobody's word makes this an open relay. */
static enum result
may_permit(struct check *c, bool *may)
{
	struct route *route;
	*may = true;
	if (!c->session->has_recipient || c->stage != POLICY_RECIPIENT)
		return DUNNO;
	enum result r = resolve_recipient(c, &route);
	*may = r == DUNNO && is_auth_destination(c, route);
	return r;
}

static enum result
permit_by(struct check *c, struct span what, bool is_address)
{
	const struct dnsbl *d = c->at->dnsbl;
	struct buf query = BUF_INIT(1024);
	bool may;
	enum result r = may_permit(c, &may);

	if (r == DUNNO && may && what.len > 0 && query_of(c, d, what, is_address, &query)) {
		enum listed got = ask(c, d, buf_view(&query));
		if (got == LISTED_PENDING)
			r = PENDING;
		else if (got == LISTED)
			r = permit_client(c);
		else if (got == LISTED_RETRY)
			defer_if_reject(c, 450, "4.7.1", "<%.*s>: %s rejected: Service unavailable", SPAN_ARG(what), "Client host");
	}
	buf_clear(&query);
	return r;
}

enum result
check_permit_dnswl_client(struct check *c, struct span arg)
{
	(void)arg;
	return permit_by(c, c->session->client_addr, true);
}

enum result
check_permit_rhswl_client(struct check *c, struct span arg)
{
	(void)arg;
	return permit_by(c, known_name(c->session->client_name), false);
}
