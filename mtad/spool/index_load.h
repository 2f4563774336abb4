/*
 * The index from the files: the checkpoint and the tails of the logs behind it, or, where there is no sound checkpoint, every record. Used by
 * the queue role at its start, and by programs that read the queue with the daemon down.
 */
#ifndef SPOOL_INDEX_LOAD_H
#define SPOOL_INDEX_LOAD_H

#include "spool/index.h"
#include "spool/scan.h"
#include "spool/store.h"

struct index_load_ops {		/* each may be NULL */
	/* A segment was read; what counts in it ends at scan->end. May seal, not release. */
	void	(*scanned)(void *arg, const struct store_segment *, const struct scan *);
	void	(*corrupt)(void *arg, const struct store_segment *, const struct scan_record *);
};

struct index_load {
	bool		 checkpoint;	/* one was used */
	char		 why[256];	/* why not, where there was one */
	uint64_t	 entries;	/* from the checkpoint */
	uint64_t	 messages, events;	/* records read behind it */
	uint64_t	 corrupt, torn;
	uint64_t	 bad;		/* records whose content does not parse */
};

/* dir is the spool directory. False only where the store's files cannot be read at all. */
bool	index_load(struct index *, struct store *, int dir, const struct index_load_ops *, void *arg,
	    struct index_load *, struct err *);

/* The head of the checkpoint (checkpoint_begin's extra). */
void	index_head_encode(const struct index *, struct buf *);

#endif
