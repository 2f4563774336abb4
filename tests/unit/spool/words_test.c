#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "spool/index_words.h"

static struct words
said(const char *nexthop, const char *text)
{
	return (struct words){ .transport = SPAN("smtp"), .nexthop = span_str(nexthop), .text = span_str(text) };
}

/* From its second appearance on a text is known, until there is another. */
static void
test_learn(void **state)
{
	struct index ix;
	struct entry_rcpt a = { 0 }, b = { 0 };
	struct words got, one = said("a.example", "Connection refused"), other = said("b.example", "");

	(void)state;
	index_init(&ix);
	assert_false(words_of(&ix, &a, &got));
	words_learn(&ix, &a, &one);
	assert_true(words_of(&ix, &a, &got));
	assert_true(span_eqs(got.transport, "smtp") && span_eqs(got.nexthop, "a.example") && !got.has_text && got.text.len == 0);
	words_learn(&ix, &b, &one);
	assert_true(words_of(&ix, &b, &got));
	assert_true(got.has_text && span_eqs(got.text, "Connection refused") && span_eqs(got.nexthop, "a.example"));
	words_learn(&ix, &a, &one);
	assert_int_equal(a.words, b.words);
	words_forget(&ix, &a);
	assert_false(words_of(&ix, &a, &got));
	assert_true(words_of(&ix, &b, &got) && span_eqs(got.text, "Connection refused"));
	words_forget(&ix, &b);
	assert_int_equal(ix.words.bytes, 0);
	/* An empty text is one too; numbers are used again. */
	words_learn(&ix, &a, &other);
	words_learn(&ix, &b, &other);
	assert_true(words_of(&ix, &b, &got));
	assert_true(got.has_text && got.text.len == 0 && span_eqs(got.nexthop, "b.example"));
	words_forget(&ix, &a);
	words_forget(&ix, &b);
	assert_int_equal(ix.words.bytes, 0);
	index_clear(&ix);
}

/* Lengths at and over the limits; nothing that is cut would be true. */
static void
test_limits(void **state)
{
	struct index ix;
	struct entry_rcpt r = { 0 };
	struct words got;
	char text[500];

	(void)state;
	index_init(&ix);
	memset(text, 'x', sizeof text);
	for (size_t n = 398; n < 403; n++) {
		struct words w = said("a.example", "");
		w.text = span_of(text, n);
		for (int i = 0; i < 3; i++)
			words_learn(&ix, &r, &w);
		assert_true(words_of(&ix, &r, &got));
		assert_int_equal(got.has_text, n <= 400);
		assert_true(span_eqs(got.nexthop, "a.example"));
		assert_int_equal(got.text.len, n <= 400 ? n : 0);
		words_forget(&ix, &r);
	}
	struct words long_name = said("", "text");
	long_name.nexthop = span_of(text, 255);
	words_learn(&ix, &r, &long_name);
	assert_true(words_of(&ix, &r, &got) && got.nexthop.len == 255);
	words_forget(&ix, &r);
	long_name.nexthop = span_of(text, 256);
	words_learn(&ix, &r, &long_name);
	assert_false(words_of(&ix, &r, &got));
	index_clear(&ix);
}

#define MANY 60000u

/* Texts that are all different fill nothing; those of two fill a part, and leave room for destinations. */
static void
test_room(void **state)
{
	static struct entry_rcpt rcpts[MANY];
	struct index ix;
	struct words got;
	char text[200], name[32];

	(void)state;
	index_init(&ix);
	for (uint32_t i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof text, "host said: 450 try again later, my number for it is %u", i);
		struct words w = said("a.example", text);
		words_learn(&ix, &rcpts[i], &w);
		assert_true(words_of(&ix, &rcpts[i], &got) && !got.has_text);
	}
	assert_true(ix.words.bytes < 1000);
	for (uint32_t i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof text, "host said: 450 try again, my number for it is %u", i);
		struct words w = said("b.example", text);
		words_forget(&ix, &rcpts[i]);
		words_learn(&ix, &rcpts[i], &w);
		words_learn(&ix, &rcpts[i], &w);
		if (words_of(&ix, &rcpts[i], &got) && got.has_text)
			assert_true(span_eqs(got.text, text));
	}
	assert_true(ix.words.bytes <= ((size_t)1 << 20) / 4 * 3 + 500);
	for (uint32_t i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "dest%u.example", i);
		struct words w = said(name, text);
		words_forget(&ix, &rcpts[i]);
		words_learn(&ix, &rcpts[i], &w);
		assert_true(words_of(&ix, &rcpts[i], &got) && span_eqs(got.nexthop, name));
	}
	for (uint32_t i = 0; i < MANY; i++)
		words_forget(&ix, &rcpts[i]);
	assert_int_equal(ix.words.bytes, 0);
	assert_int_equal(ix.words.map.count, 0);
	index_clear(&ix);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn), cmocka_unit_test(test_limits), cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("spool/words", tests, NULL, NULL);
}
