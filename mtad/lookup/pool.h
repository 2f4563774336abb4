/*
 * Who asks what: a queue of questions a table, and processes (lookup/worker.h) that answer them. A table has a process while it is asked; more where
 * questions wait; none after a minute without one. A table whose server kept a question waiting in vain fails at once for some seconds, so that mail that needs
 * it is put off rather than held up; then one question tries it again.
 */
#ifndef LOOKUP_POOL_H
#define LOOKUP_POOL_H

#include "base/ipc.h"
#include "base/span.h"

/* Answered by lookup_done on this channel, now or later. */
void	pool_ask(struct ipc *, uint64_t request, struct span table, struct span key);
/* Its questions are answered to nobody. */
void	pool_forget(const struct ipc *);
/* Another configuration: what runs finishes its question and ends, what is asked from now on is asked anew. */
void	pool_renew(void);

#endif
