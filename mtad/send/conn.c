#include "send/core.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"

/* -- life ---------------------------------------------------------------------------------- */

bool
conn_full(const struct send *s)
{
	return s->conn_count >= s->conn_max;
}

void
conn_set_deadline(struct conn *c, int64_t within)
{
	c->active = clock_mono();
	c->deadline = within == 0 ? 0 : c->active + within;
}

static char *
join(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *
join(const char *fmt, ...)
{
	struct buf b = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_take(&b);
}

static struct conn *
conn_new(struct delivery *d, struct tls_plan *plan)
{
	struct send *s = d->send;
	struct conn *c;

	MEM_NEW(c);
	c->send = s;
	c->settings = settings_ref(d->settings);
	c->delivery = d;
	c->pool = pool_of(d);
	c->pool->conns++;
	c->nexthop = span_dup(d->nexthop);
	c->destination = span_dup(d->destination);
	c->options = c->settings->client;
	c->options.nexthop = c->nexthop;
	c->options.tls = plan == NULL || plan->level <= TLS_LEVEL_NONE ? CLIENT_TLS_NEVER :
	    tls_level_encrypts(plan->level) ? CLIENT_TLS_ALWAYS : CLIENT_TLS_IF_OFFERED;
	c->plan = plan;
	c->plain = d->plain;
	c->io.fd = -1;
	transcript_begin(&s->transcripts, &c->transcript, true);
	c->opened = c->active = c->transcript.began;
	c->next = s->conns;
	if (c->next != NULL)
		c->next->prev = c;
	s->conns = c;
	s->conn_count++;
	s->connects++;
	send_start_sweep(s);
	return c;
}

void
conn_close(struct conn *c)
{
	struct send *s = c->send;

	if (c->client != NULL)
		conn_note(c, "the session ends");
	if (c->state == CONN_IDLE)
		pool_take(c);
	conn_pix_end(c);
	conn_tls_end(c);
	if (c->io.fd >= 0) {
		loop_io_watch(&c->io, 0);
		close(c->io.fd);
	}
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->conn_count--;
	if (s->backlog != NULL)
		loop_defer(&s->unblock);
	pool_leave(s, c->pool);
	smtp_client_free(c->client);
	settings_unref(c->settings);
	free(c->host);
	free(c->peer);
	free(c->relay);
	free(c->nexthop);
	login_free(c->login);
	free(c->destination);
	free(c);
}

/* -- bytes ------------------------------------------------------------------------------------ */

static void
lost(struct conn *c, enum client_loss how)
{
	conn_look(c);
	conn_note(c, "%s", how == LOST_TIME ? "timed out" : how == LOST_DATA ? "the message cannot be read" : "connection lost");
	if (c->handshaking)
		conn_tls_timeout(c);
	else
		conn_handle(c, smtp_client_lost(c->client, how));
}

/* Content goes on: it has its whole time again, or as much more as these bytes may take (smtp_min_data_rate). */
static void
extend_deadline(struct conn *c, ssize_t bytes)
{
	int64_t all = c->settings->stage_timeout[CLIENT_BODY], left = c->deadline - clock_mono();

	if (c->settings->data_rate > 0 && c->deadline > 0) {
		int64_t more = left + (int64_t)bytes * SECOND / c->settings->data_rate;
		all = more < all ? more : all;
	}
	conn_set_deadline(c, all < 1 ? 1 : all);
}

/* Writes what there is, and makes more while content is being sent. */
static void
flush(struct conn *c)
{
	struct buf *out = smtp_client_output(c->client);

	for (;;) {
		while (c->out_at < out->len) {
			ssize_t n = conn_send(c, out->ptr + c->out_at, out->len - c->out_at);
			if (n > 0) {
				c->out_at += (size_t)n;
				c->bytes += (uint64_t)n;
				if (smtp_client_stage(c->client) == CLIENT_BODY)
					extend_deadline(c, n);
				continue;
			}
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
				loop_io_watch(&c->io, EV_READ | EV_WRITE);
				return;
			}
			/* What the server said before it closed is worth more: the read side finds the end. */
			buf_reset(out);
			c->out_at = 0;
			loop_io_watch(&c->io, EV_READ);
			return;
		}
		buf_reset(out);
		c->out_at = 0;
		if (smtp_client_stage(c->client) != CLIENT_BODY) {
			loop_io_watch(&c->io, EV_READ);
			return;
		}
		enum client_event event = smtp_client_pump(c->client);
		if (event != CLIENT_MORE) {
			conn_handle(c, event);
			return;
		}
	}
}

static uint8_t
lease_stage(enum client_stage stage)
{
	switch (stage) {
	case CLIENT_GREETING:
	case CLIENT_HELLO:
	case CLIENT_AUTH:
	case CLIENT_STARTTLS:
	case CLIENT_TLS:
		return LEASE_GREETING;
	case CLIENT_BODY:
		return LEASE_DATA;
	case CLIENT_DOT:
		return LEASE_END;
	default:
		return LEASE_ENVELOPE;
	}
}

static void
note_refusal(const struct conn *c)
{
	const struct client_verdict *v = smtp_client_failure(c->client);
	char dsn[20];

	if (!smtp_client_login_refused(c->client))
		return;
	(void)snprintf(dsn, sizeof dsn, "5%.*s", SPAN_ARG(span_skip(v->dsn, 1)));
	login_refused(c->login, &c->send->refusals, span_str(dsn), v->reply);
}

/* smtp_tls_note_starttls_offer: for whoever wonders where TLS could be used. */
static void
note_offer(const struct conn *c)
{
	if (c->settings->tls.note_offer && c->options.tls == CLIENT_TLS_NEVER && !c->wrapped &&
	    (smtp_client_caps(c->client) & EHLO_STARTTLS))
		log_info(c->settings->program, "Host offered STARTTLS: [%s]", c->host);
}

void
conn_handle(struct conn *c, enum client_event event)
{
	struct delivery *d = c->delivery;

	if (c->options.pix != 0)
		conn_pix_tell(c);
	if (event != CLIENT_MORE && event != CLIENT_PAUSE)
		conn_pix_end(c);
	switch (event) {
	case CLIENT_PAUSE:
		conn_pix_pause(c);
		break;
	case CLIENT_MORE:
		conn_set_deadline(c, c->settings->stage_timeout[smtp_client_stage(c->client)]);
		if (d != NULL)
			delivery_stage(d, lease_stage(smtp_client_stage(c->client)));
		flush(c);
		break;
	case CLIENT_HANDSHAKE:
		conn_tls_begin(c);
		break;
	case CLIENT_GREETED:
		note_offer(c);
		conn_tls_keep(c);
		if (d != NULL)
			delivery_session_ready(d, c);
		else
			conn_release(c);
		break;
	case CLIENT_DONE:
		c->delivery = NULL;
		if (d != NULL)
			delivery_transaction_done(d, c);
		conn_release(c);
		break;
	case CLIENT_FAILED:
		c->delivery = NULL;
		note_refusal(c);
		if (d != NULL)
			delivery_session_failed(d, c, smtp_client_failure(c->client));
		conn_close(c);
		break;
	case CLIENT_ENDED:
		conn_close(c);
		break;
	}
}

void
conn_read(struct conn *c)
{
	static char bytes[64 << 10];	/* one loop a process, and consumed before anything else reads */
	ssize_t n = conn_recv(c, bytes, sizeof bytes);

	conn_look(c);
	if (n > 0)
		conn_handle(c, smtp_client_input(c->client, span_of(bytes, (size_t)n)));
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lost(c, LOST_CONNECTION);
}

static void
begin_session(struct conn *c)
{
	int one = 1;

	if (c->addr.len > 0)
		(void)setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->state = CONN_OPEN;
	c->wrapped = c->plan != NULL && c->settings->tls.wrapper;
	c->client = smtp_client_new(&c->options, c->peer);
	conn_look(c);
	conn_note(c, "connected, for %s", c->nexthop);
	conn_set_deadline(c, c->settings->stage_timeout[CLIENT_GREETING]);
	delivery_stage(c->delivery, LEASE_GREETING);
	if (c->wrapped)
		conn_tls_begin(c);
	else
		loop_io_watch(&c->io, EV_READ);
}

static void
connect_failed(struct conn *c, const char *why)
{
	struct delivery *d = c->delivery;
	char *where = c->relay;

	conn_look(c);
	conn_note(c, "cannot connect: %s", why);
	c->relay = NULL;
	conn_close(c);
	if (d != NULL)
		delivery_connect_failed(d, where, why);
	free(where);
}

static void
on_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		connect_failed(c, strerror(error));
	else
		begin_session(c);
}

static void
on_io(void *arg, short what)
{
	struct conn *c = arg;

	if (c->state == CONN_CONNECTING)
		on_connected(c);
	else if (c->handshaking)
		conn_tls_step(c);
	else if (what & EV_READ)
		conn_read(c);
	else
		flush(c);
}

/* -- connecting ---------------------------------------------------------------------------------- */

static bool
start_connect(struct conn *c)
{
	const struct net_addr *from = c->addr.sa.sa_family == AF_INET6 ? &c->settings->bind6 : &c->settings->bind4;
	int fd = socket(c->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	loop_io_init(&c->io, fd, on_io, c);
	if (from->len > 0 && bind(fd, &from->sa, from->len) < 0) {
		char text[NET_ADDR_TEXT];
		log_warning(c->settings->program, "bind %s: %s", net_addr_text(from, text), strerror(errno));
		if (c->settings->bind_enforce)
			return false;
	}
	if (connect(fd, &c->addr.sa, c->addr.len) < 0 && errno != EINPROGRESS)
		return false;
	return true;
}

/* Once host and address are known. */
static void
take_login(struct conn *c)
{
	struct delivery *d = c->delivery;

	if (!d->has_login)
		return;
	c->login = login_new(c->settings->login, &c->send->refusals, buf_view(&d->login), c->host,
	    c->addr.len > 0 ? net_addr_port(&c->addr) : 0);
	c->options.login = &c->login->client;
}

/* EHLO keywords that are not for this server. */
static void
take_discard(struct conn *c, struct span address)
{
	struct buf words = BUF_INIT(4096);
	struct err err = { .kind = ERR_NONE };

	if (c->settings->discard_maps.count == 0)
		return;
	enum table_result got = tables_get(&c->settings->discard_maps, NULL, address, &words, &err);
	if (got == TABLE_FOUND)
		c->options.discard = smtp_ehlo_list(buf_view(&words));
	else if (got != TABLE_ABSENT)
		log_warning(c->settings->program, "discard_ehlo_keyword_address_maps: %s", err.text);
	buf_clear(&words);
}

struct conn *
conn_open(struct delivery *d, const struct target *t, struct tls_plan *plan)
{
	struct conn *c = conn_new(d, plan);
	char text[NET_ADDR_TEXT];

	c->addr = t->addr;
	c->host = mem_str(t->host);
	net_addr_text(&t->addr, text);
	c->peer = join("%s[%s]", t->host, text);
	c->relay = join("%s[%s]:%u", t->host, text, net_addr_port(&t->addr));
	c->options.loop_check = net_addr_port(&t->addr) == LOOP_PORT;
	c->options.best_mx = t->best_mx;
	take_login(c);
	take_discard(c, span_str(text));
	conn_pix_take(c, span_str(text));
	c->state = CONN_CONNECTING;
	if (!start_connect(c)) {
		connect_failed(c, strerror(errno));
		return NULL;
	}
	conn_set_deadline(c, c->settings->connect_timeout);
	loop_io_watch(&c->io, EV_WRITE);
	return c;
}

struct conn *
conn_open_unix(struct delivery *d, struct span path, struct tls_plan *plan)
{
	struct conn *c = conn_new(d, plan);
	struct ipc_unix_connect m = { .request = ++d->send->unix_request, .path = path };

	c->host = mem_str(c->options.myhostname);
	c->peer = join("%s[%.*s]", c->host, SPAN_ARG(path));
	c->relay = mem_str(c->peer);
	c->alone = true;
	take_login(c);
	c->request = m.request;
	c->state = CONN_ASKED;
	conn_set_deadline(c, c->settings->connect_timeout);
	ipc_send_unix_connect(role_master(), &m, -1);
	return c;
}

void
conn_unix_answer(struct send *s, uint64_t request, int fd, struct span error)
{
	struct conn *c = s->conns;
	char text[200];

	while (c != NULL && (c->state != CONN_ASKED || c->request != request))
		c = c->next;
	if (c == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		(void)snprintf(text, sizeof text, "%.*s", SPAN_ARG(error));
		connect_failed(c, text);
		return;
	}
	loop_io_init(&c->io, fd, on_io, c);
	begin_session(c);
}

/* -- use and reuse ---------------------------------------------------------------------------------- */

void
conn_deliver(struct conn *c, struct client_mail *mail)
{
	conn_look(c);
	if (c->delivery != NULL)
		conn_note(c, "delivers %s", c->delivery->id_text);
	conn_handle(c, smtp_client_deliver(c->client, mail));
}

static void
quit(struct conn *c)
{
	c->state = CONN_QUITTING;
	if (smtp_client_stage(c->client) != CLIENT_READY || c->io.fd < 0) {
		conn_close(c);
		return;
	}
	conn_look(c);
	smtp_client_quit(c->client);
	conn_set_deadline(c, c->settings->stage_timeout[CLIENT_QUIT]);
	flush(c);
	/* Whether it is answered changes nothing; the server closes after it. */
	if (c->settings->skip_quit)
		conn_close(c);
}

static bool
may_keep(const struct conn *c, int64_t now)
{
	const struct settings *s = c->settings;

	if (c->plain || (c->tls != NULL && !c->plan->reuse))
		return false;
	if (!smtp_client_usable(c->client) || c->send->stopping || c->send->retiring || s->conf != c->send->conf)
		return false;
	if (s->cache_time == 0 || (s->reuse_time > 0 && now - c->opened >= s->reuse_time))
		return false;
	return s->reuse_count == 0 || c->uses + 1 < s->reuse_count;
}

void
conn_release(struct conn *c)
{
	int64_t now = clock_mono();

	if (!may_keep(c, now)) {
		quit(c);
		return;
	}
	(void)smtp_client_output(c->client);
	c->state = CONN_IDLE;
	c->deadline = now + c->settings->cache_time;
	c->idle_next = c->pool->idle;
	c->pool->idle = c;
	if (c->send->backlog != NULL)
		loop_defer(&c->send->unblock);
}

void
conn_close_idle(struct send *s)
{
	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (c->state == CONN_IDLE) {
			pool_take(c);
			quit(c);
		}
	}
}

bool
conn_close_one_idle(struct send *s)
{
	struct conn *oldest = NULL;

	for (struct conn *c = s->conns; c != NULL; c = c->next)
		if (c->state == CONN_IDLE && (oldest == NULL || c->deadline < oldest->deadline))
			oldest = c;
	if (oldest == NULL)
		return false;
	pool_take(oldest);
	quit(oldest);
	return true;
}

void
conn_sweep(struct conn *c, int64_t now)
{
	if (c->deadline == 0 || now < c->deadline)
		return;
	switch (c->state) {
	case CONN_ASKED:
	case CONN_CONNECTING:
		connect_failed(c, strerror(ETIMEDOUT));
		break;
	case CONN_IDLE:
		pool_take(c);
		quit(c);
		break;
	case CONN_QUITTING:
		conn_close(c);
		break;
	case CONN_OPEN:
		lost(c, LOST_TIME);
		break;
	}
}
