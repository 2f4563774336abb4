/*
 * A control role on a socket of its own, with a queue role that the test plays, and clients to talk to it.
 */
#ifndef UNIT_CONTROL_STAGE_H
#define UNIT_CONTROL_STAGE_H

#include "control/private.h"

struct played {
	struct ipc	*ipc;
	uint64_t	 asked;		/* the last request's number */
	char		 command[40], selector[200], who[60];
	uint8_t		 rights;
	unsigned	 asks, mores, drops;
};
extern struct played queue;
extern struct control *ctl;

int	set_up(void **state);
int	tear_down(void **state);
/* Lets everything happen that is due. */
void	run(void);
/* A new queue role. */
void	connect_queue(void);
void	answer(uint64_t request, const char *rows, bool done, int status, const char *error);

int	join(void);
void	say(int fd, const char *text);
/* All that is there now. */
const char *hear(int fd, struct buf *);

#endif
