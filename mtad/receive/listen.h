/*
 * The listening sockets: of the smtpd lines of master.cf, and the Unix socket for local submission.
 */
#ifndef RECEIVE_LISTEN_H
#define RECEIVE_LISTEN_H

#include <stddef.h>

struct receive;
struct listener;

struct listeners {
	struct listener	**items;
	size_t		 count;
};

/* From the descriptors that the role has now; those of before are no longer watched. */
void	listeners_open(struct receive *);
void	listeners_close(struct receive *);

#endif
