/*
 * Address verification in the state role: receive processes ask, the queue role probes.
 */
#ifndef STATE_PROBING_H
#define STATE_PROBING_H

#include "base/ipc.h"
#include "conf/conf.h"
#include "ctl/jsonl.h"

void	probing_configure(const struct conf *);
void	probing_start(void);
void	probing_queue(struct ipc *);		/* its channel; NULL: closed */
struct ipc *probing_queue_channel(void);
size_t	probing_count(void);			/* addresses known */
void	probing_stop(void);			/* what waits for the disk is written */

void	probing_on_ask(void *, struct ipc *, const struct ipc_verify_ask *, int fd);
void	probing_on_probed(void *, struct ipc *, const struct ipc_verify_probed *, int fd);

/* For caches.h. */
bool	probing_row(size_t *at, struct jsonl *);
bool	probing_drop(struct span key);

#endif
