#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/span.h"

#define COUNT(a)	(sizeof (a) / sizeof *(a))

static void
test_compare(void **state)
{
	static const struct {
		const char *a, *b;
		int cmp, casecmp;	/* signs */
	} rows[] = {
		{ "", "", 0, 0 }, { "a", "", 1, 1 }, { "", "a", -1, -1 }, { "abc", "abd", -1, -1 }, { "ab", "abc", -1, -1 },
		{ "ABC", "abc", -1, 0 }, { "aBc", "AbC", 1, 0 }, { "\xe4", "\xc4", 1, 1 }, { "\x80", "a", 1, 1 }, { "[", "a", -1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span a = span_str(rows[i].a), b = span_str(rows[i].b);
		int cmp = span_cmp(a, b), casecmp = span_casecmp(a, b);
		assert_int_equal((cmp > 0) - (cmp < 0), rows[i].cmp);
		assert_int_equal((casecmp > 0) - (casecmp < 0), rows[i].casecmp);
		assert_int_equal(span_eq(a, b), rows[i].cmp == 0);
		assert_int_equal(span_caseeq(a, b), rows[i].casecmp == 0);
	}
	assert_true(span_eq(SPAN_NONE, SPAN("")));
	assert_int_equal(span_cmp(SPAN_NONE, SPAN("")), 0);
}

static void
test_ends(void **state)
{
	(void)state;
	assert_true(span_starts(SPAN("unix:x"), "unix:"));
	assert_false(span_starts(SPAN("uni"), "unix:"));
	assert_true(span_casestarts(SPAN("MAIL FROM:"), "mail from"));
	assert_true(span_ends(SPAN("a.gdbm"), ".gdbm"));
	assert_false(span_ends(SPAN("bm"), ".gdbm"));
	assert_true(span_ends(SPAN("x"), ""));
	assert_true(span_starts(SPAN_NONE, ""));
}

static void
test_find(void **state)
{
	(void)state;
	assert_int_equal(span_find(SPAN("a@b@c"), '@'), 1);
	assert_int_equal(span_rfind(SPAN("a@b@c"), '@'), 3);
	assert_int_equal(span_find(SPAN("abc"), '@'), 3);
	assert_int_equal(span_rfind(SPAN_NONE, '@'), 0);
	assert_true(span_has(SPAN("a\0b"), '\0'));
	assert_false(span_has(SPAN(""), 'a'));
}

static void
test_parts(void **state)
{
	(void)state;
	assert_true(span_eqs(span_skip(SPAN("abc"), 1), "bc"));
	assert_int_equal(span_skip(SPAN("abc"), 9).len, 0);
	assert_int_equal(span_skip(SPAN_NONE, 9).len, 0);
	assert_true(span_eqs(span_head(SPAN("abc"), 2), "ab"));
	assert_true(span_eqs(span_head(SPAN("abc"), 9), "abc"));
	assert_true(span_eqs(span_trim(SPAN(" \t a b\r\n")), "a b"));
	assert_true(span_eqs(span_ltrim(SPAN(" a ")), "a "));
	assert_true(span_eqs(span_rtrim(SPAN(" a ")), " a"));
	assert_int_equal(span_trim(SPAN(" \t")).len, 0);
}

static void
test_cut(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *fields[4];
	} rows[] = {
		{ "a:b:c", 3, { "a", "b", "c" } }, { "a", 1, { "a" } }, { "", 1, { "" } }, { ":", 2, { "", "" } },
		{ "a::", 3, { "a", "", "" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span rest = span_str(rows[i].in), head;
		for (size_t f = 0; f < rows[i].n; f++) {
			assert_true(span_cut(&rest, ':', &head));
			assert_true(span_eqs(head, rows[i].fields[f]));
		}
		assert_false(span_cut(&rest, ':', &head));
	}
}

static void
test_word(void **state)
{
	struct span rest = SPAN(" a, b\t\0c\n,"), word;

	(void)state;
	assert_true(span_word(&rest, " \t\n,", &word) && span_eqs(word, "a"));
	assert_true(span_word(&rest, " \t\n,", &word) && span_eqs(word, "b"));
	assert_true(span_word(&rest, " \t\n,", &word) && span_eq(word, SPAN("\0c")));
	assert_false(span_word(&rest, " \t\n,", &word));
	assert_int_equal(word.len, 0);
}

static void
test_dup(void **state)
{
	char *s = span_dup(span_of("abcdef", 3)), *none = span_dup(SPAN_NONE);

	(void)state;
	assert_string_equal(s, "abc");
	assert_string_equal(none, "");
	free(s);
	free(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare), cmocka_unit_test(test_ends), cmocka_unit_test(test_find), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_cut), cmocka_unit_test(test_word), cmocka_unit_test(test_dup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
