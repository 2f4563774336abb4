#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/mime7.h"

#define V	"MIME-Version: 1.0\n"
#define QP	"Content-Transfer-Encoding: quoted-printable\n"

static const struct { const char *name, *in, *out; } rows[] = {
	{ "7-bit stays", "Subject: x\n\nhello\n=\n", "Subject: x\n\nhello\n=\n" },
	{ "no MIME at all", "Subject: x\n\ncaf\xe9 = \n", V "Content-Type: text/plain; charset=unknown-8bit\nSubject: x\n" QP
	    "\ncaf=E9 =3D=20\n" },
	{ "declared", V "Content-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\nX: y\n\n\xc3\xa4\nno newline",
	    V "Content-Type: text/plain;\n charset=utf-8\nX: y\n" QP "\n=C3=A4\nno newline" },
	{ "declared, yet 7-bit", V "Content-Transfer-Encoding: 8BIT (x)\nContent-Type: text/plain\n\na=b\n",
	    V "Content-Type: text/plain\n" QP "\na=3Db\n" },
	{ "found late", V "Content-Type: text/plain\n\none=1\n\ntwo\xe4\n", V "Content-Type: text/plain\n" QP "\none=3D1\n\ntwo=E4\n" },
	{ "multipart",
	    V "Content-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 8bit\n\npre\xe4\n--b\n\nplain=\n"
	    "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\n\xe4\n"
	    "--b\nContent-Transfer-Encoding: base64\n\n4PDg8A==\n--b--\npost\xe4\n",
	    V "Content-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 7bit\n\npre?\n--b\n\nplain=\n"
	    "--b\nContent-Type: text/plain\n" QP "\n=E4\n"
	    "--b\nContent-Transfer-Encoding: base64\n\n4PDg8A==\n--b--\npost?\n" },
	{ "a message in a part",
	    V "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\nContent-Type: text/plain; x=y\n\n\xe4\n--b--\n",
	    V "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\nContent-Type: text/plain; x=y\n" QP "\n=E4\n--b--\n" },
	{ "nested multiparts, the inner one not closed",
	    V "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\n\xe4\n--b\n\n\xf6\n--b--\n",
	    V "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n" QP "\n=E4\n--b\n" QP
	    "\n=F6\n--b--\n" },
	{ "a boundary that only begins like one", V "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bx\n\xe4\n--b  \n\nx\n--b--\n",
	    V "Content-Type: multipart/mixed; boundary=b\n\n--b\n" QP "\n--bx\n=E4\n--b  \n\nx\n--b--\n" },
	{ "no boundary", V "Content-Type: multipart/mixed\n\n--b\n\xe4\n", V "Content-Type: multipart/mixed\n" QP "\n--b\n=E4\n" },
	{ "a part with nothing", V "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\nX: y\n--b--\n",
	    V "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\nX: y\n\n--b--\n" },
	{ "lying", V "Content-Transfer-Encoding: base64\n\nYQ\xe4==\n", V "Content-Transfer-Encoding: base64\n\nYQ?==\n" },
	{ "binary", V "Content-Transfer-Encoding: binary\n\na\rb\r\n", "Content-Type: text/plain; charset=unknown-8bit\n" V QP "\na=0Db=0D\n" },
	{ "soft breaks", V "\n\xe4" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	    "Content-Type: text/plain; charset=unknown-8bit\n" V QP "\n=E4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\naaaaaaaa\n" },
	{ "header only", "Subject: x\n", "Subject: x\n" },
	{ "empty", "", "" },
};

/* The same whatever the size of the pieces. */
static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t step = 1; step < 200; step = step * 3 + 1) {
			struct mime7 *m = mime7_new(MIME7_DEPTH);
			struct buf out = BUF_INIT(0);
			buf_str(&out, "");
			for (struct span in = span_str(rows[i].in); in.len > 0; in = span_skip(in, step))
				mime7_put(m, span_head(in, step), &out);
			mime7_end(m, &out);
			if (strcmp(out.ptr, rows[i].out) != 0)
				fail_msg("%s (%zu): got\n%s", rows[i].name, step, out.ptr);
			buf_clear(&out);
			mime7_free(m);
		}
	}
}

static void
bounded(void **state)
{
	(void)state;
	struct mime7 *m = mime7_new(2);
	struct buf out = BUF_INIT(0);
	mime7_put(m, SPAN(V "Content-Type: multipart/mixed; boundary=a\n\n"), &out);
	for (int i = 0; i < 1000; i++)
		mime7_put(m, SPAN("--a\nContent-Type: multipart/mixed; boundary=a\n\n"), &out);
	for (int i = 0; i < 20000; i++)
		mime7_put(m, SPAN("a long line without an end and with \xe4 in it "), &out);
	mime7_end(m, &out);
	assert_false(out.over);
	for (size_t i = 0, column = 0; i < out.len; i++) {
		assert_true((unsigned char)out.ptr[i] < 0x80);
		column = out.ptr[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 76);
	}
	buf_clear(&out);
	mime7_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table), cmocka_unit_test(bounded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
