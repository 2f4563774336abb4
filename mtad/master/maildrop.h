/*
 * Mail that local users dropped while no daemon answered: complete files in maildrop/ (their owner's execute bit says so) are opened here, checked,
 * and handed to a receive role; each is removed when its message is in the queue.
 */
#ifndef MASTER_MAILDROP_H
#define MASTER_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct master;
struct maildrop;

struct maildrop *maildrop_new(struct master *, int dir_fd, const char *path);
void	maildrop_stop(struct maildrop *);	/* looks at nothing any more; NULL is fine */
/* A receive role is done with a file. */
void	maildrop_done(struct maildrop *, uint32_t slot, struct span name, bool remove);
/* A receive role ended: what it had is given to another. */
void	maildrop_slot_gone(struct maildrop *, uint32_t slot);
/* A receive role is ready: there may be work for it. */
void	maildrop_look(struct maildrop *);

#endif
