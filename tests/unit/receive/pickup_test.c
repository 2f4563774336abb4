#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "receive/pickup.h"

/* What is made of a maildrop file's head: "from to to notify ret envid 8bit | content", or the fault. */
static const struct {
	const char	*text;
	const char	*out;
} rows[] = {
	{ "mtad-drop 1\nfrom <a@b>\nto <c>\nto <\"x y\"@d>\n\nhi\n", "<a@b> <c> <\"x y\"@d> 0 0  0|hi\n" },
	{ "mtad-drop 1\nto <c>\nfrom <>\n\n", "<> <c> 0 0  0|" },
	{ "mtad-drop 1\nfrom <>\nto <c>\nnotify SUCCESS,DELAY\nret HDRS\nenvid x+41\nbody 8BITMIME\n\n\n\n", "<> <c> 10 2 x+41 1|\n\n" },
	{ "mtad-drop 1\nfrom <>\nto <c>\nbody 7bit\n\nx", "<> <c> 0 0  0|x" },
	{ "", "not a maildrop file" },
	{ "mtad-drop 2\nfrom <>\nto <c>\n\n", "not a maildrop file" },
	{ "mtad-drop 1", "no empty line after the head" },
	{ "mtad-drop 1\nfrom <>\nto <c>\n", "no empty line after the head" },
	{ "mtad-drop 1\nfrom <>\nto <c>", "no empty line after the head" },
	{ "mtad-drop 1\nfrom <>\n\n", "no sender or no recipient" },
	{ "mtad-drop 1\nto <c>\n\n", "no sender or no recipient" },
	{ "mtad-drop 1\nfrom <a>\nfrom <b>\nto <c>\n\n", "two senders" },
	{ "mtad-drop 1\nfrom <a>\nto\n\n", "a line without a value" },
	{ "mtad-drop 1\nfrom <a>\nto <c>\nnotify NEVER,DELAY\n\n", "bad notify" },
	{ "mtad-drop 1\nfrom <a>\nto <c>\nret MAYBE\n\n", "bad ret" },
	{ "mtad-drop 1\nfrom <a>\nto <c>\nbody 9BIT\n\n", "bad body" },
	{ "mtad-drop 1\nfrom <a>\nto <c>\ncommand rm\n\n", "an unknown line" },
};

static void
heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span text = span_str(rows[i].text), path;
		struct buf out = BUF_INIT(0);
		struct pickup_head h;
		struct err err = { 0 };
		size_t at = 0;

		if (pickup_parse(text, &h, &err)) {
			buf_span(&out, h.from);
			while (pickup_recipient(text, &h, &at, &path))
				buf_printf(&out, " %.*s", SPAN_ARG(path));
			buf_printf(&out, " %u %d %.*s %d|", h.notify, (int)h.ret, SPAN_ARG(h.envid), h.is_8bit);
			buf_span(&out, span_skip(text, h.length));
		} else {
			assert_int_equal(err.kind, ERR_PERM);
			buf_str(&out, err.text);
		}
		assert_string_equal(out.ptr, rows[i].out);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(heads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
