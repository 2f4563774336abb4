/*
 * A filter before the queue (smtpd_proxy_filter): a message is not queued here but said again to the filter, whose reply is the client's. It gets the client's own MAIL and
 * RCPT, and content with our Received: before it. With speed_adjust the filter is connected to when all of the message has come, else at the first recipient.
 */
#ifndef RECEIVE_BEFORE_QUEUE_H
#define RECEIVE_BEFORE_QUEUE_H

#include "receive/session.h"

/* Of a service that has a view. False with the err. */
bool	before_queue_open(struct settings *, struct err *);

/* Each is what the session does instead of what it would do for the queue; s->settings->filter says whether. They answer the server, now or later. */
void	before_queue_mail(struct session *, struct span line);
void	before_queue_rcpt(struct session *, struct span line);
void	before_queue_data(struct session *);
char   *before_queue_room(struct session *, size_t n);
void	before_queue_added(struct session *, size_t n);
void	before_queue_end(struct session *);
/* The transaction is over. NULL-safe. */
void	before_queue_drop(struct session *);
/* More content would not find room at the moment; receive_wake says when to ask again. */
bool	before_queue_blocked(struct session *);

#endif
