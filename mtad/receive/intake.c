#include "receive/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "receive/state.h"
#include "route/route.h"
#include "spool/message.h"

#define SPARES_MAX	128
#define SPARE_KEEP	(32 * 1024)	/* a spare one's buffers are no larger */
#define ARENA_LIMIT	((size_t)64 << 20)
#define WAIT_FOR_ROOM	(30 * SECOND)

static const char write_error[] = "451 4.3.0 Error: queue file write error";

void
intake_id(struct intake *in)
{
	if (in->envelope.id.usec == 0)
		in->envelope.id = qid_make(&in->rx->qids, in->envelope.arrival);
}

static void
on_timer(void *arg)
{
	intake_wake(arg);
}

void
intake_pool_init(struct intake_pool *p)
{
	*p = (struct intake_pool){ 0 };
	p->last = &p->first;
}

/* -- beginning and end -- */

static struct intake *
take(struct receive *rx)
{
	struct intake *in = rx->pool.spare;

	rx->pool.open++;
	if (in != NULL) {
		rx->pool.spare = in->next;
		rx->pool.spares--;
		in->next = NULL;	/* else it would bring the spares along into the list of those that wait */
		return in;
	}
	MEM_NEW(in);
	in->arena = ARENA_INIT(ARENA_LIMIT);
	in->recipients = in->given = in->content = in->header = in->head = in->packed = BUF_INIT(0);
	return in;
}

static void
fit(struct buf *b)
{
	if (b->cap > SPARE_KEEP)
		buf_clear(b);
	else
		buf_reset(b);
}

static void
release(struct intake *in)
{
	struct intake_pool *p = &in->rx->pool;

	p->memory -= in->counted;
	p->open--;
	link_spill_done(&in->rx->link, in->spill, false);
	facts_free(in->known);
	intake_check_free(in->check);
	buf_clear(&in->copies);
	buf_clear(&in->prepend);
	generation_unref(in->generation);
	if (p->spares >= SPARES_MAX) {
		arena_clear(&in->arena);
		buf_clear(&in->recipients);
		buf_clear(&in->given);
		buf_clear(&in->content);
		buf_clear(&in->header);
		buf_clear(&in->head);
		buf_clear(&in->packed);
		free(in);
		return;
	}
	arena_reset(&in->arena);
	fit(&in->recipients);
	fit(&in->given);
	fit(&in->content);
	fit(&in->header);
	fit(&in->head);
	fit(&in->packed);
	*in = (struct intake){ .arena = in->arena, .recipients = in->recipients, .given = in->given,
	    .content = in->content, .header = in->header, .head = in->head, .packed = in->packed, .next = p->spare };
	p->spare = in;
	p->spares++;
}

static void
take_rare(struct intake *in, struct envelope *e, const struct intake_source *s)
{
	if (s->sasl_user.len > 0) {
		e->sasl_user = arena_span(&in->arena, s->sasl_user);
		e->sasl_method = arena_span(&in->arena, s->sasl_method);
	}
	if (s->sasl_sender.len > 0)
		e->sasl_sender = arena_span(&in->arena, s->sasl_sender);
	if (s->forward.len > 0)
		e->forward = arena_span(&in->arena, s->forward);
	if (s->rewrite_local)
		e->flags |= ENVELOPE_REWRITE;
}

struct intake *
intake_new(struct receive *rx, const struct settings *settings, const struct intake_source *s)
{
	struct intake *in = take(rx);
	struct envelope *e = &in->envelope;

	in->rx = rx;
	in->generation = generation_ref(settings->generation);
	in->settings = &settings->intake;
	in->uid = s->uid;
	in->rewrite_local = s->rewrite_local;
	*e = (struct envelope){ .arrival = clock_wall(), .flags = s->flags, .service = settings->intake.service,
	    .origin = s->origin, .origin_event = s->origin_event };
	e->client_name = arena_span(&in->arena, s->client_name);
	e->client_addr = arena_span(&in->arena, s->client_addr);
	e->helo = arena_span(&in->arena, s->helo);
	e->protocol = arena_span(&in->arena, s->protocol);
	e->client_port = arena_span(&in->arena, s->client_port);
	take_rare(in, e, s);
	in->tls = s->tls.len > 0 ? arena_span(&in->arena, s->tls) : SPAN_NONE;
	if (!(s->flags & ENVELOPE_INTERNAL))
		e->filter = in->settings->content_filter;
	if (!s->unchecked) {
		intake_check_new(in);
		in->bytes = in->settings->bytes.rejected.any || in->settings->bytes.stripped.any ? &in->settings->bytes : NULL;
	}
	return in;
}

void
intake_drop(struct intake *in)
{
	struct receive *rx;

	if (in == NULL)
		return;
	if (in->state != INTAKE_OPEN)
		panic("intake_drop: the message is being written");
	rx = in->rx;
	release(in);
	receive_wake(rx);
}

static void
nobody(void *arg, struct intake *in, const char *reply)
{
	(void)arg;
	(void)in;
	(void)reply;
}

void
intake_orphan(struct intake *in)
{
	if (in->state == INTAKE_OPEN) {
		intake_drop(in);
		return;
	}
	in->done = nobody;
}

/* -- the envelope -- */

/* Into the arena, in standard form. */
static struct span
standard(struct intake *in, struct span address)
{
	struct buf *text = &in->rx->text;

	buf_reset(text);
	route_rewrite(in->settings->router, address, true, text);
	return arena_span(&in->arena, text->over ? SPAN_NONE : buf_view(text));
}

void
intake_sender(struct intake *in, struct span address)
{
	in->envelope.sender = address.len == 0 ? SPAN_NONE : standard(in, address);
}

void
intake_recipient(struct intake *in, struct span address, uint8_t notify, struct span orcpt)
{
	intake_recipient_given(in, address, address, notify, orcpt);
}

void
intake_recipient_given(struct intake *in, struct span address, struct span given, uint8_t notify, struct span orcpt)
{
	struct recipient r = { .number = in->envelope.recipient_count, .notify = notify, .orcpt = orcpt };

	intake_id(in);
	r.address = standard(in, address);
	if (in->settings->keep_original && !span_eq(given, r.address))
		r.original = given;
	if (r.number == 0)
		in->first_recipient = r.address;
	recipient_pack(&in->recipients, &r);
	buf_span(&in->given, given);
	buf_char(&in->given, '\0');
	in->envelope.recipient_count++;
	if (r.address.ptr == NULL || in->recipients.over)
		in->fault = "452 4.5.3 Error: too many recipients";
}

void
intake_hold(struct intake *in, struct span reason)
{
	in->envelope.flags |= ENVELOPE_HOLD;
	in->envelope.hold_reason = arena_span(&in->arena, reason);
}

static bool
has_8bit(const char *at, size_t n)
{
	uint64_t all = 0, word;

	for (; n >= sizeof word; at += sizeof word, n -= sizeof word) {
		memcpy(&word, at, sizeof word);
		all |= word;
	}
	for (; n > 0; at++, n--)
		all |= (unsigned char)*at;
	return (all & 0x8080808080808080u) != 0;
}

void
intake_redirect(struct intake *in, struct span address)
{
	in->redirect = arena_span(&in->arena, address);
}

void
intake_copy(struct intake *in, struct span address)
{
	buf_span(&in->copies, address);
	buf_char(&in->copies, '\0');
}

void
intake_filter(struct intake *in, struct span transport)
{
	in->envelope.filter = arena_span(&in->arena, transport);
}

void
intake_prepend(struct intake *in, struct span header)
{
	buf_span(&in->prepend, header);
	buf_char(&in->prepend, '\n');
	in->is_8bit = in->is_8bit || has_8bit(header.ptr, header.len);
}

/* -- content -- */

char *
intake_room(struct intake *in, size_t n)
{
	char *at = buf_room(&in->content, n);

	if (at == NULL)
		panic("intake_room: %zu bytes behind %zu", n, in->content.len);
	return at;
}

static void
count_memory(struct intake *in)
{
	in->rx->pool.memory += in->content.len - in->counted;
	in->counted = in->content.len;
}

void
intake_added(struct intake *in, size_t n)
{
	if (in->bytes != NULL)
		n = intake_bytes(in, n);
	in->is_8bit = in->is_8bit || has_8bit(in->content.ptr + in->content.len, n);
	buf_added(&in->content, n);
	in->size += n;
	intake_spill(in, false);
	count_memory(in);
}

bool
intake_blocked(const struct intake *in)
{
	size_t limit = in->generation->memory_limit;

	/* A header that goes on is a matter of intake_spill. */
	if (in->fault != NULL || in->look_at > 0)
		return false;
	/* One that should spill and cannot, or a share of memory that is used up. */
	if (in->spill == NULL && in->content.len > 2 * in->generation->spill_size)
		return true;
	return in->rx->pool.memory + spool_writer_pending(in->rx->link.writer) > limit && in->content.len > READ_SIZE &&
	    in->spill == NULL;
}

bool
intake_unblock(struct intake *in)
{
	intake_spill(in, false);
	count_memory(in);
	return !intake_blocked(in);
}

/* -- into the log -- */

static void
finish(struct intake *in, const char *reply)
{
	struct receive *rx = in->rx;

	in->done(in->arg, in, reply);
	release(in);
	if (rx->stopping)
		loop_defer(&rx->stop_check);
}

static void
committed(void *arg, bool ok, struct loc loc)
{
	struct intake *in = arg;
	struct receive *rx = in->rx;

	if (!ok) {
		finish(in, write_error);
		return;
	}
	link_submit(&in->rx->link, loc, buf_view(&in->packed));
	if (in->spill != NULL) {
		link_spill_done(&in->rx->link, in->spill, true);
		in->spill = NULL;
	}
	rx->accepted++;
	rx->bytes += in->size;
	finish(in, NULL);
	receive_wake(rx);
}

/* What the record is made of; the header block is there. */
static bool
append(struct intake *in)
{
	struct iovec iov[MESSAGE_IOV];
	struct span body = in->spill != NULL ? SPAN_NONE : span_skip(buf_view(&in->content), in->body_at);

	buf_reset(&in->head);
	int n = message_layout(&in->head, &in->envelope, buf_view(&in->header), body, in->spilled, iov);
	return spool_append(in->rx->link.writer, RECORD_MESSAGE, iov, n, in->spill != NULL ? in->spill->fd : -1,
	    committed, in);
}

static void
complete_envelope(struct intake *in)
{
	struct envelope *e = &in->envelope;

	if (in->is_8bit)
		e->flags |= ENVELOPE_8BIT;
	e->recipients = buf_view(&in->recipients);
	e->spill = in->spill != NULL ? in->spill->number : 0;
	e->size = in->header.len + (in->spill != NULL ? in->spilled : in->content.len - in->body_at);
	buf_reset(&in->packed);
	envelope_pack(&in->packed, e);
}

/* True where it went into a batch, or was refused. */
static bool
try(struct intake *in, int64_t now)
{
	if (in->not_before > now || !link_ready(&in->rx->link))
		return false;
	if (!append(in))
		return false;
	in->state = INTAKE_WRITING;
	return true;
}

static void
give_up(struct intake *in)
{
	log_warning("cleanup", "no room in the spool for a message within %d seconds", (int)(WAIT_FOR_ROOM / SECOND));
	finish(in, write_error);
}

/* Oldest first; one whose delay is not over does not hold up those behind it. */
void
intake_wake(struct receive *rx)
{
	struct intake_pool *p = &rx->pool;
	int64_t now = clock_mono(), next = INT64_MAX;
	struct intake *late = NULL, **late_last = &late;

	for (struct intake **at = &p->first; *at != NULL; ) {
		struct intake *in = *at;
		bool tried = try(in, now);
		if (!tried && in->until > now) {
			int64_t due = in->not_before > now ? in->not_before : in->until;
			next = due < next ? due : next;
			at = &in->next;
			continue;
		}
		*at = in->next;
		in->next = NULL;
		if (!tried) {
			*late_last = in;
			late_last = &in->next;
		}
	}
	p->last = &p->first;
	while (*p->last != NULL)
		p->last = &(*p->last)->next;
	if (next != INT64_MAX)
		loop_timer_set(&p->timer, next - now);
	while (late != NULL) {
		struct intake *in = late;
		late = in->next;
		in->next = NULL;
		give_up(in);
	}
}

static void
wait_for_room(struct intake *in, int64_t now)
{
	struct intake_pool *p = &in->rx->pool;

	if (!p->timer.made)
		loop_timer_init(&p->timer, on_timer, in->rx);
	in->state = INTAKE_WAITING;
	in->until = now + WAIT_FOR_ROOM;
	*p->last = in;
	p->last = &in->next;
	loop_timer_set(&p->timer, in->not_before > now ? in->not_before - now : SECOND);
}

struct refusal {
	struct loop_task task;
	struct intake	*in;
};

static void
refuse_now(void *arg)
{
	struct refusal *r = arg;
	struct intake *in = r->in;

	free(r);
	finish(in, in->fault);
}

/* From the loop, so that the caller never hears of it within its own call. */
static void
refuse(struct intake *in)
{
	struct refusal *r;

	MEM_NEW(r);
	r->task = (struct loop_task){ .fn = refuse_now, .arg = r };
	r->in = in;
	in->state = INTAKE_WAITING;
	loop_defer(&r->task);
}

/* The body that is not spilled goes through the checks at once; content is replaced where they changed it. */
static void
check_body(struct intake *in)
{
	struct span became = intake_check_body(in, span_skip(buf_view(&in->content), in->body_at), true);

	if (!in->check->changed || in->fault != NULL)
		return;
	buf_cut(&in->content, in->body_at);
	buf_span(&in->content, became);
}

/* False: it goes no further, which is its fault unless it is to be discarded. */
static bool
prepare(struct intake *in)
{
	intake_id(in);
	if (in->fault != NULL || (!in->has_header && !intake_header(in, &in->body_at)))
		return false;
	if (in->spill != NULL)
		intake_spill(in, true);
	else if (intake_checks_body(in))
		check_body(in);
	if (in->content.over || in->header.over)
		in->fault = write_error;
	return in->fault == NULL && !(in->check != NULL && in->check->discard);
}

void
intake_finish(struct intake *in, intake_done_fn *done, void *arg)
{
	in->done = done;
	in->arg = arg;
	if (!prepare(in)) {
		refuse(in);
		return;
	}
	in->state = INTAKE_WAITING;
	if (!intake_maps(in) || intake_map(in))
		intake_go_on(in);
}

void
intake_go_on(struct intake *in)
{
	int64_t now = clock_mono();

	if (in->fault != NULL) {
		refuse(in);
		return;
	}
	complete_envelope(in);
	in->not_before = in->rx->link.lagging ? now + in->settings->in_flow_delay : 0;
	/* Behind those that wait already, so that none of them starves. */
	if (in->rx->pool.first != NULL || !try(in, now))
		wait_for_room(in, now);
}
