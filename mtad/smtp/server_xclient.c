/*
 * XCLIENT, XFORWARD: from clients that the owner trusts.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "smtp/server_state.h"

void
smtp_server_offer_x(struct smtp_server *s, bool xclient, bool xforward)
{
	s->xclient = xclient;
	s->xforward = xforward;
}

void
server_x(struct smtp_server *s, const struct smtp_command *c)
{
	bool forward = c->verb == SMTP_XFORWARD;
	struct buf reply = BUF_INIT(500);
	struct smtp_xattrs attrs;

	if (s->in_mail) {
		server_error(s, "503 5.5.1 Error: MAIL transaction in progress");
	} else if (c->args.len == 0) {
		server_errorf(s, "501 5.5.4 Syntax: %s attribute=value...", smtp_verb_name(c->verb));
	} else if (!(forward ? s->xforward : s->xclient)) {
		server_error(s, "550 5.7.0 Error: insufficient authorization");
	} else if (!smtp_xattrs_parse(c->args, forward, &attrs, &reply)) {
		server_error(s, reply.ptr == NULL ? "501 5.5.4 Error" : reply.ptr);
	} else if (forward) {
		s->ops->xforward(s->arg, &attrs);
		server_reply(s, "250 2.0.0 Ok");
		server_good(s);
	} else {
		/* As at the start of a session, with what was said of it. */
		s->helo = attrs.items[XATTR_HELO].state == XSTATE_SAID;
		s->esmtp = attrs.items[XATTR_PROTO].state == XSTATE_SAID && span_caseeqs(span_str(attrs.items[XATTR_PROTO].text), "ESMTP");
		s->authenticated = attrs.items[XATTR_LOGIN].state == XSTATE_SAID;
		s->ask = ASK_XCLIENT;
		s->ops->xclient(s->arg, &attrs);
	}
	buf_clear(&reply);
}

/* The greeting comes again. Postfix counts no XCLIENT as done. */
void
server_x_answer(struct smtp_server *s, const char *reply)
{
	if (reply == NULL) {
		server_replyf(s, "220 %s", s->config->banner);
		return;
	}
	server_error(s, reply);
	free(s->denied);
	s->denied = mem_str(reply);
}
