#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/queue_id.h"

static void
text_and_back(void **state)
{
	(void)state;
	static const struct { uint64_t usec; uint32_t writer; const char *text; } rows[] = {
		{ 0, 0, "0000000000z0" },
		{ 1000000, 50, "0000010000zy" },
		{ 52 * 1000000ull + 53, 51, "0000100011z10" },
		/* Laid out as Postfix's: six digits for today's seconds, four for microseconds. */
		{ 1700000000ull * 1000000 + 999999, 1, "4SVLCh75plz1" },
		{ 1795305600ull * 1000000 + 123456, UINT32_MAX, "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[QID_TEXT];
		struct qid id = { rows[i].usec, rows[i].writer }, back;
		qid_text(id, text);
		if (*rows[i].text != '\0')
			assert_string_equal(text, rows[i].text);
		assert_true(qid_parse(span_str(text), &back));
		assert_true(qid_eq(id, back));
	}
}

static void
refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"", "z", "0000000000", "0000000000z", "000000000z0", "00000000000z0", "0000000000z00", "0000000000z0a",
		"A000000000z0", "000000zzzzz0", "zzzzzzzzzzzzzzzz0000z0", "0000000000zyyyyyyyyyyyy", "ABCDEF1234", "0000000000z0 ",
	};
	struct qid id = { 7, 7 };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (qid_parse(span_str(rows[i]), &id))
			fail_msg("%s was taken", rows[i]);
	assert_true(id.usec == 7 && id.writer == 7);
}

static void
never_twice(void **state)
{
	(void)state;
	struct qid_maker m = { .writer = qid_writer(3, 9) };
	struct qid a = qid_make(&m, 1000), b = qid_make(&m, 1000), c = qid_make(&m, 500), d = qid_make(&m, 5000);
	assert_true(qid_cmp(a, b) < 0 && qid_cmp(b, c) < 0 && qid_cmp(c, d) < 0);
	assert_int_equal(d.usec, 5000);
	assert_int_equal(d.writer, 9 << 6 | 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back), cmocka_unit_test(refused), cmocka_unit_test(never_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
