/*
 * The proof of the invariant: every recipient that is not final is in one place, and that place leads on. Everything is counted anew
 * and compared with what the scheduler keeps.
 */
#include "queue/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static void
fault(struct doctor *doc, const struct entry *e, uint32_t rcpt, const char *text)
{
	doc->violations++;
	if (doc->violation != NULL)
		doc->violation(doc->arg, e, rcpt, text);
}

void
doctor_begin(struct doctor *doc, const struct queue *q)
{
	doc->checked = doc->violations = 0;
	doc->queued = mem_array(q->dest_count + 1, sizeof *doc->queued);
	doc->blocked = mem_array(q->dest_count + 1, sizeof *doc->blocked);
	doc->leased = mem_array(q->dest_count + 1, sizeof *doc->leased);
}

void
doctor_clear(struct doctor *doc)
{
	free(doc->queued);
	free(doc->blocked);
	free(doc->leased);
	doc->queued = doc->blocked = doc->leased = NULL;
}

static bool
stopped(const struct entry *e)
{
	return (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED)) != 0;
}

/* How often the jobs of the entry name each recipient: in the low half as waiting (from `taken` on), in the high half as taken. */
static uint8_t *
marks_of(const struct entry *e)
{
	const struct run *run = e->run;

	if (run == NULL || run->jobs == NULL)
		return NULL;
	uint8_t *marks = mem_array(e->rcpt_count, 1);
	for (const struct job *j = run->jobs; j != NULL; j = j->next_of_entry)
		for (uint32_t i = 0; i < j->count; i++) {
			uint8_t *m = &marks[j->rcpts[i]];
			if (i < j->taken && *m < 0xf0)
				*m = (uint8_t)(*m + 0x10);
			else if (i >= j->taken && j->queued && (*m & 15) < 15)
				*m = (uint8_t)(*m + 1);
		}
	return marks;
}

static void
check_timer(struct doctor *doc, const struct entry *e, uint32_t i)
{
	if (stopped(e))
		return;		/* the operator is the blocker */
	if (e->timer.index == 0)
		fault(doc, e, i, "waits for a time, and no timer is set");
	else if (e->timer.at > e->rcpts[i].next)
		fault(doc, e, i, "waits for a time, and the timer is later");
}

static void
check_blocked(struct doctor *doc, const struct queue *q, const struct entry *e, uint32_t i)
{
	const struct dest *d = dest_numbered(q, e->rcpts[i].dest);

	if (d == NULL) {
		fault(doc, e, i, "waits behind a destination that is not there");
		return;
	}
	doc->blocked[d->number]++;
	if (e->timer.index == 0 && !stopped(e))
		fault(doc, e, i, "waits behind a destination, and no timer is set for the end of its life");
	if (d->halt != NULL)
		return;		/* the operator is the blocker */
	if (d->suspended ? d->probe == NULL && d->timer.index == 0 : !d->releasing && d->queued == 0 && d->busy == 0)
		fault(doc, e, i, "waits behind a destination that has no next event");
}

static void
check_active(struct doctor *doc, const struct entry *e, uint32_t i, const uint8_t *marks)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	unsigned waiting = marks == NULL ? 0 : marks[i] & 15u, taken = marks == NULL ? 0 : marks[i] >> 4;

	if (!(e->flags & ENTRY_RUNNING))
		fault(doc, e, i, "is in the active queue, and its message is not");
	if (r->place == PLACE_QUEUED) {
		if (waiting != 1)
			fault(doc, e, i, "is queued for a destination, and not in its queue once");
		doc->queued[r->dest]++;
	} else if (r->place == PLACE_LEASED) {
		if (taken == 0)
			fault(doc, e, i, "is being delivered, and no delivery has it");
		doc->leased[r->dest]++;
	} else if (((const struct run *)e->run) == NULL || ((const struct run *)e->run)->routing == 0) {
		fault(doc, e, i, "waits for routing, and nothing was asked");
	}
}

static void
check_final(struct doctor *doc, const struct queue *q, const struct entry *e)
{
	const struct run *run = e->run;

	if (e->open > 0 || stopped(e) || (run != NULL && run->jobs != NULL))
		return;
	if (e->extra == NULL || e->extra->intents == NULL) {
		fault(doc, e, 0, "nothing is left to do, and the message is still here");
		return;
	}
	for (const struct entry_intent *in = e->extra->intents; in != NULL; in = in->next)
		if (map_get(&q->notices, span_of(&in->number, sizeof in->number)) == NULL)
			fault(doc, e, 0, "a notice is to be made, and nobody was asked");
}

void
doctor_entry(struct doctor *doc, const struct queue *q, const struct entry *e)
{
	uint32_t open = 0;
	uint8_t *marks = marks_of(e);

	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		doc->checked++;
		if (rcpt_final(r)) {
			if (r->place != PLACE_DONE)
				fault(doc, e, i, "is final, and still waits for something");
			continue;
		}
		open++;
		switch (r->place) {
		case PLACE_TIMER:
			check_timer(doc, e, i);
			break;
		case PLACE_BLOCKED:
			check_blocked(doc, q, e, i);
			break;
		case PLACE_DONE:
			fault(doc, e, i, "is not final, and waits for nothing");
			break;
		default:
			check_active(doc, e, i, marks);
			break;
		}
	}
	free(marks);
	if (open != e->open)
		fault(doc, e, 0, "its count of open recipients is wrong");
	check_final(doc, q, e);
}

static void
count_fault(struct doctor *doc, const struct dest *d, const char *what, uint64_t kept, uint64_t found)
{
	char text[512];

	(void)snprintf(text, sizeof text, "destination %s:%s: %s: %llu kept, %llu found", d->transport->name,
	    d->nexthop, what, (unsigned long long)kept, (unsigned long long)found);
	fault(doc, NULL, 0, text);
}

static bool
in_ready(const struct dest *d)
{
	for (const struct dest *r = d->transport->ready; r != NULL; r = r->next_ready)
		if (r == d)
			return true;
	return false;
}

static void
check_dest(struct doctor *doc, const struct queue *q, const struct dest *d)
{
	uint32_t jobs = 0;
	const struct transport *t = d->transport;

	for (uint32_t f = 0; d->flows != NULL && f < FLOWS; f++)
		for (const struct job *j = d->flows[f].first; j != NULL; j = j->next)
			jobs++;
	if (jobs != d->queued)
		count_fault(doc, d, "queued", d->queued, jobs);
	if (doc->blocked[d->number] != d->blocked_rcpts)
		count_fault(doc, d, "blocked recipients", d->blocked_rcpts, doc->blocked[d->number]);
	if (d->halt != NULL && d->queued > 0 && !d->draining)
		count_fault(doc, d, "queued, and suspended by an operator", 0, d->queued);
	if (d->queued > 0 && !d->suspended && d->halt == NULL && d->busy == 0 && d->pause == 0 && !in_ready(d))
		count_fault(doc, d, "queued, and not in turn", d->queued, 0);
	if (d->timer.index == 0)
		count_fault(doc, d, "has no timer", 0, 0);
	if (t->limits.maxproc > 0 && t->busy > t->limits.maxproc && t->generation == q->conf.generation)
		count_fault(doc, d, "process limit passed", t->limits.maxproc, t->busy);
}

void
doctor_end(struct doctor *doc, const struct queue *q)
{
	uint32_t leases = 0, load = 0;

	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL) {
			check_dest(doc, q, q->numbered[i]);
			leases += q->numbered[i]->busy;
		}
	for (uint32_t i = 0; i < q->worker_count; i++)
		load += q->workers[i].load;
	if (leases != q->leases.count || load != q->leases.count)
		fault(doc, NULL, 0, "the counts of deliveries under way differ");
	if (q->index.tally[ENTRY_ACTIVE].messages > q->active)
		fault(doc, NULL, 0, "more messages are active than were activated");
}

uint64_t
doctor_all(const struct queue *q, void (*violation)(void *, const struct entry *, uint32_t, const char *), void *arg)
{
	struct doctor doc = { .violation = violation, .arg = arg };
	struct qid at = QID_NONE;

	doctor_begin(&doc, q);
	for (const struct entry *e; (e = index_after(&q->index, at)) != NULL; at = e->id)
		doctor_entry(&doc, q, e);
	doctor_end(&doc, q);
	doctor_clear(&doc);
	return doc.violations;
}
