/*
 * The link to the queue role: segments and spill files that it grants, this role's spool log, and committed messages until they are
 * acknowledged. When the queue role starts anew it is told all that is still held here.
 */
#ifndef RECEIVE_LINK_H
#define RECEIVE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "spool/loc.h"
#include "spool/writer.h"

/* A file for one large body; the descriptor is open for writing and reading. */
struct spill {
	uint64_t	 number;
	int		 fd;
	struct spill	*next;
};

struct submitted;

struct link_segment {
	uint32_t	 number;
	uint64_t	 nonce;
	int		 fd;
};
struct link_segments {
	struct link_segment *items;
	size_t		 count;
};

struct link {
	struct ipc	*ipc;			/* NULL: the queue role is not there */
	struct spool_writer *writer;
	struct link_segments held;		/* being written; no descriptors */
	struct link_segments open;		/* to read from */
	struct spill	*spills;
	unsigned	 spill_count;
	struct submitted *first, **last;	/* not acknowledged, oldest first */
	size_t		 unacked;
	uint64_t	 sequence;
	bool		 full, lagging;
	uint64_t	 free;
	void		(*wake)(void *arg);	/* something may go on that could not */
	void		*arg;
};

void	link_init(struct link *, void (*wake)(void *), void *arg);
/* After the rights are dropped: the writer's thread. lazy: see spool/writer.h. */
void	link_start(struct link *, int64_t lazy);
void	link_peer(struct link *, struct ipc *);
void	link_closed(struct link *, struct ipc *);

/* A message may be appended now. */
bool	link_ready(const struct link *);
/* A committed message. */
void	link_submit(struct link *, struct loc, struct span envelope);

struct spill *link_spill_take(struct link *);	/* NULL: none is granted now */
void	link_spill_done(struct link *, struct spill *, bool used);	/* closes and frees it; NULL is fine */

const struct link_segment *link_segment(const struct link *, uint32_t number);	/* to read from, or NULL */

/* Messages of the queue role; `arg` is the link. */
/* ETRN: what waits for the domain is to be tried. False: there is no queue role at the moment. */
bool	link_flush_site(struct link *, struct span site);

void	link_on_segment_grant(struct link *, const struct ipc_segment_grant *, int fd);
void	link_on_spill_grant(struct link *, const struct ipc_spill_grant *, int fd);
void	link_on_submit_ack(struct link *, const struct ipc_submit_ack *);
void	link_on_spool_state(struct link *, const struct ipc_spool_state *);
void	link_on_segment_open(struct link *, const struct ipc_segment_open *, int fd);
void	link_on_segment_close(struct link *, const struct ipc_segment_close *);

#endif
