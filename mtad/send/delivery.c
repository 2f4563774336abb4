#include "send/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "mail/address.h"
#include "net/idn.h"
#include "spool/record.h"

#define SPARES		256u
#define KEEP_RECORD	((size_t)64 << 10)

static void next_destination(struct delivery *);
static void next_target(struct delivery *);

struct span
delivery_key(const void *item)
{
	const struct delivery *d = item;

	return span_of(&d->lease, sizeof d->lease);
}

/* -- life ------------------------------------------------------------------------------ */

/* Copies what the message from the queue role holds; the spans are fixed once nothing moves any more. */
static void
take_data(struct delivery *d, const struct ipc_deliver *m)
{
	const struct span in[] = { m->transport, m->nexthop, m->sender, m->recipients };
	struct span *out[] = { &d->transport, &d->nexthop, &d->sender, &d->recipients };

	buf_reset(&d->data);
	for (size_t i = 0; i < 4; i++) {
		buf_span(&d->data, in[i]);
		buf_char(&d->data, '\0');
	}
	const char *at = d->data.ptr;
	for (size_t i = 0; i < 4; i++) {
		*out[i] = span_of(at, in[i].len);
		at += in[i].len + 1;
	}
}

static void
take_recipients(struct delivery *d)
{
	struct unpack u = { .left = d->recipients };
	struct recipient r;

	d->count = 0;
	while (recipient_next(&u, &r)) {
		if (d->count == d->cap) {
			d->cap = d->cap == 0 ? 4 : 2 * d->cap;
			d->rcpts = mem_grow(d->rcpts, d->cap, sizeof *d->rcpts);
			d->numbers = mem_grow(d->numbers, d->cap, sizeof *d->numbers);
		}
		d->rcpts[d->count] = (struct client_rcpt){ .address = r.address, .orcpt = r.orcpt, .original = r.original,
			.notify = r.notify };
		d->numbers[d->count++] = r.number;
	}
}

struct delivery *
delivery_new(struct send *s, const struct ipc_deliver *m, int fd)
{
	struct delivery *d = s->spare;

	if (d != NULL) {
		s->spare = d->next;
		s->spare_count--;
	} else {
		MEM_NEW(d);
		d->data = BUF_INIT(0);
		d->outcomes = BUF_INIT(0);
		d->forwards = BUF_INIT(0);
	}
	d->send = s;
	d->lease = m->lease;
	d->id = (struct qid){ m->id_usec, m->id_writer };
	qid_text(d->id, d->id_text);
	d->probe = m->length == 0;
	d->loc = loc_make(m->segment, m->offset, m->length);
	d->arrival = m->arrival;
	d->active = m->active;
	d->handoff = clock_wall();
	d->attempt = m->attempt;
	d->spill = fd;
	take_data(d, m);
	take_recipients(d);
	map_add(&s->deliveries, d);
	s->running++;
	return d;
}

/* Whatever the delivery has in hand goes; its memory stays. */
static void
let_go(struct delivery *d)
{
	resolve_cancel(d->resolve);
	d->resolve = NULL;
	delivery_plan_drop(d);
	free(d->domain);
	free(d->mx_final);
	d->domain = d->mx_final = NULL;
	free(d->targets);
	d->targets = NULL;
	d->target_count = 0;
	content_end(&d->content);
	delivery_forget_facts(d);
	buf_clear(&d->onward);
	buf_clear(&d->login);
	if (d->message.record.cap > KEEP_RECORD)
		message_clear(&d->message);
	else
		message_reset(&d->message);
	d->message_read = false;
	if (d->spill >= 0)
		close(d->spill);
	d->spill = -1;
	settings_unref(d->settings);
	d->settings = NULL;
}

void
delivery_free(struct delivery *d)
{
	struct send *s = d->send;

	map_del(&s->deliveries, delivery_key(d));
	buf_clear(&d->forwards);
	if (!d->finished)
		s->running--;
	let_go(d);
	if (s->spare_count >= SPARES || d->cap > 100 || d->data.cap + d->outcomes.cap > KEEP_RECORD) {
		message_clear(&d->message);
		buf_clear(&d->data);
		buf_clear(&d->outcomes);
		free(d->rcpts);
		free(d->numbers);
		free(d);
		return;
	}
	struct delivery keep = { .data = d->data, .outcomes = d->outcomes, .rcpts = d->rcpts,
		.numbers = d->numbers, .cap = d->cap, .message = d->message, .next = s->spare };
	*d = keep;
	buf_reset(&d->outcomes);
	s->spare = d;
	s->spare_count++;
}

void
delivery_stage(struct delivery *d, uint8_t stage)
{
	if (d->stage == stage)
		return;
	d->stage = stage;
	d->stage_told = false;
	d->stage_since = clock_mono();
}

static void
finish(struct delivery *d, uint8_t scope)
{
	d->finished = true;
	d->conn = NULL;
	d->count = 0;
	d->scope = scope;
	d->send->running--;
	let_go(d);
	delivery_tell_result(d);
	send_maybe_stop(d->send);
}

static void
fail_rest(struct delivery *d, uint8_t scope, const struct client_verdict *v, const struct conn *conn)
{
	for (size_t i = 0; i < d->count; i++)
		delivery_outcome(d, i, v, conn);
	/* A server that took a recipient's mail just now is not to be suspended. */
	finish(d, scope == SCOPE_DESTINATION && d->some_sent ? SCOPE_MESSAGE : scope);
}

void
delivery_fail(struct delivery *d, uint8_t scope, const char *dsn, const char *text)
{
	struct client_verdict v = { .result = dsn[0] == '5' ? CLIENT_HARD : CLIENT_SOFT,
		.dsn = span_str(dsn), .text = span_str(text) };

	fail_rest(d, scope, &v, NULL);
}

/* -- where to ----------------------------------------------------------------------------- */

static void
set_trouble(struct delivery *d, uint8_t scope, struct span dsn, struct span text)
{
	(void)snprintf(d->trouble.dsn, sizeof d->trouble.dsn, "%.*s", SPAN_ARG(dsn));
	(void)snprintf(d->trouble.text, sizeof d->trouble.text, "%.*s", SPAN_ARG(text));
	d->trouble_scope = scope;
}

static void
set_own_trouble(struct delivery *d, const char *dsn, const char *text)
{
	set_trouble(d, SCOPE_DESTINATION, span_str(dsn), span_str(text));
}

void
delivery_begin(struct delivery *d)
{
	struct send *s = d->send;

	d->stage_since = clock_mono();
	d->settings = settings_get(&s->settings, s->conf, d->transport);
	if (d->settings == NULL) {
		delivery_fail(d, SCOPE_DESTINATION, "4.3.0", "mail transport unavailable");
		return;
	}
	if (d->settings->broken) {
		delivery_fail(d, SCOPE_DESTINATION, "4.3.5", "mail system configuration error");
		return;
	}
	if (d->settings->rewriting != NULL && !delivery_map_addresses(d))
		return;
	d->rest = d->nexthop;
	struct conn *conn = NULL;
	switch (d->fresh ? REUSE_NONE : conn_take_idle(d, &conn)) {
	case REUSE_TAKEN:
		d->connected = d->handoff;
		delivery_session_ready(d, conn);
		return;
	case REUSE_LATER:
		return;
	case REUSE_NONE:
		break;
	}
	if (conn_full(s)) {
		d->next = NULL;
		if (s->backlog == NULL)
			s->backlog = d;
		else
			s->backlog_last->next = d;
		s->backlog_last = d;
		return;
	}
	next_destination(d);
}

void
delivery_begin_again(struct delivery *d)
{
	settings_unref(d->settings);
	d->settings = NULL;
	delivery_begin(d);
}

static void
on_targets(void *arg, const struct targets *t)
{
	struct delivery *d = arg;

	d->resolve = NULL;
	if (t->count == 0) {
		set_own_trouble(d, t->trouble.dsn, t->trouble.text);
		if (t->loop && t->mx && delivery_pass_on(d))
			finish(d, SCOPE_RECIPIENT);
		else if (t->loop)
			delivery_fail(d, SCOPE_DESTINATION, d->trouble.dsn, d->trouble.text);
		else
			next_destination(d);
		return;
	}
	delivery_take_targets(d, t);
	next_target(d);
}

/* The next hop may be a list; behind it come the fallback relays. */
static bool
take_destination(struct delivery *d, struct span *word)
{
	if (span_word(&d->rest, "\t\r\n ,", word))
		return true;
	if (d->fallback_taken)
		return false;
	d->fallback_taken = true;
	d->rest = span_str(d->settings->fallback);
	return span_word(&d->rest, "\t\r\n ,", word);
}

static void
open_unix(struct delivery *d)
{
	delivery_stage(d, LEASE_CONNECT);
	if (delivery_find_login(d, d->settings->client.myhostname, open_unix))
		delivery_plan(d, NULL, d->domain);
}

static void
next_destination(struct delivery *d)
{
	struct span word;
	struct nexthop n;

	free(d->targets);
	d->targets = NULL;
	d->target_count = d->target_at = 0;
	d->plain = false;
	while (take_destination(d, &word)) {
		if (!nexthop_parse(word, &d->settings->resolve, &n)) {
			char text[300];
			(void)snprintf(text, sizeof text, "bad destination: \"%.*s\"",
			    SPAN_ARG(span_head(word, 200)));
			log_warning(d->settings->program, "%s: %s", d->id_text, text);
			set_own_trouble(d, "4.3.5", text);
			continue;
		}
		d->destination = span_starts(word, "inet:") ? span_skip(word, 5) : word;
		free(d->domain);
		d->domain = n.is_unix ? span_dup(n.host) : idn_ascii(n.host, d->settings->resolve.idna2003);
		n.host = span_str(d->domain);
		if (n.is_unix) {
			open_unix(d);
			return;
		}
		delivery_stage(d, LEASE_DNS);
		struct resolve *r = resolve_start(d->send->dns, &d->settings->resolve, &n, on_targets, d);
		if (r != NULL)
			d->resolve = r;
		return;
	}
	if (d->trouble.dsn[0] == '\0')
		set_own_trouble(d, "4.4.4", "no destination");
	delivery_fail(d, d->trouble_scope, d->trouble.dsn, d->trouble.text);
}

static bool
more_targets(const struct delivery *d)
{
	return d->target_at < d->target_count &&
	    (d->settings->session_limit == 0 || d->sessions < d->settings->session_limit);
}

static bool
more_destinations(const struct delivery *d)
{
	struct span rest = d->rest, word;

	if (span_word(&rest, "\t\r\n ,", &word))
		return true;
	rest = span_str(d->settings->fallback);
	return !d->fallback_taken && span_word(&rest, "\t\r\n ,", &word);
}

/* Whether what failed softly on this connection may be tried elsewhere. */
static bool
may_try_more(const struct delivery *d, const struct conn *conn)
{
	return !conn->alone && (more_targets(d) || more_destinations(d));
}

static void
next_target(struct delivery *d)
{
	delivery_stage(d, LEASE_CONNECT);
	if (!more_targets(d)) {
		next_destination(d);
		return;
	}
	const struct target *t = &d->targets[d->target_at];
	if (!delivery_find_login(d, t->host, next_target))
		return;
	d->target_at++;
	delivery_plan(d, t, NULL);
}

void
delivery_plan_failed(struct delivery *d, const struct tls_plan *plan)
{
	log_warning(d->settings->program, "TLS policy lookup for %.*s/%s: %s", SPAN_ARG(d->destination), plan->host, plan->why);
	set_own_trouble(d, plan->dsn, plan->why);
	next_target(d);
}

void
delivery_connect(struct delivery *d, struct tls_plan *plan)
{
	if (d->target_at == 0) {
		d->conn = conn_open_unix(d, span_str(d->domain), plan);
		return;
	}
	const struct target *t = &d->targets[d->target_at - 1];
	bool alone = d->target_count == 1 && !more_destinations(d);
	/* It tells of a failure within the call too, and that comes back here: as often as there are targets. */
	struct conn *conn = conn_open(d, t, plan);
	if (conn != NULL) {
		conn->alone = alone;
		d->conn = conn;
	}
}

void
delivery_connect_failed(struct delivery *d, const char *where, const char *why)
{
	char text[400];

	d->conn = NULL;
	(void)snprintf(text, sizeof text, "connect to %s: %s", where, why);
	log_info(d->settings->program, "%s", text);
	set_own_trouble(d, "4.4.1", text);
	next_target(d);
}

/* -- a session ------------------------------------------------------------------------------- */

static bool
needs_utf8(const struct delivery *d)
{
	if (!(d->message.envelope.flags & ENVELOPE_SMTPUTF8))
		return false;
	if (!span_is_ascii(d->sender) || !span_is_ascii(d->message.header))
		return true;
	for (size_t i = 0; i < d->count; i++)
		if (!span_is_ascii(d->rcpts[i].address))
			return true;
	return false;
}

bool
delivery_read_message(struct delivery *d)
{
	const struct segment *segment = send_segment(d->send, d->loc.segment);
	struct err err = { 0 };

	if (d->message_read || d->probe)
		return true;
	if (segment == NULL)
		err_set(&err, ERR_SYS, "segment %u is not open", d->loc.segment);
	else if (message_read(segment->fd, segment->nonce, d->loc, &d->message, &err) &&
	    d->message.spill_length > 0 && d->spill < 0)
		err_set(&err, ERR_SYS, "its spill file was not given");
	if (err.kind == ERR_NONE) {
		d->message_read = true;
		return true;
	}
	log_warning(d->settings->program, "%s: %s", d->id_text, err.text);
	delivery_fail(d, SCOPE_MESSAGE, "4.3.0", err.kind == ERR_PERM ? "message file damaged" :
	    "message file cannot be read");
	return false;
}

void
delivery_session_ready(struct delivery *d, struct conn *conn)
{
	d->conn = conn;
	if (d->connected == 0)
		d->connected = clock_wall();
	delivery_stage(d, LEASE_ENVELOPE);
	if (!delivery_read_message(d)) {
		conn->delivery = NULL;
		conn_release(conn);
		return;
	}
	if (d->probe) {
		delivery_probe(d, conn);
		return;
	}
	const struct envelope *e = &d->message.envelope;
	bool eightbit = (e->flags & ENVELOPE_8BIT) != 0;
	bool convert = eightbit && d->settings->convert &&
	    !(smtp_client_caps(conn->client) & EHLO_8BITMIME);
	d->mail = (struct client_mail){ .sender = d->sender, .envid = e->envid, .size = e->size, .converted = convert,
		.eightbit = eightbit && !convert, .utf8 = needs_utf8(d),
		.ret_full = (e->flags & ENVELOPE_RET_FULL) != 0, .ret_hdrs = (e->flags & ENVELOPE_RET_HDRS) != 0,
		.name_original = d->settings->name_original, .rcpts = d->rcpts, .rcpt_count = d->count };
	if (d->settings->xforward)
		d->mail.origin = delivery_origin(d);
	if (d->onward_known)
		d->mail.sender = span_str(d->onward.ptr);
	content_begin(d, convert);
	conn_deliver(conn, &d->mail);
}

/* An idle connection that the server had closed meanwhile says nothing about the mail. */
static bool
was_stale(const struct conn *conn, const struct client_verdict *v)
{
	return conn->uses > 0 && (!smtp_client_answered(conn->client) || v->code == 421);
}

static void
start_anew(struct delivery *d)
{
	d->conn = NULL;
	d->fresh = true;
	d->connected = 0;
	delivery_begin_again(d);
}

/* A connection that was idle is of none of the targets: they are not known yet, and will be without this one. */
static void
not_again(struct delivery *d, const struct conn *conn)
{
	if (d->targets == NULL)
		d->tried = conn->addr;
}

/* Before any transaction the destination is at fault; in one it may be the message. */
void
delivery_session_failed(struct delivery *d, struct conn *conn, const struct client_verdict *v)
{
	d->conn = NULL;
	if (was_stale(conn, v)) {
		start_anew(d);
		return;
	}
	d->sessions++;
	bool begun = d->connected != 0;
	if (delivery_try_plain(d, conn, v)) {
		next_target(d);
		return;
	}
	d->plain = false;
	if (v->result != CLIENT_HARD && may_try_more(d, conn)) {
		log_info(d->settings->program, "%s: %.*s", d->id_text, SPAN_ARG(v->text));
		set_trouble(d, begun ? SCOPE_MESSAGE : SCOPE_DESTINATION, v->dsn, v->text);
		not_again(d, conn);
		next_target(d);
		return;
	}
	fail_rest(d, begun ? SCOPE_MESSAGE : SCOPE_DESTINATION, v, conn);
}

/* Those to be tried elsewhere move to the front. */
static size_t
settle(struct delivery *d, const struct conn *conn, bool more, uint8_t *scope)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct client_verdict *v = &d->rcpts[i].verdict;
		if (v->result == CLIENT_SOFT && v->of_message)
			*scope = SCOPE_MESSAGE;
		if (v->result == CLIENT_SOFT && more) {
			log_info(d->settings->program, "%s: %.*s", d->id_text, SPAN_ARG(v->text));
			set_trouble(d, *scope, v->dsn, v->text);
			d->rcpts[kept] = d->rcpts[i];
			d->numbers[kept++] = d->numbers[i];
		} else {
			delivery_outcome(d, i, v, conn);
		}
	}
	return kept;
}

void
delivery_transaction_done(struct delivery *d, struct conn *conn)
{
	const struct client_verdict *first = &d->rcpts[0].verdict;
	uint8_t scope = SCOPE_RECIPIENT;

	d->conn = NULL;
	if (smtp_client_broke_lines(conn->client))
		log_info(d->settings->program, "%s: breaking line > %u bytes with <CR><LF>SPACE", d->id_text,
		    d->settings->client.line_limit);
	if (first->result == CLIENT_SOFT && first->of_message && conn->uses > 0 && first->code == 421) {
		start_anew(d);
		return;
	}
	d->sessions++;
	d->count = settle(d, conn, may_try_more(d, conn), &scope);
	if (d->count > 0) {
		not_again(d, conn);
		next_target(d);
	} else {
		finish(d, scope);
	}
}
