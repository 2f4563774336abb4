/*
 * The listening sockets that master.cf asks for: one SO_REUSEPORT socket a receive role for each address of an inet
 * line, one shared socket for a unix line, local submission and control. The master keeps each open, so that the
 * connections that wait for a killed role are served by its successor.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"
#include "master/descs.h"
#include "master/instance.h"

/* Adds them to `now`; a socket for the same address in `before` is taken over. */
bool	listen_open(struct descs *now, const struct descs *before, const struct conf *, const struct instance *,
	    uint32_t receive_slots, struct err *);
/* Lines that are not served become warnings. */
void	listen_check(const struct conf *, struct conf_problems *);
/* Removes the Unix sockets that listen_open made. */
void	listen_remove_paths(const struct instance *);

#endif
