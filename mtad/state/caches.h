/*
 * What operators see of the state role's caches, and drop from them: verified addresses ("verify"), the screener's clients ("screen").
 */
#ifndef STATE_CACHES_H
#define STATE_CACHES_H

#include "base/ipc.h"

void	caches_on_rows_ask(void *, struct ipc *, const struct ipc_rows_ask *, int fd);
void	caches_on_drop(void *, struct ipc *, const struct ipc_cache_drop *, int fd);

#endif
