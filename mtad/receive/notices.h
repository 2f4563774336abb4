/*
 * Bounces, delay warnings and success notices, which the queue role asks for. The original is read from its segment, the report is
 * made by mail/notice.h, and goes through intake like any other message; then the queue role is told of the new one.
 */
#ifndef RECEIVE_NOTICES_H
#define RECEIVE_NOTICES_H

#include "base/ipc.h"
#include "spool/message.h"

struct receive;

struct notices {
	struct message	 original;	/* reused */
	unsigned	 open;		/* under way */
};

void	notices_init(struct notices *);
/* Takes the descriptor (of the original's spill file, or -1). */
void	notices_make(struct receive *, const struct ipc_notice_make *, int fd);

#endif
