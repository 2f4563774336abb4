/*
 * The linter on any two files, "main.cf NUL master.cf": it always ends, and each finding points into the file that it names.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lint/lint.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct input {
	struct span	 main_cf, master_cf;
};

static bool
get(struct input *in, const char *path, struct span *out)
{
	*out = strcmp(path, "/f/main.cf") == 0 ? in->main_cf : strcmp(path, "/f/master.cf") == 0 ? in->master_cf : SPAN_NONE;
	return out->ptr != NULL;
}

static bool
input_stat(void *arg, const char *path, bool follow, struct lint_stat *st)
{
	struct span text;

	(void)follow;
	*st = (struct lint_stat){ 'f', 0644, 0, 0, 1, 1 };
	return get(arg, path, &text);
}

static bool
input_read(void *arg, const char *path, struct buf *out, struct err *err)
{
	struct span text;

	(void)err;
	bool there = get(arg, path, &text);
	buf_span(out, text);
	return there;
}

static bool
input_readlink(void *arg, const char *path, struct buf *out)
{
	(void)arg;
	(void)path;
	(void)out;
	return false;
}

static void
input_list(void *arg, const char *path, void (*fn)(void *, const char *), void *fn_arg)
{
	(void)arg;
	(void)path;
	fn(fn_arg, "main.cf");
}

static bool
input_user(void *arg, const char *name, unsigned *uid, unsigned *gid)
{
	(void)arg;
	*uid = *gid = 1;
	return strlen(name) % 2 == 0;
}

static bool
input_user_name(void *arg, unsigned uid, const char *but, struct buf *other)
{
	(void)arg;
	(void)uid;
	(void)but;
	(void)other;
	return false;
}

static bool
input_number(void *arg, const char *name, unsigned *n)
{
	(void)arg;
	*n = 25;
	return strlen(name) % 2 == 0;
}

static bool
input_own_address(void *arg, struct span address)
{
	(void)arg;
	return address.len % 2 == 0;
}

static bool
input_resolves(void *arg, const char *name)
{
	(void)arg;
	return strlen(name) % 2 == 0;
}

static int
input_listens(void *arg, unsigned port, struct buf *who)
{
	(void)arg;
	(void)who;
	return (int)(port % 3) - 1;
}

static bool
input_container(void *arg)
{
	(void)arg;
	return true;
}

/* Line and column are in the file, the marked text is within the line. */
static void
check(const struct lint_finding *f, const struct input *in)
{
	struct span rest = strcmp(f->file, "/f/master.cf") == 0 ? in->master_cf : in->main_cf, line = SPAN_NONE;

	if (f->message == NULL || f->message[0] == '\0')
		__builtin_trap();
	if (f->line == 0)
		return;
	for (unsigned i = 0; i < f->line; i++)
		if (!span_cut(&rest, '\n', &line))
			return;		/* the built-in master.cf */
	if (in->master_cf.len > 0 && (f->column == 0 || f->column - 1 > line.len || f->width > line.len + 1))
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size);
	size_t cut = span_find(all, '\0');
	struct input in = { span_head(all, cut), span_skip(all, cut + 1) };
	struct lint_host host = { .arg = &in, .stat = input_stat, .read = input_read, .readlink = input_readlink,
	    .list = input_list, .user = input_user, .user_name = input_user_name, .group = input_number, .port = input_number,
	    .own_address = input_own_address, .resolves = input_resolves, .listens = input_listens, .container = input_container };
	struct lint_options options = { .dir = "/f", .host = &host };
	struct lint_report report;
	struct buf out = BUF_INIT(0);

	if (size > 16384)
		return 0;
	lint_run(&options, &report);
	for (size_t i = 0; i < report.count; i++)
		check(&report.items[i], &in);
	lint_print(&report, LINT_TTY, true, &out);
	lint_print(&report, LINT_JSON, false, &out);
	for (size_t i = 0; i < out.len; i++)
		if (((unsigned char)out.ptr[i] < 32 && out.ptr[i] != '\n' && out.ptr[i] != '\033') || out.ptr[i] == 127)
			__builtin_trap();
	buf_clear(&out);
	lint_report_clear(&report);
	return 0;
}
