#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/segment.h"
#include "spool/writer.h"

#include "unit/spool/util.h"

#define SIZE	16384
#define NONCE	UINT64_C(0xfeedfacecafebeef)
#define BATCHES	3
#define EACH	3
#define TOTAL	(BATCHES * EACH)

struct sample {
	struct image	 im;
	char		 payload[TOTAL][300];
	struct span	 span[TOTAL];
	uint64_t	 offset[TOTAL];
	uint64_t	 batch_end[BATCHES + 1];
};

static void
sample_new(struct sample *p)
{
	static const size_t length[EACH] = { 20, 100, 300 };

	image_new(&p->im, SIZE, NONCE);
	p->batch_end[0] = SEGMENT_DATA;
	for (size_t i = 0; i < TOTAL; i++) {
		memset(p->payload[i], 'a' + (int)i, sizeof p->payload[i]);
		p->span[i] = span_of(p->payload[i], length[i % EACH]);
	}
	for (size_t b = 0; b < BATCHES; b++) {
		image_batch(&p->im, p->span + b * EACH, EACH, p->offset + b * EACH);
		p->batch_end[b + 1] = p->im.at;
	}
}

struct found {
	bool		 ok[TOTAL], corrupt[TOTAL];
	int		 strangers;	/* records that nobody wrote */
	int		 records, damaged;
	struct scan	 s;
};

static void
look(const struct sample *p, uint64_t from, uint64_t end, struct found *f)
{
	struct scan_record r;
	enum scan_result got;

	memset(f, 0, sizeof *f);
	scan_memory(&f->s, p->im.bytes, p->im.size, 1, p->im.nonce, from, end);
	while ((got = scan_next(&f->s, &r)) != SCAN_END) {
		bool known = false;
		for (size_t i = 0; i < TOTAL; i++) {
			uint64_t at = loc_offset(r.loc);
			if (got == SCAN_RECORD && p->offset[i] == at && span_eq(p->span[i], r.payload))
				known = f->ok[i] = true;
			if (got == SCAN_CORRUPT && p->offset[i] >= at && p->offset[i] < at + r.loc.length)
				f->corrupt[i] = true;
		}
		f->strangers += got == SCAN_RECORD && !known;
		f->records += got == SCAN_RECORD;
		f->damaged += got == SCAN_CORRUPT;
	}
}

static void
test_whole(void **state)
{
	struct sample p;
	struct found f;

	(void)state;
	sample_new(&p);
	look(&p, 0, 0, &f);
	assert_int_equal(f.records, TOTAL);
	assert_int_equal(f.s.batches, BATCHES);
	assert_int_equal(f.s.end, p.im.at);
	look(&p, p.offset[4], 0, &f);
	assert_int_equal(f.records, TOTAL - 4);
	look(&p, 0, p.batch_end[2], &f);
	assert_int_equal(f.records, 2 * EACH);
	assert_int_equal(f.s.end, p.batch_end[2]);
	look(&p, p.im.at, 0, &f);
	assert_int_equal(f.records, 0);
	assert_int_equal(f.s.end, p.im.at);
	look(&p, SIZE + 1000, 0, &f);
	assert_int_equal(f.records, 0);
	image_free(&p.im);
}

/* Which record a byte belongs to; -1: padding or a commit frame. */
static int
owner(const struct sample *p, uint64_t at)
{
	for (int i = 0; i < TOTAL; i++) {
		if (at >= p->offset[i] && at < p->offset[i] + RECORD_HEADER + p->span[i].len)
			return i;
	}
	return -1;
}

static void
test_each_byte_flipped(void **state)
{
	struct sample p;
	struct found f;

	(void)state;
	sample_new(&p);
	for (int sealed = 0; sealed < 2; sealed++) {
		for (uint64_t at = SEGMENT_DATA; at < p.im.at; at++) {
			int hurt = owner(&p, at);
			bool last_frame = !sealed && at >= p.im.at - COMMIT_SPACE && at < p.im.at - COMMIT_SPACE + RECORD_HEADER + COMMIT_PAYLOAD;
			p.im.bytes[at] ^= 0x41;
			look(&p, 0, sealed ? p.im.at : 0, &f);
			p.im.bytes[at] ^= 0x41;
			assert_int_equal(f.strangers, 0);
			for (int i = 0; i < TOTAL; i++) {
				/* Without seal and last frame, the last batch cannot be told from a torn one. */
				bool cut = last_frame && i >= TOTAL - EACH;
				assert_int_equal(f.ok[i], i != hurt && !cut);
				assert_int_equal(f.corrupt[i], i == hurt);
			}
		}
	}
	image_free(&p.im);
}

static void
test_each_sector_lost(void **state)
{
	struct sample p;
	struct found f;

	(void)state;
	sample_new(&p);
	for (uint64_t at = SEGMENT_DATA; at < p.im.at; at += 64) {
		unsigned char keep[512];
		memcpy(keep, p.im.bytes + at, sizeof keep);
		memset(p.im.bytes + at, 0, sizeof keep);
		look(&p, 0, p.im.at, &f);
		memcpy(p.im.bytes + at, keep, sizeof keep);
		assert_int_equal(f.strangers, 0);
		for (int i = 0; i < TOTAL; i++) {
			bool hurt = p.offset[i] < at + sizeof keep &&
			    p.offset[i] + RECORD_HEADER + p.span[i].len > at;
			assert_int_equal(f.ok[i], !hurt);
			assert_int_equal(f.corrupt[i], hurt);
		}
	}
	image_free(&p.im);
}

static void
test_torn_tail(void **state)
{
	struct sample p;
	struct found f;

	(void)state;
	sample_new(&p);
	uint64_t end = p.im.at;
	for (uint64_t cut = SEGMENT_DATA; cut < end; cut += 32) {
		unsigned char keep[SIZE];
		int whole = 0;
		memcpy(keep, p.im.bytes, SIZE);
		memset(p.im.bytes + cut, 0, SIZE - cut);
		look(&p, 0, 0, &f);
		memcpy(p.im.bytes, keep, SIZE);
		/* Of a commit frame's block the last eight bytes are padding. */
		while (whole < BATCHES && p.batch_end[whole + 1] - 8 <= cut)
			whole++;
		assert_int_equal(f.records, whole * EACH);
		assert_int_equal(f.damaged, 0);
		assert_int_equal(f.s.end, p.batch_end[whole]);
	}
	image_free(&p.im);
}

/* A reused file: what an earlier life left there, in the same places and in others, is never seen. */
static void
test_stale_records(void **state)
{
	struct sample p, old;
	struct found f;

	(void)state;
	sample_new(&old);
	sample_new(&p);
	for (int shift = 0; shift < 3; shift++) {
		memcpy(p.im.bytes, old.im.bytes, SIZE);
		p.im.nonce = NONCE + 1 + (uint64_t)shift;
		p.im.at = SEGMENT_DATA;
		p.im.sequence = 0;
		look(&p, 0, 0, &f);
		assert_int_equal(f.records + f.damaged, 0);
		image_batch(&p.im, p.span, (size_t)shift + 1, NULL);
		look(&p, 0, 0, &f);
		assert_int_equal(f.records, shift + 1);
		assert_int_equal(f.damaged, 0);
		assert_int_equal(f.strangers, 0);
		assert_int_equal(f.s.torn, 0);
	}
	image_free(&p.im);
	image_free(&old.im);
}

/* A message that holds records of this very segment, all alignments: with its own header damaged it is one gap, and nothing in it counts. */
static void
test_records_inside_a_message(void **state)
{
	struct sample p;
	struct image im;
	struct scan s;
	struct scan_record r;

	(void)state;
	sample_new(&p);
	for (size_t shift = 0; shift < 64; shift++) {
		struct span payload[3] = { SPAN("before"), SPAN_NONE, SPAN("after") };
		uint64_t at[3];
		char *evil = mem_new(SIZE);
		memcpy(evil + shift, p.im.bytes + SEGMENT_DATA, p.im.at - SEGMENT_DATA);
		payload[1] = span_of(evil, p.im.at - SEGMENT_DATA + shift);
		image_new(&im, 2 * SIZE, NONCE);
		image_batch(&im, payload, 3, at);
		im.bytes[at[1] + 12] ^= 1;
		scan_memory(&s, im.bytes, im.size, 1, NONCE, 0, 0);
		assert_int_equal(scan_next(&s, &r), SCAN_RECORD);
		assert_true(span_eqs(r.payload, "before"));
		assert_int_equal(scan_next(&s, &r), SCAN_CORRUPT);
		assert_int_equal(loc_offset(r.loc), at[1]);
		assert_int_equal(r.loc.length, at[2] - at[1]);
		assert_true(r.maybe_torn);
		assert_int_equal(scan_next(&s, &r), SCAN_RECORD);
		assert_true(span_eqs(r.payload, "after"));
		assert_int_equal(scan_next(&s, &r), SCAN_END);
		image_free(&im);
		free(evil);
	}
	image_free(&p.im);
}

static void
test_maybe_torn_is_the_last_batch_only(void **state)
{
	struct sample p;
	struct scan_record r;
	struct scan s;

	(void)state;
	sample_new(&p);
	for (int i = 0; i < TOTAL; i++) {
		enum scan_result got;
		p.im.bytes[p.offset[i] + RECORD_HEADER] ^= 1;
		scan_memory(&s, p.im.bytes, SIZE, 1, NONCE, 0, 0);
		while ((got = scan_next(&s, &r)) == SCAN_RECORD)
			;
		assert_int_equal(got, SCAN_CORRUPT);
		assert_int_equal(r.maybe_torn, i >= TOTAL - EACH);
		p.im.bytes[p.offset[i] + RECORD_HEADER] ^= 1;
	}
	image_free(&p.im);
}

/* Every byte of the first page, in turn: the header is found by its copy; grant and seal are lost, or are right. */
static void
test_first_page(void **state)
{
	struct segment_header h = { .number = 3, .nonce = NONCE, .size = SEGMENT_MIN, .uuid = "0123456789abcde" };
	struct segment_grant g = { SEGMENT_MAIL, 2, 9 };
	char name[] = "/tmp/mtad-spool-XXXXXX";
	struct segment_page page;
	struct err err;

	(void)state;
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	assert_false(segment_page_read(fd, &page, &err));
	assert_int_equal(err.kind, ERR_PERM);
	assert_true(segment_header_write(fd, &h, &err));
	assert_true(segment_grant_write(fd, NONCE, &g, &err));
	assert_true(segment_seal_write(fd, NONCE, 8192, &err));
	for (off_t at = 0; at < SEGMENT_DATA; at++) {
		unsigned char was = 0, now;
		(void)!pread(fd, &was, 1, at);
		now = was ^ 0x10;
		assert_int_equal(pwrite(fd, &now, 1, at), 1);
		assert_true(segment_page_read(fd, &page, &err));
		assert_int_equal(page.header.number, 3);
		assert_true(page.header.nonce == NONCE);
		assert_int_equal(page.repaired, at < 64);
		assert_int_equal(page.grant.use, at >= 512 && at < 544 ? SEGMENT_FREE : SEGMENT_MAIL);
		assert_int_equal(page.sealed, !(at >= 1024 && at < 1056));
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	/* Another life: the old grant and seal are not its own. */
	h.nonce++;
	assert_true(segment_header_write(fd, &h, &err));
	assert_true(segment_page_read(fd, &page, &err));
	assert_int_equal(page.grant.use, SEGMENT_FREE);
	assert_false(page.sealed);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_each_byte_flipped),
		cmocka_unit_test(test_each_sector_lost),
		cmocka_unit_test(test_torn_tail),
		cmocka_unit_test(test_stale_records),
		cmocka_unit_test(test_records_inside_a_message),
		cmocka_unit_test(test_maybe_torn_is_the_last_batch_only),
		cmocka_unit_test(test_first_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
