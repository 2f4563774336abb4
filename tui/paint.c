#include "tui/paint.h"
#include "tui/nc.h"

#include <wchar.h>

#include "base/buf.h"
#include "ctl/jsonl.h"
#include "mtactl/display.h"

static struct {
	bool	color, utf8;
} paint;

void
paint_init(bool color, bool utf8)
{
	static const short colors[] = { COLOR_BLACK, NC_GREEN, NC_YELLOW, NC_RED };

	paint.color = color;
	paint.utf8 = utf8;
	if (!color)
		return;
	for (short i = 1; i < 4; i++)
		init_pair(i, colors[i], -1);
	init_pair(4, COLOR_WHITE, COLOR_BLUE);
	init_pair(5, COLOR_WHITE, NC_RED);
	init_pair(6, COLOR_BLACK, COLOR_CYAN);
}

static attr_t
attr_of(enum style s)
{
	static const attr_t mono[STYLE_COUNT] = {
		[STYLE_PLAIN] = A_NORMAL, [STYLE_DIM] = A_NORMAL, [STYLE_BOLD] = A_BOLD, [STYLE_GOOD] = A_NORMAL,
		[STYLE_WARN] = A_BOLD, [STYLE_BAD] = A_BOLD, [STYLE_BAR] = A_REVERSE, [STYLE_ALARM] = A_REVERSE | A_BOLD,
		[STYLE_KEY] = A_REVERSE,
	};

	if (!paint.color)
		return mono[s];
	switch (s) {
	case STYLE_DIM:
		return A_DIM;
	case STYLE_BOLD:
		return A_BOLD;
	case STYLE_GOOD:
		return (attr_t)COLOR_PAIR(1);
	case STYLE_WARN:
		return (attr_t)COLOR_PAIR(2);
	case STYLE_BAD:
		return (attr_t)COLOR_PAIR(3) | A_BOLD;
	case STYLE_BAR:
		return (attr_t)COLOR_PAIR(4) | A_BOLD;
	case STYLE_ALARM:
		return (attr_t)COLOR_PAIR(5) | A_BOLD;
	case STYLE_KEY:
		return (attr_t)COLOR_PAIR(6);
	default:
		return A_NORMAL;
	}
}

static void
use(const struct line *l, enum style s)
{
	attrset((int)(l->cursor ? A_REVERSE | (attr_of(s) & A_BOLD) : attr_of(s == STYLE_PLAIN ? l->base : s)));
}

/* -- characters ----------------------------------------------------------- */

static wchar_t
wide_of(struct span s)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned c = (unsigned char)*s.ptr & masks[s.len];

	for (size_t i = 1; i < s.len; i++)
		c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
	return (wchar_t)c;
}

static size_t
code_length(struct span s)
{
	size_t n = 1;

	if (s.len < 3 || s.ptr[0] != '\033' || s.ptr[1] != '[')
		return 0;
	while (n < s.len && s.ptr[n] != 'm')
		n++;
	return n < s.len ? n + 1 : 0;
}

/* The character to draw for the one at the start; L'?' where the terminal has none for it. */
static size_t
take_char(struct span s, wchar_t *c, int *columns)
{
	size_t n = utf8_length(s);

	*c = L'?';
	*columns = 1;
	if (n == 0 || (unsigned char)*s.ptr < 0x20 || *s.ptr == 0x7f) {
		if (*s.ptr == '\t')
			*c = L' ';
		return 1;
	}
	if (n > 1 && !paint.utf8)
		return n;
	wchar_t wide = wide_of(span_head(s, n));
	int w = n == 1 ? 1 : wcwidth(wide);
	if (w < 0)
		return n;
	*c = wide;
	*columns = w;
	return n;
}

size_t
paint_char(struct span s, int *columns)
{
	size_t n = code_length(s);
	wchar_t c;

	*columns = 0;
	return n > 0 ? n : take_char(s, &c, columns);
}

int
paint_width(struct span s)
{
	int width = 0;

	while (s.len > 0) {
		int w;
		s = span_skip(s, paint_char(s, &w));
		width += w;
	}
	return width;
}

/* Safe text at the line's place, up to `width` columns; returns those used. */
static int
draw(const struct line *l, int x, int width, struct span s)
{
	int used = 0;

	move(l->y, x);
	while (s.len > 0) {
		wchar_t c[2] = { 0, 0 };
		int w;
		size_t n = take_char(s, c, &w);
		if (used + w > width || (used == 0 && w == 0 && used + 1 > width))
			break;
		addnwstr(c, 1);
		used += w;
		s = span_skip(s, n);
	}
	return used;
}

/* -- lines ---------------------------------------------------------------- */

void
line_begin(struct line *l, int y, enum style base, bool cursor)
{
	*l = (struct line){ .y = y, .end = COLS, .base = base, .cursor = cursor };
	if (y < 0 || y >= LINES) {
		l->end = 0;
		return;
	}
	use(l, STYLE_PLAIN);
	mvhline(y, 0, ' ', COLS);
}

static void
put_cell(struct line *l, int width, enum style style, struct span safe)
{
	int room = l->end - l->x, want = width < 0 ? -width : width;
	int have = paint_width(safe), at = l->x;

	if (width == 0 || want > room)
		want = room;
	if (width < 0 && have < want)
		at += want - have;
	use(l, style);
	int used = draw(l, at, want, safe);
	if (have > want && want > 2) {		/* cut: say so */
		const char *more = paint.utf8 ? "\xe2\x80\xa6" : "~";
		draw(l, at + want - 1, 1, span_str(more));
		used = want;
	}
	(void)used;
	l->x += want + 1;
}

void
line_cell(struct line *l, int width, enum style style, struct span text)
{
	struct buf safe = BUF_INIT(0);

	if (l->x < l->end) {
		safe_text(&safe, span_head(text, 4096), false);
		put_cell(l, width, style, buf_view(&safe));
	}
	buf_clear(&safe);
}

void
line_text(struct line *l, enum style style, struct span text)
{
	struct buf safe = BUF_INIT(0);

	if (l->x < l->end) {
		safe_text(&safe, span_head(text, 4096), false);
		use(l, style);
		l->x += draw(l, l->x, l->end - l->x, buf_view(&safe));
	}
	buf_clear(&safe);
}

void
line_printf(struct line *l, enum style style, const char *fmt, ...)
{
	struct buf text = BUF_INIT(8192);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	line_text(l, style, buf_view(&text));
	buf_clear(&text);
}

void
line_right(struct line *l, enum style style, struct span text)
{
	struct buf safe = BUF_INIT(0);

	safe_text(&safe, span_head(text, 4096), false);
	int width = paint_width(buf_view(&safe));
	use(l, style);
	if (width < l->end)
		draw(l, l->end - width, width, buf_view(&safe));
	buf_clear(&safe);
}

enum style
paint_code(struct span text)
{
	struct span code = span_head(text, code_length(text));
	static const struct { const char *code; enum style style; } codes[] = {
		{ "\033[2m", STYLE_DIM }, { "\033[1m", STYLE_BOLD }, { "\033[31m", STYLE_BAD },
		{ "\033[32m", STYLE_GOOD }, { "\033[33m", STYLE_WARN },
	};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (span_eqs(code, codes[i].code))
			return codes[i].style;
	return STYLE_PLAIN;
}

void
line_ansi(struct line *l, enum style *style, struct span text)
{
	while (text.len > 0 && l->x < l->end) {
		size_t n = code_length(text);
		if (n > 0) {
			*style = paint_code(text);
			text = span_skip(text, n);
			continue;
		}
		n = span_find(text, '\033');
		if (n == 0)
			n = 1;
		use(l, *style);
		l->x += draw(l, l->x, l->end - l->x, span_head(text, n));
		text = span_skip(text, n);
	}
}

int
paint_columns(void)
{
	return COLS;
}

void
paint_cursor(int y, int x)
{
	curs_set(x >= 0 && x < COLS ? 1 : 0);
	if (x >= 0 && x < COLS)
		move(y, x);
}
