/*
 * For the tests of the send role: a scripted SMTP server in the same loop, and the queue role's end of the channel.
 */
#ifndef UNIT_SEND_PEER_H
#define UNIT_SEND_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"

/* A reply in place of the usual one to commands with that prefix; "" says nothing at all, "-" closes the connection. */
struct peer_rule {
	const char	*command;	/* "connect", "EHLO", "MAIL", "RCPT TO:<bad", "DATA", "." */
	const char	*reply;
	unsigned	 times;		/* how often; 0: always */
};

struct peer {
	struct loop_io	 listen;
	uint16_t	 port;
	const char	*keywords;	/* further lines of the reply to EHLO, or NULL */
	struct peer_rule rules[8];
	unsigned	 connections;
	unsigned	 messages;
	struct buf	 commands;	/* all commands, a line each */
	struct buf	 content;	/* of the last message */
	bool		 close_after;	/* a message */
};

void	peer_start(struct peer *, const char *addr, uint16_t port);	/* port 0: any */
void	peer_stop(struct peer *);
void	peer_forget(struct peer *);	/* what was seen, and the rules */

#endif
