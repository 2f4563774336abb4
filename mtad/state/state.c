#include "state/state.h"

#include "base/clock.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "state/counters.h"

static struct state {
	struct counters	 counters;
	int64_t		 unit;
	struct loop_timer expiry;
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
on_stats_ask(void *arg, struct ipc *c, const struct ipc_stats_ask *m, int fd)
{
	const struct state *s = arg;
	struct buf b = BUF_INIT(0);

	(void)fd;
	buf_printf(&b, "{\"clients\":%zu}", s->counters.map.count);
	ipc_send_stats(c, &(struct ipc_stats){ m->request, buf_view(&b) }, -1);
	buf_clear(&b);
}

/* The channel's end, and not peer_gone, ends its counts: the next process in this slot may connect before the other news comes. */
static void
on_closed(void *arg, struct ipc *c)
{
	struct state *s = arg;

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
	return true;
}

static const struct ipc_handlers handlers = {
	.count_connect = on_count_connect,
	.count_disconnect = on_count_disconnect,
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
	};
	return &spec;
}
