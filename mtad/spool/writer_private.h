/*
 * What the writer's two files share. Not for others.
 */
#ifndef SPOOL_WRITER_PRIVATE_H
#define SPOOL_WRITER_PRIVATE_H

#include <pthread.h>

#include "base/loop.h"
#include "spool/batch.h"

/* A granted segment; freed when it is ended, its last batch is done and (lazy) synced. */
struct segment {
	struct segment	*next;
	uint32_t	 number;
	int		 fd;
	uint64_t	 nonce, size;
	uint64_t	 at;		/* where the next batch begins */
	uint64_t	 good;		/* where the last batch that was written well ends */
	uint64_t	 durable;	/* where the last one that was synced ends */
	uint64_t	 durable_soon;	/* the same once the sync under way has ended */
	uint64_t	 sequence;
	unsigned	 batches;	/* not done */
	uint64_t	 unsynced;	/* lazy: order of the first batch written since the last sync began; 0: none */
	uint64_t	 syncing;	/* the same of the sync that is under way */
	bool		 ended, failed;
};

struct barrier {
	struct barrier	*next;
	spool_done_fn	*fn;
	void		*arg;
	uint64_t	 order;		/* batches up to this one */
	bool		 failed;
};

struct spool_writer {
	const struct spool_writer_ops *ops;
	void		*arg;
	int64_t		 lazy;
	struct segment	*segments;	/* in the order of their grants */
	struct batch	*first, **last;	/* in order: what the thread has, waiting ones, the one that fills */
	struct batch	*fill;		/* the last one while it takes records, or NULL */
	struct batch	*spare;
	struct barrier	*barriers;
	uint64_t	 order;		/* of the newest batch */
	size_t		 pending;
	bool		 wants_room, has_room, sync_now, freeing;
	struct loop_task start;		/* at the end of the round */
	struct loop_timer sync_timer;	/* lazy */
	struct loop_io	 done_io;

	/* The thread's work: a batch (in the list above), or a segment to sync. It owns it from hand_over to on_done. */
	bool		 busy;
	pthread_t	 thread;
	int		 done_fd;
	pthread_mutex_t	 lock;		/* for what follows */
	pthread_cond_t	 wake;
	struct batch	*work;
	struct segment	*work_sync;
	int		 sync_errno;
	bool		 have_work, quit;
};

/* writer_thread.c */
void	writer_thread_start(struct spool_writer *);
/* One of the two: a batch to write and sync, or a segment to sync. done_fd tells of the end. */
void	writer_hand_over(struct spool_writer *, struct batch *, struct segment *);
/* Writes the batch (after its spill files are synced), here and now; a failure is noted in it. */
void	writer_batch_write(struct batch *, bool sync);

#endif
