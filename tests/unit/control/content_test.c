#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base64.h"
#include "ctl/jsonl.h"
#include "spool/record.h"
#include "spool/writer.h"
#include "unit/control/stage.h"

static const char content_head[] = "Subject: gr\xc3\xbc\xc3\x9f\xff\n\n";

/* A segment with one message; the spill, if any, in *spill. */
static int
make_segment(struct span body, uint64_t spill_length, struct loc *loc)
{
	struct envelope e = { .id = { 1700000000000000, 65 }, .sender = SPAN("a@b.c"), .spill = spill_length > 0 ? 9 : 0 };
	struct iovec iov[MESSAGE_IOV];
	struct buf head = BUF_INIT(0), record = BUF_INIT(0);
	struct record_head h = { .type = RECORD_MESSAGE };
	unsigned char space[RECORD_HEADER] = { 0 };

	int n = message_layout(&head, &e, span_of(content_head, sizeof content_head - 1), body, spill_length, iov);
	buf_put(&record, space, sizeof space);
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len > 0)
			buf_put(&record, iov[i].iov_base, iov[i].iov_len);
	h.length = (uint32_t)(record.len - RECORD_HEADER);
	record_finish((unsigned char *)record.ptr, 77, 4096, &h);
	*loc = loc_make(3, 4096, (uint32_t)record.len);
	int fd = memfd_create("segment", MFD_CLOEXEC);
	assert_int_equal(pwrite(fd, record.ptr, record.len, 4096), (ssize_t)record.len);
	buf_clear(&head);
	buf_clear(&record);
	return fd;
}

/* The rows' content put together again. */
static void
gather(const char *lines, struct buf *content, unsigned *rows)
{
	struct span left = span_str(lines), line, row, value;
	struct buf text = BUF_INIT(0);

	buf_reset(content);
	for (*rows = 0; span_cut(&left, '\n', &line) && jsonl_find(line, "row", &row); ++*rows) {
		buf_reset(&text);
		if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value))
			assert_true(jsonl_text(value, content));
		else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value))
			assert_true(jsonl_text(value, &text) && base64_decode(content, buf_view(&text)));
	}
	buf_clear(&text);
}

static void
cat_once(struct span body, bool spilled)
{
	struct buf b = BUF_INIT(0), all = BUF_INIT(0), got = BUF_INIT(0), want = BUF_INIT(0);
	struct loc loc;
	int spill = -1;
	unsigned rows;

	int segment = make_segment(spilled ? SPAN("") : body, spilled ? body.len : 0, &loc);
	if (spilled) {
		spill = memfd_create("spill", MFD_CLOEXEC);
		assert_int_equal(write(spill, body.ptr, body.len), (ssize_t)body.len);
	}
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"cat\",\"args\":{\"id\":\"4SVLCh0000z3m\"}}\n");
	ipc_send_segment_open(queue.ipc, &(struct ipc_segment_open){ .segment = 3, .nonce = 77 }, segment);
	ipc_send_answer_content(queue.ipc, &(struct ipc_answer_content){ .request = queue.asked, .segment = 3,
	    .offset = loc_offset(loc), .length = loc.length, .header = SPAN("{\"queue_id\":\"x\"}") }, spill);
	for (int i = 0; i < 2000 && (all.ptr == NULL || strstr(all.ptr, "\"done\":true") == NULL); i++) {
		run();
		hear(fd, &b);
		buf_span(&all, buf_view(&b));
	}
	gather(all.ptr, &got, &rows);
	buf_put(&want, content_head, sizeof content_head - 1);
	buf_span(&want, body);
	assert_non_null(strstr(all.ptr, "{\"id\":1,\"row\":{\"envelope\":{\"queue_id\":\"x\"}}}\n"));
	assert_non_null(strstr(all.ptr, "{\"id\":1,\"done\":true,\"status\":0}\n"));
	assert_true(span_eq(buf_view(&got), buf_view(&want)));
	close(fd);
	close(segment);
	if (spill >= 0)
		close(spill);
	run();
	buf_clear(&b);
	buf_clear(&all);
	buf_clear(&got);
	buf_clear(&want);
}

static void
content(void **state)
{
	size_t n = (size_t)3 << 20;
	char *big = malloc(n);

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < n; i++)
		big[i] = i % 40 == 39 ? '\n' : i % 40000 < 20000 ? "\xc3\xa9"[i % 2] : (char)(i * 7);
	cat_once(SPAN("text\n"), false);
	cat_once(SPAN(""), false);
	cat_once(span_of("nul \0 and \xfe\n", 12), false);
	cat_once(span_of(big, 500000), false);
	cat_once(span_of(big, n), true);
	free(big);
}

static void
damaged_content(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"cat\",\"args\":{\"id\":\"4SVLCh0000z3m\"}}\n");
	ipc_send_answer_content(queue.ipc, &(struct ipc_answer_content){ .request = queue.asked, .segment = 99,
	    .offset = 4096, .length = 100 }, -1);
	run();
	assert_non_null(strstr(hear(fd, &b), "\"status\":65"));
	close(fd);
	run();
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(content), cmocka_unit_test(damaged_content) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
