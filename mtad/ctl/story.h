/*
 * A message's timeline as rows of JSON, from its envelope and its journal (spool/trail.h): what `story` shows, and `why` of a message that is
 * finished. In slices; used by the queue role and, with the daemon down, by the controller.
 */
#ifndef CTL_STORY_H
#define CTL_STORY_H

#include "base/buf.h"
#include "base/map.h"
#include "spool/envelope.h"
#include "spool/index.h"
#include "spool/trail.h"

enum story_kind {
	STORY_EVENTS,	/* everything that happened to it */
	STORY_ENDS,	/* what became of each recipient: rows of `why` */
};

struct story;

/* entry NULL: the message is not in the queue. */
struct story *story_new(struct store *, struct qid, const struct entry *, enum story_kind);
void	story_free(struct story *);	/* NULL is fine */
/* Events that are not in the journal's files yet, newest last; copied. */
void	story_unwritten(struct story *, struct span events);
/* Puts rows, up to about `most` bytes and until that monotonic time. True when it is all told. */
bool	story_slice(struct story *, struct buf *rows, size_t most, int64_t until);
/* Anything was found. */
bool	story_found(const struct story *);

#endif
