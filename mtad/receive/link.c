#include "receive/link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "spool/record.h"

/* Without a queue role so many messages are taken and kept for it. */
#define UNACKED_MAX	2000
#define SPILLS_MAX	16
#define OPEN_MAX	4096

struct submitted {
	struct submitted *next;
	uint64_t	 sequence;
	struct loc	 loc;
	size_t		 len;
	char		 envelope[];
};

/* -- lists of segments -- */

static struct link_segment *
find(const struct link_segments *s, uint32_t number)
{
	for (size_t i = s->count; i > 0; i--)
		if (s->items[i - 1].number == number)
			return &s->items[i - 1];
	return NULL;
}

static void
put(struct link_segments *s, struct link_segment item)
{
	s->items = mem_grow(s->items, s->count + 1, sizeof *s->items);
	s->items[s->count++] = item;
}

static void
drop(struct link_segments *s, struct link_segment *item)
{
	if (item == NULL)
		return;
	if (item->fd >= 0)
		close(item->fd);
	*item = s->items[--s->count];
}

/* -- the writer -- */

static void
segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct link *l = arg;

	drop(&l->held, find(&l->held, segment));
	ipc_send_segment_done(l->ipc, &(struct ipc_segment_done){ .segment = segment, .end = end }, -1);
}

static void
room(void *arg)
{
	struct link *l = arg;

	l->wake(l->arg);
}

static void
failed(void *arg, uint32_t segment, const char *text)
{
	(void)arg;
	log_warning("cleanup", "spool segment %u: %s", segment, text);
}

void
link_init(struct link *l, void (*wake)(void *), void *arg)
{
	*l = (struct link){ .wake = wake, .arg = arg };
	l->last = &l->first;
}

void
link_start(struct link *l, int64_t lazy)
{
	static const struct spool_writer_ops ops = { .segment_done = segment_done, .room = room, .failed = failed };

	l->writer = spool_writer_new(&ops, l, lazy);
}

/* -- the channel -- */

static void
send_submit(struct link *l, const struct submitted *s)
{
	ipc_send_submit(l->ipc, &(struct ipc_submit){ .sequence = s->sequence, .segment = s->loc.segment,
	    .offset = loc_offset(s->loc), .length = s->loc.length, .envelope = span_of(s->envelope, s->len) }, -1);
}

void
link_peer(struct link *l, struct ipc *ipc)
{
	ipc_free(l->ipc);
	l->ipc = ipc;
	/* It names segments to read from anew. */
	while (l->open.count > 0)
		drop(&l->open, &l->open.items[0]);
	for (size_t i = 0; i < l->held.count; i++)
		ipc_send_segment_held(ipc, &(struct ipc_segment_held){ .segment = l->held.items[i].number }, -1);
	for (const struct submitted *s = l->first; s != NULL; s = s->next)
		send_submit(l, s);
	ipc_send_listed(ipc, &(struct ipc_listed){ .epoch = role_epoch() }, -1);
	l->wake(l->arg);
}

void
link_closed(struct link *l, struct ipc *ipc)
{
	if (l->ipc == ipc)
		l->ipc = NULL;
	ipc_free(ipc);
}

bool
link_ready(const struct link *l)
{
	if (l->writer == NULL || spool_writer_segments(l->writer) == 0)
		return false;
	return l->ipc == NULL ? l->unacked < UNACKED_MAX : !ipc_blocked(l->ipc);
}

void
link_submit(struct link *l, struct loc loc, struct span envelope)
{
	struct submitted *s = mem_new(sizeof *s + envelope.len);

	s->sequence = ++l->sequence;
	s->loc = loc;
	s->len = envelope.len;
	memcpy(s->envelope, envelope.ptr, envelope.len);
	*l->last = s;
	l->last = &s->next;
	l->unacked++;
	if (l->ipc != NULL)
		send_submit(l, s);
}

void
link_on_submit_ack(struct link *l, const struct ipc_submit_ack *m)
{
	while (l->first != NULL && l->first->sequence <= m->sequence) {
		struct submitted *s = l->first;
		l->first = s->next;
		l->unacked--;
		free(s);
	}
	if (l->first == NULL)
		l->last = &l->first;
}

void
link_on_segment_grant(struct link *l, const struct ipc_segment_grant *m, int fd)
{
	put(&l->held, (struct link_segment){ .number = m->segment, .nonce = m->nonce, .fd = -1 });
	spool_writer_grant(l->writer, m->segment, m->nonce, m->size, fd);
	l->wake(l->arg);
}

void
link_on_spool_state(struct link *l, const struct ipc_spool_state *m)
{
	l->free = m->free;
	l->full = m->full != 0;
	l->lagging = m->lagging != 0;
	l->wake(l->arg);
}

/* -- spill files -- */

void
link_on_spill_grant(struct link *l, const struct ipc_spill_grant *m, int fd)
{
	struct spill *s;

	if (l->spill_count >= SPILLS_MAX) {
		ipc_send_spill_used(l->ipc, &(struct ipc_spill_used){ .spill = m->spill, .used = 0 }, -1);
		close(fd);
		return;
	}
	MEM_NEW(s);
	s->number = m->spill;
	s->fd = fd;
	s->next = l->spills;
	l->spills = s;
	l->spill_count++;
	l->wake(l->arg);
}

struct spill *
link_spill_take(struct link *l)
{
	struct spill *s = l->spills;

	if (s == NULL)
		return NULL;
	l->spills = s->next;
	l->spill_count--;
	return s;
}

void
link_spill_done(struct link *l, struct spill *s, bool used)
{
	if (s == NULL)
		return;
	ipc_send_spill_used(l->ipc, &(struct ipc_spill_used){ .spill = s->number, .used = used }, -1);
	close(s->fd);
	free(s);
}

/* -- segments to read from -- */

const struct link_segment *
link_segment(const struct link *l, uint32_t number)
{
	return find(&l->open, number);
}

void
link_on_segment_open(struct link *l, const struct ipc_segment_open *m, int fd)
{
	drop(&l->open, find(&l->open, m->segment));
	if (l->open.count >= OPEN_MAX) {
		log_warning(NULL, "more than %d segments are open", OPEN_MAX);
		close(fd);
		return;
	}
	put(&l->open, (struct link_segment){ .number = m->segment, .nonce = m->nonce, .fd = fd });
}

void
link_on_segment_close(struct link *l, const struct ipc_segment_close *m)
{
	drop(&l->open, find(&l->open, m->segment));
}

bool
link_flush_site(struct link *l, struct span site)
{
	if (l->ipc == NULL)
		return false;
	ipc_send_site_flush(l->ipc, &(struct ipc_site_flush){ .site = site }, -1);
	return true;
}
