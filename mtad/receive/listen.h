/*
 * The listening sockets: of the smtpd lines of master.cf, and the Unix socket for local submission.
 */
#ifndef RECEIVE_LISTEN_H
#define RECEIVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct receive;
struct listener;
struct settings;

struct listeners {
	struct listener	**items;
	size_t		 count;
};

/* From the descriptors that the role has now; those of before are no longer watched. */
void	listeners_open(struct receive *);
void	listeners_close(struct receive *);
/* Another may be let in. */
void	listeners_session_ended(struct receive *, struct settings *, bool seated);
/* It goes on without its seat, and takes one again, in any case. */
void	listeners_seat_give(struct settings *);
void	listeners_seat_take(struct settings *);
/* Before a reload takes effect: who has connected to a socket that goes away with it is served. */
void	listeners_drain(struct receive *);

#endif
