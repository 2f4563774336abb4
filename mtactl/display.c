#include "mtactl/display.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ctl/jsonl.h"

#define COMPLAINT_MAX	((size_t)64 << 10)

/* -- output --------------------------------------------------------------- */

void
display_flush(struct display *d)
{
	struct span left = buf_view(&d->out);

	while (left.len > 0 && !d->failed) {
		ssize_t n = write(STDOUT_FILENO, left.ptr, left.len);
		if (n > 0)
			left = span_skip(left, (size_t)n);
		else if (n < 0 && errno != EINTR)
			d->failed = true;
	}
	buf_reset(&d->out);
}

void
display_clear(struct display *d)
{
	buf_clear(&d->out);
	buf_clear(&d->scratch);
}

void
put(struct display *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&d->out, fmt, ap);
	va_end(ap);
}

void
put_color(struct display *d, enum color c)
{
	static const char *const codes[] = { "0", "2", "1", "31", "32", "33" };

	if (d->colored)
		put(d, "\033[%sm", codes[c]);
}

/* -- text from outside ---------------------------------------------------- */

static bool
is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f;
}

static size_t
put_other(struct buf *out, struct span s, bool keep_lines)
{
	size_t n = utf8_length(s);

	if (keep_lines && (*s.ptr == '\n' || *s.ptr == '\t')) {
		buf_char(out, *s.ptr);
		return 1;
	}
	if (n <= 1) {
		buf_printf(out, "\\x%02x", (unsigned char)*s.ptr);
		return 1;
	}
	s.len = n;
	if (utf8_harmful(utf8_point(s)))
		buf_printf(out, "\\u%04x", (unsigned)utf8_point(s));
	else
		buf_span(out, s);
	return n;
}

void
safe_text(struct buf *out, struct span s, bool keep_lines)
{
	while (s.len > 0) {
		size_t n = 0;
		while (n < s.len && is_plain(s.ptr[n]))
			n++;
		buf_put(out, s.ptr, n);
		if (n == s.len)
			return;
		s = span_skip(s, n);
		if (s.len > 0)
			s = span_skip(s, put_other(out, s, keep_lines));
	}
}

void
vtell_safe(const char *name, const char *kind, const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT(COMPLAINT_MAX), safe = BUF_INIT(0);

	buf_vprintf(&text, fmt, ap);
	safe_text(&safe, buf_view(&text), true);
	fprintf(stderr, "%s%s%s%.*s\n", name == NULL ? "" : name, name == NULL ? "" : ": ", kind, SPAN_ARG(buf_view(&safe)));
	buf_clear(&safe);
	buf_clear(&text);
}

void
tell_safe(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtell_safe(name, "", fmt, ap);
	va_end(ap);
}

void
put_safe(struct display *d, struct span s)
{
	safe_text(&d->out, s, false);
}

/* Strings without escapes, nearly all, need no copy. */
static struct span
value_text(struct display *d, struct span raw)
{
	if (raw.len == 0)
		return SPAN("-");
	if (!jsonl_is_string(raw))
		return raw;
	struct span inner = span_of(raw.ptr + 1, raw.len - 2);
	if (inner.len == 0 || memchr(inner.ptr, '\\', inner.len) == NULL)
		return inner;
	buf_reset(&d->scratch);
	return jsonl_text(raw, &d->scratch) ? buf_view(&d->scratch) : inner;
}

void
put_value(struct display *d, struct span raw)
{
	put_safe(d, value_text(d, raw));
}

void
put_column(struct display *d, struct span raw, int width)
{
	size_t want = (size_t)(width < 0 ? -width : width);
	size_t before = d->out.len;

	put_value(d, raw);
	size_t n = d->out.len - before;
	if (n >= want)
		return;
	if (width > 0) {
		put(d, "%*s", (int)(want - n), "");
		return;
	}
	buf_cut(&d->out, before);
	put(d, "%*s", (int)(want - n), "");
	put_value(d, raw);
}

static size_t
line_width(void)
{
	struct winsize size = { .ws_col = 0 };

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : SIZE_MAX;
}

/* Columns of the text; what colours it takes none. */
static size_t
columns(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\033')
			i += span_find(span_skip(s, i), 'm');
		else if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			n++;
	}
	return n;
}

void
wrap_line(struct display *d, size_t from, size_t indent)
{
	struct buf text = BUF_INIT(0);
	size_t width = line_width(), at = 0;
	struct span rest, word;

	if (width == SIZE_MAX || columns(span_skip(buf_view(&d->out), from)) <= width)
		return;
	buf_span(&text, span_skip(buf_view(&d->out), from));
	buf_cut(&d->out, from);
	rest = buf_view(&text);
	for (bool first = true; span_cut(&rest, ' ', &word); first = false) {
		size_t n = columns(word);
		if (!first && n > 0 && at > indent && at + 1 + n > width) {
			put(d, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			put(d, " ");
			at++;
		}
		buf_span(&d->out, word);
		at += n;
	}
	buf_clear(&text);
}

struct span
member(struct span row, const char *key)
{
	struct span value;

	return jsonl_find(row, key, &value) ? value : SPAN_NONE;
}

void
put_member(struct display *d, struct span row, const char *key)
{
	put_value(d, member(row, key));
}

/* -- numbers -------------------------------------------------------------- */

void
age_text(struct buf *out, int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < 60)
		buf_printf(out, "%llds", (long long)s);
	else if (s < 3600)
		buf_printf(out, "%lldm", (long long)s / 60);
	else if (s < 48 * 3600)
		buf_printf(out, "%lldh", (long long)s / 3600);
	else
		buf_printf(out, "%lldd", (long long)s / 86400);
}

void
size_text(struct buf *out, int64_t bytes)
{
	static const char units[] = "KMGT";
	double v = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		buf_printf(out, "%lld", (long long)bytes);
		return;
	}
	for (v /= 1024; v >= 999.5 && unit < sizeof units - 2; v /= 1024)
		unit++;
	buf_printf(out, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[unit]);
}

void
time_text(struct buf *out, int64_t seconds, int64_t now)
{
	time_t t = (time_t)seconds, n = (time_t)now;
	struct tm tm, today;
	char text[64];

	if (localtime_r(&t, &tm) == NULL || localtime_r(&n, &today) == NULL)
		return;
	strftime(text, sizeof text, tm.tm_year == today.tm_year ? "%b %e %H:%M:%S" : "%b %e %Y %H:%M:%S", &tm);
	buf_str(out, text);
}

void
when_text(struct buf *out, int64_t seconds, int64_t now)
{
	if (seconds > now) {
		buf_str(out, "in ");
		age_text(out, seconds - now);
	} else if (now - seconds < 2) {
		buf_str(out, "now");
	} else {
		age_text(out, now - seconds);
		buf_str(out, " ago");
	}
}

static char *
put_digits(char *p, unsigned n, int width)
{
	for (int i = width - 1; i >= 0; i--, n /= 10)
		p[i] = (char)('0' + n % 10);
	return p + width;
}

/* By hand: a listing has two in each of a hundred thousand rows, and they seldom differ in their day. */
void
iso_text(struct buf *out, int64_t seconds)
{
	static struct { int64_t day; char text[12]; } last = { INT64_MIN, "" };
	int64_t day = seconds / 86400;
	unsigned rest = (unsigned)(seconds % 86400);
	char text[32], *p = text;

	if (seconds < 0 || seconds > 253402300799)	/* the year 9999's end */
		return;
	if (day != last.day) {
		time_t t = (time_t)seconds;
		struct tm tm;
		if (gmtime_r(&t, &tm) == NULL)
			return;
		strftime(last.text, sizeof last.text, "%Y-%m-%dT", &tm);
		last.day = day;
	}
	memcpy(p, last.text, 11);
	p = put_digits(p + 11, rest / 3600, 2);
	*p++ = ':';
	p = put_digits(p, rest / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, rest % 60, 2);
	*p++ = 'Z';
	buf_put(out, text, (size_t)(p - text));
}

void
tally_add(struct display *d, struct span name)
{
	for (unsigned i = 0; i < TALLIES; i++) {
		struct tally *t = &d->tallies[i];
		if (t->count == 0)
			snprintf(t->name, sizeof t->name, "%.*s", SPAN_ARG(span_head(name, sizeof t->name - 1)));
		if (span_eqs(span_head(name, sizeof t->name - 1), t->name)) {
			t->count++;
			return;
		}
	}
}
