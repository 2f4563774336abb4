#include "spool/index_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "spool/checkpoint.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/writer.h"

struct loader {
	struct index	*ix;
	struct store	*store;
	const struct index_load_ops *ops;
	void		*arg;
	struct index_load *out;
	struct checkpoint_log *logs;
	uint32_t	 log_count;
	uint32_t	*numbers;	/* of the segments to read */
	size_t		 count, cap;
};

void
index_head_encode(const struct index *ix, struct buf *b)
{
	pack_u64(b, ix->last_event);
	pack_u64(b, ix->last_usec);
	struct buf actions = BUF_INIT(0);
	actions_encode(&ix->actions, &actions);
	pack_span(b, buf_view(&actions));
	buf_clear(&actions);
}

static bool
head_decode(struct index *ix, struct span head)
{
	struct unpack u = { .left = head };

	ix->last_event = unpack_u64(&u);
	ix->last_usec = unpack_u64(&u);
	if (unpack_end(&u))	/* the first format had no actions */
		return true;
	struct span actions = unpack_span(&u);
	return unpack_end(&u) && actions_decode(&ix->actions, actions);
}

static bool
read_entries(struct loader *l, struct checkpoint_reader *r)
{
	enum checkpoint_result got;
	struct span entry;

	while ((got = checkpoint_next(r, &entry)) == CHECKPOINT_ENTRY) {
		struct unpack u = { .left = entry };
		if (index_decode(l->ix, &u) == NULL || !unpack_end(&u))
			return false;
		l->out->entries++;
	}
	return got == CHECKPOINT_END;
}

/* A damaged checkpoint leaves nothing behind: everything is scanned then. */
static void
read_checkpoint(struct loader *l, int dir)
{
	struct err err = { 0 };
	bool found = false;
	struct checkpoint_reader *r = checkpoint_open(dir, store_uuid(l->store), &found, &err);

	if (r == NULL) {
		if (found || err.kind != ERR_NONE)
			(void)snprintf(l->out->why, sizeof l->out->why, "%s", err.text);
		return;
	}
	uint32_t n = 0;
	const struct checkpoint_log *logs = checkpoint_logs(r, &n);
	if (head_decode(l->ix, checkpoint_extra(r)) && read_entries(l, r)) {
		l->out->checkpoint = true;
		l->logs = mem_array(n, sizeof *logs);
		if (n > 0)
			memcpy(l->logs, logs, n * sizeof *logs);
		l->log_count = n;
	} else {
		void (*live)(void *, uint32_t, int, int64_t) = l->ix->live;
		void *live_arg = l->ix->live_arg;
		(void)snprintf(l->out->why, sizeof l->out->why, "the checkpoint is damaged");
		index_clear(l->ix);
		index_init(l->ix);
		l->ix->live = live;
		l->ix->live_arg = live_arg;
		l->out->entries = 0;
	}
	checkpoint_close(r);
}

static bool
note_segment(void *arg, const struct store_segment *s)
{
	struct loader *l = arg;

	if (l->count == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->numbers = mem_grow(l->numbers, l->cap, sizeof *l->numbers);
	}
	l->numbers[l->count++] = s->number;
	return true;
}

static uint64_t
start_of(const struct loader *l, const struct store_segment *s)
{
	for (uint32_t i = 0; i < l->log_count; i++)
		if (l->logs[i].segment == s->number)
			return l->logs[i].nonce == s->nonce ? l->logs[i].offset : 0;
	return 0;
}

/* Of two copies the one with the higher generation counts. */
static void
load_message(struct loader *l, const struct scan_record *rec)
{
	struct message m = { 0 };

	if (!message_parse(rec->payload, &m, NULL)) {
		l->out->bad++;
		message_clear(&m);
		return;
	}
	struct entry *e = index_add(l->ix, &m.envelope, rec->loc);
	if (e != NULL) {
		e->generation = rec->generation;
	} else {
		e = index_find(l->ix, m.envelope.id);
		if (e != NULL && rec->generation > e->generation)
			index_moved(l->ix, e, rec->loc, rec->generation);
	}
	l->out->messages++;
	message_clear(&m);
}

static void
load_record(struct loader *l, const struct scan_record *rec)
{
	if (rec->type == RECORD_MESSAGE) {
		load_message(l, rec);
	} else if (rec->type == RECORD_EVENT) {
		l->out->events++;
		if (!index_apply_record(l->ix, rec->payload, rec->loc, NULL))
			l->out->bad++;
	}
}

static bool
load_segment(struct loader *l, const struct store_segment *s, struct err *err)
{
	struct scan scan;
	struct scan_record rec;
	enum scan_result got;
	uint64_t from = start_of(l, s);

	if (s->sealed && from >= s->end && from != 0)
		return true;
	int fd = store_fd(l->store, s->number, err);
	if (fd < 0 || !scan_open(&scan, fd, s->number, s->nonce, s->size, from, s->sealed ? s->end : 0, err))
		return false;
	while ((got = scan_next(&scan, &rec)) != SCAN_END) {
		if (got == SCAN_RECORD)
			load_record(l, &rec);
		else if (l->ops != NULL && l->ops->corrupt != NULL)
			l->ops->corrupt(l->arg, s, &rec);
	}
	l->out->corrupt += scan.corrupt;
	l->out->torn += scan.torn;
	if (l->ops != NULL && l->ops->scanned != NULL)
		l->ops->scanned(l->arg, s, &scan);
	scan_close(&scan);
	return true;
}

/* Messages before events: an event is of a message that is there. A segment that cannot be read costs what is in it, not the rest. */
static void
load_all(struct loader *l, bool journal)
{
	struct err err;

	for (size_t i = 0; i < l->count; i++) {
		const struct store_segment *s = store_get(l->store, l->numbers[i]);
		if (s == NULL || (s->grant.use == SEGMENT_JOURNAL) != journal)
			continue;
		if (!load_segment(l, s, &err)) {
			l->out->corrupt++;
			(void)snprintf(l->out->why, sizeof l->out->why, "%s", err.text);
		}
	}
}

bool
index_load(struct index *ix, struct store *store, int dir, const struct index_load_ops *ops, void *arg,
    struct index_load *out, struct err *err)
{
	struct loader l = { .ix = ix, .store = store, .ops = ops, .arg = arg, .out = out };

	(void)err;
	*out = (struct index_load){ 0 };
	read_checkpoint(&l, dir);
	store_each(store, note_segment, &l);
	load_all(&l, false);
	load_all(&l, true);
	free(l.logs);
	free(l.numbers);
	return true;
}
