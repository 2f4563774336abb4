/*
 * Clients that say who is behind them (XCLIENT: for everything that is decided and written; XFORWARD: for the log), if the site trusts them.
 */
#include "receive/session_xclient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "receive/session_auth.h"
#include "receive/state.h"

struct session_forward {
	bool		 named;		/* NAME or ADDR was said */
	bool		 client;	/* anything was said of the client */
	bool		 sourced, local;	/* SOURCE was said */
	char		 name[XATTR_MAX + 1], addr[XATTR_MAX + 1], port[XATTR_MAX + 1], proto[XATTR_MAX + 1], helo[XATTR_MAX + 1], ident[XATTR_MAX + 1];
	struct buf	 packed;	/* for the envelope */
};

static bool
is_in(const struct session *s, const struct match_list *list)
{
	return list != NULL && s->uid < 0 && match_list_client(list, NULL, span_str(s->name), span_str(s->addr), NULL) == MATCH_YES;
}

void
session_x_begin(struct session *s)
{
	const struct settings *set = s->settings;

	smtp_server_offer_verp(s->server, s->uid >= 0 || is_in(s, set->verp_hosts));
	if (set->xclient_hosts == NULL && set->xforward_hosts == NULL)
		return;
	s->xforward = is_in(s, set->xforward_hosts);
	smtp_server_offer_x(s->server, is_in(s, set->xclient_hosts), s->xforward);
}

/* -- XCLIENT ------------------------------------------------------------------------------------------ */

static void
set(char **to, const char *value)
{
	free(*to);
	*to = value == NULL ? NULL : mem_str(value);
}

static enum policy_name_status
status_of(enum smtp_xstate state)
{
	return state == XSTATE_SAID ? POLICY_NAME_OK : state == XSTATE_TEMPORARY ? POLICY_NAME_TEMP : POLICY_NAME_NONE;
}

static void
take_names(struct session *s, const struct smtp_xattrs *x)
{
	enum smtp_xstate name = x->items[XATTR_NAME].state, reverse = x->items[XATTR_REVERSE_NAME].state;

	if (name != XSTATE_UNSAID) {
		set(&s->found_name, name == XSTATE_SAID ? x->items[XATTR_NAME].text : NULL);
		s->name = s->found_name == NULL ? "unknown" : s->found_name;
		s->name_status = status_of(name);
	}
	if (reverse != XSTATE_UNSAID) {
		set(&s->reverse_name, reverse == XSTATE_SAID ? x->items[XATTR_REVERSE_NAME].text : NULL);
		s->reverse_status = status_of(reverse);
	}
}

static void
take_address(const struct smtp_xattrs *x, enum smtp_xattr which, char to[NET_ADDR_TEXT])
{
	struct net_addr a = { .len = 0 };

	if (x->items[which].state == XSTATE_UNSAID)
		return;
	/* An IPv4 address that is mapped into IPv6 is the same client's as without. */
	if (x->items[which].state == XSTATE_SAID && net_addr_parse(span_str(x->items[which].text), 0, &a))
		(void)net_addr_from(&a.sa, &a);
	net_addr_text(&a, to);
}

static uint16_t
port_of(const char *text)
{
	uint32_t n;

	return num_u32(span_str(text), &n) && n <= 65535 ? (uint16_t)n : 0;
}

static void
take_addresses(struct session *s, const struct smtp_xattrs *x)
{
	take_address(x, XATTR_ADDR, s->addr);
	take_address(x, XATTR_DESTADDR, s->server_addr);
	if (x->items[XATTR_PORT].state != XSTATE_UNSAID)
		s->port = x->items[XATTR_PORT].state == XSTATE_SAID ? port_of(x->items[XATTR_PORT].text) : 0;
	if (x->items[XATTR_DESTPORT].state != XSTATE_UNSAID)
		(void)snprintf(s->server_port, sizeof s->server_port, "%u",
		    (unsigned)(x->items[XATTR_DESTPORT].state == XSTATE_SAID ? port_of(x->items[XATTR_DESTPORT].text) : 0));
}

/* Whoever logged in was the one in front. */
static void
take_login(struct session *s, const struct smtp_xattrs *x)
{
	bool said = x->items[XATTR_LOGIN].state == XSTATE_SAID;

	session_auth_drop(s);
	set(&s->sasl_method, said ? "XCLIENT" : NULL);
	set(&s->sasl_user, said ? x->items[XATTR_LOGIN].text : NULL);
	set(&s->sasl_sender, NULL);
}

void
session_on_xclient(void *arg, const struct smtp_xattrs *x)
{
	struct session *s = arg;

	session_uncount(s);	/* limits are for clients */
	take_names(s, x);
	take_addresses(s, x);
	take_login(s, x);
	set(&s->helo, x->items[XATTR_HELO].state == XSTATE_SAID ? x->items[XATTR_HELO].text : NULL);
	s->esmtp = x->items[XATTR_PROTO].state == XSTATE_SAID && span_caseeqs(span_str(x->items[XATTR_PROTO].text), "ESMTP");
	/* As Postfix: whether it may do so again is the new client's right; XFORWARD stays the connection's. */
	smtp_server_offer_x(s->server, is_in(s, s->settings->xclient_hosts), s->xforward);
	smtp_server_offer_verp(s->server, is_in(s, s->settings->verp_hosts));
	session_renamed(s);
	session_decide(s, DECIDE_CONNECT);
}

/* -- XFORWARD ------------------------------------------------------------------------------------------- */

static void
take_text(const struct smtp_xattrs *x, enum smtp_xattr which, const char *unavailable, char to[XATTR_MAX + 1])
{
	if (x->items[which].state == XSTATE_SAID)
		(void)snprintf(to, XATTR_MAX + 1, "%s", x->items[which].text);
	else if (x->items[which].state != XSTATE_UNSAID)
		(void)snprintf(to, XATTR_MAX + 1, "%s", unavailable);
}

void
session_on_xforward(void *arg, const struct smtp_xattrs *x)
{
	struct session *s = arg;

	if (x == NULL) {
		session_forward_drop(s);
		return;
	}
	if (s->forward == NULL) {
		MEM_NEW(s->forward);
		s->forward->packed = BUF_INIT(16384);
		(void)snprintf(s->forward->name, sizeof s->forward->name, "unknown");
	}
	s->forward->named = s->forward->named || x->items[XATTR_NAME].state != XSTATE_UNSAID || x->items[XATTR_ADDR].state != XSTATE_UNSAID;
	take_text(x, XATTR_NAME, "unknown", s->forward->name);
	take_text(x, XATTR_ADDR, "", s->forward->addr);
	if (span_casestarts(span_str(s->forward->addr), "IPv6:"))
		memmove(s->forward->addr, s->forward->addr + 5, strlen(s->forward->addr + 5) + 1);
	take_text(x, XATTR_PORT, "", s->forward->port);
	take_text(x, XATTR_PROTO, "", s->forward->proto);
	take_text(x, XATTR_HELO, "", s->forward->helo);
	take_text(x, XATTR_IDENT, "", s->forward->ident);
	for (int i = XATTR_NAME; i <= XATTR_HELO; i++)
		s->forward->client = s->forward->client || x->items[i].state != XSTATE_UNSAID;
	if (x->items[XATTR_SOURCE].state == XSTATE_SAID) {
		s->forward->sourced = true;
		s->forward->local = span_caseeqs(span_str(x->items[XATTR_SOURCE].text), "LOCAL");
	}
}

/* As Postfix has it in pipe(8)'s macros; XFORWARD leaves it out. */
static struct span
known(const char *text)
{
	return text[0] == '\0' ? SPAN("unknown") : span_str(text);
}

/* Said of the client in part: the rest is not known. Nothing said of it: it is the one that is connected. */
struct span
session_forward_packed(struct session *s)
{
	struct session_forward *f = s->forward;

	if (f == NULL)
		return SPAN_NONE;
	struct envelope_client c = { .ident = span_str(f->ident), .local = f->sourced ? f->local : s->rewrite_local };
	if (f->client) {
		c.name = known(f->name);
		c.addr = known(f->addr);
		c.port = known(f->port);
		c.helo = span_str(f->helo);
		c.protocol = known(f->proto);
	} else {
		c.name = span_str(s->name);
		c.addr = span_str(s->addr);
		c.port = span_str(s->port_text);
		c.helo = span_str(s->helo);
		c.protocol = s->esmtp ? SPAN("ESMTP") : SPAN("SMTP");
	}
	buf_reset(&f->packed);
	envelope_client_pack(&f->packed, &c);
	return buf_view(&f->packed);
}

void
session_forward_drop(struct session *s)
{
	if (s->forward != NULL)
		buf_clear(&s->forward->packed);
	free(s->forward);
	s->forward = NULL;
}

void
session_forward_log(const struct session *s, struct buf *out)
{
	const struct session_forward *f = s->forward;

	if (f == NULL)
		return;
	if (f->ident[0] != '\0')
		buf_printf(out, ", orig_queue_id=%s", f->ident);
	if (!f->named)
		return;
	buf_printf(out, ", orig_client=%s", f->name);
	if (f->addr[0] != '\0')
		buf_printf(out, "[%s]", f->addr);
}
