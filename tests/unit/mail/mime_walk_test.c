#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/mime_walk.h"

#define MULTI	"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"

/* Out: a letter an item (M, N, L; runs as R, joined), then "[text]", and "." where a line end came. */
static const struct { const char *name, *header, *body, *out; bool lines; } rows[] = {
	{ "text is one run", "Subject: x\n", "a\n--b\nc", "R[a\n--b\nc]", false },
	{ "lines of text", "Subject: x\n", "a\n\nb", "L[a].L[].L[b]", true },
	{ "parts", MULTI, "pre\n--b\nA: 1\n 2\nB:3\n\ntext\n--b--\npost\n", "R[pre\n--b\n]M[A: 1\n 2].M[B:3].R[\ntext\n--b--\npost\n]", false },
	{ "parts and lines", MULTI, "pre\n--b\nA: 1\n\ntext\n--b--\n", "L[pre].L[--b].M[A: 1].L[].L[text].L[--b--].", true },
	{ "a part without a header", MULTI, "--b\ntext\n--b\n\n--b--\n", "L[--b].L[text].L[--b].L[].L[--b--].", true },
	{ "a boundary that goes on is one", MULTI, "--bc\nA: 1\n\nx\n", "R[--bc\n]M[A: 1].R[\nx\n]", false },
	{ "a message within", "Content-Type: message/rfc822\n", "A: 1\nContent-Type: multipart/x; boundary=y\n\n--y\nB: 2\n\nz\n",
	    "N[A: 1].N[Content-Type: multipart/x; boundary=y].R[\n--y\n]M[B: 2].R[\nz\n]", false },
	{ "a digest", "Content-Type: multipart/digest; boundary=b\n", "--b\n\nA: 1\n\nx\n--b--\n", "R[--b\n\n]N[A: 1].R[\nx\n--b--\n]", false },
	{ "the outer boundary ends inner parts", MULTI, "--b\nContent-Type: multipart/x; boundary=c\n\n--c\nA: 1\n--b\nB: 2\n",
	    "R[--b\n]M[Content-Type: multipart/x; boundary=c].R[\n--c\n]M[A: 1].R[--b\n]M[B: 2].", false },
	{ "a header that is cut short", MULTI, "--b\nA: 1", "R[--b\n]M[A: 1]", false },
	{ "nothing", MULTI, "", "", true },
	{ "a long line comes in pieces", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbb\nc\n",
	    "L[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]L[bbb].L[c].", true },
};

struct seen {
	struct buf	out, all;
	bool		run;
};

static void
item(void *arg, const struct walk_item *it)
{
	static const char letter[] = { 'P', 'M', 'N', 'L', 'R' };
	struct seen *s = arg;

	buf_span(&s->all, it->text);
	if (it->ended)
		buf_char(&s->all, '\n');
	if (it->class == WALK_RUN && s->run)
		buf_cut(&s->out, s->out.len - 1);
	else
		buf_printf(&s->out, "%c[", letter[it->class]);
	buf_span(&s->out, it->text);
	buf_str(&s->out, "]");
	s->run = it->class == WALK_RUN;
	if (it->ended)
		buf_char(&s->out, '.');
}

/* The same whatever the size of the pieces, and nothing is lost. */
static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct walk_options opt = { .structure = true, .lines = rows[i].lines, .line_limit = 60, .header_limit = 1000,
		    .nesting_limit = 5 };
		for (size_t step = 1; step < 100; step = step * 2 + 1) {
			struct seen s = { .out = BUF_INIT(0), .all = BUF_INIT(0) };
			struct mime_walk *w = mime_walk_new(&opt, span_str(rows[i].header));
			for (struct span in = span_str(rows[i].body); in.len > 0; in = span_skip(in, step))
				mime_walk_put(w, span_head(in, step), item, &s);
			mime_walk_end(w, item, &s);
			buf_str(&s.out, "");
			buf_str(&s.all, "");
			if (strcmp(s.out.ptr, rows[i].out) != 0 || strcmp(s.all.ptr, rows[i].body) != 0)
				fail_msg("%s, %zu at a time: %s", rows[i].name, step, s.out.ptr);
			mime_walk_free(w);
			buf_clear(&s.out);
			buf_clear(&s.all);
		}
	}
}

static void
limits(void **state)
{
	struct walk_options opt = { .structure = true, .lines = true, .lines_limit = 3, .line_limit = 100, .header_limit = 8, .nesting_limit = 0 };
	struct span header;
	struct seen s = { .out = BUF_INIT(0), .all = BUF_INIT(0) };
	struct mime_walk *w = mime_walk_new(&opt, SPAN(MULTI));

	(void)state;
	assert_false(mime_walk_idle(w));
	mime_walk_put(w, SPAN("--b\nA: 123\n 456\n 789\n\nxx\nyy\nzz\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\nContent-Type: multipart/y; boundary=d\n\n--d\nB: 2\n\n"), item, &s);
	mime_walk_end(w, item, &s);
	buf_str(&s.out, "");
	assert_string_equal(s.out.ptr, "L[--b].M[A: 123\n 456].L[].L[xx].R[yy\nzz\n--b\n]M[Content-Type: multipart/x; boundary=c].L[].L[--c].M[Content-Type: multipart/y; boundary=d].L[].L[--d].R[B: 2\n\n]");
	assert_true(mime_walk_too_deep(w, &header));
	assert_memory_equal(header.ptr, "Content-Type: multipart/y", 25);
	mime_walk_free(w);
	w = mime_walk_new(&(struct walk_options){ .structure = true, .line_limit = 100 }, SPAN("Subject: x\n"));
	assert_true(mime_walk_idle(w));
	mime_walk_free(w);
	buf_clear(&s.out);
	buf_clear(&s.all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
