/*
 * One batch of the writer: records laid out as they will stand in the segment, and whom to tell. Inside the spool layer.
 */
#ifndef SPOOL_BATCH_H
#define SPOOL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "spool/writer.h"

struct batch_entry {
	spool_done_fn	*fn;
	void		*arg;
	uint64_t	 offset;
	uint32_t	 length;
	int		 sync_first;
};

struct batch {
	struct batch	*next;
	void		*segment;	/* the writer's */
	unsigned char	*bytes;
	size_t		 len, cap;
	uint64_t	 offset;	/* of bytes in the segment */
	uint64_t	 nonce, sequence;
	uint64_t	 order;		/* among all of the writer's */
	struct batch_entry *entries;
	size_t		 count, room;
	int		 fd;
	bool		 spills;	/* an entry has sync_first */
	int		 fault_errno;	/* not 0: failed */
	const char	*fault;		/* in doing what */
};

struct batch *batch_new(void);
void	batch_free(struct batch *);
/* Ready for records at the offset; keeps its memory. */
void	batch_begin(struct batch *, int fd, uint64_t nonce, uint64_t sequence, uint64_t offset);
/* The parts become one record, `length` bytes together. */
void	batch_add(struct batch *, uint8_t type, uint32_t generation, const struct iovec *, int n, uint32_t length,
	    const struct batch_entry *);
/* Appends the commit frame. durable: what of the segment is synced now. */
void	batch_end(struct batch *, uint64_t durable);
/* Small enough to be kept for the next one. */
bool	batch_reusable(const struct batch *);

#endif
