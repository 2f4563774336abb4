#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/watch.h"
#include "master/maildrop.h"
#include "master/tables.h"
#include "master/unix_connect.h"
#include "master/version.h"

/* Who talks to whom; the control role with everybody. */
static const unsigned talks_to[ROLE_COUNT] = {
	[ROLE_QUEUE] = 1u << ROLE_RECEIVE | 1u << ROLE_SEND | 1u << ROLE_LOCAL | 1u << ROLE_LOOKUP | 1u << ROLE_STATE,
	[ROLE_RECEIVE] = 1u << ROLE_LOOKUP | 1u << ROLE_STATE,
	[ROLE_LOCAL] = 1u << ROLE_LOOKUP,
	[ROLE_SEND] = 1u << ROLE_LOOKUP,
	[ROLE_CONTROL] = (1u << ROLE_COUNT) - 1,
};

static bool
talk(enum role a, enum role b)
{
	return a != b && ((talks_to[a] & 1u << b) != 0 || (talks_to[b] & 1u << a) != 0);
}

static void
connect_pair(struct child *a, struct child *b)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		log_error(NULL, "no channel between %s and %s: %s", role_name(a->role), role_name(b->role), strerror(errno));
		return;
	}
	ipc_send_peer(a->ipc, &(struct ipc_peer){ (ipc_u8)b->role, b->slot, b->epoch }, pair[0]);
	ipc_send_peer(b->ipc, &(struct ipc_peer){ (ipc_u8)a->role, a->slot, a->epoch }, pair[1]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

void
child_connect(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].state == CHILD_READY && talk(c->role, m->children[i].role))
			connect_pair(c, &m->children[i]);
}

/* It ends by itself after saying so. */
static void
cannot_start(struct child *c, struct span why)
{
	char text[400];

	(void)snprintf(text, sizeof text, "%s %u: %.*s", role_name(c->role), c->slot, SPAN_ARG(why));
	if (c->master->phase == PHASE_STARTING)
		master_give_up(c->master, EX_CONFIG, text);
	else
		log_error(NULL, "%s", text);
}

static void
on_ready(void *arg, struct ipc *ipc, const struct ipc_ready *msg, int fd)
{
	struct child *c = arg;
	struct master *m = c->master;

	(void)fd;
	c->generation = msg->generation;
	if (c->state == CHILD_STARTING) {
		if (msg->error.len > 0) {
			cannot_start(c, msg->error);
			return;
		}
		child_connect(c);
		c->state = CHILD_READY;
		if (c->role == ROLE_CONTROL)
			watch_control(ipc);
		if (c->role == ROLE_RECEIVE)
			maildrop_look(m->maildrop);
	}
	if (msg->error.len > 0)
		log_error(NULL, "%s %u: %.*s", role_name(c->role), c->slot, SPAN_ARG(msg->error));
	master_progress(m);
}

/* A process that closed its channel is no role any more, whatever it still does. */
static void
on_closed(void *arg, struct ipc *ipc)
{
	struct child *c = arg;

	watch_closed(ipc);
	ipc_free(ipc);
	c->ipc = NULL;
	if (c->pid != 0 && !c->stopping && c->state == CHILD_READY)
		(void)kill(c->pid, SIGKILL);
}

static void
on_unix_connect(void *arg, struct ipc *ipc, const struct ipc_unix_connect *msg, int fd)
{
	struct child *c = arg;

	(void)fd;
	if (!unix_connect_serve(c->master, ipc, msg))
		log_warning(NULL, "%s %u asked for a connection that it may not have", role_name(c->role), c->slot);
}

static void
on_pickup_done(void *arg, struct ipc *ipc, const struct ipc_pickup_done *msg, int fd)
{
	struct child *c = arg;

	(void)ipc;
	(void)fd;
	maildrop_done(c->master->maildrop, c->slot, msg->name, msg->remove != 0);
}

void
master_answer(struct master *m, uint64_t request, bool ok, const char *text)
{
	struct child *c = child_find(m, ROLE_CONTROL, 0);

	if (c != NULL && c->ipc != NULL)
		ipc_send_master_done(c->ipc, &(struct ipc_master_done){ request, ok, span_str(text) }, -1);
}

static void
on_master_do(void *arg, struct ipc *ipc, const struct ipc_master_do *msg, int fd)
{
	struct child *c = arg;
	struct master *m = c->master;

	(void)ipc;
	(void)fd;
	if (span_eqs(msg->verb, "reload")) {
		reload(m, msg->request, true);
	} else if (span_eqs(msg->verb, "map look")) {
		tables_look_now(m, msg->request);
	} else if (span_eqs(msg->verb, "stop")) {
		master_answer(m, msg->request, true, "stopping");
		log_info(NULL, "terminating on request");
		stop_begin(m, 0);
	} else {
		master_answer(m, msg->request, false, "the master knows reload, stop and map look");
	}
}

static void
on_stats_ask(void *arg, struct ipc *ipc, const struct ipc_stats_ask *msg, int fd)
{
	const struct master *m = ((struct child *)arg)->master;
	struct buf b = BUF_INIT(0);
	unsigned restarts = 0;

	(void)fd;
	for (size_t i = 0; i < m->child_count; i++)
		restarts += m->children[i].restarts;
	buf_printf(&b, "{\"version\":\"%s\",\"pid\":%d,\"started\":%lld,\"generation\":%u,\"processes\":%zu,\"restarts\":%u,\"degraded\":",
	    MTAD_VERSION, (int)getpid(), (long long)(m->started / SECOND), m->generation,
	    children_alive(m, (1u << ROLE_COUNT) - 1), restarts);
	degraded_put(m, &b);
	buf_str(&b, "}");
	ipc_send_stats(ipc, &(struct ipc_stats){ msg->request, buf_view(&b) }, -1);
	buf_clear(&b);
}

static void
on_pong(void *arg, struct ipc *ipc, const struct ipc_pong *msg, int fd)
{
	(void)ipc;
	(void)fd;
	watchdog_heard(arg, msg->number);
}

static void
on_last_words(void *arg, struct ipc *ipc, const struct ipc_last_words *msg, int fd)
{
	struct child *c = arg;

	(void)ipc;
	(void)fd;
	(void)snprintf(c->last_words, sizeof c->last_words, "%.*s", SPAN_ARG(span_head(msg->text, sizeof c->last_words - 1)));
}

static void
on_watch(void *arg, struct ipc *ipc, const struct ipc_watch *msg, int fd)
{
	(void)arg;
	(void)ipc;
	(void)fd;
	watch_lines(msg->lines != 0);
}

const struct ipc_handlers child_handlers = {
	.ready = on_ready,
	.unix_connect = on_unix_connect,
	.pickup_done = on_pickup_done,
	.master_do = on_master_do,
	.stats_ask = on_stats_ask,
	.watch = on_watch,
	.pong = on_pong,
	.last_words = on_last_words,
	.closed = on_closed,
};
