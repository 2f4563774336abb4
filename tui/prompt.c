#include "tui/prompt.h"
#include "tui/nc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tui/console.h"

void
prompt_clear(struct prompt *p)
{
	buf_clear(&p->text);
	for (size_t i = 0; i < PROMPT_HISTORY; i++)
		free(p->history[i]);
	*p = (struct prompt){ .open = false };
}

static void
set_text(struct prompt *p, const char *text)
{
	buf_reset(&p->text);
	buf_str(&p->text, text == NULL ? "" : text);
	p->at = p->text.len;
}

void
prompt_open(struct prompt *p, struct view *v, const char *label, const char *text, prompt_fn *done)
{
	p->text.max = PROMPT_MAX;
	p->open = true;
	p->view = v;
	p->label = label;
	p->done = done;
	p->back = 0;
	set_text(p, text);
}

static void
remember(struct prompt *p)
{
	if (p->text.len == 0 || (p->history[0] != NULL && p->labels[0] == p->label && span_eqs(buf_view(&p->text), p->history[0])))
		return;
	free(p->history[PROMPT_HISTORY - 1]);
	memmove(p->history + 1, p->history, (PROMPT_HISTORY - 1) * sizeof *p->history);
	memmove(p->labels + 1, p->labels, (PROMPT_HISTORY - 1) * sizeof *p->labels);
	p->history[0] = span_dup(buf_view(&p->text));
	p->labels[0] = p->label;
}

/* The n-th line typed at this prompt, from 1. */
static const char *
recall(const struct prompt *p, size_t n)
{
	for (size_t i = 0; i < PROMPT_HISTORY && p->history[i] != NULL; i++)
		if (strcmp(p->labels[i], p->label) == 0 && --n == 0)
			return p->history[i];
	return NULL;
}

static void
go_back(struct prompt *p, bool older)
{
	const char *text = older ? recall(p, p->back + 1) : p->back > 1 ? recall(p, p->back - 1) : "";

	if (text == NULL)
		return;
	p->back = older ? p->back + 1 : p->back > 0 ? p->back - 1 : 0;
	set_text(p, text);
}

/* -- editing -------------------------------------------------------------- */

static bool
continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t
before(const struct prompt *p, size_t at)
{
	while (at > 0 && continues(p->text.ptr[--at]))
		;
	return at;
}

static size_t
first_len(struct span s)
{
	size_t n = s.len > 0 ? 1 : 0;

	while (n < s.len && continues(s.ptr[n]))
		n++;
	return n;
}

static size_t
after(const struct prompt *p, size_t at)
{
	return at + first_len(span_skip(buf_view(&p->text), at));
}

static void
cut_out(struct prompt *p, size_t from, size_t to)
{
	if (from >= to)
		return;
	memmove(p->text.ptr + from, p->text.ptr + to, p->text.len - to);
	buf_cut(&p->text, p->text.len - (to - from));
	p->at = from;
}

static void
insert(struct prompt *p, int c)
{
	struct buf tail = BUF_INIT(0), one = BUF_INIT(8);

	if (c < 0x80) {
		buf_char(&one, (char)c);
	} else if (c < 0x800) {
		buf_char(&one, (char)(0xc0 | c >> 6));
		buf_char(&one, (char)(0x80 | (c & 0x3f)));
	} else {
		if (c >= 0x10000) {
			buf_char(&one, (char)(0xf0 | c >> 18));
			buf_char(&one, (char)(0x80 | (c >> 12 & 0x3f)));
		} else {
			buf_char(&one, (char)(0xe0 | c >> 12));
		}
		buf_char(&one, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(&one, (char)(0x80 | (c & 0x3f)));
	}
	if (p->text.len + one.len < PROMPT_MAX) {
		buf_span(&tail, span_skip(buf_view(&p->text), p->at));
		buf_cut(&p->text, p->at);
		buf_span(&p->text, buf_view(&one));
		buf_span(&p->text, buf_view(&tail));
		p->at += one.len;
	}
	buf_clear(&tail);
	buf_clear(&one);
}

static void
cut_word(struct prompt *p)
{
	size_t from = p->at;

	while (from > 0 && p->text.ptr[from - 1] == ' ')
		from--;
	while (from > 0 && p->text.ptr[from - 1] != ' ')
		from--;
	cut_out(p, from, p->at);
}

static void
finish(struct prompt *p)
{
	struct buf text = p->text;

	remember(p);
	p->open = false;
	p->text = BUF_INIT(PROMPT_MAX);
	if (text.ptr == NULL)
		buf_str(&text, "");
	p->done(p->view, buf_view(&text));
	buf_clear(&text);
}

void
prompt_key(struct prompt *p, int key)
{
	if (key >= 0x20 && key < 0x110000 && key != 0x7f) {
		insert(p, key);
		return;
	}
	switch (key) {
	case KEY_ESCAPE:
	case CTRL('c'):
	case CTRL('g'):
		p->open = false;
		break;
	case KEY_RETURN:
	case '\n':
		finish(p);
		break;
	case 0x7f:
	case CTRL('h'):
	case FN(KEY_BACKSPACE):
		if (p->text.len == 0)
			p->open = false;
		else
			cut_out(p, before(p, p->at), p->at);
		break;
	case FN(KEY_DC):
	case CTRL('d'):
		cut_out(p, p->at, after(p, p->at));
		break;
	case CTRL('u'):
		cut_out(p, 0, p->at);
		break;
	case CTRL('k'):
		cut_out(p, p->at, p->text.len);
		break;
	case CTRL('w'):
		cut_word(p);
		break;
	case FN(KEY_LEFT):
		p->at = before(p, p->at);
		break;
	case FN(KEY_RIGHT):
		p->at = after(p, p->at);
		break;
	case FN(KEY_HOME):
	case CTRL('a'):
		p->at = 0;
		break;
	case FN(KEY_END):
	case CTRL('e'):
		p->at = p->text.len;
		break;
	case FN(KEY_UP):
	case CTRL('p'):
		go_back(p, true);
		break;
	case FN(KEY_DOWN):
	case CTRL('n'):
		go_back(p, false);
		break;
	default:
		break;
	}
}

/* The end of the line is in sight, or at least the cursor. */
void
prompt_draw(struct prompt *p, int y)
{
	struct span shown = span_head(buf_view(&p->text), p->at);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, false);
	line_text(&l, STYLE_BOLD, span_str(p->label));
	while (paint_width(shown) >= l.end - l.x - 1 && shown.len > 0)
		shown = span_skip(shown, first_len(shown));
	int x = l.x + paint_width(shown);
	shown = span_of(shown.ptr, shown.len + (p->text.len - p->at));
	line_text(&l, STYLE_PLAIN, shown);
	paint_cursor(y, x);
}
