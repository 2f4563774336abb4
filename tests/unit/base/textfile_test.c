#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diff.h"
#include "base/textfile.h"

#define MAX	((size_t)1 << 20)

static char dir[64];

static const char *
in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned turn;
	char *p = paths[turn++ % 4];

	snprintf(p, sizeof paths[0], "%s/%s", dir, name);
	return p;
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
assert_file(const char *name, const char *text)
{
	char got[4096];
	FILE *f = fopen(in_dir(name), "r");
	assert_non_null(f);
	got[fread(got, 1, sizeof got - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static int
make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mtad-textfile.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
drop(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* -- differences ------------------------------------------------------------------------------ */

static struct textfile *
open_text(const char *text)
{
	struct err err = { ERR_NONE, "" };

	write_file("t", text);
	struct textfile *t = textfile_open(in_dir("t"), MAX, &err);
	assert_non_null(t);
	return t;
}

static void
test_diff(void **state)
{
	static const struct {
		const char *name, *old, *new, *diff;
	} rows[] = {
		{ "the same", "a\nb\n", "a\nb\n", "" },
		{ "one line", "a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
		{ "put behind", "a\n", "a\nb\n", "@@ -1 +1,2 @@\n a\n+b\n" },
		{ "into nothing", "", "a\n", "@@ -0,0 +1 @@\n+a\n" },
		{ "to nothing", "a\n", "", "@@ -1 +0,0 @@\n-a\n" },
		{ "no end", "a\nb", "a\nb\nc\n", "@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n" },
		{ "two hunks", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\n9\ny\n",
		  "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -7,3 +7,4 @@\n 7\n 8\n 9\n+y\n" },
		{ "one hunk of two", "1\n2\n3\n4\n5\n", "x\n2\n3\n4\ny\n", "@@ -1,5 +1,5 @@\n-1\n+x\n 2\n 3\n 4\n-5\n+y\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct textfile *t = open_text(rows[i].old);
		struct buf out = BUF_INIT(0);
		textfile_set(t, span_str(rows[i].new));
		textfile_diff(t, &out);
		struct span got = buf_view(&out);
		for (unsigned k = 0; k < 2 && got.len > 0; k++)
			got = span_skip(got, span_find(got, '\n') + 1);
		if (!span_eqs(got, rows[i].diff))
			fail_msg("%s: got\n%.*s", rows[i].name, SPAN_ARG(got));
		assert_int_equal(textfile_edited(t), rows[i].diff[0] != '\0');
		buf_clear(&out);
		textfile_free(t);
	}
}

/* Applies a difference, as patch(1) does. */
static void
apply(struct span old, struct span diff, struct buf *out)
{
	struct span line;
	size_t at = 0, number = 1;

	while (diff.len > 0) {
		size_t n = span_find(diff, '\n');
		line = span_head(diff, n);
		diff = span_skip(diff, n + 1);
		if (span_starts(line, "---") && span_starts(diff, "+++"))
			continue;
		if (span_starts(line, "+++ "))
			continue;
		unsigned from, count = 1;
		if (span_starts(line, "@@")) {
			assert_true(sscanf(line.ptr, "@@ -%u,%u", &from, &count) >= 1);
			for (size_t to = count == 0 ? from + 1 : from; number < to; number++) {
				size_t len = span_find(span_skip(old, at), '\n') + 1;
				buf_span(out, span_head(span_skip(old, at), len));
				at += len;
			}
			continue;
		}
		if (line.ptr[0] == '\\') {
			continue;
		}
		bool end = span_starts(diff, "\\");
		if (line.ptr[0] != '-') {
			buf_span(out, span_skip(line, 1));
			if (!end)
				buf_char(out, '\n');
		}
		if (line.ptr[0] != '+') {
			assert_true(span_eq(span_skip(line, 1), span_head(span_skip(old, at), line.len - 1)));
			at += line.len - (end ? 1 : 0);
			number++;
		}
	}
	buf_span(out, span_skip(old, at < old.len ? at : old.len));
}

static void
random_text(struct buf *b, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		buf_printf(b, "%d%s", rand() % 7, i + 1 < lines || rand() % 3 ? "\n" : "");
}

/* Whatever is done to a text, its difference leads from the old one to it. */
static void
test_edits_at_random(void **state)
{
	(void)state;
	srand(4);
	for (unsigned round = 0; round < 3000; round++) {
		struct buf old = BUF_INIT(0), diff = BUF_INIT(0), got = BUF_INIT(0);
		random_text(&old, (unsigned)rand() % 30);
		struct textfile *t = open_text(old.ptr == NULL ? "" : old.ptr);
		for (int i = rand() % 5; i >= 0; i--) {
			struct buf with = BUF_INIT(0);
			struct span text = textfile_text(t);
			size_t from = (size_t)rand() % (text.len + 1), to = from + (size_t)rand() % (text.len - from + 1) / 3;
			random_text(&with, (unsigned)rand() % 4);
			if (rand() % 8 == 0)
				textfile_set(t, buf_view(&with));
			else
				textfile_splice(t, from, to, buf_view(&with));
			buf_clear(&with);
		}
		textfile_diff(t, &diff);
		apply(buf_view(&old), buf_view(&diff), &got);
		if (!span_eq(buf_view(&got), textfile_text(t)))
			fail_msg("round %u: from\n%s\ndiff\n%s\ngot\n%s\nfor\n%s", round, old.ptr, diff.ptr, got.ptr, textfile_text(t).ptr);
		assert_int_equal(textfile_edited(t), diff.len > 0);
		textfile_free(t);
		buf_clear(&old);
		buf_clear(&diff);
		buf_clear(&got);
	}
}

static void
test_diff_is_short(void **state)
{
	struct diff_part *parts;

	(void)state;
	assert_int_equal(diff_lines(SPAN("a\nb\nc\nd\n"), SPAN("b\nc\nx\nd\n"), &parts), 2);
	assert_int_equal(parts[0].a_to, 2);
	assert_int_equal(parts[1].b_from, 4);
	free(parts);
	/* More than can be told apart at a sensible price: one part. */
	struct buf a = BUF_INIT(0), b = BUF_INIT(0);
	for (unsigned i = 0; i < 5000; i++) {
		buf_printf(&a, "a%u\n", i);
		buf_printf(&b, "b%u\n", i);
	}
	assert_int_equal(diff_lines(buf_view(&a), buf_view(&b), &parts), 1);
	free(parts);
	buf_clear(&a);
	buf_clear(&b);
}

/* -- the file --------------------------------------------------------------------------------- */

static void
test_commit_and_undo(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct buf diff = BUF_INIT(0);
	struct stat st;

	(void)state;
	struct textfile *t = open_text("one\ntwo\n");
	assert_int_equal(chmod(in_dir("t"), 0640), 0);
	textfile_free(t);
	t = textfile_open(in_dir("t"), MAX, &err);
	textfile_splice(t, 4, 8, SPAN("TWO\n"));
	assert_true(textfile_commit(t, &err));
	assert_file("t", "one\nTWO\n");
	assert_file(".t.before", "one\ntwo\n");
	assert_int_equal(access(in_dir(".t.new"), F_OK), -1);
	assert_int_equal(stat(in_dir("t"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* And again, by the same handle. */
	textfile_splice(t, 0, 4, SPAN("ONE\n"));
	assert_true(textfile_commit(t, &err));
	assert_file("t", "ONE\nTWO\n");
	textfile_free(t);
	assert_true(textfile_undo(in_dir("t"), &diff, &err));
	assert_file("t", "one\nTWO\n");
	assert_non_null(strstr(diff.ptr, "-ONE\n+one\n"));
	assert_true(textfile_undo(in_dir("t"), NULL, &err));
	assert_file("t", "ONE\nTWO\n");
	buf_clear(&diff);
}

static void
test_refusals(void **state)
{
	struct err err = { ERR_NONE, "" };

	(void)state;
	assert_null(textfile_open(in_dir("none"), MAX, &err));
	assert_null(textfile_open(dir, MAX, &err));
	struct textfile *t = open_text("one\n");
	assert_false(textfile_undo(in_dir("t2"), NULL, &err));
	/* Somebody else was faster. */
	textfile_splice(t, 0, 4, SPAN("two\n"));
	write_file("t", "three\n");
	assert_false(textfile_commit(t, &err));
	assert_non_null(strstr(err.text, "changed by somebody else"));
	assert_file("t", "three\n");
	textfile_free(t);
	/* Somebody else is at it. */
	t = open_text("one\n");
	textfile_splice(t, 0, 4, SPAN("two\n"));
	int fd = open(in_dir(".t.new"), O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_false(textfile_commit(t, &err));
	assert_non_null(strstr(err.text, "somebody else"));
	close(fd);
	/* What one who was killed left behind is in nobody's way. */
	assert_true(textfile_commit(t, &err));
	assert_file("t", "two\n");
	textfile_free(t);
	/* Nor is what somebody laid there. */
	t = open_text("one\n");
	textfile_splice(t, 0, 4, SPAN("two\n"));
	assert_int_equal(symlink("/etc/passwd", in_dir(".t.new")), 0);
	assert_false(textfile_commit(t, &err));
	assert_int_equal(unlink(in_dir(".t.new")), 0);
	textfile_free(t);
}

static void
test_links(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct stat st;

	(void)state;
	write_file("real", "a\n");
	assert_int_equal(symlink("real", in_dir("link")), 0);
	struct textfile *t = textfile_open(in_dir("link"), MAX, &err);
	textfile_splice(t, 2, 2, SPAN("b\n"));
	assert_true(textfile_commit(t, &err));
	textfile_free(t);
	assert_int_equal(lstat(in_dir("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_file("real", "a\nb\n");
	assert_file(".real.before", "a\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_diff, make, drop),
		cmocka_unit_test_setup_teardown(test_edits_at_random, make, drop),
		cmocka_unit_test(test_diff_is_short),
		cmocka_unit_test_setup_teardown(test_commit_and_undo, make, drop),
		cmocka_unit_test_setup_teardown(test_refusals, make, drop),
		cmocka_unit_test_setup_teardown(test_links, make, drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
