/*
 * Clients under test by the screener (policy/screen.h), before they have a session: nothing is read from them, only looked at. What passed is remembered
 * by this process, each test for its time.
 */
#ifndef RECEIVE_SCREEN_H
#define RECEIVE_SCREEN_H

#include "net/addr.h"

struct receive;
struct settings;

/* Takes the socket: there will be a session of these settings, or the client is told off. */
void	screen_client(struct receive *, struct settings *, int fd, const struct net_addr *client);
/* Stopping: those under test are let go. */
void	screens_stop(struct receive *);

#endif
