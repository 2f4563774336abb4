#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/batch.h"
#include "spool/record.h"
#include "spool/segment.h"

#include "unit/spool/util.h"

int
util_mkdir(char path[64])
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(path, 64, "%s/mtad-test-XXXXXX", base);
	assert_non_null(mkdtemp(path));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int
remove_one(const char *path, const struct stat *sb, int flag, struct FTW *f)
{
	(void)sb;
	(void)flag;
	(void)f;
	return remove(path);
}

void
util_rmdir(int fd, const char *path)
{
	close(fd);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
too_long(void *arg)
{
	(void)arg;
	fail_msg("nothing called back for a minute");
}

void
util_spin(void)
{
	struct loop_timer guard;

	loop_timer_init(&guard, too_long, NULL);
	loop_timer_set(&guard, MINUTE);
	(void)loop_run();
	loop_timer_stop(&guard);
}

/* A small generator, so that the same number gives the same bytes everywhere. */
static uint32_t
next(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*x >> 33);
}

static void
fill(struct buf *b, uint64_t n, size_t len)
{
	uint64_t x = n * 77 + 1;

	buf_reset(b);
	char *p = buf_room(b, len);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)next(&x);
	buf_added(b, len);
}

void
util_message(uint64_t n, uint64_t spill, struct envelope *e, struct buf *strings, struct buf *header, struct buf *body)
{
	uint64_t x = n;
	size_t size = 30 + next(&x) % 1200;
	struct buf rcpt = BUF_INIT(0);
	char text[64];

	if (n % 13 == 0)
		size += 9000;
	*e = (struct envelope){ .id = { n + 1, 7 }, .arrival = (int64_t)n, .spill = spill };
	e->recipient_count = 1 + next(&x) % 3;
	for (uint32_t i = 0; i < e->recipient_count; i++) {
		(void)snprintf(text, sizeof text, "user%u.%llu@example.org", i, (unsigned long long)n);
		recipient_pack(&rcpt, &(struct recipient){ .number = i, .address = span_str(text) });
	}
	buf_reset(strings);
	buf_span(strings, buf_view(&rcpt));
	size_t rcpt_len = rcpt.len;
	buf_clear(&rcpt);
	buf_printf(strings, "sender%llu@example.com", (unsigned long long)n);
	e->recipients = span_of(strings->ptr, rcpt_len);
	e->sender = span_of(strings->ptr + rcpt_len, strings->len - rcpt_len);
	buf_reset(header);
	buf_printf(header, "Subject: message %llu\n\n", (unsigned long long)n);
	fill(body, n, size);
	e->size = header->len + body->len;
}

bool
util_message_ok(const struct message *m, struct buf *body_file)
{
	struct envelope e;
	struct buf strings = BUF_INIT(0), header = BUF_INIT(0), body = BUF_INIT(0);

	util_message(m->envelope.id.usec - 1, m->envelope.spill, &e, &strings, &header, &body);
	bool ok = qid_eq(e.id, m->envelope.id) && e.size == m->envelope.size && span_eq(e.sender, m->envelope.sender) &&
	    span_eq(e.recipients, m->envelope.recipients) && span_eq(buf_view(&header), m->header);
	if (m->envelope.spill == 0)
		ok = ok && span_eq(buf_view(&body), m->body);
	else
		ok = ok && m->spill_length == body.len;
	if (body_file != NULL) {
		buf_reset(body_file);
		buf_span(body_file, buf_view(&body));
	}
	buf_clear(&strings);
	buf_clear(&header);
	buf_clear(&body);
	return ok;
}

void
image_new(struct image *im, size_t size, uint64_t nonce)
{
	*im = (struct image){ .bytes = mem_new(size), .size = size, .nonce = nonce, .at = SEGMENT_DATA };
}

void
image_free(struct image *im)
{
	free(im->bytes);
}

void
image_batch(struct image *im, const struct span *payload, size_t n, uint64_t *offsets)
{
	struct batch *b = batch_new();

	batch_begin(b, -1, im->nonce, ++im->sequence, im->at);
	for (size_t i = 0; i < n; i++) {
		struct iovec iov = { (void *)(uintptr_t)payload[i].ptr, payload[i].len };
		if (offsets != NULL)
			offsets[i] = b->offset + b->len;
		batch_add(b, RECORD_EVENT, 0, &iov, 1, (uint32_t)payload[i].len, &(struct batch_entry){ .sync_first = -1 });
	}
	batch_end(b, im->at);
	assert_true(im->at + b->len <= im->size);
	memcpy(im->bytes + im->at, b->bytes, b->len);
	im->at += b->len;
	batch_free(b);
}
