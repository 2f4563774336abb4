/*
 * The client side of the control protocol (docs/protocol.md), blocking with a time limit, over a Unix socket.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "ctl/commands.h"

struct ctl_client;

/*
 * Connects and reads the hello line. NULL with the err; *down is true where nobody listens (no socket, or refused), false where
 * it is something else (no permission, another protocol).
 */
struct ctl_client *ctl_client_open(const char *path, bool *down, struct err *);
/* As ctl_client_open, waiting at most this long (ms), for who has something else to do. */
struct ctl_client *ctl_client_open_within(const char *path, int timeout, bool *down, struct err *);
void	ctl_client_close(struct ctl_client *);		/* NULL is fine */
int	ctl_client_fd(const struct ctl_client *);
uint8_t	ctl_client_rights(const struct ctl_client *);	/* as the hello line says */
const char *ctl_client_host(const struct ctl_client *);	/* as the hello line says; "" where it does not */

/* Sends a request; *id is in its replies. readonly: the daemon refuses changes on this connection from now on. */
bool	ctl_client_send(struct ctl_client *, const struct request *, bool readonly, int64_t *id, struct err *);
/* Ends a request that streams. Its own reply has an id that nobody waits for. */
bool	ctl_client_cancel(struct ctl_client *, int64_t of, struct err *);

enum reply_kind {
	REPLY_ROW,	/* row */
	REPLY_DONE,	/* status, error */
	REPLY_WAIT,	/* nothing within the time */
	REPLY_LOST,	/* the connection ended, or what came is no reply: the err says which */
};
struct ctl_reply {
	enum reply_kind	 kind;
	int64_t		 id;	/* -1: null */
	struct span	 row;	/* JSON; until the next call */
	int		 status;
	struct span	 error;	/* text */
};

/* The next reply. timeout in milliseconds, -1: for ever. */
void	ctl_client_next(struct ctl_client *, int timeout, struct ctl_reply *, struct err *);

/* One line taken apart, open to tests and the fuzzer. False where it is no reply; `text` holds the error's text. */
bool	ctl_reply_parse(struct span line, struct buf *text, struct ctl_reply *);

#endif
