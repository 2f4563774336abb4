/*
 * What ipc_message.c (made from ipc.def) and ipc.c (the channel) need of each other. Nobody else includes this.
 */
#ifndef BASE_IPC_TABLE_H
#define BASE_IPC_TABLE_H

#include "base/ipc.h"

#define IPC_BULK	1u
#define IPC_FD		2u
#define IPC_FD_MAYBE	4u

#define R_MASTER	(1u << ROLE_MASTER)
#define R_RECEIVE	(1u << ROLE_RECEIVE)
#define R_QUEUE		(1u << ROLE_QUEUE)
#define R_SEND		(1u << ROLE_SEND)
#define R_LOCAL		(1u << ROLE_LOCAL)
#define R_LOOKUP	(1u << ROLE_LOOKUP)
#define R_STATE		(1u << ROLE_STATE)
#define R_CONTROL	(1u << ROLE_CONTROL)
#define R_ANY		((1u << ROLE_COUNT) - 1)

#define IPC_TYPE_CREDIT	0xffffu		/* the channel's own; never dispatched */

struct ipc_type {
	const char	*name;
	unsigned	 from, to;	/* R_... */
	unsigned	 flags;		/* IPC_... */
};

unsigned ipc_type_flags(uint16_t type);	/* 0 where there is none */

/* Room for a body of this size at the end of the output, or NULL where the channel drops it. Fill it and call ipc_frame_end. */
char	*ipc_frame_begin(struct ipc *, const struct ipc_type *, uint16_t type, size_t size, int fd);
void	ipc_frame_end(struct ipc *, size_t size);

#endif
