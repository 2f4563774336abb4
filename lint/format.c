/* Findings as text: for a terminal, for editors, for programs. */
#include "ctl/jsonl.h"
#include "lint/private.h"

bool
lint_format_find(struct span name, enum lint_format *out)
{
	static const char *const names[] = { "tty", "gcc", "json", "quiet" };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (span_eqs(name, names[i])) {
			*out = (enum lint_format)i;
			return true;
		}
	return false;
}

/*
 * Bytes of a file are hostile: what is no printable text shows as \xNN. U+0080 to U+00BF, with its control characters, and U+2000 to U+207F,
 * which change what one sees, count as such.
 */
static size_t
printable_length(struct span s)
{
	size_t n = utf8_length(s);
	unsigned char c = (unsigned char)s.ptr[0];

	return n > 1 && c != 0xc2 && !(c == 0xe2 && (unsigned char)s.ptr[1] < 0x82) ? n : 0;
}

static void
put_safe(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		size_t n = printable_length(span_skip(s, i));
		if (n > 0) {
			buf_put(out, s.ptr + i, n);
			i += n - 1;
		} else if (c == '\t') {
			buf_char(out, ' ');
		} else if (c < 32 || c >= 127) {
			buf_printf(out, "\\x%02x", c);
		} else {
			buf_char(out, (char)c);
		}
	}
}

static void
put_place(const struct lint_finding *f, struct buf *out)
{
	put_safe(span_str(f->file), out);
	if (f->line > 0)
		buf_printf(out, ":%u:%u", f->line, f->column);
	buf_str(out, ": ");
}

static void
print_gcc(const struct lint_finding *f, struct buf *out)
{
	put_place(f, out);
	buf_printf(out, "%s: ", lint_level_name(f->level));
	put_safe(span_str(f->message), out);
	buf_printf(out, " [%s]\n", lint_rule(f->code)->code);
}

/* How many columns a piece takes once it is made safe. */
static size_t
columns(struct span s)
{
	struct buf b = BUF_INIT(0);
	size_t n = 0;

	put_safe(s, &b);
	for (size_t i = 0; i < b.len; i++)
		n += ((unsigned char)b.ptr[i] & 0xc0) != 0x80;
	buf_clear(&b);
	return n;
}

#define SOURCE_MAX	160	/* bytes of a line shown; the place is always in view */

static void
print_source(const struct lint_finding *f, const char *on, const char *off, struct buf *out)
{
	struct span line = span_str(f->source);
	size_t column = f->column - 1 < line.len ? f->column - 1 : line.len;
	size_t from = column > SOURCE_MAX / 2 ? column - SOURCE_MAX / 2 : 0;
	struct span shown = span_head(span_skip(line, from), SOURCE_MAX);
	struct span marked = span_head(span_skip(shown, column - from), f->width);

	buf_str(out, "    ");
	put_safe(shown, out);
	buf_str(out, "\n    ");
	size_t before = columns(span_head(shown, column - from)), width = columns(marked);
	buf_printf(out, "%*s%s^", (int)before, "", on);
	for (size_t i = 1; i < width; i++)
		buf_char(out, '~');
	buf_printf(out, "%s\n", off);
}

static void
print_tty(const struct lint_finding *f, bool colour, struct buf *out)
{
	static const char *const colours[] = { "\033[36m", "\033[34m", "\033[33m", "\033[31m" };
	const char *on = colour ? colours[f->level] : "", *off = colour ? "\033[0m" : "";

	put_place(f, out);
	buf_printf(out, "%s%s%s: ", on, lint_level_name(f->level), off);
	put_safe(span_str(f->message), out);
	buf_printf(out, " [%s]\n", lint_rule(f->code)->code);
	if (f->source != NULL)
		print_source(f, on, off, out);
	buf_printf(out, "    help: %s\n", f->help);
}

static void
print_json(const struct lint_finding *f, struct buf *out)
{
	struct jsonl j = { .out = out };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "code", span_str(lint_rule(f->code)->code));
	jsonl_str(&j, "level", span_str(lint_level_name(f->level)));
	jsonl_str(&j, "file", span_str(f->file));
	if (f->line > 0) {
		jsonl_i64(&j, "line", f->line);
		jsonl_i64(&j, "column", f->column);
		jsonl_str(&j, "text", span_head(span_skip(span_str(f->source), f->column - 1), f->width));
	}
	jsonl_str(&j, "message", span_str(f->message));
	jsonl_str(&j, "help", span_str(f->help));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

static void
print_counts(const struct lint_report *r, struct buf *out)
{
	buf_printf(out, "%zu error%s, %zu warning%s, %zu of info, %zu of style", r->of_level[LINT_ERROR],
	    r->of_level[LINT_ERROR] == 1 ? "" : "s", r->of_level[LINT_WARNING],
	    r->of_level[LINT_WARNING] == 1 ? "" : "s", r->of_level[LINT_INFO], r->of_level[LINT_STYLE]);
	if (r->disabled > 0)
		buf_printf(out, "; %zu disabled by comments", r->disabled);
	buf_char(out, '\n');
}

void
lint_print(const struct lint_report *r, enum lint_format format, bool colour, struct buf *out)
{
	for (size_t i = 0; i < r->count && format != LINT_QUIET; i++) {
		if (format == LINT_TTY)
			print_tty(&r->items[i], colour, out);
		else if (format == LINT_GCC)
			print_gcc(&r->items[i], out);
		else
			print_json(&r->items[i], out);
	}
	if (format == LINT_TTY)
		print_counts(r, out);
}
