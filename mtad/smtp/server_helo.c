/*
 * HELO hostname, EHLO hostname, LHLO hostname: RFC 5321 section 4.1.1.1, RFC 2033.
 */
#include "smtp/server_state.h"

void
server_helo(struct smtp_server *s, const struct smtp_command *c)
{
	if (c->args.len == 0) {
		server_errorf(s, "501 Syntax: %s hostname", smtp_verb_name(c->verb));
		return;
	}
	server_reset(s);
	s->ask = ASK_HELO;
	s->ops->helo(s->arg, c->verb, c->args);
}
