/* Tables that change what is said in a dialogue. */
#ifndef RECEIVE_SESSION_FILTER_H
#define RECEIVE_SESSION_FILTER_H

#include "receive/session.h"

/* Of a service that has a view. False with the err. */
bool	filters_open(struct settings *, struct err *);
void	filters_clear(struct settings *);

/* The command that is obeyed in place of the line; borrowed until the next. */
struct span session_command(void *session, struct span line);
/* The refusal as the site words it; borrowed until the next. */
const char *session_refusal(struct session *, const char *reply);
/* What EHLO is not to tell this client. */
void	session_offer_less(struct session *);

#endif
