#include "local/local.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/jsonl.h"
#include "local/pipe.h"
#include "local/private.h"
#include "mail/date.h"
#include "mail/delivery_log.h"
#include "spool/record.h"

#define ROWS_MAX	1000

/* -- segments ------------------------------------------------------------------------------------ */

static struct span
segment_key(const void *item)
{
	const struct segment *s = item;
	return span_of(&s->number, sizeof s->number);
}

struct segment *
local_segment(struct local *l, uint32_t number)
{
	return map_get(&l->segments, span_of(&number, sizeof number));
}

static void
drop_segment(struct local *l, uint32_t number)
{
	struct segment *s = map_del(&l->segments, span_of(&number, sizeof number));
	if (s != NULL)
		close(s->fd);
	free(s);
}

static void
on_segment_open(void *arg, struct ipc *c, const struct ipc_segment_open *m, int fd)
{
	struct local *l = arg;
	struct segment *s;
	(void)c;
	drop_segment(l, m->segment);
	MEM_NEW(s);
	*s = (struct segment){ .number = m->segment, .nonce = m->nonce, .fd = fd };
	map_add(&l->segments, s);
}

static void
on_segment_close(void *arg, struct ipc *c, const struct ipc_segment_close *m, int fd)
{
	(void)c;
	(void)fd;
	drop_segment(arg, m->segment);
}

/* -- deliveries ------------------------------------------------------------------------------------ */

static struct delivery *
find_delivery(struct local *l, uint64_t lease)
{
	struct delivery *d = l->deliveries;
	while (d != NULL && d->lease != lease)
		d = d->next;
	return d;
}

/* The master.cf line of the transport, or the first line whose command is "local". */
static const struct view *
view_of(struct conf *conf, const char *transport)
{
	const struct service *s = conf_transport(conf, span_str(transport));
	return s != NULL ? conf_view(conf, s) : conf_program(conf, "local");
}

static enum job_program
program_of(const struct view *v)
{
	const struct service *s = view_service(v);
	return s == NULL ? PROGRAM_LOCAL : strcmp(s->command, "virtual") == 0 ? PROGRAM_VIRTUAL :
	    strcmp(s->command, "pipe") == 0 ? PROGRAM_PIPE : PROGRAM_LOCAL;
}

static void
on_deliver(void *arg, struct ipc *c, const struct ipc_deliver *m, int fd)
{
	struct local *l = arg;
	struct delivery *d;
	(void)c;
	if (l->stopping) {		/* the lease ends with this process */
		if (fd >= 0)
			close(fd);
		return;
	}
	MEM_NEW(d);
	d->local = l;
	d->lease = m->lease;
	d->id = (struct qid){ m->id_usec, m->id_writer };
	d->probe = m->length == 0;
	d->loc = loc_make(m->segment, m->offset, m->length);
	d->conf = conf_ref(l->conf);
	d->spill_fd = fd;
	d->pipe = -1;
	d->forwards_fd = -1;
	d->forwards = BUF_INIT(0);
	d->transport = span_dup(m->transport);
	d->nexthop = span_dup(m->nexthop);
	d->sender = span_dup(m->sender);
	d->view = view_of(d->conf, d->transport);
	d->program = program_of(d->view);
	d->at_once = d->program == PROGRAM_PIPE && pipe_takes_all(d->view);
	d->arrival = m->arrival;
	d->active = m->active;
	d->handoff = clock_wall();
	buf_span(&d->recipients, m->recipients);
	d->left = (struct unpack){ .left = buf_view(&d->recipients) };
	d->next = l->deliveries;
	l->deliveries = d;
	delivery_next(d);
}

static void
on_result_ack(void *arg, struct ipc *c, const struct ipc_result_ack *m, int fd)
{
	struct delivery *d = find_delivery(arg, m->lease);
	(void)c;
	(void)fd;
	if (d == NULL || !d->done)
		return;
	struct local *l = d->local;
	delivery_free(d);
	local_check_stop(l);
}

static void
on_stats_ask(void *arg, struct ipc *c, const struct ipc_stats_ask *m, int fd)
{
	struct local *l = arg;
	struct buf json = BUF_INIT(1024);
	(void)fd;
	buf_printf(&json, "{\"running\":%u,\"sent\":%llu,\"deferred\":%llu,\"bounced\":%llu}", l->running,
	    (unsigned long long)l->sent, (unsigned long long)l->deferred, (unsigned long long)l->bounced);
	struct ipc_stats answer = { .request = m->request, .json = buf_view(&json) };
	ipc_send_stats(c, &answer, -1);
	buf_clear(&json);
}

static void
put_row(const struct delivery *d, struct buf *out)
{
	char name[60], id[QID_TEXT];
	struct jsonl j = { .out = out };
	int64_t now = clock_wall();

	snprintf(name, sizeof name, "local-%u-%llu", role_slot(), (unsigned long long)d->lease);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "session", span_str(name));
	jsonl_str(&j, "direction", SPAN("out"));
	jsonl_str(&j, "service", span_str(d->transport));
	jsonl_str(&j, "peer", d->now.address);
	jsonl_str(&j, "state", d->pid != 0 ? SPAN("delivering") : SPAN("waiting"));
	jsonl_str(&j, "sender", span_str(d->sender));
	jsonl_i64(&j, "recipients", 1);
	jsonl_str(&j, "queue_id", span_str(qid_text(d->id, id)));
	jsonl_i64(&j, "since", d->handoff / SECOND);
	jsonl_i64(&j, "idle", (now - d->handoff) / SECOND);
	jsonl_i64(&j, "bytes", 0);
	jsonl_i64(&j, "debug", 0);
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

/* There are never many: one slice. */
static void
on_rows_ask(void *arg, struct ipc *c, const struct ipc_rows_ask *m, int fd)
{
	struct local *l = arg;
	struct buf rows = BUF_INIT(0);
	unsigned left = ROWS_MAX;

	(void)fd;
	for (struct delivery *d = span_eqs(m->what, "sessions") ? l->deliveries : NULL; d != NULL && left > 0; d = d->next)
		if (!d->done) {
			put_row(d, &rows);
			left--;
		}
	ipc_send_rows(c, &(struct ipc_rows){ .request = m->request, .rows = buf_view(&rows) }, -1);
	buf_clear(&rows);
}

/* -- channels -------------------------------------------------------------------------------------- */

/* To a new queue role: what goes on here, and what it may not have heard. */
static void
introduce(struct local *l)
{
	for (struct delivery *d = l->deliveries; d != NULL; d = d->next) {
		if (d->done) {
			delivery_send_result(d);
			continue;
		}
		struct ipc_lease_held m = { .lease = d->lease, .id_usec = d->id.usec, .id_writer = d->id.writer,
			.transport = span_str(d->transport), .nexthop = span_str(d->nexthop),
			.recipients = buf_view(&d->recipients) };
		ipc_send_lease_held(l->queue, &m, -1);
	}
	ipc_send_listed(l->queue, &(struct ipc_listed){ .epoch = role_epoch() }, -1);
}

static struct ipc **
channel_of(struct local *l, enum role peer)
{
	return peer == ROLE_QUEUE ? &l->queue : peer == ROLE_LOOKUP ? &l->lookup : &l->control;
}

static void
on_peer(void *state, struct ipc *c)
{
	struct local *l = state;
	*channel_of(l, ipc_peer(c)) = c;	/* an older one is freed when it closes */
	if (ipc_peer(c) == ROLE_QUEUE)
		introduce(l);
}

static void
on_closed(void *arg, struct ipc *c)
{
	struct ipc **mine = channel_of(arg, ipc_peer(c));
	if (*mine == c)
		*mine = NULL;
	ipc_free(c);
}

/* -- life --------------------------------------------------------------------------------------------- */

static bool
configure(void *state, struct span frozen, struct err *err)
{
	struct local *l = state;
	struct conf *conf = conf_thaw(frozen, err);
	if (conf == NULL)
		return false;
	conf_unref(l->conf);
	l->conf = conf;
	delivery_log_resolution((unsigned)conf_int(conf_main(conf), P_delay_logging_resolution_limit));
	return true;
}

static bool
start(void *state, struct err *err)
{
	(void)err;
	date_init();
	loop_signal(SIGCHLD, delivery_reap, state);
	return true;
}

static void
leave(void *arg)
{
	(void)arg;
	loop_stop(0);
}

void
local_check_stop(struct local *l)
{
	if (!l->stopping)
		return;
	for (struct delivery *d = l->deliveries; d != NULL; d = d->next)
		if (!d->done || l->queue != NULL)	/* without a queue role nobody acknowledges */
			return;
	loop_stop(0);
}

static void
stop(void *state, int64_t within)
{
	struct local *l = state;
	l->stopping = true;
	loop_timer_init(&l->stop_timer, leave, l);
	loop_timer_set(&l->stop_timer, within > 0 ? within : 0);
	local_check_stop(l);
}

const struct role_spec *
local_role(void)
{
	static const struct ipc_handlers handlers = {
		.segment_open = on_segment_open,
		.segment_close = on_segment_close,
		.deliver = on_deliver,
		.result_ack = on_result_ack,
		.stats_ask = on_stats_ask,
		.rows_ask = on_rows_ask,
		.closed = on_closed,
	};
	static struct local local = { .segments = MAP_INIT(segment_key) };
	static const struct role_spec spec = {
		.role = ROLE_LOCAL,
		.program = "local",
		.handlers = &handlers,
		.state = &local,
		.configure = configure,
		.start = start,
		.peer = on_peer,
		.stop = stop,
	};
	return &spec;
}
