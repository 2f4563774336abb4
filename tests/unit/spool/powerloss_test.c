/*
 * A simulated power loss. A small queue runs on the spool: messages with and without spill files, ends in a lazy
 * journal, recycling, compaction, checkpoints. Every operation on the disk is written down; then, for many moments and many
 * ways in which a disk may look after them, recovery must find what was answered, and nothing that was not written.
 *
 * POWERLOSS_CUTS=N: how many (default 1000). POWERLOSS_SEED=N: another course of events.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/checkpoint.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/store_private.h"
#include "spool/writer.h"

#include "unit/spool/life.h"
#include "unit/spool/util.h"

struct found {
	struct store	*st;
	bool		 message[TOTAL], end[TOTAL];
	uint32_t	 corrupt, torn;
	bool		 sealed_before;	/* by the recovery after the loss, torn batch included */
};

static void
found_message(struct found *f, const struct scan_record *r)
{
	struct message m = { 0 };
	struct buf body = BUF_INIT(0);
	struct err err;

	assert_true(message_parse(r->payload, &m, &err));
	uint64_t n = m.envelope.id.usec - 1;
	assert_true(n < TOTAL);
	/* Nothing is believed that was not written. */
	assert_true(util_message_ok(&m, &body));
	bool whole = true;
	if (m.envelope.spill != 0) {
		char *got = mem_new(body.len + 1);
		int fd = store_spill_open(f->st, m.envelope.spill, &err);
		whole = fd >= 0 && pread(fd, got, body.len + 1, 0) == (ssize_t)body.len && memcmp(got, body.ptr, body.len) == 0;
		if (fd >= 0)
			close(fd);
		free(got);
	}
	f->message[n] = f->message[n] || whole;
	buf_clear(&body);
}

static bool
scan_one(void *arg, const struct store_segment *s)
{
	struct found *f = arg;
	struct scan_record r;
	enum scan_result got;
	struct scan scan;
	struct err err;

	int fd = store_fd(f->st, s->number, &err);
	assert_true(fd >= 0);
	assert_true(scan_open(&scan, fd, s->number, s->nonce, s->size, 0, s->end, &err));
	while ((got = scan_next(&scan, &r)) != SCAN_END) {
		if (got == SCAN_CORRUPT) {
			/* Only a batch that was not answered can be damaged, and the scan knows. */
			if (!r.maybe_torn && !f->sealed_before)
				fail_msg("segment %08x (use %d, sealed %d at %llu) offset %llu: %s, not torn", s->number,
				    s->grant.use, s->sealed, (unsigned long long)s->end,
				    (unsigned long long)loc_offset(r.loc), r.why);
			f->corrupt++;
		} else if (r.type == RECORD_MESSAGE) {
			found_message(f, &r);
		} else {
			assert_int_equal(r.type, RECORD_EVENT);
			assert_int_equal(r.payload.len, 9);
			uint64_t n = num_get64((const unsigned char *)r.payload.ptr + 1);
			assert_true(n < TOTAL);
			if (r.payload.ptr[0] == 'E')
				f->end[n] = true;
		}
	}
	f->torn += scan.torn;
	store_seal(f->st, s->number, scan.end);
	scan_close(&scan);
	return true;
}

static void
no_damage(void *arg, const char *name, const char *why)
{
	(void)arg;
	fail_msg("segment %s: %s", name, why);
}

struct expected {
	bool		 answered[TOTAL], ending[TOTAL], ended[TOTAL];
	uint64_t	 segment, spill, checkpoint;
};

static void
expect(void *arg, int kind, uint64_t value)
{
	struct expected *e = arg;

	switch ((enum mark)kind) {
	case MARK_ANSWERED:	e->answered[value] = true; break;
	case MARK_ENDING:	e->ending[value] = true; break;
	case MARK_ENDED:	e->ended[value] = true; break;
	case MARK_SEGMENT:	e->segment = value > e->segment ? value : e->segment; break;
	case MARK_SPILL:	e->spill = value > e->spill ? value : e->spill; break;
	case MARK_CHECKPOINT:	e->checkpoint = value; break;
	}
}

static void
check_checkpoint(const struct expected *e, int dir)
{
	bool found;
	struct err err = { 0 };
	struct span entry;
	enum checkpoint_result got;

	struct checkpoint_reader *r = checkpoint_open(dir, NULL, &found, &err);
	/* None, or a whole one, at least as new as the last that was said to be there. */
	if (!found) {
		assert_int_equal(e->checkpoint, 0);
		return;
	}
	if (r == NULL)
		fail_msg("%s", err.text);
	assert_true(num_get64((const unsigned char *)checkpoint_extra(r).ptr) >= e->checkpoint);
	while ((got = checkpoint_next(r, &entry)) == CHECKPOINT_ENTRY)
		assert_int_equal(entry.len, 16);
	assert_int_equal(got, CHECKPOINT_END);
	checkpoint_close(r);
}

static void
check_found(const struct expected *e, const struct found *f)
{
	for (uint64_t n = 0; n < TOTAL; n++) {
		if (e->answered[n] && !f->message[n] && !f->end[n])
			fail_msg("message %llu was answered, and is lost", (unsigned long long)n);
		if (e->ended[n] && !f->end[n])
			fail_msg("the durable end of message %llu is lost", (unsigned long long)n);
		if (f->end[n] && !e->ending[n])
			fail_msg("message %llu was ended by nobody", (unsigned long long)n);
	}
}

static void
recover(int dir, bool again, struct found *f)
{
	static const struct store_config config = { .segment_size = SEGMENT_MIN };
	struct err err;

	*f = (struct found){ .sealed_before = again };
	f->st = store_open(dir, STORE_OWN, &config, &err);
	if (f->st == NULL)
		fail_msg("%s", err.text);
	store_each_damaged(f->st, no_damage, NULL);
	store_each(f->st, scan_one, f);
}

/* The spool goes on after the loss: what was found stays, what is added is found, what was torn does not come back. */
static void
second_life(int dir, const struct found *before, struct found *after)
{
	struct life *x;
	bool in_second[TOTAL] = { 0 };

	MEM_NEW(x);
	x->random = 99;
	while (x->next < TOTAL && before->message[x->next])
		x->next++;
	x->stop_at = x->next + 40 < TOTAL ? x->next + 40 : TOTAL;
	for (uint64_t n = x->next; n < x->stop_at; n++)
		in_second[n] = true;
	life_begin(x, dir);
	util_spin();
	life_end(x);
	free(x);
	recover(dir, true, after);
	assert_int_equal(after->corrupt, before->corrupt);
	for (uint64_t n = 0; n < TOTAL; n++) {
		assert_int_equal(after->message[n], before->message[n] || in_second[n]);
		assert_int_equal(after->end[n], before->end[n]);
	}
	store_close(after->st);
}

struct totals {
	size_t		 corrupt, torn, seconds;
};

static void
one_cut(const struct disk *d, size_t cut, enum disk_rest rest, uint64_t seed, bool go_on, struct totals *t)
{
	static struct found f, again;
	static struct expected e;
	char path[64];

	e = (struct expected){ 0 };
	disk_marks(d, cut, expect, &e);
	int dir = util_mkdir(path);
	disk_replay(d, cut, rest, seed, dir);
	recover(dir, false, &f);
	check_found(&e, &f);
	check_checkpoint(&e, dir);
	assert_true(f.st->next_segment > e.segment);
	assert_true(f.st->next_spill > e.spill);
	store_close(f.st);
	t->corrupt += f.corrupt;
	t->torn += f.torn;
	if (go_on) {
		second_life(dir, &f, &again);
		t->seconds++;
	}
	util_rmdir(dir, path);
}

static void
test_power_loss(void **state)
{
	const char *cuts_text = getenv("POWERLOSS_CUTS"), *seed_text = getenv("POWERLOSS_SEED");
	size_t cuts = cuts_text != NULL ? strtoul(cuts_text, NULL, 10) : 1000;
	struct totals t = { 0 };
	struct life *x;
	char path[64];

	(void)state;
	MEM_NEW(x);
	x->random = seed_text != NULL ? strtoul(seed_text, NULL, 10) : 1;
	x->stop_at = TOTAL;
	int dir = util_mkdir(path);
	x->disk = disk_start(dir);
	life_begin(x, dir);
	util_spin();
	life_end(x);
	disk_stop(x->disk);
	util_rmdir(dir, path);
	size_t ops = disk_ops(x->disk);
	printf("%zu operations, %u segments released, %u compacted, %llu checkpoints\n", ops, x->released, x->compacted,
	    (unsigned long long)x->checkpoints);
	assert_true(x->released > 2);	/* how many depends on how fast the helper threads are */
	assert_true(x->compacted > 0);
	assert_true(x->checkpoints > 1);
	for (size_t i = 0; i < cuts; i++) {
		static const enum disk_rest rest[] = { DISK_NOTHING, DISK_SOME, DISK_EVERYTHING, DISK_SOME };
		/* Evenly over the whole course; each prefix once for every such round. */
		size_t cut = cuts <= ops ? i * ops / cuts + i % 3 : i % (ops + 1);
		size_t way = cuts <= ops ? i % 4 : (i + i / (ops + 1)) % 4;
		one_cut(x->disk, cut < ops ? cut : ops, rest[way], i, i % 50 == 49, &t);
	}
	printf("%zu cuts: %zu torn records, %zu more in batches that nobody was answered for; %zu went on\n", cuts, t.torn,
	    t.corrupt, t.seconds);
	disk_free(x->disk);
	free(x);
}

static int
setup(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_loss),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
