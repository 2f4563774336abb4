/*
 * Whether mail comes in faster than the queue role takes it up: then receive waits in_flow_delay before each message. Credits bound what is
 * between the processes; this is about what they cannot see: new mail that is due and finds no place in the active queue, and a journal
 * that the disk does not keep up with.
 */
#include "queue/role.h"

#include "base/clock.h"
#include "base/log.h"

#define LATE		(5 * SECOND)	/* new mail that waits so long for a place */
#define IN_TIME		SECOND
#define MUCH		((size_t)16 << 20)	/* journal not written yet */
#define LITTLE		((size_t)4 << 20)

void
lag_watch(struct role_queue *rq)
{
	const struct heap_node *first = heap_first(&rq->q.fresh);
	int64_t late = !rq->q.open || first == NULL ? 0 : queue_now(&rq->q) - first->at;
	size_t pending = rq->journal == NULL ? 0 : spool_writer_pending(rq->journal);
	bool was = rq->lagging;

	if (late > LATE || pending > MUCH)
		rq->lagging = true;
	else if (late < IN_TIME && pending < LITTLE)
		rq->lagging = false;
	if (rq->lagging == was)
		return;
	if (!rq->lagging)
		log_info("qmgr", "the queue keeps up with incoming mail again");
	else if (late > LATE)
		log_warning("qmgr", "new mail waits %lld s for a place in the active queue (%u messages); incoming mail is slowed down "
		    "by in_flow_delay", (long long)(late / SECOND), rq->q.active);
	else
		log_warning("qmgr", "the disk does not keep up with the journal; incoming mail is slowed down by in_flow_delay");
	links_spool_state(rq, NULL);
}
