/*
 * Queue IDs in Postfix's long form (enable_long_queue_ids): seconds and
 * microseconds in base 52, "z", and here in place of the inode the writer in base 51. They order by time
 * and are never reused: a writer makes max(now, last + 1) microseconds, and the writer field names slot and start of the process.
 */
#ifndef MAIL_QUEUE_ID_H
#define MAIL_QUEUE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct qid {
	uint64_t	usec;		/* since 1970 */
	uint32_t	writer;		/* slot in the low 6 bits, start epoch above */
};

#define QID_NONE	((struct qid){ 0, 0 })
#define QID_TEXT	32		/* room for the text with its NUL */

static inline bool
qid_eq(struct qid a, struct qid b)
{
	return a.usec == b.usec && a.writer == b.writer;
}

static inline int
qid_cmp(struct qid a, struct qid b)
{
	if (a.usec != b.usec)
		return a.usec < b.usec ? -1 : 1;
	return a.writer < b.writer ? -1 : a.writer > b.writer;
}

static inline uint32_t
qid_writer(uint32_t slot, uint32_t epoch)
{
	return (epoch << 6) | (slot & 63);
}

/* Writes the text to out and returns out. */
const char *qid_text(struct qid, char out[QID_TEXT]);
/* Whole span or false. */
bool	qid_parse(struct span, struct qid *);

/* A source of new ones; embed it. */
struct qid_maker {
	uint32_t	writer;
	uint64_t	last;
};
struct qid qid_make(struct qid_maker *, int64_t wall_now);

#endif
