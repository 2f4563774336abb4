#include "receive/receive.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/date.h"
#include "net/tls_given.h"
#include "receive/dial.h"
#include "receive/pickup.h"
#include "receive/session.h"
#include "receive/session_auth.h"
#include "receive/state.h"
#include "table/files.h"

#define LOOKUP_TIME	(60 * SECOND)
#define COUNT_TIME	(2 * SECOND)	/* a client does not wait longer for being counted */
#define LAZY		SECOND		/* mtad_sync = no */
#define LARGE		(512 * 1024)	/* bytes */

static struct receive self = { .transcripts.version = 1 };

/* -- start, reload, stop -- */

static void
on_wake(void *arg)
{
	struct receive *rx = arg;

	intake_wake(rx);
	sessions_unpause(rx);
}

void
receive_wake(struct receive *rx)
{
	if (rx->pool.first != NULL || rx->paused > 0)
		loop_defer(&rx->wake);
}

static void
link_woke(void *arg)
{
	receive_wake(arg);
}

static bool
busy(const struct receive *rx)
{
	return rx->sessions != NULL || rx->pool.open > 0;
}

/* The channels' last messages must leave before the process does. */
static void
on_stop_check(void *arg)
{
	struct receive *rx = arg;

	if (!rx->stopping || busy(rx))
		return;
	spool_writer_free(rx->link.writer);
	rx->link.writer = NULL;
	if (rx->link.ipc != NULL)
		ipc_flush(rx->link.ipc);
	loop_stop(0);
}

void
receive_maybe_done(struct receive *rx)
{
	if (rx->stopping)
		loop_defer(&rx->stop_check);
}

static void
on_stop_timer(void *arg)
{
	struct receive *rx = arg;

	sessions_stop(rx, true);
	loop_stop(0);
}

static bool
on_configure(void *state, struct span frozen, struct err *err)
{
	struct receive *rx = state;

	int fd = role_fd("seats");

	table_use_descriptors(false);
	tls_files_use_descriptors();
	/* The first time the system can be asked; later it cannot. */
	if (rx->now == NULL && rx->users.count == 0)
		user_names_read(&rx->users);
	if (rx->seats == NULL && fd >= 0 && (rx->seats = seats_map(fd, err)) == NULL)
		return false;
	struct generation *g = generation_new(frozen, &rx->users, rx->seats, &rx->scratch, err);
	if (g == NULL)
		return false;
	generation_unref(rx->next);
	rx->next = g;
	return true;
}

static void
switch_generation(struct receive *rx)
{
	if (rx->next == NULL)
		return;
	generation_unref(rx->now);
	rx->now = rx->next;
	rx->next = NULL;
}

static bool
on_prepare(void *state, struct err *err)
{
	struct receive *rx = state;
	const struct view *v = conf_main(rx->next->conf);
	struct dns_config config = { .idna2003 = conf_bool(v, P_enable_idna2003_compatibility),
		.servers = conf_str(v, P_mtad_dns_servers), .resolv_conf = role_fd("resolv-conf"),
		.zone = role_fd("dns-zone"), .hosts = role_fd("hosts"), .anchor = -1, .timeout = conf_time(v, P_mtad_dns_timeout) };

	date_init();
	rx->dns = dns_new(&config, err);
	return rx->dns != NULL;
}

static bool
on_start(void *state, struct err *err)
{
	struct receive *rx = state;

	(void)err;
	/* Large content goes back to the system when it was written: by default malloc learns to keep it, once it has seen one. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * LARGE);
	switch_generation(rx);
	rx->qids.writer = qid_writer(role_slot(), role_epoch());
	rx->wake = (struct loop_task){ .fn = on_wake, .arg = rx };
	rx->stop_check = (struct loop_task){ .fn = on_stop_check, .arg = rx };
	loop_timer_init(&rx->stop_timer, on_stop_timer, rx);
	link_init(&rx->link, link_woke, rx);
	link_start(&rx->link, conf_bool(conf_main(rx->now->conf), P_mtad_sync) ? 0 : LAZY);
	asks_init(&rx->lookups, LOOKUP_TIME);
	asks_init(&rx->counters, COUNT_TIME);
	rx->counters_by = clock_mono() + COUNT_TIME;
	notices_init(&rx->notices);
	intake_pool_init(&rx->pool);
	sessions_auth_prepare(rx);
	listeners_open(rx);
	return true;
}

static void
on_switched(void *state)
{
	struct receive *rx = state;

	listeners_drain(rx);
	switch_generation(rx);
	sessions_auth_prepare(rx);
	if (!rx->stopping)
		listeners_open(rx);
}

static void
on_stop(void *state, int64_t within)
{
	struct receive *rx = state;

	rx->stopping = true;
	listeners_close(rx);
	sessions_stop(rx, false);
	/* A little sooner than the master's patience ends. */
	loop_timer_set(&rx->stop_timer, within - within / 10);
	loop_defer(&rx->stop_check);
}

/* -- channels -- */

static void
on_peer(void *state, struct ipc *ipc)
{
	struct receive *rx = state;

	switch (ipc_peer(ipc)) {
	case ROLE_QUEUE:
		link_peer(&rx->link, ipc);
		break;
	case ROLE_LOOKUP:
		ipc_free(rx->lookups.ipc);
		asks_channel(&rx->lookups, ipc);
		break;
	case ROLE_STATE:
		ipc_free(rx->counters.ipc);
		asks_channel(&rx->counters, ipc);
		break;
	default:
		break;
	}
}

static void
on_closed(void *state, struct ipc *ipc)
{
	struct receive *rx = state;

	if (ipc_peer(ipc) == ROLE_CONTROL)
		transcripts_forget(&rx->transcripts);
	if (ipc == rx->lookups.ipc)
		asks_channel(&rx->lookups, NULL);
	if (ipc == rx->counters.ipc) {
		asks_channel(&rx->counters, NULL);
		rx->counters_by = clock_mono() + COUNT_TIME;
	}
	link_closed(&rx->link, ipc);
}

static void
on_credit(void *state, struct ipc *ipc)
{
	(void)ipc;
	receive_wake(state);
}

static void
on_segment_grant(void *state, struct ipc *ipc, const struct ipc_segment_grant *m, int fd)
{
	(void)ipc;
	link_on_segment_grant(&((struct receive *)state)->link, m, fd);
}

static void
on_spill_grant(void *state, struct ipc *ipc, const struct ipc_spill_grant *m, int fd)
{
	(void)ipc;
	link_on_spill_grant(&((struct receive *)state)->link, m, fd);
}

static void
on_submit_ack(void *state, struct ipc *ipc, const struct ipc_submit_ack *m, int fd)
{
	(void)ipc;
	(void)fd;
	link_on_submit_ack(&((struct receive *)state)->link, m);
}

static void
on_spool_state(void *state, struct ipc *ipc, const struct ipc_spool_state *m, int fd)
{
	(void)ipc;
	(void)fd;
	link_on_spool_state(&((struct receive *)state)->link, m);
}

static void
on_segment_open(void *state, struct ipc *ipc, const struct ipc_segment_open *m, int fd)
{
	(void)ipc;
	link_on_segment_open(&((struct receive *)state)->link, m, fd);
}

static void
on_segment_close(void *state, struct ipc *ipc, const struct ipc_segment_close *m, int fd)
{
	(void)ipc;
	(void)fd;
	link_on_segment_close(&((struct receive *)state)->link, m);
}

static void
on_notice_make(void *state, struct ipc *ipc, const struct ipc_notice_make *m, int fd)
{
	(void)ipc;
	notices_make(state, m, fd);
}

static void
on_lookup_done(void *state, struct ipc *ipc, const struct ipc_lookup_done *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	asks_answer(&rx->lookups, m->request, &(struct ask_answer){ .ok = true, .status = m->status, .value = m->value });
}

static void
on_verify_told(void *state, struct ipc *ipc, const struct ipc_verify_told *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	asks_answer(&rx->counters, m->request, &(struct ask_answer){ .ok = true, .status = m->status, .value = m->text });
}

static void
on_screen_told(void *state, struct ipc *ipc, const struct ipc_screen_told *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	asks_answer(&rx->counters, m->request, &(struct ask_answer){ .ok = true, .value = m->record });
}

static void
on_counted(void *state, struct ipc *ipc, const struct ipc_counted *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	asks_answer(&rx->counters, m->request, &(struct ask_answer){ .ok = true, .open = m->open, .rate = m->rate });
}

static void
on_stats_ask(void *state, struct ipc *ipc, const struct ipc_stats_ask *m, int fd)
{
	struct receive *rx = state;
	struct buf json = BUF_INIT(0);

	(void)fd;
	buf_printf(&json, "{\"sessions\":%zu,\"connections\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"bytes\":%llu,"
	    "\"open_messages\":%llu,\"unacknowledged\":%zu,\"memory\":%zu,\"segments\":%u,"
	    "\"screening\":%zu,\"screened\":%llu,\"screen_passed\":%llu,\"screen_refused\":%llu}", rx->session_count,
	    (unsigned long long)rx->connections, (unsigned long long)rx->accepted, (unsigned long long)rx->rejected,
	    (unsigned long long)rx->bytes, (unsigned long long)rx->pool.open, rx->link.unacked, rx->pool.memory,
	    spool_writer_segments(rx->link.writer), rx->screened_count, (unsigned long long)rx->screen_seen,
	    (unsigned long long)rx->screen_passed, (unsigned long long)rx->screen_refused);
	ipc_send_stats(ipc, &(struct ipc_stats){ .request = m->request, .json = buf_view(&json) }, -1);
	buf_clear(&json);
}

static void
on_watch(void *state, struct ipc *ipc, const struct ipc_watch *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	transcripts_watch(&rx->transcripts, rx->now->conf, m);
}

static void
on_debug_peers(void *state, struct ipc *ipc, const struct ipc_debug_peers *m, int fd)
{
	struct receive *rx = state;

	(void)ipc;
	(void)fd;
	transcripts_peers(&rx->transcripts, rx->now->conf, m);
}

static void
on_rows_ask(void *state, struct ipc *ipc, const struct ipc_rows_ask *m, int fd)
{
	(void)fd;
	sessions_rows(state, ipc, m);
}

static void
on_pickup(void *state, struct ipc *ipc, const struct ipc_pickup *m, int fd)
{
	(void)ipc;
	pickup_file(state, m, fd);
}

static void
on_unix_connected(void *state, struct ipc *ipc, const struct ipc_unix_connected *m, int fd)
{
	(void)state;
	(void)ipc;
	dial_unix_answer(m, fd);
}

const struct role_spec *
receive_role(void)
{
	static const struct ipc_handlers handlers = {
		.segment_grant = on_segment_grant, .spill_grant = on_spill_grant, .submit_ack = on_submit_ack,
		.spool_state = on_spool_state, .segment_open = on_segment_open, .segment_close = on_segment_close,
		.notice_make = on_notice_make, .lookup_done = on_lookup_done, .counted = on_counted, .verify_told = on_verify_told, .screen_told = on_screen_told,
		.stats_ask = on_stats_ask, .watch = on_watch, .debug_peers = on_debug_peers, .rows_ask = on_rows_ask,
		.closed = on_closed, .credit = on_credit,
	};
	static const struct ipc_handlers from_master = { .pickup = on_pickup, .unix_connected = on_unix_connected };
	static const struct role_spec spec = {
		.role = ROLE_RECEIVE, .program = "smtpd", .handlers = &handlers, .state = &self,
		.configure = on_configure, .prepare = on_prepare, .start = on_start, .switched = on_switched,
		.peer = on_peer, .stop = on_stop, .master_handlers = &from_master,
	};

	return &spec;
}
