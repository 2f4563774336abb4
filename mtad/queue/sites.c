/*
 * ETRN: mail for a domain that waits is tried now. The index is walked in slices, a domain at a time; a domain that already waits for its turn waits once,
 * so clients that ask again and again cost one walk after the other and no more.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "queue/role.h"

#define SITES_MAX	100u
#define SITE_LEN	255u
#define SLICE_TIME	((int64_t)2000)
#define LOOK_EACH	64u	/* entries between two looks at the clock */

struct site {
	struct site	*next;
	struct qid	 at;
	uint32_t	 hint;
	uint64_t	 messages;
	bool		 begun;
	char		 name[];
};

static bool
is_for(const struct entry *e, struct span site)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && span_caseeq(address_domain(entry_address(e, i)), site))
			return true;
	return false;
}

/* True at the end. */
static bool
walk(struct role_queue *rq, struct site *s, int64_t until)
{
	const struct by by = { .who = SPAN("ETRN") };
	struct entry *e;

	s->begun = true;
	for (unsigned n = 0; (e = index_next(&rq->q.index, s->at, &s->hint)) != NULL;) {
		s->at = e->id;
		if (is_for(e, span_str(s->name)))
			s->messages += queue_flush(&rq->q, e, by);
		if (++n % LOOK_EACH == 0 && clock_mono() > until)
			return false;
	}
	return true;
}

static void
run(void *arg)
{
	struct role_queue *rq = arg;
	struct site *s = rq->sites;

	if (s == NULL)
		return;
	if (walk(rq, s, clock_mono() + SLICE_TIME)) {
		log_info("flush", "%s: %llu message%s to be tried now", s->name, (unsigned long long)s->messages, s->messages == 1 ? "" : "s");
		rq->sites = s->next;
		free(s);
	}
	if (rq->sites != NULL)
		loop_timer_set(&rq->site_timer, 0);
}

void
sites_on_flush(void *arg, struct ipc *ipc, const struct ipc_site_flush *m, int fd)
{
	struct role_queue *rq = arg;
	struct site **at = &rq->sites, *s;
	unsigned n = 0;

	(void)ipc;
	(void)fd;
	for (; *at != NULL; at = &(*at)->next, n++)
		if (!(*at)->begun && span_caseeqs(m->site, (*at)->name))
			return;
	if (n >= SITES_MAX || m->site.len == 0 || m->site.len > SITE_LEN)
		return;
	s = mem_new(sizeof *s + m->site.len + 1);
	*s = (struct site){ .at = QID_NONE };
	memcpy(s->name, m->site.ptr, m->site.len);
	s->name[m->site.len] = '\0';
	*at = s;
	if (n == 0) {
		loop_timer_init(&rq->site_timer, run, rq);
		loop_timer_set(&rq->site_timer, 0);
	}
}
