#include "send/send.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/delivery_log.h"
#include "net/tls_given.h"
#include "send/core.h"
#include "smtp/sasl_client.h"
#include "table/files.h"

#define SWEEP		(SECOND / 2)
#define FILES_ELSE	200u		/* descriptors that are not connections: segments, DNS, channels */
#define LEAVE_TIME	SECOND
#define LOOKUP_TIME	(60 * SECOND)	/* for a table of the lookup role */
#define STOP_MARGIN	(2 * SECOND)	/* for results to get to the queue role before the end */

static struct span
segment_key(const void *item)
{
	const struct segment *s = item;

	return span_of(&s->number, sizeof s->number);
}

const struct segment *
send_segment(const struct send *s, uint32_t number)
{
	return map_get(&s->segments, span_of(&number, sizeof number));
}

static void
drop_segment(struct send *s, uint32_t number)
{
	struct segment *old = map_del(&s->segments, span_of(&number, sizeof number));

	if (old != NULL)
		close(old->fd);
	free(old);
}

/* -- time --------------------------------------------------------------------------------- */

static void
tell_progress(struct send *s, int64_t now)
{
	size_t at = 0;

	for (struct delivery *d; (d = map_next(&s->deliveries, &at)) != NULL;) {
		if (d->finished || d->stage_told || now - d->stage_since < SECOND)
			continue;
		struct ipc_progress m = { .lease = d->lease, .stage = d->stage,
			.peer = d->conn == NULL ? SPAN_NONE : span_str(d->conn->relay) };
		ipc_send_progress(s->queue, &m, -1);
		d->stage_told = true;
	}
}

static void
on_sweep(void *arg)
{
	struct send *s = arg;
	int64_t now = clock_mono();
	struct conn **all = mem_array(s->conn_count + 1, sizeof *all);
	size_t n = 0;

	/* One that ends may open others, or end none but itself: a list of those there are now is safe to walk. */
	for (struct conn *c = s->conns; c != NULL; c = c->next)
		all[n++] = c;
	for (size_t i = 0; i < n; i++)
		conn_sweep(all[i], now);
	free(all);
	tell_progress(s, now);
	s->sweeping = s->conns != NULL || s->running > 0;
	if (s->sweeping)
		loop_timer_set(&s->sweep, SWEEP);
}

void
send_start_sweep(struct send *s)
{
	if (s->sweeping)
		return;
	s->sweeping = true;
	loop_timer_set(&s->sweep, SWEEP);
}

static void
on_unblock(void *arg)
{
	struct send *s = arg;

	while (s->backlog != NULL) {
		struct delivery *d = s->backlog;
		/* Room is made by an idle connection to elsewhere. */
		if (conn_full(s) && !conn_idle_for(d) && !conn_close_one_idle(s))
			break;
		s->backlog = d->next;
		d->next = NULL;
		delivery_begin_again(d);
	}
}

/* -- messages of the queue role --------------------------------------------------------------- */

static void
on_segment_open(void *arg, struct ipc *c, const struct ipc_segment_open *m, int fd)
{
	struct send *s = arg;
	struct segment *segment;

	(void)c;
	drop_segment(s, m->segment);
	MEM_NEW(segment);
	*segment = (struct segment){ .number = m->segment, .nonce = m->nonce, .fd = fd };
	map_add(&s->segments, segment);
}

static void
on_segment_close(void *arg, struct ipc *c, const struct ipc_segment_close *m, int fd)
{
	(void)c;
	(void)fd;
	drop_segment(arg, m->segment);
}

static void
on_deliver(void *arg, struct ipc *c, const struct ipc_deliver *m, int fd)
{
	struct send *s = arg;
	struct delivery *d = map_get(&s->deliveries, span_of(&m->lease, sizeof m->lease));

	(void)c;
	if (d != NULL) {
		if (fd >= 0)
			close(fd);
		if (d->finished)
			delivery_tell_result(d);
		return;
	}
	d = delivery_new(s, m, fd);
	send_start_sweep(s);
	if (s->stopping)
		delivery_fail(d, SCOPE_RECIPIENT, "4.3.2", "mail system is stopping");
	else
		delivery_begin(d);
}

static void
on_result_ack(void *arg, struct ipc *c, const struct ipc_result_ack *m, int fd)
{
	struct send *s = arg;
	struct delivery *d = map_get(&s->deliveries, span_of(&m->lease, sizeof m->lease));

	(void)c;
	(void)fd;
	if (d != NULL && d->finished)
		delivery_free(d);
	send_maybe_stop(s);
}

static void
on_closed(void *arg, struct ipc *c)
{
	struct send *s = arg;

	if (ipc_peer(c) == ROLE_CONTROL)
		transcripts_forget(&s->transcripts);
	if (s->queue == c)
		s->queue = NULL;
	if (s->lookups.ipc == c)
		asks_channel(&s->lookups, NULL);
	ipc_free(c);
}

static void
on_stats_ask(void *arg, struct ipc *c, const struct ipc_stats_ask *m, int fd)
{
	const struct send *s = arg;
	char json[300];

	(void)fd;
	int n = snprintf(json, sizeof json, "{\"deliveries\":%zu,\"connections\":%zu,\"sent\":%llu,\"deferred\":%llu,"
	    "\"bounced\":%llu,\"connects\":%llu,\"reuses\":%llu}", s->running, s->conn_count,
	    (unsigned long long)s->sent, (unsigned long long)s->deferred, (unsigned long long)s->bounced,
	    (unsigned long long)s->connects, (unsigned long long)s->reuses);
	ipc_send_stats(c, &(struct ipc_stats){ .request = m->request, .json = span_of(json, (size_t)n) }, -1);
}

static void
on_watch(void *arg, struct ipc *c, const struct ipc_watch *m, int fd)
{
	struct send *s = arg;

	(void)c;
	(void)fd;
	transcripts_watch(&s->transcripts, s->conf, m);
}

static void
on_debug_peers(void *arg, struct ipc *c, const struct ipc_debug_peers *m, int fd)
{
	struct send *s = arg;

	(void)c;
	(void)fd;
	transcripts_peers(&s->transcripts, s->conf, m);
}

static void
on_rows_ask(void *arg, struct ipc *c, const struct ipc_rows_ask *m, int fd)
{
	(void)fd;
	conns_rows(arg, c, m);
}

static void
on_lookup_done(void *arg, struct ipc *c, const struct ipc_lookup_done *m, int fd)
{
	struct send *s = arg;

	(void)c;
	(void)fd;
	asks_answer(&s->lookups, m->request, &(struct ask_answer){ .ok = true, .status = m->status, .value = m->value });
}

static void
on_unix_connected(void *arg, struct ipc *c, const struct ipc_unix_connected *m, int fd)
{
	(void)c;
	conn_unix_answer(arg, m->request, fd, m->error);
}

/* -- the recipe -------------------------------------------------------------------------------- */

static bool
configure(void *state, struct span frozen, struct err *err)
{
	struct send *s = state;
	struct conf *conf = conf_thaw(frozen, err);

	if (conf == NULL)
		return false;
	table_use_descriptors(false);
	tls_files_use_descriptors();
	settings_forget(&s->settings);
	tls_sessions_forget(&s->tls_sessions);
	conf_unref(s->conf);
	s->conf = conf;
	delivery_log_resolution((unsigned)conf_int(conf_main(conf), P_delay_logging_resolution_limit));
	return true;
}

static bool
prepare(void *state, struct err *err)
{
	struct send *s = state;
	const struct view *v = conf_main(s->conf);
	struct rlimit files = { .rlim_cur = 1024 };
	struct dns_config config = { .idna2003 = conf_bool(v, P_enable_idna2003_compatibility),
		.servers = conf_str(v, P_mtad_dns_servers), .resolv_conf = role_fd("resolv-conf"),
		.zone = role_fd("dns-zone"), .hosts = role_fd("hosts"), .anchor = role_fd("dns-anchor"),
		.timeout = conf_time(v, P_mtad_dns_timeout) };

	(void)getrlimit(RLIMIT_NOFILE, &files);
	s->conn_max = files.rlim_cur == RLIM_INFINITY || files.rlim_cur > 65536 ? 65536 : files.rlim_cur;
	s->conn_max = s->conn_max > 2 * FILES_ELSE ? s->conn_max - FILES_ELSE : FILES_ELSE;
	loop_timer_init(&s->sweep, on_sweep, s);
	asks_init(&s->lookups, LOOKUP_TIME);
	(void)sasl_client_setup();
	s->unblock = (struct loop_task){ .fn = on_unblock, .arg = s };
	s->dns = dns_new(&config, err);
	return s->dns != NULL;
}

static void
switched(void *state)
{
	conn_close_idle(state);
}

/* A new queue role: what is done is told again, what goes on is named. */
static void
peer(void *state, struct ipc *c)
{
	struct send *s = state;
	size_t at = 0;

	if (ipc_peer(c) == ROLE_LOOKUP) {
		ipc_free(s->lookups.ipc);
		asks_channel(&s->lookups, c);
	}
	if (ipc_peer(c) != ROLE_QUEUE)
		return;
	s->queue = c;
	for (struct delivery *d; (d = map_next(&s->deliveries, &at)) != NULL;) {
		if (d->finished)
			delivery_tell_result(d);
		else
			delivery_tell_held(d);
	}
	ipc_send_listed(c, &(struct ipc_listed){ .epoch = role_epoch() }, -1);
	if (s->retiring)
		ipc_send_leaving(c, &(struct ipc_leaving){ .epoch = role_epoch() }, -1);
}

void
send_maybe_stop(struct send *s)
{
	if ((s->stopping || s->left) && (s->deliveries.count == 0 || s->queue == NULL) && s->running == 0)
		loop_stop(0);
}

/* Out of time: what has no answer yet is deferred, and may be delivered twice. */
static void
on_deadline(void *arg)
{
	struct send *s = arg;
	size_t at = 0;

	for (struct delivery *d; (d = map_next(&s->deliveries, &at)) != NULL;) {
		if (d->finished)
			continue;
		if (d->conn != NULL) {
			d->conn->delivery = NULL;
			conn_close(d->conn);	/* its client writes into the delivery */
		}
		delivery_fail(d, SCOPE_RECIPIENT, "4.3.2", "delivery was interrupted: mail system is stopping");
	}
}

static void
stop(void *state, int64_t within)
{
	struct send *s = state;

	s->stopping = true;
	conn_close_idle(s);
	loop_timer_init(&s->deadline, on_deadline, s);
	loop_timer_set(&s->deadline, within > 2 * STOP_MARGIN ? within - STOP_MARGIN : within / 2);
	while (s->backlog != NULL) {
		struct delivery *d = s->backlog;
		s->backlog = d->next;
		delivery_fail(d, SCOPE_RECIPIENT, "4.3.2", "mail system is stopping");
	}
	send_maybe_stop(s);
}

static void
on_left(void *arg)
{
	struct send *s = arg;

	s->left = true;
	send_maybe_stop(s);
}

/* Deliveries that the queue role had sent before it heard of it are made: they are here within this time. */
static void
retire(void *state, int64_t within)
{
	struct send *s = state;

	(void)within;
	if (s->stopping || s->retiring)
		return;
	s->retiring = true;
	conn_close_idle(s);
	if (s->queue != NULL)
		ipc_send_leaving(s->queue, &(struct ipc_leaving){ .epoch = role_epoch() }, -1);
	loop_timer_init(&s->deadline, on_left, s);
	loop_timer_set(&s->deadline, LEAVE_TIME);
}

static struct send the_send = { .transcripts.version = 1 };

static const struct ipc_handlers handlers = {
	.segment_open = on_segment_open,
	.segment_close = on_segment_close,
	.deliver = on_deliver,
	.result_ack = on_result_ack,
	.stats_ask = on_stats_ask,
	.watch = on_watch,
	.debug_peers = on_debug_peers,
	.rows_ask = on_rows_ask,
	.lookup_done = on_lookup_done,
	.closed = on_closed,
};

static const struct ipc_handlers master_handlers = {
	.unix_connected = on_unix_connected,
};

const struct role_spec *
send_role(void)
{
	static const struct role_spec spec = {
		.role = ROLE_SEND,
		.program = "smtp",
		.handlers = &handlers,
		.state = &the_send,
		.configure = configure,
		.prepare = prepare,
		.switched = switched,
		.peer = peer,
		.stop = stop,
		.retire = retire,
		.master_handlers = &master_handlers,
	};

	the_send.settings = MAP_INIT(settings_key);
	the_send.refusals = MAP_INIT(refusal_key);
	the_send.tls_sessions.by_key = MAP_INIT(tls_saved_key);
	the_send.pools = MAP_INIT(pool_key);
	the_send.segments = MAP_INIT(segment_key);
	the_send.deliveries = MAP_INIT(delivery_key);
	return &spec;
}
