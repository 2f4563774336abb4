/* Relaying, and whether an address is listed: restrictions that need its route. */
#include "policy/private.h"
#include "table/files.h"

#include <stdio.h>
#include <string.h>

static enum result
resolve(struct check *c, struct span address, struct span sender, struct route *route, bool *done)
{
	if (!*done && route_resolve(c->policy->router, c->facts, address, sender, route, c->trace) == ROUTE_PENDING)
		return PENDING;
	*done = true;
	return route->failed ? refuse_lookup(c, address, route->reason.text) : DUNNO;
}

enum result
resolve_recipient(struct check *c, struct route **route)
{
	*route = &c->policy->recipient;
	return resolve(c, c->session->recipient, c->session->sender, *route, &c->recipient_done);
}

enum result
resolve_sender(struct check *c, struct route **route)
{
	*route = &c->policy->sender;
	return resolve(c, c->session->sender, SPAN_NONE, *route, &c->sender_done);
}

enum result
resolve_address(struct check *c, struct span address, struct route **route)
{
	bool done = false;

	if (c->session->has_recipient && span_eq(address, c->session->recipient))
		return resolve_recipient(c, route);
	if (c->session->has_sender && span_eq(address, c->session->sender))
		return resolve_sender(c, route);
	*route = &c->policy->other;
	return resolve(c, address, SPAN_NONE, *route, &done);
}

/* Where it goes is ours to decide: final here, or relayed on purpose; and no route of the sender's making is left in it. */
bool
is_auth_destination(const struct check *c, const struct route *r)
{
	if (r->domain.len == 0)
		return true;
	if (r->routed && !c->policy->untrusted_routing)
		return false;
	return r->class != ROUTE_DEFAULT;
}

enum result
check_permit_auth_destination(struct check *c, struct span arg)
{
	struct route *route;

	(void)arg;
	if (!c->session->has_recipient)
		return DUNNO;
	enum result r = resolve_recipient(c, &route);
	if (r != DUNNO)
		return r;
	policy_note_class(c, route);
	return !route->failed && is_auth_destination(c, route) ? permit(c) : DUNNO;
}

static enum result
unauth_destination(struct check *c, int code)
{
	struct route *route;

	if (!c->session->has_recipient)
		return DUNNO;
	enum result r = resolve_recipient(c, &route);
	if (r == DUNNO)
		policy_note_class(c, route);
	if (r != DUNNO || (!route->failed && is_auth_destination(c, route)))
		return r;
	struct naming was = name_as(c, c->session->recipient, c->class);
	r = refuse(c, code, "5.7.1", "Relay access denied");
	name_back(c, was);
	return r;
}

enum result
check_reject_unauth_destination(struct check *c, struct span arg)
{
	(void)arg;
	return unauth_destination(c, (int)conf_int(c->policy->view, P_relay_domains_reject_code));
}

enum result
check_defer_unauth_destination(struct check *c, struct span arg)
{
	int64_t code = conf_int(c->policy->view, P_relay_domains_reject_code);
	(void)arg;
	return unauth_destination(c, (int)(code >= 500 ? code - 100 : code));
}

/* local_recipient_maps names alias_maps by default. Where the site does not set that, the system's file need not be there: then it is left out. */
static bool
open_local(struct policy *p, struct tables *t, struct err *err)
{
	const struct conf *conf = view_conf(p->view);
	struct span rest = span_str(conf_str(p->view, P_local_recipient_maps)), word;
	const char *aliases = conf_str(p->view, P_alias_maps);
	bool aliases_set = strcmp(aliases, param_row(P_alias_maps)->def) != 0;
	struct buf usable = BUF_INIT(65536);

	while (table_word(&rest, &word)) {
		if (!aliases_set && span_eqs(word, aliases) && !table_there(word))
			continue;
		buf_span(&usable, word);
		buf_char(&usable, ' ');
	}
	buf_str(&usable, "");
	bool ok = tables_open(t, conf, usable.ptr, err);
	buf_clear(&usable);
	if (!ok)
		err_prefix(err, "local_recipient_maps");
	return ok;
}

static bool
open_tables(struct policy *p, enum param param, struct tables *t, struct err *err)
{
	if (tables_open(t, view_conf(p->view), conf_str(p->view, param), err))
		return true;
	err_prefix(err, "%s", param_row(param)->name);
	return false;
}

bool
open_recipient_tables(struct policy *p, struct err *err)
{
	return open_local(p, &p->local_recipients, err) &&
	    open_tables(p, P_relay_recipient_maps, &p->relay_recipients, err) &&
	    open_tables(p, P_virtual_mailbox_maps, &p->mailboxes, err) &&
	    open_tables(p, P_smtpd_sender_login_maps, &p->sender_logins, err) &&
	    open_tables(p, P_relay_clientcerts, &p->client_certs, err) &&
	    open_tables(p, P_rbl_reply_maps, &p->rbl_replies, err) &&
	    open_tables(p, P_smtpd_reject_footer_maps, &p->footers, err) &&
	    open_tables(p, P_recipient_canonical_maps, &p->rewritten[0], err) &&
	    open_tables(p, P_canonical_maps, &p->rewritten[1], err) &&
	    open_tables(p, P_virtual_alias_maps, &p->rewritten[2], err);
}

static enum result
lookup(struct check *c, const struct tables *t, const struct route *r, bool *found)
{
	struct buf value = BUF_INIT(65536);
	struct err err = { ERR_NONE, "" };
	enum table_result got = tables_get_address(t, c->facts, r->recipient,
	    conf_str(c->policy->view, P_recipient_delimiter), r->class == ROUTE_LOCAL, &value, &err);

	buf_clear(&value);
	*found = got == TABLE_FOUND;
	if (got == TABLE_PENDING)
		return PENDING;
	return got == TABLE_FAILED ? refuse_lookup(c, c->name, err.text) : DUNNO;
}

static enum result
unknown(struct check *c, enum param code, const char *table, bool sender)
{
	bool show = conf_bool(c->policy->view, P_show_user_unknown_table_name);

	return refuse(c, (int)conf_int(c->policy->view, code), sender ? "5.1.0" : "5.1.1",
	    "%s rejected: User unknown%s%s", c->class, show ? " in " : "", show ? table : "");
}

/* transport error: "5.1.1 text", or retry: "4.1.1 text": found undeliverable by routing itself. */
static enum result
refuse_error(struct check *c, const struct route *r, bool sender)
{
	bool later = span_eqs(r->transport, "retry");
	char dsn[16];
	const char *text = r->nexthop.ptr;
	size_t len = r->nexthop.len, n = 0;

	while (n < len && n + 1 < sizeof dsn && (text[n] == '.' || (text[n] >= '0' && text[n] <= '9')))
		n++;
	bool has = n >= 5 && n < len && text[n] == ' ';
	snprintf(dsn, sizeof dsn, "%.*s", has ? (int)n : 5, has ? text : sender ? "5.1.0" : "5.1.1");
	if (!has && later)
		dsn[0] = '4';
	struct span rest = has ? span_ltrim(span_skip(r->nexthop, n)) : r->nexthop;
	int64_t code = r->class == ROUTE_VIRTUAL_ALIAS ?
	    conf_int(c->policy->view, P_unknown_virtual_alias_reject_code) : later ? 450 : 550;
	/* An unknown mailbox (x.1.1) that is a sender is a bad sender address (x.1.7). */
	if (sender && strcmp(dsn + 1, ".1.1") == 0)
		dsn[4] = '7';
	return refuse(c, (int)code, dsn, "%s rejected: %.*s", c->class, SPAN_ARG(rest));
}

static enum result
ask_class(struct check *c, const struct route *r, bool sender)
{
	static const struct { enum param code; const char *table, *param; } of[] = {
		[ROUTE_LOCAL] = { P_unknown_local_recipient_reject_code, "local recipient table", "local_recipient_maps" },
		[ROUTE_VIRTUAL_MAILBOX] = { P_unknown_virtual_mailbox_reject_code, "virtual mailbox table", "virtual_mailbox_maps" },
		[ROUTE_RELAY] = { P_unknown_relay_recipient_reject_code, "relay recipient table", "relay_recipient_maps" },
	};
	const struct policy *p = c->policy;
	const struct tables *t = r->class == ROUTE_LOCAL ? &p->local_recipients :
	    r->class == ROUTE_VIRTUAL_MAILBOX ? &p->mailboxes :
	    r->class == ROUTE_RELAY ? &p->relay_recipients : NULL;
	bool found = false;

	if (t == NULL || t->count == 0) {
		policy_note_class(c, r);
		policy_note(c, "nothing lists the addresses of this class");
		return DUNNO;
	}
	enum result result = lookup(c, t, r, &found);
	if (result == DUNNO)
		policy_note(c, "%s %s %.*s", of[r->class].param, found ? "lists" : "does not list", SPAN_ARG(r->recipient));
	if (result != DUNNO || found)
		return result;
	return unknown(c, of[r->class].code, of[r->class].table, sender);
}

static enum result
check_tables(struct check *c, bool sender)
{
	struct route *route;

	enum result r = sender ? resolve_sender(c, &route) : resolve_recipient(c, &route);
	if (r != DUNNO || route->failed)
		return r;
	bool found = false;
	for (size_t i = 0; i < sizeof c->policy->rewritten / sizeof *c->policy->rewritten && !found; i++)
		if ((r = lookup(c, &c->policy->rewritten[i], route, &found)) != DUNNO)
			return r;
	if (found) {	/* it becomes another address, which is looked at when it is delivered to */
		policy_note(c, "%.*s becomes another address (canonical or virtual alias)", SPAN_ARG(route->recipient));
		return DUNNO;
	}
	if (span_eqs(route->transport, "error") || span_eqs(route->transport, "retry")) {
		policy_note_class(c, route);
		return refuse_error(c, route, sender);
	}
	return ask_class(c, route, sender);
}

enum result
check_listed(struct check *c, bool sender)
{
	const struct policy_session *s = c->session;

	if (sender ? !s->has_sender || s->sender.len == 0 : !s->has_recipient || c->policy->any_recipient)
		return DUNNO;
	struct naming was = name_as(c, sender ? s->sender : s->recipient, sender ? "Sender address" : "Recipient address");
	enum result r = check_tables(c, sender);
	name_back(c, was);
	return r;
}

enum result
check_unlisted_recipient(struct check *c, struct span arg)
{
	(void)arg;
	enum result r = check_listed(c, false);
	c->listed_done = r == DUNNO;
	return r;
}

enum result
check_unlisted_sender(struct check *c, struct span arg)
{
	(void)arg;
	return check_listed(c, true);
}

/* Of Postfix's first years. */
enum result
check_old_relay_domains(struct check *c, struct span arg)
{
	enum result r = check_permit_auth_destination(c, arg);

	policy_warn(c, "support for restriction \"%s\" will be removed; use \"reject_unauth_destination\" instead", c->rule->name);
	return r == DUNNO ? check_reject_unauth_destination(c, arg) : r;
}
