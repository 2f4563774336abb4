/*
 * Clients under test by the screener (policy/screen.h), before they have a session: first they are only looked at, then those that are to pass deeper tests, or have
 * failed one, have a dialogue of their own (smtp/screen_talk.h) and get no further. What passed is remembered by the state role, each test for its time.
 */
#ifndef RECEIVE_SCREEN_H
#define RECEIVE_SCREEN_H

#include "net/addr.h"

struct receive;
struct settings;

/* Takes the socket: there will be a session of these settings, or the client is told off. server NULL: our end of the socket. */
void	screen_client(struct receive *, struct settings *, int fd, const struct net_addr *client, const struct net_addr *server);
/* Stopping: those under test are let go. */
void	screens_stop(struct receive *);

#endif
