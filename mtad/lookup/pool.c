#include "lookup/pool.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "lookup/lookup.h"
#include "lookup/worker.h"

#define WORKERS_MAX	64u		/* of all tables */
#define OF_TABLE_MAX	4u
#define WAITING_MAX	5000u		/* questions to one table */
#define GROW_AFTER	(SECOND / 50)	/* that a question waits */
#define IDLE_MAX	MINUTE
#define QUESTION_MAX	MINUTE		/* nobody waits longer for an answer */
#define SLOW_FAILURE	(3 * SECOND)	/* a failure that took this long is worth not to be repeated for each question */
#define ILL_TIME	(10 * SECOND)
#define SILENCE		(10 * SECOND)	/* between two complaints of a table */

struct question {
	struct question	*next;
	struct ipc	*ipc;		/* NULL: nobody waits any more */
	uint64_t	 request;
	int64_t		 since;
	char		*key;
	size_t		 key_len;
};

struct place {				/* a table */
	struct place	*next;
	char		*spec;
	struct question	*first, **last;
	unsigned	 waiting, workers;
	bool		 doubtful;	/* failed slowly, and has not answered since: one process is enough */
	int64_t		 ill_until, complained;
	char		*why;
};

struct worker {
	struct worker	*next;
	struct place	*place;
	struct worker_ends ends;
	struct loop_io	 io;
	struct question	*now;		/* NULL: it is idle */
	struct buf	 in;
	int64_t		 since;		/* the question's begin, or the last one's end */
	bool		 old;		/* of another configuration */
};

static struct {
	struct place	*places;
	struct worker	*workers;
	unsigned	 count;
	struct loop_timer timer;
	bool		 has_timer;
} pool;

static void	pump(void);
static void	on_timer(void *arg);

/* -- answers ----------------------------------------------------------------------------------------- */

static void
complain(struct place *p, struct span why)
{
	int64_t now = clock_mono();

	if (p->complained != 0 && now - p->complained < SILENCE)
		return;
	p->complained = now;
	log_warning(NULL, "table %.*s: %.*s", SPAN_ARG(span_head(span_str(p->spec), 200)), SPAN_ARG(why));
}

static void
answer(struct question *q, enum lookup_status status, struct span value)
{
	if (q->ipc != NULL)
		ipc_send_lookup_done(q->ipc, &(struct ipc_lookup_done){ q->request, (ipc_u8)status, value }, -1);
	free(q->key);
	free(q);
}

static struct question *
take_first(struct place *p)
{
	struct question *q = p->first;

	p->first = q->next;
	if (p->first == NULL)
		p->last = &p->first;
	p->waiting--;
	return q;
}

static void
fail_waiting(struct place *p, struct span why)
{
	while (p->first != NULL)
		answer(take_first(p), LOOKUP_FAILED, why);
}

/* What a question came to says how the server is. */
static void
learn(struct place *p, int64_t took, enum lookup_status status, struct span why)
{
	if (status != LOOKUP_FAILED) {
		p->ill_until = 0;
		p->doubtful = false;
		return;
	}
	complain(p, why);
	if (took < SLOW_FAILURE)
		return;
	p->doubtful = true;
	p->ill_until = clock_mono() + ILL_TIME;
	free(p->why);
	p->why = span_dup(why);
	fail_waiting(p, why);
}

/* -- processes ------------------------------------------------------------------------------------------ */

static void
worker_free(struct worker *w)
{
	for (struct worker **at = &pool.workers; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	loop_io_watch(&w->io, 0);
	(void)close(w->ends.fd);
	(void)close(w->ends.life);
	buf_clear(&w->in);
	w->place->workers -= !w->old;
	pool.count--;
	free(w);
}

/* What it was asked failed: it ended, or took too long. */
static void
worker_lost(struct worker *w, const char *why)
{
	struct question *q = w->now;
	struct place *p = w->place;
	int64_t took = clock_mono() - w->since;

	worker_free(w);
	if (q == NULL)
		return;
	answer(q, LOOKUP_FAILED, span_str(why));
	learn(p, took, LOOKUP_FAILED, span_str(why));
}

static void
on_answer(void *arg, short what)
{
	struct worker *w = arg;
	struct span value;
	uint8_t status;

	(void)what;
	switch (worker_read(w->ends.fd, &w->in, &status, &value)) {
	case WORKER_WAITS:
		return;
	case WORKER_GONE:
		worker_lost(w, "the process that asked it ended");
		break;
	case WORKER_ANSWERED:
		if (w->now == NULL || status > LOOKUP_FAILED) {
			worker_lost(w, "the process that asked it is out of step");
			break;
		}
		struct question *q = w->now;
		int64_t now = clock_mono(), took = now - w->since;
		w->now = NULL;
		w->since = now;
		answer(q, (enum lookup_status)status, value);
		learn(w->place, took, (enum lookup_status)status, value);
		buf_reset(&w->in);
		if (w->old)
			worker_free(w);
		break;
	}
	pump();
}

static bool
hire(struct place *p, struct err *err)
{
	struct worker_ends ends;
	struct worker *w;

	if (!worker_start(p->spec, &ends, err))
		return false;
	MEM_NEW(w);
	*w = (struct worker){ .next = pool.workers, .place = p, .ends = ends, .in = BUF_INIT(WORKER_VALUE_MAX + 16), .since = clock_mono() };
	loop_io_init(&w->io, ends.fd, on_answer, w);
	loop_io_watch(&w->io, EV_READ);
	pool.workers = w;
	pool.count++;
	p->workers++;
	return true;
}

static struct worker *
find_idle(const struct place *p)
{
	for (struct worker *w = pool.workers; w != NULL; w = w->next)
		if (w->now == NULL && !w->old && (p == NULL || w->place == p))
			return w;
	return NULL;
}

static void
give(struct worker *w)
{
	w->now = take_first(w->place);
	w->since = clock_mono();
	if (!worker_ask(w->ends.fd, span_of(w->now->key, w->now->key_len)))
		worker_lost(w, "the process that asked it ended");
}

/* A table that waits takes the place of one that is not asked. */
static bool
has_room(void)
{
	if (pool.count >= WORKERS_MAX) {
		struct worker *idle = find_idle(NULL);
		if (idle != NULL)
			worker_free(idle);
	}
	return pool.count < WORKERS_MAX;
}

static void
serve_place(struct place *p, int64_t now)
{
	struct err err;
	struct worker *w;

	while (p->first != NULL && (w = find_idle(p)) != NULL)
		give(w);
	if (p->first == NULL || p->workers >= (p->doubtful ? 1 : OF_TABLE_MAX) || (p->workers > 0 && now - p->first->since < GROW_AFTER) || !has_room())
		return;
	if (hire(p, &err)) {
		give(find_idle(p));
	} else if (p->workers == 0) {
		complain(p, span_str(err.text));
		fail_waiting(p, span_str(err.text));
	}
}

static void
pump(void)
{
	int64_t now = clock_mono();
	bool waits = false;

	for (struct place *p = pool.places; p != NULL; p = p->next) {
		serve_place(p, now);
		waits = waits || p->first != NULL;
	}
	if (!pool.has_timer) {
		loop_timer_init(&pool.timer, on_timer, NULL);
		pool.has_timer = true;
	}
	loop_timer_set(&pool.timer, waits ? GROW_AFTER : SECOND);
}

static void
forget_places(void)
{
	for (struct place **at = &pool.places, *p; (p = *at) != NULL; ) {
		bool used = p->first != NULL || p->ill_until > clock_mono();
		for (struct worker *w = pool.workers; w != NULL && !used; w = w->next)
			used = w->place == p;
		if (used) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p->spec);
		free(p->why);
		free(p);
	}
}

static void
on_timer(void *arg)
{
	int64_t now = clock_mono();

	(void)arg;
	for (struct worker *w = pool.workers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->now != NULL && now - w->since > QUESTION_MAX)
			worker_lost(w, "no answer within a minute");
		else if (w->now == NULL && now - w->since > IDLE_MAX)
			worker_free(w);
	}
	forget_places();
	if (pool.places != NULL)
		pump();
}

/* -- questions ------------------------------------------------------------------------------------------- */

static struct place *
place_for(struct span table)
{
	struct place *p;

	for (p = pool.places; p != NULL; p = p->next)
		if (span_eqs(table, p->spec))
			return p;
	MEM_NEW(p);
	*p = (struct place){ .next = pool.places, .spec = span_dup(table) };
	p->last = &p->first;
	pool.places = p;
	return p;
}

static void
put_question(struct place *p, struct ipc *ipc, uint64_t request, struct span key)
{
	struct question *q;

	MEM_NEW(q);
	*q = (struct question){ .ipc = ipc, .request = request, .since = clock_mono(), .key = span_dup(key), .key_len = key.len };
	*p->last = q;
	p->last = &q->next;
	p->waiting++;
}

void
pool_ask(struct ipc *ipc, uint64_t request, struct span table, struct span key)
{
	struct ipc_lookup_done no = { request, (ipc_u8)LOOKUP_FAILED, SPAN_NONE };
	struct buf why = BUF_INIT(512);
	struct place *p = NULL;

	if (!lookup_allowed(table))
		buf_printf(&why, "table %.*s is not known to the lookup role", SPAN_ARG(span_head(table, 100)));
	else if (key.len > WORKER_KEY_MAX)
		no.status = (ipc_u8)LOOKUP_NOT_THERE;
	else
		p = place_for(table);
	if (p != NULL && p->ill_until > clock_mono())
		buf_printf(&why, "%.400s (not asked again for some seconds)", p->why);
	else if (p != NULL && p->waiting >= WAITING_MAX)
		buf_str(&why, "too many questions wait for this table");
	else if (p != NULL) {
		put_question(p, ipc, request, key);
		pump();
		return;
	}
	no.value = buf_view(&why);
	ipc_send_lookup_done(ipc, &no, -1);
	buf_clear(&why);
}

void
pool_forget(const struct ipc *ipc)
{
	for (struct worker *w = pool.workers; w != NULL; w = w->next)
		if (w->now != NULL && w->now->ipc == ipc)
			w->now->ipc = NULL;
	for (struct place *p = pool.places; p != NULL; p = p->next)
		for (struct question *q = p->first; q != NULL; q = q->next)
			if (q->ipc == ipc)
				q->ipc = NULL;
}

void
pool_renew(void)
{
	for (struct worker *w = pool.workers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->now == NULL) {
			worker_free(w);
		} else if (!w->old) {
			w->old = true;
			w->place->workers--;
		}
	}
	for (struct place *p = pool.places; p != NULL; p = p->next) {
		p->ill_until = 0;
		p->doubtful = false;
	}
	if (pool.places != NULL)
		pump();
}
