#include "state/state.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "state/caches.h"
#include "state/counters.h"
#include "state/probing.h"
#include "state/screening.h"

static struct state {
	struct counters	 counters;
	int64_t		 unit;
	struct loop_timer expiry, status;
	int64_t		 status_every;	/* anvil_status_update_time */
	bool		 expiring;	/* the timer runs */
} state;

static void
expire(void *arg)
{
	struct state *s = arg;
	int64_t now = clock_mono();

	int64_t next = counters_expire(&s->counters, now);
	s->expiring = next >= 0;
	if (s->expiring)
		loop_timer_set(&s->expiry, next - now);
}

static void
on_count_connect(void *arg, struct ipc *c, const struct ipc_count_connect *m, int fd)
{
	struct state *s = arg;
	struct ipc_counted answer = { .request = m->request };

	(void)fd;
	counters_connect(&s->counters, m->service, m->client, ipc_slot(c), clock_mono(), &answer.open, &answer.rate);
	ipc_send_counted(c, &answer, -1);
	if (!s->expiring)
		expire(s);
}

static void
on_count_disconnect(void *arg, struct ipc *c, const struct ipc_count_disconnect *m, int fd)
{
	struct state *s = arg;

	(void)fd;
	counters_disconnect(&s->counters, m->service, m->client, ipc_slot(c), clock_mono());
}

static void
on_count_event(void *arg, struct ipc *c, const struct ipc_count_event *m, int fd)
{
	struct state *s = arg;
	struct ipc_counted answer = { .request = m->request };

	(void)fd;
	if (m->event > COUNT_CONNECT && m->event < COUNT_EVENTS)
		answer.rate = counters_event(&s->counters, m->event, m->key, m->service, m->client, clock_mono());
	ipc_send_counted(c, &answer, -1);
	if (!s->expiring)
		expire(s);
}

static const char *
short_time(int64_t wall, char out[32])
{
	time_t t = (time_t)(wall / SECOND);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(out, 32, "%b %e %H:%M:%S", &tm) == 0)
		out[0] = '\0';
	return out;
}

/* anvil_status_update_time: what was the most since the last time. */
static void
say_most(const char *what, struct counter_most *m, int64_t unit)
{
	char at[32], per[32] = "";

	if (m->n == 0)
		return;
	if (unit > 0)
		snprintf(per, sizeof per, "/%llds", (long long)(unit / SECOND));
	log_info("anvil", "statistics: max %s %u%s for (%s) at %s", what, m->n, per, m->whose, short_time(m->at, at));
	m->n = 0;
}

static void
say_all(struct state *s)
{
	static const char *const names[COUNT_EVENTS] = {
		"connection rate", "message rate", "recipient rate", "newtls rate", "auth rate",
	};
	struct counters *cs = &s->counters;
	char at[32];

	say_most(names[COUNT_CONNECT], &cs->rates[COUNT_CONNECT], cs->unit);
	say_most("connection count", &cs->open, 0);
	for (int i = COUNT_CONNECT + 1; i < COUNT_EVENTS; i++)
		say_most(names[i], &cs->rates[i], cs->unit);
	if (cs->most_entries > 0)
		log_info("anvil", "statistics: max cache size %zu at %s", cs->most_entries, short_time(cs->most_entries_at, at));
	cs->most_entries = 0;
}

static void
on_status_timer(void *arg)
{
	struct state *s = arg;

	say_all(s);
	loop_timer_set(&s->status, s->status_every);
}

static void
on_stats_ask(void *arg, struct ipc *c, const struct ipc_stats_ask *m, int fd)
{
	const struct state *s = arg;
	struct buf b = BUF_INIT(0);

	(void)fd;
	buf_printf(&b, "{\"clients\":%zu,\"verified\":%zu,\"screened\":%zu}", s->counters.map.count, probing_count(),
	    screening_count());
	ipc_send_stats(c, &(struct ipc_stats){ m->request, buf_view(&b) }, -1);
	buf_clear(&b);
}

/* The channel's end, and not peer_gone, ends its counts: the next process in this slot may connect before the other news comes. */
static void
on_closed(void *arg, struct ipc *c)
{
	struct state *s = arg;

	if (c == probing_queue_channel())
		probing_queue(NULL);
	if (ipc_peer(c) == ROLE_RECEIVE) {
		counters_slot_gone(&s->counters, ipc_slot(c), clock_mono());
		expire(s);
	}
	ipc_free(c);
}

static bool
configure(void *arg, struct span frozen, struct err *err)
{
	struct state *s = arg;

	struct conf *conf = conf_thaw(frozen, err);
	if (conf == NULL)
		return false;
	s->unit = conf_time(conf_main(conf), P_anvil_rate_time_unit);
	s->counters.unit = s->unit;
	s->status_every = conf_time(conf_main(conf), P_anvil_status_update_time);
	probing_configure(conf);
	screening_configure(conf);
	conf_unref(conf);
	return true;
}

static bool
start(void *arg, struct err *err)
{
	struct state *s = arg;

	(void)err;
	counters_init(&s->counters, s->unit);
	loop_timer_init(&s->expiry, expire, s);
	loop_timer_init(&s->status, on_status_timer, s);
	if (s->status_every > 0)
		loop_timer_set(&s->status, s->status_every);
	probing_start();
	screening_start();
	return true;
}

static void
on_peer(void *arg, struct ipc *c)
{
	(void)arg;
	if (ipc_peer(c) == ROLE_QUEUE)
		probing_queue(c);
}

static void
stop(void *arg, int64_t within)
{
	(void)arg;
	(void)within;
	probing_stop();
	screening_stop();
	loop_stop(0);
}

static const struct ipc_handlers handlers = {
	.count_connect = on_count_connect,
	.count_disconnect = on_count_disconnect,
	.count_event = on_count_event,
	.verify_ask = probing_on_ask,
	.verify_probed = probing_on_probed,
	.screen_ask = screening_on_ask,
	.rows_ask = caches_on_rows_ask,
	.cache_drop = caches_on_drop,
	.screen_passed = screening_on_passed,
	.stats_ask = on_stats_ask,
	.closed = on_closed,
};

const struct role_spec *
state_role(void)
{
	static const struct role_spec spec = {
		.role = ROLE_STATE,
		.program = "anvil",
		.handlers = &handlers,
		.state = &state,
		.configure = configure,
		.start = start,
		.peer = on_peer,
		.stop = stop,
	};
	return &spec;
}
