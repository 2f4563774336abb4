/*
 * Addresses of a new message as cleanup(8) leaves them: canonical, masquerading, virtual aliases, copies; in the envelope, and where the client's
 * headers are completed, in the headers. It is one decision over facts: while one of them is awaited the intake waits, and then it is made again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mail/address.h"
#include "mail/header_address.h"
#include "receive/state.h"
#include "route/mapping.h"

#define COPIES_MAX	1000

/* The envelope as it is being made. */
struct mapping {
	struct intake	*in;
	const struct mapper *mapper;
	struct facts	*facts;
	struct buf	 recipients;	/* packed */
	uint32_t	 count;
	struct map	 seen;		/* addresses that are there: struct seen */
	struct buf	 key;
	bool		 copying;	/* a copy is no duplicate of what was asked for */
	struct buf	 address;	/* at work */
	struct map_list	 list, copies;
	enum map_status	 status;
	struct err	 err;
};

struct seen {
	size_t		 len;
	char		 key[];
};

static struct span
seen_key(const void *item)
{
	const struct seen *s = item;

	return span_of(s->key, s->len);
}

static bool
went(struct mapping *m, enum map_status s)
{
	if (s == MAP_FAULT || m->status == MAP_DONE)
		m->status = s;
	return s == MAP_DONE;
}

/* Each address once for what it was made of, in any case, as far as duplicate_filter_limit reaches. */
static bool
is_new(struct mapping *m, struct span address, struct span given)
{
	size_t limit = m->in->settings->duplicate_limit, len = address.len + 1 + given.len;
	struct seen *s;

	if (limit > 0 && m->seen.count >= limit)
		return true;
	buf_reset(&m->key);
	buf_span(&m->key, address);
	buf_char(&m->key, m->copying ? '\1' : '\0');
	buf_span(&m->key, given);
	for (size_t i = 0; i < m->key.len; i++)
		if (m->key.ptr[i] >= 'A' && m->key.ptr[i] <= 'Z')
			m->key.ptr[i] |= 0x20;
	if (map_get(&m->seen, buf_view(&m->key)) != NULL)
		return false;
	if (m->key.over || (s = arena_new(&m->in->arena, sizeof *s + len)) == NULL)
		return true;
	s->len = len;
	memcpy(s->key, m->key.ptr, len);
	map_add(&m->seen, s);
	return true;
}

static void
add(struct mapping *m, struct span address, const struct recipient *from, struct span given)
{
	if (!is_new(m, address, m->in->settings->keep_original ? given : SPAN_NONE))
		return;
	recipient_pack(&m->recipients, &(struct recipient){ .number = m->count++, .notify = from->notify, .address = address,
	    .orcpt = from->orcpt, .original = m->in->settings->keep_original && !span_eq(given, address) ? given : SPAN_NONE });
}

/* One recipient through canonical and virtual, to the end. copies: who wants one is noted. */
static void
expand(struct mapping *m, const struct recipient *r, struct span given, bool copies)
{
	struct span rest, each;

	if (m->mapper == NULL) {
		add(m, r->address, r, given);
		return;
	}
	if (!went(m, mapper_canonical(m->mapper, m->facts, MAP_ENVELOPE_RECIPIENT, r->address, &m->address, &m->err)))
		return;
	if (copies && m->copies.count < COPIES_MAX) {
		size_t before = m->copies.text.len;
		if (!went(m, mapper_bcc(m->mapper, m->facts, false, buf_view(&m->address), &m->copies.text, &m->err)))
			return;
		if (m->copies.text.len > before) {
			buf_char(&m->copies.text, '\0');
			m->copies.count++;
		}
	}
	if (!went(m, mapper_virtual(m->mapper, m->facts, buf_view(&m->address), &m->list, &m->err)))
		return;
	for (rest = buf_view(&m->list.text); map_list_next(&rest, &each); )
		add(m, each, r, given);
}

static void
copy_to(struct mapping *m, struct span address)
{
	buf_span(&m->copies.text, address);
	buf_char(&m->copies.text, '\0');
	m->copies.count++;
}

static void
map_sender(struct mapping *m, bool copies)
{
	struct envelope *e = &m->in->envelope;
	struct span was = m->in->sender_given;

	if (!went(m, mapper_canonical(m->mapper, m->facts, MAP_ENVELOPE_SENDER, was, &m->address, &m->err)))
		return;
	e->sender = span_eq(buf_view(&m->address), was) ? was : arena_span(&m->in->arena, buf_view(&m->address));
	if (!copies)
		return;
	if (mapper_always_bcc(m->mapper).len > 0)
		copy_to(m, mapper_always_bcc(m->mapper));
	buf_reset(&m->address);
	if (went(m, mapper_bcc(m->mapper, m->facts, true, e->sender, &m->address, &m->err)) && m->address.len > 0)
		copy_to(m, buf_view(&m->address));
}

/* Everybody's mail goes to one address, as it is. */
static void
redirect(struct mapping *m)
{
	struct unpack first = { .left = buf_view(&m->in->recipients) };
	struct span given = buf_view(&m->in->given), each;
	struct recipient r;

	if (!recipient_next(&first, &r) || !map_list_next(&given, &each))
		return;
	buf_reset(&m->address);
	route_rewrite(m->in->settings->router, m->in->redirect, true, &m->address);
	add(m, buf_view(&m->address), &r, each);
	m->in->envelope.filter = SPAN_NONE;
}

/* Copies that tables asked for. */
static void
copies_of_tables(struct mapping *m)
{
	struct span rest = buf_view(&m->in->copies), each;

	while (map_list_next(&rest, &each)) {
		buf_reset(&m->address);
		route_rewrite(m->in->settings->router, each, true, &m->address);
		copy_to(m, buf_view(&m->address));
	}
}

static void
map_envelope(struct mapping *m)
{
	struct intake *in = m->in;
	bool copies = !(in->envelope.flags & ENVELOPE_INTERNAL);
	struct unpack given = { .left = buf_view(&in->recipients) };
	struct recipient r;
	struct span as_given = buf_view(&in->given), rest, each;

	if (m->mapper != NULL)
		map_sender(m, copies);
	if (in->redirect.len > 0) {
		redirect(m);
		return;
	}
	while (m->status != MAP_FAULT && recipient_next(&given, &r) && map_list_next(&as_given, &each))
		expand(m, &r, each, copies);
	copies_of_tables(m);
	m->copying = true;
	for (rest = buf_view(&m->copies.text); m->status != MAP_FAULT && map_list_next(&rest, &each); )
		expand(m, &(struct recipient){ .address = each, .notify = NOTIFY_NEVER }, each, false);
}

/* -- headers ------------------------------------------------------------------------------------------------ */

/* The address of one mailbox as it is to stand there; false where it stays as it is. */
struct place {
	struct mapping	*m;
	enum map_class	 class;
};

static bool
map_mailbox(void *arg, struct span given, struct buf *to)
{
	const struct place *p = arg;
	struct mapping *m = p->m;
	struct buf full = BUF_INIT(8192);

	if (m->status == MAP_FAULT)
		return false;
	route_rewrite(m->in->settings->router, given, m->in->rewrite_local, &full);
	if (m->mapper == NULL)
		buf_span(to, buf_view(&full));
	bool mapped = m->mapper == NULL || went(m, mapper_canonical(m->mapper, m->facts, p->class, buf_view(&full), to, &m->err));
	buf_clear(&full);
	return mapped && !span_eq(given, buf_view(to));
}

static void
map_headers(struct mapping *m, struct buf *out)
{
	struct span block = buf_view(&m->in->header), rest = block;
	struct place p = { .m = m };
	struct header h;

	(void)buf_room(out, block.len + 512);
	while (m->status != MAP_FAULT && header_next(&rest, &h)) {
		enum header_addresses has = header_addresses(h.name);
		p.class = has == ADDRESSES_SENDER ? MAP_HEADER_SENDER : MAP_HEADER_RECIPIENT;
		if (has != ADDRESSES_NONE)
			header_replace_addresses(out, &h, map_mailbox, &p);
		else
			buf_span(out, h.raw);
	}
	buf_span(out, rest);	/* the empty line */
}

/* -- the whole ---------------------------------------------------------------------------------------------- */

static void
take(struct mapping *m, struct buf *header)
{
	struct intake *in = m->in;

	buf_clear(&in->recipients);
	in->recipients = m->recipients;
	m->recipients = BUF_INIT(0);
	in->envelope.recipient_count = m->count;
	if (in->settings->rewrite_remote || in->rewrite_local) {
		buf_clear(&in->header);
		in->header = *header;
		*header = BUF_INIT(0);
	}
}

/* Once with the facts that there are. */
static enum map_status
attempt(struct intake *in, struct err *err)
{
	struct mapping m = { .in = in, .mapper = in->settings->mapper, .facts = in->known, .recipients = BUF_INIT(0),
	    .address = BUF_INIT(8192), .seen = MAP_INIT(seen_key), .key = BUF_INIT(8192), .list = { .text = BUF_INIT(0) }, .copies = { .text = BUF_INIT(0) } };
	struct buf header = BUF_INIT(0);

	map_envelope(&m);
	if (m.status != MAP_FAULT && (in->settings->rewrite_remote || in->rewrite_local))
		map_headers(&m, &header);
	if (m.status == MAP_DONE)
		take(&m, &header);
	*err = m.err;
	map_clear(&m.seen);
	buf_clear(&m.key);
	buf_clear(&header);
	buf_clear(&m.recipients);
	buf_clear(&m.address);
	map_list_clear(&m.list);
	map_list_clear(&m.copies);
	return m.status;
}

static void
looked_up(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct intake *in = arg;

	if (in->known == NULL || !ask_learnt(in->known, id, a))
		return;
	if (facts_open(in->known) == 0 && intake_map(in))
		intake_go_on(in);
}

/* True where at least one will be answered later. */
static bool
fetch(struct intake *in)
{
	struct fact_want w;
	bool later = false;

	while (facts_wanted(in->known, &w))
		later = asks_lookup(&in->rx->lookups, in->known, &w, looked_up, in) || later;
	return later;
}

bool
intake_maps(const struct intake *in)
{

	return in->redirect.len > 0 || in->copies.len > 0 || in->settings->mapper != NULL || in->envelope.recipient_count > 1 || in->rewrite_local || in->settings->rewrite_remote;
}

bool
intake_map(struct intake *in)
{
	struct err err = { 0 };
	char id[QID_TEXT];
	enum map_status status;

	if (in->settings->mapper != NULL && in->known == NULL) {
		in->known = facts_new();
		facts_reset(in->known, clock_wall());
		in->sender_given = in->envelope.sender;
	}
	for (int n = 0; (status = attempt(in, &err)) == MAP_PENDING; n++) {
		if (n == FACTS_MAX || facts_over(in->known)) {
			err_set(&err, ERR_PERM, "too many lookups");
			break;
		}
		if (fetch(in))
			return false;
	}
	if (status != MAP_DONE) {
		log_warning("cleanup", "%s: %s -- message not accepted, try again later", qid_text(in->envelope.id, id), err.text);
		in->fault = "451 4.3.0 Error: address lookup failed, try again later";
	}
	facts_free(in->known);
	in->known = NULL;
	return true;
}
