#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tui/mime.h"
#include "tui/mime_text.h"

struct words_case {
	const char	*in, *out;
};

static void
encoded_words(void **state)
{
	static const struct words_case cases[] = {
		{ "plain", "plain" },
		{ "=?utf-8?q?Gr=C3=BC=C3=9Fe_7?=", "Gr\xc3\xbc\xc3\x9f" "e 7" },
		{ "=?UTF-8?B?R3LDvMOfZQ==?= x", "Gr\xc3\xbc\xc3\x9f" "e x" },
		{ "=?iso-8859-1?Q?caf=E9?=", "caf\xc3\xa9" },
		{ "=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c" },
		{ "=?utf-8*en?q?a?=", "a" },
		{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
		{ "=?utf-8?q?open", "=?utf-8?q?open" },
		{ "=?utf-8?q?=4?=", "=4" },
		{ "=?\?q?a?=", "=?\?q?a?=" },
		{ "=?", "=?" },
		{ "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "=?shift_jis?Q?=93=FA?=", "\xe6\x97\xa5" },
		{ "=?iso-2022-cn-ext?Q?=1B?=", "\x1b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = BUF_INIT(0);
		mime_words(&out, span_str(cases[i].in));
		assert_string_equal(out.ptr, cases[i].out);
		buf_clear(&out);
	}
}

struct show_case {
	const char	*name, *in;
	const char	*has[4], *hasnot[2];
};

static const struct show_case show_cases[] = {
	{ "plain", "Subject: hi\nX-Other: no\n\nbody\n", { "Subject:", "hi", "body\n" }, { "X-Other" } },
	{ "quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\na=20b=\nc=3D\n", { "a bc=\n" }, { NULL } },
	{ "base64", "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8K\nd29ybGQK\n", { "hello\nworld\n" }, { NULL } },
	{ "latin", "Content-Type: text/plain; charset=\"iso-8859-1\"\n\ncaf\xe9\n", { "caf\xc3\xa9" }, { NULL } },
	{ "control bytes", "Subject: \x1b]0;x\x07\n\n\x1b[2J\xc2\x9b" "31m\xe2\x80\xae\n", { "\\x1b]0;x\\x07", "\\x1b[2J", "\\u009b", "\\u202e" },
	    { "\x1b]", "\x07" } },
	{ "control bytes in an encoding", "Subject: =?utf-8?q?=1B]0?=\nContent-Transfer-Encoding: base64\n\nG1syShs=\n", { "\\x1b]0", "\\x1b[2J" },
	    { "\x1b]", "\x1b[2J" } },
	{ "parts", "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\nContent-Type: text/plain\n\none\n--b\n"
	    "Content-Type: application/pdf; name=\"x.pdf\"\n\n%PDF\n--b--\nepilogue\n",
	    { "part 1: text/plain", "one\n", "part 2: application/pdf x.pdf", "not shown" }, { "preamble", "epilogue" } },
	{ "parts inside", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\nin\n--bb--\n--b\n\n"
	    "out\n--b--\n", { "in\n", "out\n", "part 2" }, { NULL } },
	{ "no end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nin", { "in" }, { NULL } },
	{ "message", "Content-Type: message/rfc822\n\nSubject: inner\n\ninner body\n", { "inner body" }, { NULL } },
	{ "header alone", "Subject: alone", { "alone" }, { NULL } },
	{ "nothing", "", { NULL }, { NULL } },
};

static void
shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof show_cases / sizeof show_cases[0]; i++) {
		const struct show_case *c = &show_cases[i];
		struct buf out = BUF_INIT(0), tree = BUF_INIT(0);
		buf_str(&out, "");
		mime_show(&out, &tree, span_str(c->in), false);
		for (size_t n = 0; n < 4 && c->has[n] != NULL; n++)
			if (out.ptr == NULL || strstr(out.ptr, c->has[n]) == NULL)
				fail_msg("%s: no \"%s\" in \"%s\"", c->name, c->has[n], out.ptr);
		for (size_t n = 0; n < 2 && c->hasnot[n] != NULL; n++)
			if (strstr(out.ptr, c->hasnot[n]) != NULL)
				fail_msg("%s: \"%s\" in \"%s\"", c->name, c->hasnot[n], out.ptr);
		buf_clear(&out);
		buf_clear(&tree);
	}
}

struct parameter_case {
	const char	*value, *name, *want;
};

static void
parameters(void **state)
{
	static const struct parameter_case cases[] = {
		{ "text/plain; charset=utf-8", "charset", "utf-8" },
		{ "text/plain; Charset=\"a;b\\\"c\"; x=y", "charset", "a;b\"c" },
		{ "text/plain; xcharset=1;charset = 2 ", "charset", "2" },
		{ "attachment; filename*=iso-8859-1'de'caf%E9.txt", "filename", "caf\xc3\xa9.txt" },
		{ "attachment; filename*0=\"a b\"; filename*1=\"c.txt\"", "filename", "a bc.txt" },
		{ "attachment; filename*0*=utf-8''%C3%BC; filename*1*=%20x", "filename", "\xc3\xbc x" },
		{ "attachment; filename*=%zz", "filename", "%zz" },
		{ "attachment; filename", "filename", "" },
		{ "attachment", "filename", NULL },
		{ "", "filename", NULL },
		{ ";;;=;\"", "filename", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *got = mime_parameter(span_str(cases[i].value), cases[i].name);
		if (cases[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void
part_tree(void **state)
{
	static const char message[] = "Content-Type: multipart/mixed; boundary=b\nX-Other: yes\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n"
	    "--c\nContent-Type: text/plain; charset=utf-8\n\none\n--c\nContent-Type: text/html\n\n<p>\n--c--\n--b\n"
	    "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''%1B%5B2Jbill.pdf\n"
	    "Content-Transfer-Encoding: base64\n\nJVBERi0x\n--b--\n";
	static const char *const lines[] = { "multipart/mixed", "  1  ", "multipart/alternative", "    1.1  ", "utf-8", "1.2  ", "  2  ", "attachment",
	    "\\x1b[2Jbill.pdf", "base64  6\033" };
	struct buf out = BUF_INIT(0), tree = BUF_INIT(0);

	(void)state;
	mime_show(&out, &tree, span_str(message), true);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (strstr(tree.ptr, lines[i]) == NULL)
			fail_msg("no \"%s\" in:\n%s", lines[i], tree.ptr);
	assert_non_null(strstr(out.ptr, "X-Other"));
	buf_reset(&tree);
	mime_show(&out, &tree, SPAN("Subject: x\n\none text\n"), false);
	assert_int_equal(tree.len, 0);
	buf_clear(&out);
	buf_clear(&tree);
}

/* More multiparts inside each other than are followed. */
static void
deep(void **state)
{
	struct buf in = BUF_INIT(0), out = BUF_INIT(0), tree = BUF_INIT(0);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&in, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	buf_str(&in, "\nend\n");
	mime_show(&out, &tree, buf_view(&in), true);
	assert_non_null(out.ptr);
	buf_clear(&in);
	buf_clear(&tree);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_words),
		cmocka_unit_test(shown),
		cmocka_unit_test(parameters),
		cmocka_unit_test(part_tree),
		cmocka_unit_test(deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
