/*
 * What goes to a filter before the queue: commands, then content as it comes, or all of it when it is there.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "receive/before_queue_private.h"
#include "receive/state.h"

bool
before_queue_unsent(const struct before_queue *b)
{
	return b->out_at < b->out.len || (b->adjust && b->step == END && (b->spill_at < b->spilled || b->body.len > 0));
}

void
before_queue_watch(struct before_queue *b)
{
	bool more = before_queue_unsent(b), awaits = b->step != AT_EASE && b->step != CONTENT && b->step != DIALLING;

	loop_io_watch(&b->io, (short)((more ? EV_WRITE : 0) | (awaits ? EV_READ : 0)));
	if (more || awaits)
		loop_timer_set(&b->timer, b->s->settings->filter_timeout);
	else
		loop_timer_stop(&b->timer);
}

/* The next piece of a message that was gathered. False: it cannot be read. */
static bool
refill(struct before_queue *b)
{
	struct buf was = b->out;
	uint64_t left = b->spilled - b->spill_at;

	if (left == 0) {
		b->out = b->body;
		b->body = was;
		return true;
	}
	char *to = buf_room(&b->out, BEFORE_QUEUE_HIGH);
	ssize_t n = to == NULL ? -1 : pread(b->spill->fd, to, left < BEFORE_QUEUE_HIGH ? (size_t)left : BEFORE_QUEUE_HIGH, (off_t)b->spill_at);
	if (n <= 0)
		return false;
	buf_added(&b->out, (size_t)n);
	b->spill_at += (uint64_t)n;
	return true;
}

/* False: it would block, or fails (then it is over). */
static bool
send_out(struct before_queue *b)
{
	while (b->out_at < b->out.len) {
		ssize_t n = send(b->fd, b->out.ptr + b->out_at, b->out.len - b->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			before_queue_watch(b);
		else if (n < 0)
			before_queue_broke(b, "lost connection with");
		if (n < 0)
			return false;
		b->out_at += (size_t)n;
	}
	buf_reset(&b->out);
	b->out_at = 0;
	return true;
}

void
before_queue_send(struct before_queue *b)
{
	do {
		if (!send_out(b))
			return;
		if (before_queue_unsent(b) && !refill(b)) {
			before_queue_broke(b, "lost connection with");
			return;
		}
	} while (before_queue_unsent(b));
	receive_wake(b->s->rx);
	before_queue_watch(b);
}

/* -- content ------------------------------------------------------------------------------------------------ */

/* Not where an earlier server has said whose mail it is: then we are in the middle of the site. */
void
before_queue_begin(struct before_queue *b)
{
	struct intake *in = b->s->intake;
	struct buf *to = b->adjust ? &b->body : &b->out;

	b->begun = false;
	buf_reset(&in->header);
	if (b->s->forward == NULL)
		intake_received(in);
	else
		buf_span(&in->header, in->prepend.len == 0 ? SPAN_NONE : buf_view(&in->prepend));
	if (in->header.len > 0)
		filter_content(to, buf_view(&in->header), &b->begun);
}

/* What is too much for memory goes to a spill file, which is nobody's message. */
static void
spill(struct before_queue *b)
{
	if (b->spill == NULL)
		b->spill = link_spill_take(&b->s->rx->link);
	if (b->spill == NULL)
		return;
	if (!io_write_all(b->spill->fd, buf_view(&b->body))) {
		log_warning(session_program(b->s), "spill file: write: %s", strerror(errno));
		b->lost = true;
	}
	b->spilled += b->body.len;
	buf_reset(&b->body);
}

bool
before_queue_blocked(struct session *s)
{
	struct before_queue *b = s->before_queue;

	if (b == NULL || b->lost)
		return false;
	if (b->adjust && b->body.len > BEFORE_QUEUE_HIGH)
		spill(b);
	return b->body.len > 2 * BEFORE_QUEUE_HIGH || b->out.len - b->out_at > 2 * BEFORE_QUEUE_HIGH;
}

char *
before_queue_room(struct session *s, size_t n)
{
	char *at = buf_room(&s->before_queue->room, n);

	if (at == NULL)
		panic("before_queue_room: %zu bytes", n);
	return at;
}

void
before_queue_added(struct session *s, size_t n)
{
	struct before_queue *b = s->before_queue;
	bool busy = b->out_at < b->out.len;

	buf_added(&b->room, n);
	if (!b->lost && n > 0)
		filter_content(b->adjust ? &b->body : &b->out, buf_view(&b->room), &b->begun);
	buf_reset(&b->room);
	if (b->lost)
		return;
	if (b->adjust && b->body.len > BEFORE_QUEUE_HIGH)
		spill(b);
	else if (!b->adjust && !busy)
		before_queue_watch(b);
}
