/*
 * story, and why of a message that is finished.
 */
#include "queue/query.h"

#include "ctl/commands.h"
#include "ctl/story.h"

/* What happened within this very round is not in the files yet. */
static struct story *
begin(struct role_queue *rq, struct qid id, enum story_kind kind)
{
	const struct entry *e = index_find(&rq->q.index, id);
	struct story *st = story_new(rq->store, id, e, kind);

	for (unsigned n = 2; e != NULL && n-- > 0;)	/* the older batch first */
		story_unwritten(st, journal_unwritten(e, n));
	return st;
}

static bool
story_rows(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	(void)rq;
	if (!story_slice(a->story, rows, SLICE_BYTES, a->until))
		return false;
	if (!story_found(a->story))
		ask_fail(a, 1, "nothing is on record of that message: it never was here, or its history is gone");
	return true;
}

bool
story_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	struct span text;
	struct qid id;

	if (!span_eqs(command, "story"))
		return false;
	if (args_get(args, "id", &text) && qid_parse(text, &id))
		a->story = begin(rq, id, STORY_EVENTS);
	else
		a->story = begin(rq, QID_NONE, STORY_EVENTS);
	a->slice = story_rows;
	return true;
}

bool
story_ends(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	if (a->story == NULL)
		a->story = begin(rq, a->ids[0], STORY_ENDS);
	if (!story_slice(a->story, rows, SLICE_BYTES, a->until))
		return false;
	if (!story_found(a->story))
		ask_fail(a, 1, "no such message in the queue: it never was here, or its history is gone");
	return true;
}
