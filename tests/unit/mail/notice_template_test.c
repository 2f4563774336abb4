#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "mail/notice_template.h"

struct heard {
	struct buf	text;
};

static void
told(void *arg, unsigned line, const char *text)
{
	struct heard *h = arg;

	buf_printf(&h->text, "%u %s|", line, text);
}

#define GOOD	"Subject: other\n\nwords\n"

/* What Debian's Postfix (3.7) says of the same files; where it ends the program, the result is false here. */
static const struct { const char *name, *file; bool whole; const char *subject, *text, *fault; } cases[] = {
	{ "one", "failure_template = <<EOF\n" GOOD "EOF\n", true, "other", "words\n", "" },
	{ "comments", "# c\n\n  \nfailure_template=<<EOF\n" GOOD "EOF\n# end\n", true, "other", "words\n", "" },
	{ "the last one counts", "failure_template = <<EOF\n" GOOD "EOF\nfailure_template = <<X\nSubject: b\n\nb\nX\n", true, "b", "b\n", "" },
	{ "no header", "failure_template = <<EOF\nno header here\n\nbody\nEOF\n", true, NULL, "no header here\n\nbody\n", "" },
	{ "header and no empty line", "failure_template = <<EOF\nSubject: a\n b\n\nbody\nEOF\n", true, "a", " b\n\nbody\n", "" },
	{ "empty line first", "failure_template = <<EOF\n\nbody: x\nEOF\n", true, NULL, "body: x\n", "" },
	{ "no end", "failure_template = <<EOF\n" GOOD, true, "other", "words\n", "1 missing \"EOF\" end marker|" },
	{ "label in any case", "failure_template = <<EOF\nsUBJECT : x\n\nb\nEOF\n", true, "x", "b\n", "" },
	{ "marker of two words", "failure_template = <<X Y\n" GOOD "X Y\n", true, "other", "words\n", "" },
	/* left out */
	{ "unknown name", "foo_template = <<EOF\n" GOOD "EOF\n", true, NULL, NULL, "1 unknown template name: foo_template -- ignoring this template|" },
	{ "unknown header", "failure_template = <<EOF\nX-Foo: a\n\nb\nEOF\n", true, NULL, NULL,
	  "2 unknown \"X-Foo\" header label in failure template -- ignoring this template|" },
	{ "no text", "failure_template = <<EOF\nSubject: a\nEOF\n", true, NULL, NULL, "1 missing message text in failure template -- ignoring this template|" },
	{ "empty value", "failure_template = <<EOF\nSubject:\n\nb\nEOF\n", true, NULL, NULL,
	  "2 empty \"Subject\" header value in failure template -- ignoring this template|" },
	{ "8-bit header", "failure_template = <<EOF\nSubject: gr\xc3\xbc\n\nb\nEOF\n", true, NULL, NULL,
	  "2 non-ASCII \"Subject\" header value in failure template -- ignoring this template|" },
	{ "8-bit text", "failure_template = <<EOF\nSubject: x\n\nb\xc3\xbc\nEOF\n", true, NULL, NULL,
	  "1 8-bit message text in failure template: specify a Charset: other than us-ascii -- ignoring this template|" },
	{ "8-bit text, with its charset", "failure_template = <<EOF\nCharset: utf-8\n\nb\xc3\xbc\nEOF\n", true, NULL, "b\xc3\xbc\n", "" },
	{ "control characters", "failure_template = <<EOF\nSubject: a\rBcc: x\n\nb\nEOF\n", true, NULL, NULL,
	  "2 \"Subject\" header value in failure template is too long, or has control characters -- ignoring this template|" },
	{ "one wrong, one right", "failure_template = <<EOF\nX: a\n\nb\nEOF\ndelay_template = <<EOF\n" GOOD "EOF\n", true, NULL, NULL,
	  "2 unknown \"X\" header label in failure template -- ignoring this template|" },
	/* the file as a whole */
	{ "no =", "failure_template = <<EOF\n" GOOD "EOF\njunk\n", false, NULL, NULL, "6 missing '=' after attribute name: \"junk\"|" },
	{ "no marker", "failure_template = <<\n" GOOD, false, NULL, NULL, "1 missing end marker after <<|" },
	{ "quotes", "failure_template = <<\"EOF\"\n" GOOD "\"EOF\"\n", false, NULL, NULL, "1 malformed end marker after <<|" },
	{ "no <<", "failure_template = EOF\n" GOOD "EOF\n", false, NULL, NULL, "1 missing << before the end marker of \"failure_template\"|" },
};

static void
templates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct notice_templates t, own;
		struct heard h = { BUF_INIT(0) };
		buf_str(&h.text, "");
		notice_templates_own(&own, false);
		t = own;
		print_message("%s\n", cases[i].name);
		assert_int_equal(notice_templates_parse(&t, span_str(cases[i].file), told, &h), cases[i].whole);
		assert_string_equal(h.text.ptr, cases[i].fault);
		const struct notice_template *o = &own.of[TEMPLATE_FAILURE], *f = &t.of[TEMPLATE_FAILURE];
		assert_true(span_eq(f->subject, cases[i].subject == NULL ? o->subject : span_str(cases[i].subject)));
		assert_true(span_eq(f->text, cases[i].text == NULL ? o->text : span_str(cases[i].text)));
		assert_int_equal(f->line > 0, cases[i].text != NULL);
		buf_clear(&h.text);
	}
}

static void
from(void **state)
{
	static const struct { const char *from, *want; } rows[] = {
		{ "Mail Delivery System <MAILER-DAEMON>", "Mail Delivery System <MAILER-DAEMON@s.test>" },
		{ "MAILER-DAEMON (Mail Delivery System)", "MAILER-DAEMON@s.test (Mail Delivery System)" },
		{ "pm", "pm@s.test" }, { "pm@other.test", "pm@other.test" }, { "\"a, b\" <pm>", "\"a, b\" <pm@s.test>" }, { "(nobody)", "(nobody)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out = BUF_INIT(0);
		notice_from_put(&out, span_str(rows[i].from), SPAN("s.test"));
		assert_string_equal(out.ptr, rows[i].want);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(templates), cmocka_unit_test(from) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
