/*
 * What the lookup role answers for routing. An answer is kept for two seconds, so that a message which asks several times while it is routed, and its
 * neighbours, ask the same once.
 */
#include "queue/probes.h"
#include "queue/role.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define ANSWERS_MAX	20000u
#define WAIT		(60 * SECOND)
#define KEEP		(2 * SECOND)
#define SWEEP		SECOND

struct answer {
	struct answer	*next;
	uint64_t	 request;
	size_t		 source_len, name_len;
	char		*name;		/* source, NUL, key */
	bool		 waiting;
	enum fact_state	 state;
	char		*value;
	size_t		 value_len;
	int64_t		 until;		/* monotonic: waits or is kept */
	struct qid	*waiters;
	size_t		 count;
};

static struct {
	struct map	 map;
	struct answer	*first;
	uint64_t	 number;
	struct loop_timer timer;
	bool		 ticking;
} answers;

static struct span
answer_key(const void *item)
{
	const struct answer *a = item;
	return span_of(a->name, a->name_len);
}

static void
send_question(struct role_queue *rq, const struct answer *a)
{
	const struct link *l = link_get(rq, ROLE_LOOKUP, 0);

	if (l == NULL)
		return;		/* asked when it is there again */
	ipc_send_lookup(l->ipc, &(struct ipc_lookup){ .request = a->request, .table = span_of(a->name, a->source_len),
	    .key = span_of(a->name + a->source_len + 1, a->name_len - a->source_len - 1) }, -1);
}

/* Whoever waits is routed once more. That may ask anew, so the list is taken off first. */
static void
settle(struct role_queue *rq, struct answer *a, enum fact_state state, struct span value)
{
	struct qid *waiters = a->waiters;
	size_t count = a->count;

	a->waiting = false;
	a->state = state;
	a->value = span_dup(value);
	a->value_len = value.len;
	a->until = clock_mono() + KEEP;
	a->waiters = NULL;
	a->count = 0;
	for (size_t i = 0; i < count; i++) {
		queue_routed(&rq->q, waiters[i]);
		probes_routed(rq, waiters[i]);
	}
	free(waiters);
}

static void
answer_free(struct answer *a)
{
	free(a->name);
	free(a->value);
	free(a->waiters);
	free(a);
}

/* Those whose time is over: a question fails, an answer is forgotten. */
static void
sweep(void *arg)
{
	struct role_queue *rq = arg;
	int64_t now = clock_mono();

	for (struct answer **at = &answers.first; *at != NULL; ) {
		struct answer *a = *at;
		if (a->until > now) {
			at = &a->next;
		} else if (a->waiting) {
			settle(rq, a, FACT_FAILED, SPAN("the lookup service does not answer"));
			at = &answers.first;	/* the list may have grown at its front */
		} else {
			*at = a->next;
			map_del(&answers.map, answer_key(a));
			answer_free(a);
		}
	}
	answers.ticking = answers.first != NULL;
	if (answers.ticking)
		loop_timer_set(&answers.timer, SWEEP);
}

static void
ask_again(struct role_queue *rq, struct answer *a)
{
	free(a->value);
	a->value = NULL;
	a->request = ++answers.number;
	a->waiting = true;
	a->until = clock_mono() + WAIT;
	send_question(rq, a);
}

static struct answer *
ask(struct role_queue *rq, const struct fact_want *w)
{
	struct answer *a;

	if (answers.map.count >= ANSWERS_MAX)
		return NULL;
	MEM_NEW(a);
	a->source_len = w->source.len;
	a->name_len = w->source.len + 1 + w->key.len;
	a->name = mem_new(a->name_len + 1);
	memcpy(a->name, w->source.ptr, w->source.len);
	if (w->key.len > 0)
		memcpy(a->name + w->source.len + 1, w->key.ptr, w->key.len);
	a->next = answers.first;
	answers.first = a;
	map_add(&answers.map, a);
	if (!answers.ticking) {
		loop_timer_init(&answers.timer, sweep, rq);
		loop_timer_set(&answers.timer, SWEEP);
		answers.ticking = true;
	}
	ask_again(rq, a);
	return a;
}

static struct answer *
find(const struct fact_want *w)
{
	struct buf name = BUF_INIT(0);

	buf_span(&name, w->source);
	buf_char(&name, '\0');
	buf_span(&name, w->key);
	struct answer *a = answers.map.key == NULL ? NULL : map_get(&answers.map, buf_view(&name));
	buf_clear(&name);
	return a;
}

static void
wait_for(struct answer *a, struct qid id)
{
	if (a->count > 0 && memcmp(&a->waiters[a->count - 1], &id, sizeof id) == 0)
		return;		/* its recipients come one after the other */
	a->waiters = mem_grow(a->waiters, a->count + 1, sizeof *a->waiters);
	a->waiters[a->count++] = id;
}

bool
answers_give(struct role_queue *rq, struct qid id)
{
	int64_t now = clock_mono();
	struct fact_want w;
	bool waits = false;

	if (answers.map.key == NULL)
		answers.map = MAP_INIT(answer_key);
	while (facts_wanted(rq->facts, &w)) {
		struct answer *a = find(&w);
		if (a != NULL && !a->waiting && a->until <= now)
			ask_again(rq, a);
		if (a == NULL && (a = ask(rq, &w)) == NULL) {
			facts_answer(rq->facts, w.id, FACT_FAILED, SPAN("too many questions at a time"));
		} else if (a->waiting) {
			wait_for(a, id);
			waits = true;
		} else {
			facts_answer(rq->facts, w.id, a->state, span_of(a->value, a->value_len));
		}
	}
	return !waits;
}

void
answers_on_lookup_done(void *arg, struct ipc *ipc, const struct ipc_lookup_done *m, int fd)
{
	static const enum fact_state states[] = { FACT_KNOWN, FACT_ABSENT, FACT_FAILED };
	struct role_queue *rq = arg;

	(void)ipc;
	(void)fd;
	for (struct answer *a = answers.first; a != NULL; a = a->next)
		if (a->waiting && a->request == m->request) {
			settle(rq, a, m->status < 3 ? states[m->status] : FACT_FAILED, m->value);
			return;
		}
}

void
answers_link_up(struct role_queue *rq)
{
	for (struct answer *a = answers.first; a != NULL; a = a->next)
		if (a->waiting)
			send_question(rq, a);
}

void
answers_forget(void)
{
	for (struct answer *a = answers.first; a != NULL; a = a->next)
		if (!a->waiting)
			a->until = 0;
}
