/* XCLIENT and XFORWARD in a session. */
#ifndef RECEIVE_SESSION_XCLIENT_H
#define RECEIVE_SESSION_XCLIENT_H

#include "receive/session.h"
#include "smtp/xclient.h"

/* Once it is known who connected. */
void	session_x_begin(struct session *);
void	session_on_xclient(void *session, const struct smtp_xattrs *);
void	session_on_xforward(void *session, const struct smtp_xattrs *);
/* What XFORWARD said is for one message. */
void	session_forward_drop(struct session *);
/* The same for the envelope; empty: nothing was said. Borrowed until it is dropped. */
struct span session_forward_packed(struct session *);
/* ", orig_queue_id=ID, orig_client=NAME[ADDR]", or nothing. */
void	session_forward_log(const struct session *, struct buf *);

#endif
