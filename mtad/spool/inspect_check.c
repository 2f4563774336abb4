/*
 * Verifying a whole spool directory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "spool/checkpoint.h"
#include "spool/event.h"
#include "spool/inspect.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/writer.h"

struct spill_size {
	uint64_t	 number, size;
};

struct check {
	struct inspect_totals *t;
	void		(*fault)(void *arg, const char *line);
	void		*arg;
	struct spill_size *spills;	/* by number: names come in order */
	size_t		 count, room;
};

static void
say(struct check *c, struct buf *b)
{
	if (c->fault != NULL)
		c->fault(c->arg, b->ptr);
	buf_clear(b);
}

static bool
on_segment(void *arg, const char *name, const struct segment_page *page, const char *damage)
{
	struct check *c = arg;
	struct buf b = BUF_INIT(0);

	c->t->segments++;
	if (page == NULL) {
		c->t->damaged++;
		buf_printf(&b, "segments/%s: %s", name, damage);
		say(c, &b);
		return false;
	}
	if (page->repaired) {
		buf_printf(&b, "segments/%s: the header is damaged; its copy is in order", name);
		say(c, &b);
	}
	c->t->sealed += page->sealed;
	c->t->free += page->grant.use == SEGMENT_FREE;
	return page->grant.use != SEGMENT_FREE;
}

static const struct spill_size *
spill_find(const struct check *c, uint64_t number)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->spills[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->count && c->spills[low].number == number ? &c->spills[low] : NULL;
}

static void
check_message(struct check *c, const struct segment_page *page, const struct scan_record *r)
{
	struct message m = { 0 };
	struct buf b = BUF_INIT(0);
	struct err err;

	c->t->messages++;
	c->t->copies += r->generation > 0;
	if (!message_parse(r->payload, &m, &err)) {
		c->t->bad_messages++;
		inspect_line(&b, page, r);
		say(c, &b);
		return;
	}
	if (m.envelope.spill == 0)
		return;
	const struct spill_size *s = spill_find(c, m.envelope.spill);
	c->t->missing_spills += s == NULL || s->size < m.spill_length;
}

static void
check_event(struct check *c, const struct segment_page *page, const struct scan_record *r)
{
	struct event_reader reader;
	struct buf b = BUF_INIT(0);
	struct spool_event e;

	c->t->events++;
	bool ok = event_reader_init(&reader, r->payload, NULL);
	while (ok && event_next(&reader, &e))
		;
	if (ok && !event_fault(&reader))
		return;
	c->t->bad_messages++;
	inspect_line(&b, page, r);
	say(c, &b);
}

static void
on_record(void *arg, const struct segment_page *page, const struct scan_record *r)
{
	struct check *c = arg;

	c->t->bytes += r->loc.length;
	if (r->type == RECORD_MESSAGE)
		check_message(c, page, r);
	else if (r->type == RECORD_EVENT)
		check_event(c, page, r);
}

static void
on_corrupt(void *arg, const struct segment_page *page, const struct scan_record *r)
{
	struct check *c = arg;
	struct buf b = BUF_INIT(0);

	c->t->corrupt++;
	inspect_line(&b, page, r);
	say(c, &b);
}

static void
on_segment_end(void *arg, const struct segment_page *page, const struct scan *s)
{
	struct check *c = arg;
	struct buf b = BUF_INIT(0);

	c->t->torn += s->torn;
	c->t->unreadable += s->unreadable;
	if (s->unreadable == 0)
		return;
	buf_printf(&b, "%08x: %llu bytes cannot be read", page->header.number, (unsigned long long)s->unreadable);
	say(c, &b);
}

static void
on_spill(void *arg, uint64_t spill, uint64_t size)
{
	struct check *c = arg;

	c->t->spills++;
	c->t->spill_bytes += size;
	if (c->count == c->room) {
		c->room = c->room == 0 ? 64 : c->room * 2;
		c->spills = mem_grow(c->spills, c->room, sizeof *c->spills);
	}
	c->spills[c->count++] = (struct spill_size){ spill, size };
}

static void
on_set_aside(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	((struct check *)arg)->t->set_aside++;
}

static void
check_checkpoint(struct check *c, int dir)
{
	struct buf b = BUF_INIT(0);
	enum checkpoint_result got = CHECKPOINT_DAMAGED;
	struct err err = { .text = "an entry is damaged, or the end is missing" };
	struct span entry;

	struct checkpoint_reader *r = checkpoint_open(dir, NULL, &c->t->checkpoint, &err);
	if (r != NULL) {
		c->t->checkpoint_bytes = checkpoint_size(r);
		while ((got = checkpoint_next(r, &entry)) == CHECKPOINT_ENTRY)
			c->t->checkpoint_entries++;
		checkpoint_close(r);
	}
	c->t->checkpoint_ok = got == CHECKPOINT_END;
	if (!c->t->checkpoint || c->t->checkpoint_ok)
		return;
	buf_printf(&b, "checkpoint: %s", err.text);
	say(c, &b);
}

bool
inspect_check(int dir, struct inspect_totals *t, void (*fault)(void *arg, const char *line), void *arg, struct err *err)
{
	static const struct inspect_ops ops = {
		.segment = on_segment,
		.record = on_record,
		.corrupt = on_corrupt,
		.segment_end = on_segment_end,
		.spill = on_spill,
		.set_aside = on_set_aside,
	};
	struct check c = { .t = t, .fault = fault, .arg = arg };

	*t = (struct inspect_totals){ 0 };
	bool ok = inspect_spool(dir, &ops, &c, err);
	if (ok)
		check_checkpoint(&c, dir);
	free(c.spills);
	return ok;
}
