/*
 * A small queue on the spool, for the power-loss test: messages with and without spill files, ends in a lazy journal,
 * recycling, compaction, checkpoints.
 */
#ifndef TEST_SPOOL_LIFE_H
#define TEST_SPOOL_LIFE_H

#include "base/buf.h"
#include "base/loop.h"
#include "spool/store.h"
#include "spool/writer.h"

#include "unit/spool/disk.h"

#define TOTAL		700	/* messages */
#define WRITERS		4

enum mark { MARK_ANSWERED, MARK_ENDING, MARK_ENDED, MARK_SEGMENT, MARK_SPILL, MARK_CHECKPOINT };

struct msg {
	struct loc	 loc;
	uint64_t	 spill;
	int		 spill_fd;
	uint32_t	 moving;	/* from this segment */
	bool		 answered, ended;
};

struct life {
	struct disk	*disk;		/* NULL: a second life after recovery */
	struct store	*st;
	struct writer {
		struct life	*life;
		struct spool_writer *w;
		struct segment_grant g;
		int		 wants;
	} writer[WRITERS];
	struct msg	 msg[TOTAL];
	uint64_t	 next, stop_at;
	int		 under_way;	/* callbacks to come */
	uint64_t	 random;
	struct loop_timer tick;
	unsigned	 ticks;
	uint32_t	 compacting;	/* segment; 0: none */
	uint32_t	 copies;
	uint64_t	 checkpoints;
	bool		 checkpoint_busy, stopping;
	uint32_t	 released, compacted;
	struct buf	 strings, header, body, head;
};

/* In the directory, until stop_at messages are answered and all is done (loop_stop). */
void	life_begin(struct life *, int dir);
void	life_end(struct life *);

#endif
