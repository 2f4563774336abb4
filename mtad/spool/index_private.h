/*
 * What the files of the index share. The order: pointers to entries in chunks, by queue ID. IDs come nearly in order, so the common insert is at the end
 * of the last chunk; a lookup is two binary searches, the first over IDs kept side by side.
 */
#ifndef SPOOL_INDEX_PRIVATE_H
#define SPOOL_INDEX_PRIVATE_H

#include "spool/index.h"

#define CHUNK_MAX	128u

struct index_chunk {
	struct qid	 first;		/* no ID in it is lower */
	uint32_t	 count;
	struct entry	*entries[CHUNK_MAX];
};

bool	order_insert(struct index *, struct entry *);	/* false: the ID is there */
void	order_delete(struct index *, const struct entry *);

/* Takes the entry out of the counts of its state; puts it into those of the state that its flags say now. */
void	index_tally(struct index *, struct entry *, bool in);
/* A new entry into the order and the counts; false where its ID is there. */
bool	index_enter(struct index *, struct entry *);
void	index_set_str(char **, struct span);
void	index_set_client(struct index *, struct entry *, struct span text);
void	index_extra_free(struct entry_extra *);
/* A snapshot event's state over the entry's own. */
void	index_restore(struct index *, struct entry *, const struct spool_event *, struct loc at);

#endif
