/*
 * The index against records that lie: a journal record applied to messages that are there, and a checkpoint's entry. The first byte chooses
 * (e: entry; a: the table of actions; else: record). Whatever comes, the counts stay right and an entry that was taken can be encoded and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spool/index.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define ID	((struct qid){ 1, 65 })

static void
add(struct index *ix)
{
	struct buf list = BUF_INIT(0);

	for (uint32_t i = 0; i < 3; i++)
		recipient_pack(&list, &(struct recipient){ .number = i, .address = SPAN("a@b.test"), .orcpt = SPAN("rfc822;c") });
	struct envelope env = { .id = ID, .arrival = 5, .size = 10, .sender = SPAN("s@t.test"), .recipient_count = 3,
		.recipients = buf_view(&list) };
	if (index_add(ix, &env, (struct loc){ 1, 64, 200 }) == NULL)
		abort();
	buf_clear(&list);
}

static void
check(const struct index *ix)
{
	struct index_tally found[ENTRY_STATES] = { 0 };
	struct qid at = QID_NONE;
	size_t n = 0;

	for (const struct entry *e; (e = index_after(ix, at)) != NULL; at = e->id, n++) {
		uint32_t open = 0;
		for (uint32_t i = 0; i < e->rcpt_count; i++) {
			open += !rcpt_final(&e->rcpts[i]);
			(void)entry_address(e, i);
			(void)index_cause_text(ix, e->rcpts[i].cause);
		}
		if (open != e->open || e->state >= ENTRY_STATES)
			abort();
		found[e->state].messages++;
		found[e->state].recipients += open;
	}
	if (n != ix->count)
		abort();
	for (int i = 0; i < ENTRY_STATES; i++)
		if (found[i].messages != ix->tally[i].messages || found[i].recipients != ix->tally[i].recipients)
			abort();
}

static void
try_entry(struct index *ix, struct span s)
{
	struct unpack u = { .left = s };
	struct buf once = BUF_INIT(0), twice = BUF_INIT(0);
	struct entry *e = index_decode(ix, &u);

	if (e == NULL)
		return;
	index_encode(ix, e, &once);
	index_remove(ix, e);
	u = (struct unpack){ .left = buf_view(&once) };
	e = index_decode(ix, &u);
	if (e == NULL)
		abort();
	/* Notices of an entry are a list that decoding turns round; all else stays as it was. */
	index_encode(ix, e, &twice);
	if (once.len != twice.len)
		abort();
	buf_clear(&once);
	buf_clear(&twice);
}

static void
try_actions(struct span s)
{
	struct actions as = { 0 }, copy = { 0 };
	struct buf once = BUF_INIT(0), twice = BUF_INIT(0);

	if (actions_decode(&as, s)) {
		actions_encode(&as, &once);
		if (!actions_decode(&copy, buf_view(&once)))
			abort();
		actions_encode(&copy, &twice);
		if (!span_eq(buf_view(&once), buf_view(&twice)))
			abort();
	}
	actions_clear(&as);
	actions_clear(&copy);
	buf_clear(&once);
	buf_clear(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct index ix;

	if (size == 0)
		return 0;
	struct span s = span_of(data + 1, size - 1);
	index_init(&ix);
	if (data[0] == 'e') {
		try_entry(&ix, s);
	} else if (data[0] == 'a') {
		try_actions(s);
	} else {
		add(&ix);
		(void)index_apply_record(&ix, s, (struct loc){ 2, 64, 100 }, NULL);
	}
	check(&ix);
	index_clear(&ix);
	return 0;
}
