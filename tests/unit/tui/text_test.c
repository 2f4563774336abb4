#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tui/console.h"
#include "tui/nc.h"
#include "tui/script.h"
#include "tui/text.h"

struct wrap_case {
	const char	*in;
	int		 width;
	const char	*lines[5];
};

static void
wrapping(void **state)
{
	static const struct wrap_case cases[] = {
		{ "abc", 10, { "abc" } },
		{ "abc\ndef", 10, { "abc", "def" } },
		{ "\n\nx\n", 10, { "", "", "x" } },
		{ "aaaa bbbb cccc", 10, { "aaaa bbbb ", "cccc" } },
		{ "aaaaaaaaaaaaa", 5, { "aaaaa", "aaaaa", "aaa" } },
		{ "a\tb", 4, { "a", "\t", "b" } },
		{ "\033[31mred\033[0m x", 10, { "\033[31mred\033[0m x" } },
	};

	(void)state;
	paint_init(false, true);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text t = { .width = 0 };
		struct buf in = BUF_INIT(0);
		size_t n = 0;
		buf_str(&in, cases[i].in);
		text_take(&t, &in);
		text_wrap(&t, cases[i].width);
		for (; n < 5 && cases[i].lines[n] != NULL; n++) {
			assert_true(n < t.count);
			assert_true(span_eqs(span_of(t.content.ptr + t.lines[n].at, t.lines[n].len), cases[i].lines[n]));
		}
		assert_int_equal(t.count, n);
		text_clear(&t);
	}
}

static void
searching(void **state)
{
	struct text t = { .height = 2 };
	struct buf in = BUF_INIT(0);

	(void)state;
	buf_str(&in, "zero\none x\ntwo\nthree X\nfour");
	text_take(&t, &in);
	assert_false(text_search(&t, SPAN("x"), false));	/* not wrapped yet: nothing is there */
	text_wrap(&t, 80);
	static const struct { bool back; size_t line; } steps[] = { { false, 1 }, { false, 3 }, { false, 1 }, { true, 3 }, { true, 1 } };
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		assert_true(text_search(&t, SPAN("x"), steps[i].back));
		assert_int_equal(t.found, steps[i].line);
	}
	assert_false(text_search(&t, SPAN("none"), false));
	text_clear(&t);
}

static void
script_keys(void **state)
{
	static const struct { const char *in; int keys[5]; } cases[] = {
		{ "ab", { 'a', 'b' } },
		{ "<Enter><Esc>", { KEY_RETURN, KEY_ESCAPE } },
		{ "<F5><Down>x", { FN(KEY_F(5)), FN(KEY_DOWN), 'x' } },
		{ "<lt>a>", { '<', 'a', '>' } },
		{ "a<b", { 'a', '<', 'b' } },
		{ "<C-c>", { CTRL('c') } },
		{ "\xc3\xbc", { 0xfc } },
		{ "<Nope>", { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span rest = span_str(cases[i].in);
		for (size_t n = 0; rest.len > 0; n++) {
			struct err err = { .kind = ERR_NONE };
			assert_int_equal(script_key(&rest, &err), cases[i].keys[n]);
			assert_true((cases[i].keys[n] == 0) == (err.kind != ERR_NONE));
		}
	}
}

static void
sizes(void **state)
{
	struct term_size size = { 0, 0 };

	(void)state;
	assert_true(script_size(SPAN("200x50"), &size));
	assert_int_equal(size.cols, 200);
	assert_int_equal(size.rows, 50);
	static const char *const bad[] = { "", "x", "80", "80x", "x24", "0x24", "80x0", "80x24x", "-1x5", "5000x24" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(script_size(span_str(bad[i]), &size));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrapping),
		cmocka_unit_test(searching),
		cmocka_unit_test(script_keys),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
