/*
 * The screener's part of the state role: what is known of clients, and its file (postscreen_cache_map).
 */
#ifndef STATE_SCREENING_H
#define STATE_SCREENING_H

#include "base/ipc.h"
#include "conf/conf.h"
#include "ctl/jsonl.h"

void	screening_configure(const struct conf *);
void	screening_start(void);
void	screening_stop(void);
size_t	screening_count(void);			/* clients known */

void	screening_on_ask(void *, struct ipc *, const struct ipc_screen_ask *, int fd);
void	screening_on_passed(void *, struct ipc *, const struct ipc_screen_passed *, int fd);

/* For caches.h. */
bool	screening_row(size_t *at, struct jsonl *);
bool	screening_drop(struct span key);

#endif
