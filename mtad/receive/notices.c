#include "receive/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/forward.h"
#include "mail/notice.h"
#include "receive/state.h"
#include "spool/record.h"

#define RECIPIENTS_MAX	100000

/* One under way: what is needed when its message is committed. */
struct making {
	struct receive	*rx;
	uint64_t	 notice;
	enum notice_kind kind;
	struct qid	 original;
};

void
notices_init(struct notices *n)
{
	*n = (struct notices){ .original = { .record = BUF_INIT(0) } };
}

static void
answer(struct receive *rx, uint64_t notice, struct qid id, const char *refusal)
{
	ipc_send_notice_made(rx->link.ipc, &(struct ipc_notice_made){ .notice = notice, .ok = refusal == NULL,
	    .id_usec = id.usec, .id_writer = id.writer, .refusal = span_str(refusal == NULL ? "" : refusal) }, -1);
}

static void
made(void *arg, struct intake *in, const char *reply)
{
	struct making *m = arg;
	char id[QID_TEXT];

	m->rx->notices.open--;
	/* What was made is logged by the queue role, once, when its journal has it. */
	if (reply != NULL)
		log_warning(m->kind == NOTICE_FORWARD ? "local" : "bounce", "%s: %s: %s", qid_text(m->original, id),
		    m->kind == NOTICE_FORWARD ? "cannot be forwarded" : notice_log_text(m->kind), reply);
	answer(m->rx, m->notice, in->envelope.id, reply);
	free(m);
}

/* -- the report -- */

/* By their numbers: the n-th recipient of the envelope is number n. */
static bool
find_recipients(const struct envelope *e, const struct outcome *outcomes, size_t n, struct notice_recipient *out)
{
	struct unpack u = { .left = e->recipients };
	struct recipient r;
	size_t found = 0;

	while (recipient_next(&u, &r)) {
		for (size_t i = 0; i < n; i++) {
			if (outcomes[i].number != r.number)
				continue;
			out[i] = (struct notice_recipient){ .address = r.address, .original = r.original, .orcpt = r.orcpt,
			    .outcome = outcomes[i] };
			found++;
		}
	}
	return found == n;
}

static size_t
unpack_outcomes(struct span packed, struct outcome **out)
{
	struct unpack u = { .left = packed };
	struct outcome o;
	size_t n = 0, cap = 0;

	*out = NULL;
	while (n < RECIPIENTS_MAX && outcome_next(&u, &o)) {
		if (n == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			*out = mem_grow(*out, cap, sizeof **out);
		}
		(*out)[n++] = o;
	}
	return u.fault ? 0 : n;
}

/* Whether the whole original goes back: as RET says, else by its size; delay and success notices have its headers only. */
static bool
whole_original(const struct receive *rx, enum notice_kind kind, const struct envelope *e)
{
	uint64_t limit = rx->now->bounce_size_limit;

	if (kind != NOTICE_BOUNCE && kind != NOTICE_DOUBLE_BOUNCE)
		return false;
	if (e->flags & ENVELOPE_RET_HDRS)
		return false;
	return (e->flags & ENVELOPE_RET_FULL) != 0 || limit == 0 || e->size <= limit;
}

static void
put_content(struct intake *in, struct span s)
{
	while (s.len > 0) {
		size_t n = s.len < READ_SIZE ? s.len : READ_SIZE;
		memcpy(intake_room(in, n), s.ptr, n);
		intake_added(in, n);
		s = span_skip(s, n);
	}
}

/* The original's body from its spill file. What cannot be read is left out: the report matters more. */
static bool
put_spilled(struct receive *rx, struct intake *in, int fd, uint64_t length)
{
	off_t at = 0;

	while (length > 0) {
		ssize_t n = pread(fd, rx->read, length < sizeof rx->read ? (size_t)length : sizeof rx->read, at);
		if (n <= 0) {
			log_warning("bounce", "original's content: %s", n == 0 ? "cut short" : strerror(errno));
			return false;
		}
		put_content(in, span_of(rx->read, (size_t)n));
		at += n;
		length -= (uint64_t)n;
	}
	return true;
}

static void
describe(struct receive *rx, const struct ipc_notice_make *m, const struct intake *in, struct notice *n)
{
	const struct message *o = &rx->notices.original;

	*n = (struct notice){
		.kind = (enum notice_kind)m->kind,
		.hostname = in->settings->hostname, .origin = in->settings->origin, .mail_name = in->settings->mail_name,
		.new_id = in->envelope.id, .token = clock_random(), .now = in->envelope.arrival, .to = m->recipient,
		.id = { m->id_usec, m->id_writer }, .arrival = o->envelope.arrival, .expires = m->expires,
		.sender = o->envelope.sender, .envid = o->envelope.envid,
		.full = whole_original(rx, (enum notice_kind)m->kind, &o->envelope),
		.is_8bit = (o->envelope.flags & ENVELOPE_8BIT) != 0,
		.is_utf8 = (o->envelope.flags & ENVELOPE_SMTPUTF8) != 0,
		.header = o->header,
	};
}

static void
choose_words(const struct generation *g, struct notice *n)
{
	enum template_kind kind = notice_template(n->kind, notice_delays(n));

	n->words = &g->texts.templates.of[kind];
	n->text = buf_view(&g->texts.expanded[kind]);
	n->threaded = g->threaded;
}

static void
put_report(struct receive *rx, struct intake *in, const struct notice *n, int spill_fd)
{
	const struct message *o = &rx->notices.original;
	struct buf header = BUF_INIT(0), before = BUF_INIT(0), after = BUF_INIT(0);

	notice_build(n, &header, &before, &after);
	put_content(in, buf_view(&header));
	put_content(in, buf_view(&before));
	if (n->full && o->spill_length == 0)
		put_content(in, o->body);
	else if (n->full && spill_fd >= 0)
		(void)put_spilled(rx, in, spill_fd, o->spill_length);
	put_content(in, buf_view(&after));
	buf_clear(&header);
	buf_clear(&before);
	buf_clear(&after);
}

static struct intake *
begin(struct receive *rx, const struct ipc_notice_make *m)
{
	const struct envelope *o = &rx->notices.original.envelope;
	struct intake_source src = { .uid = -1, .flags = ENVELOPE_INTERNAL,
	    .origin = { m->id_usec, m->id_writer }, .origin_event = m->event };

	src.flags |= o->flags & ENVELOPE_SMTPUTF8;
	src.unchecked = m->kind == NOTICE_POSTMASTER ? !rx->now->check_notify : !rx->now->check_bounce;
	struct intake *in = intake_new(rx, &rx->now->bounce, &src);
	/* What goes to the postmaster must not come back to the sender of the original, nor be bounced at all. */
	if (m->kind == NOTICE_DOUBLE_BOUNCE || m->kind == NOTICE_POSTMASTER)
		intake_sender(in, rx->now->double_bounce_sender);
	intake_recipient(in, m->recipient, NOTIFY_DEFAULT, SPAN_NONE);
	return in;
}

static bool
read_original(struct receive *rx, const struct ipc_notice_make *m, struct err *err)
{
	const struct link_segment *segment = link_segment(&rx->link, m->segment);

	message_reset(&rx->notices.original);
	if (segment == NULL) {
		err_set(err, ERR_SYS, "segment %u is not open here", m->segment);
		return false;
	}
	return message_read(segment->fd, segment->nonce, loc_make(m->segment, m->offset, m->length),
	    &rx->notices.original, err);
}

/* -- the message itself, to others -- */

static void
put_delivered_to(struct intake *in, struct span address)
{
	struct buf line = BUF_INIT(0);

	buf_str(&line, "Delivered-To: ");
	address_quote(&line, address);
	buf_char(&line, '\n');
	put_content(in, buf_view(&line));
	buf_clear(&line);
}

static bool
make_forward(struct receive *rx, const struct ipc_notice_make *m, int fd, struct err *err)
{
	const struct message *o = &rx->notices.original;
	struct making *making;
	struct forward f;

	if (!forward_unpack(m->outcomes, &f) || (o->spill_length > 0 && fd < 0)) {
		err_set(err, ERR_PERM, "the request for a message is damaged");
		return false;
	}
	struct intake_source src = { .uid = -1, .flags = o->envelope.flags & (ENVELOPE_8BIT | ENVELOPE_SMTPUTF8),
	    .origin = { m->id_usec, m->id_writer }, .origin_event = m->event, .unchecked = true };
	struct intake *in = intake_new(rx, &rx->now->bounce, &src);
	struct unpack all = { .left = f.addresses };
	intake_sender(in, f.sender);
	while (unpack_more(&all)) {
		struct span to = unpack_span(&all);
		intake_recipient_given(in, to, f.original.len > 0 ? f.original : to, f.notify, f.orcpt);
	}
	in->envelope.filter = f.filter.len > 0 ? arena_span(&in->arena, f.filter) : SPAN_NONE;
	if (f.delivered.len > 0)
		put_delivered_to(in, f.delivered);
	put_content(in, o->header);
	put_content(in, o->body);
	if (o->spill_length > 0 && !put_spilled(rx, in, fd, o->spill_length)) {
		intake_drop(in);
		err_set(err, ERR_SYS, "its content cannot be read");
		return false;
	}
	MEM_NEW(making);
	*making = (struct making){ .rx = rx, .notice = m->notice, .kind = NOTICE_FORWARD, .original = src.origin };
	rx->notices.open++;
	intake_finish(in, made, making);
	return true;
}

static bool
make(struct receive *rx, const struct ipc_notice_make *m, int fd, struct err *err)
{
	struct notice_recipient *recipients;
	struct outcome *outcomes;
	struct notice notice;
	struct making *making;

	if (m->kind > NOTICE_FORWARD || !read_original(rx, m, err)) {
		err->kind = ERR_TEMP;	/* the queue role looks after damage itself */
		return false;
	}
	if (m->kind == NOTICE_FORWARD)
		return make_forward(rx, m, fd, err);
	size_t n = unpack_outcomes(m->outcomes, &outcomes);
	recipients = mem_array(n + 1, sizeof *recipients);
	bool good = n > 0 && find_recipients(&rx->notices.original.envelope, outcomes, n, recipients);
	if (good) {
		struct intake *in = begin(rx, m);
		describe(rx, m, in, &notice);
		notice.recipients = recipients;
		notice.recipient_count = n;
		choose_words(rx->now, &notice);
		put_report(rx, in, &notice, fd);
		MEM_NEW(making);
		*making = (struct making){ .rx = rx, .notice = m->notice, .kind = notice.kind, .original = notice.id };
		rx->notices.open++;
		intake_finish(in, made, making);
	} else {
		err_set(err, ERR_PERM, "the request names other recipients than the message has");
	}
	free(recipients);
	free(outcomes);
	return good;
}

void
notices_make(struct receive *rx, const struct ipc_notice_make *m, int fd)
{
	struct err err = { 0 };
	char id[QID_TEXT];

	if (!make(rx, m, fd, &err)) {
		log_warning("bounce", "%s: no notification can be made: %s",
		    qid_text((struct qid){ m->id_usec, m->id_writer }, id), err.text);
		answer(rx, m->notice, QID_NONE, err.kind == ERR_PERM ? "554 5.3.5 the request for it is damaged" :
		    "451 4.3.0 it cannot be made now");
	}
	if (fd >= 0)
		close(fd);
}
