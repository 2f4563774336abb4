/*
 * Typed messages between roles over a stream socket pair. Each has a struct
 * ipc_NAME, made from ipc.def; spans in a received one live until the handler returns.
 *
 * Messages gather and leave in one write at the end of the loop's round. A message marked IPC_BULK takes a credit;
 * the receiver gives credits back as its handlers return, so a sender that outruns its peer sees
 * ipc_blocked and stops making more. Nothing is ever dropped: a caller that ignores it only grows its memory.
 *
 * A peer that sends what it may not, or bytes that do not decode, is at fault: the channel is closed and an error logged.
 */
#ifndef BASE_IPC_H
#define BASE_IPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum role { ROLE_MASTER, ROLE_RECEIVE, ROLE_QUEUE, ROLE_SEND, ROLE_LOCAL, ROLE_LOOKUP, ROLE_STATE, ROLE_CONTROL, ROLE_COUNT };

const char *role_name(enum role);		/* "master", "receive" ... */
bool	role_parse(struct span, enum role *);

typedef uint8_t		ipc_u8;
typedef uint16_t	ipc_u16;
typedef uint32_t	ipc_u32;
typedef uint64_t	ipc_u64;
typedef int64_t		ipc_i64;
typedef struct span	ipc_span;

#define IPC_BEGIN(name, from, to, flags)	struct ipc_##name {
#define IPC_FIELD(type, field)			ipc_##type field;
#define IPC_END(name)				};
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

struct ipc;

/*
 * What a role does with each message, by name; NULL where it expects none. arg is the channel's. The descriptor is the handler's to close
 * (-1 where none came).
 */
struct ipc_handlers {
#define IPC_BEGIN(name, from, to, flags) \
	void (*name)(void *arg, struct ipc *, const struct ipc_##name *, int fd);
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	void (*closed)(void *arg, struct ipc *);	/* the peer is gone or at fault; call ipc_free */
	void (*credit)(void *arg, struct ipc *);	/* blocked before, not any more; may be NULL */
};

/* Takes the descriptor. `self` and `peer` are checked against ipc.def at every message. */
struct ipc *ipc_new(int fd, enum role self, enum role peer, uint32_t slot, uint32_t epoch,
    const struct ipc_handlers *, void *arg);
void	ipc_free(struct ipc *);			/* what was not written yet is lost; NULL is fine */
void	ipc_flush(struct ipc *);		/* now, as far as the socket takes it */
/* Reads and dispatches what the peer has written up to now: before the channel of a process that ended is freed. */
void	ipc_drain(struct ipc *);
bool	ipc_blocked(const struct ipc *);	/* out of credits */
size_t	ipc_unsent(const struct ipc *);		/* bytes */
enum role ipc_peer(const struct ipc *);
uint32_t ipc_slot(const struct ipc *);
uint32_t ipc_epoch(const struct ipc *);

/* The descriptor (or -1) is duplicated; the caller keeps its own. A NULL channel drops the message. */
#define IPC_BEGIN(name, from, to, flags) \
void	ipc_send_##name(struct ipc *, const struct ipc_##name *, int fd);
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

/*
 * One frame, decoded and dispatched: what the channel does with received bytes, open to tests and the fuzzer. False where it is at fault.
 */
bool	ipc_dispatch(const struct ipc_handlers *, void *arg, struct ipc *, enum role self, enum role peer,
	    uint16_t type, struct span body, int fd);

#endif
