#include "queue/queue.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/date.h"
#include "queue/probes.h"
#include "queue/role.h"
#include "table/files.h"

static struct role_queue the_role;

void
queue_role_wake(struct role_queue *rq)
{
	loop_defer(&rq->round);
}

static void
wake(void *arg)
{
	queue_role_wake(arg);
}

static const struct queue_ops queue_ops = {
	.transport = config_transport,
	.route = routing_route,
	.deliver = workers_deliver,
	.append = spooling_append,
	.notice = workers_notice,
	.sound = workers_sound,
	.epitaph = workers_epitaph,
	.wake = wake,
	.spill_done = spooling_spill_done,
};

static bool
is_idle(const struct role_queue *rq)
{
	return rq->q.leases.count == 0 && rq->q.appends == 0 && rq->q.dirty == NULL;
}

/* Once a round of the loop: all that came in since the last one, together. */
static void
round_of_work(void *arg)
{
	struct role_queue *rq = arg;
	int64_t next = queue_run(&rq->q);

	links_acknowledge(rq);
	if (next == 0)
		loop_timer_set(&rq->timer, 0);	/* behind what came in meanwhile */
	else if (next > 0)
		loop_timer_set(&rq->timer, next < MINUTE ? next : MINUTE);
	else
		loop_timer_set(&rq->timer, MINUTE);	/* the clock is watched */
	if (rq->stopping && (is_idle(rq) || clock_mono() > rq->stop_by)) {
		maintain_checkpoint_now(rq);
		rq->stopping = false;
	}
}

static bool
configure(void *state, struct span frozen, struct err *err)
{
	struct role_queue *rq = state;
	struct conf *conf = conf_thaw(frozen, err);

	table_use_descriptors(false);
	if (conf == NULL)
		return false;
	if (rq->conf == NULL)		/* taken by `start`: the index is made first */
		rq->conf = conf;
	else {
		conf_unref(rq->next_conf);
		rq->next_conf = conf;
	}
	return true;
}

static bool
prepare(void *state, struct err *err)
{
	(void)state;
	(void)err;
	date_init();
	return true;
}

static bool
start(void *state, struct err *err)
{
	struct role_queue *rq = state;
	struct conf *conf = rq->conf;

	queue_init(&rq->q, &queue_ops, rq);
	rq->conf = NULL;
	rq->round = (struct loop_task){ .fn = round_of_work, .arg = rq };
	rq->facts = facts_new();
	rq->route.text = BUF_INIT(0);
	loop_timer_init(&rq->timer, wake, rq);
	rq->dir = role_fd("spool");
	if (rq->dir < 0) {
		err_set(err, ERR_SYS, "the spool directory was not given to this process");
		return false;
	}
	if (!config_take(rq, conf, err) || !spooling_start(rq, err))
		return false;
	maintain_start(rq);
	links_expect(rq);
	queue_role_wake(rq);
	return true;
}

static void
switched(void *state)
{
	struct role_queue *rq = state;
	struct conf *conf = rq->next_conf;
	struct err err;

	rq->next_conf = NULL;
	if (conf == NULL)
		return;
	if (!config_take(rq, conf, &err)) {
		log_error("qmgr", "the new configuration is not used: %s", err.text);
		conf_unref(conf);
		return;
	}
	answers_forget();
	queue_reconfigured(&rq->q);
	queue_role_wake(rq);
}

static void
peer(void *state, struct ipc *ipc)
{
	link_up(state, ipc);
}

static void
peer_gone(void *state, enum role role, uint32_t slot, uint32_t epoch)
{
	link_gone(state, role, slot, epoch);
}

static void
stop(void *state, int64_t within)
{
	struct role_queue *rq = state;

	rq->q.open = false;	/* nothing new begins */
	rq->stopping = true;
	rq->stop_by = clock_mono() + within / 2;
	loop_timer_set(&rq->timer, within / 2 + 1000);
	queue_role_wake(rq);
}

static const struct ipc_handlers handlers = {
	.listed = link_listed,
	.leaving = link_leaving,
	.segment_done = workers_on_segment_done,
	.segment_held = workers_on_segment_held,
	.spill_used = workers_on_spill_used,
	.site_flush = sites_on_flush,
	.submit = workers_on_submit,
	.notice_made = workers_on_notice_made,
	.progress = workers_on_progress,
	.result = workers_on_result,
	.lease_held = workers_on_lease_held,
	.lookup_done = answers_on_lookup_done,
	.verify_probe = probes_on_ask,
	.ask = queries_on_ask,
	.ask_more = queries_on_more,
	.ask_drop = queries_on_drop,
	.stats_ask = queries_on_stats,
	.closed = link_closed,
};

const struct role_spec *
queue_role(void)
{
	static const struct role_spec spec = {
		.role = ROLE_QUEUE,
		.program = "qmgr",
		.handlers = &handlers,
		.state = &the_role,
		.configure = configure,
		.prepare = prepare,
		.start = start,
		.switched = switched,
		.peer = peer,
		.peer_gone = peer_gone,
		.stop = stop,
	};

	return &spec;
}
