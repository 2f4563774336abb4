/*
 * What the control role sees of this process as it happens: its log, warnings and errors always, every line while somebody follows.
 * Nothing waits for it and nothing grows: while the channel has much to write, lines are dropped and counted, and the next one
 * says how many.
 */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include <stdbool.h>

#include "base/ipc.h"

/* The channel to the control role, from now on. */
void	watch_control(struct ipc *);
/* That channel closed (another one: nothing happens). */
void	watch_closed(const struct ipc *);
/* Whether every line is wanted. */
void	watch_lines(bool all);
/* Where a line for the control role may go now; NULL: there is nobody, or no room. */
struct ipc *watch_channel(void);

#endif
