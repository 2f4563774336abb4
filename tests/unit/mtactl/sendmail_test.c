#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mtactl/sendmail.h"

static FILE *
file_of(const char *text)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	rewind(f);
	return f;
}

/* "sender|recipient,recipient|content" after reading and finishing. */
static void
shown(const char *text, bool from_headers, bool dot_is_text, const char *name, struct buf *out)
{
	struct mail m = { .program = "sendmail", .arena = ARENA_INIT(0), .from_headers = from_headers,
		.dot_is_text = dot_is_text, .full_name = name };
	FILE *f = file_of(text);

	assert_true(mail_set_sender(&m, "me"));
	assert_int_equal(mail_read(&m, f, 100000), EX_FINE);
	assert_true(mail_finish_header(&m, "my.org"));
	buf_reset(out);
	for (size_t i = 0; i < m.rcpt_count; i++)
		buf_printf(out, "%s%.*s", i > 0 ? "," : "", SPAN_ARG(m.rcpts[i]));
	buf_char(out, '|');
	buf_span(out, buf_view(&m.content));
	fclose(f);
	mail_clear(&m);
}

static void
messages(void **state)
{
	static const struct { const char *in; bool from_headers, dot_is_text; const char *name, *want; } cases[] = {
		{ "Subject: x\n\nhi\n", false, false, NULL, "|Subject: x\n\nhi\n" },
		{ "Subject: x\n\nhi\n.\nmore\n", false, false, NULL, "|Subject: x\n\nhi\n" },
		{ "Subject: x\n\nhi\n.\nmore\n", false, true, NULL, "|Subject: x\n\nhi\n.\nmore\n" },
		{ "Subject: x\n\nno end", false, true, NULL, "|Subject: x\n\nno end\n" },
		{ "Subject: x\r\n\r\nhi\r\n", false, false, NULL, "|Subject: x\n\nhi\n" },
		{ "To: a@b.c, \"D, E\" <d@e.f>\nCc: g: h@i.j, k;\nBcc: secret@x.y\n\nhi\n", true, false, NULL,
		  "a@b.c,d@e.f,h@i.j,k,secret@x.y|To: a@b.c, \"D, E\" <d@e.f>\nCc: g: h@i.j, k;\n\nhi\n" },
		{ "To: a@b.c\nBcc: x@y.z,\n\tw@v.u\nSubject: s\n\n", true, false, NULL,
		  "a@b.c,x@y.z,w@v.u|To: a@b.c\nSubject: s\n\n" },
		/* Sent again: the Resent- ones are meant. */
		{ "Resent-To: new@x.y\nTo: old@x.y\n\n", true, false, NULL, "new@x.y|Resent-To: new@x.y\nTo: old@x.y\n\n" },
		{ "From me Mon Jan  1\nSubject: x\n\nhi\n", false, false, NULL, "|Subject: x\n\nhi\n" },
		{ "just text\nmore\n", false, false, NULL, "|\njust text\nmore\n" },
		{ "Subject: x\nnot a header\n", false, false, NULL, "|Subject: x\n\nnot a header\n" },
		{ "\nbody\n", false, false, NULL, "|\nbody\n" },
		{ "", false, false, NULL, "|\n" },
		{ "Subject: x\n\nhi\n", false, false, "A \"B\" C", "|From: \"A \\\"B\\\" C\" <me@my.org>\nSubject: x\n\nhi\n" },
		{ "From: x@y.z\n\nhi\n", false, false, "Name", "|From: x@y.z\n\nhi\n" },
	};
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		shown(cases[i].in, cases[i].from_headers, cases[i].dot_is_text, cases[i].name, &out);
		if (!span_eqs(buf_view(&out), cases[i].want))
			fail_msg("case %zu:\n got  %s\n want %s", i, out.ptr, cases[i].want);
	}
	buf_clear(&out);
}

static void
senders(void **state)
{
	static const struct { const char *in, *want; } cases[] = {
		{ "a@b.c", "a@b.c" }, { "<a@b.c>", "a@b.c" }, { "Joe <a@b.c>", "a@b.c" }, { "<>", "" }, { "", "" }, { "root", "root" },
		{ "\"john doe\"@b.c", "john doe@b.c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct mail m = { .program = "sendmail", .arena = ARENA_INIT(0) };
		assert_true(mail_set_sender(&m, cases[i].in));
		if (!span_eqs(m.sender, cases[i].want))
			fail_msg("%s: %.*s", cases[i].in, SPAN_ARG(m.sender));
		mail_clear(&m);
	}
}

static void
too_large(void **state)
{
	struct mail m = { .program = "sendmail", .arena = ARENA_INIT(0) };
	FILE *f = file_of("Subject: x\n\n0123456789\n");

	(void)state;
	assert_int_equal(mail_read(&m, f, 15), EX_BAD_DATA);
	fclose(f);
	mail_clear(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages), cmocka_unit_test(senders), cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
