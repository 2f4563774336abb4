#include "tui/script.h"
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/num.h"
#include "ctl/jsonl.h"

#define WAIT_TIME	(10 * SECOND)
#define SCRIPT_MAX	((size_t)1 << 20)

bool
script_load(struct script *s, const char *path, struct err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char bytes[4096];
	size_t n;

	if (f == NULL) {
		err_sys(err, "%s", path);
		return false;
	}
	s->text = BUF_INIT(SCRIPT_MAX);
	while (!s->text.over && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
		buf_put(&s->text, bytes, n);
	if (f != stdin)
		fclose(f);
	s->left = buf_view(&s->text);
	if (s->text.over)
		err_set(err, ERR_PERM, "%s: the script is too long", path);
	return !s->text.over;
}

void
script_clear(struct script *s)
{
	buf_clear(&s->text);
}

bool
script_size(struct span text, struct term_size *size)
{
	size_t x = span_find(text, 'x');
	uint32_t cols, rows;

	if (!num_u32(span_head(text, x), &cols) || !num_u32(span_skip(text, x + 1), &rows) || cols < 1 || cols > 1000 ||
	    rows < 1 || rows > 1000)
		return false;
	*size = (struct term_size){ .cols = (int)cols, .rows = (int)rows };
	return true;
}

static int
take_character(struct span *rest)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t n = utf8_length(*rest);

	if (n == 0)
		n = 1;
	int c = (unsigned char)*rest->ptr & masks[n];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)rest->ptr[i] & 0x3f);
	*rest = span_skip(*rest, n);
	return c;
}

int
script_key(struct span *rest, struct err *err)
{
	size_t end = span_find(*rest, '>');

	if (*rest->ptr != '<' || end == rest->len || end < 3)
		return take_character(rest);
	struct span name = span_of(rest->ptr + 1, end - 1);
	int key = span_eqs(name, "lt") ? '<' : key_named(name);
	if (key == 0)
		err_set(err, ERR_PERM, "there is no key <%.*s>", SPAN_ARG(span_head(name, 20)));
	*rest = span_skip(*rest, end + 1);
	return key;
}

static bool
press(struct console *con, struct span keys, struct err *err)
{
	while (keys.len > 0 && !con->quit) {
		int key = script_key(&keys, err);
		if (key == 0)
			return false;
		console_key(con, key);
	}
	return true;
}

/* -- the screen as text --------------------------------------------------- */

static void
put_wide(struct buf *out, wchar_t c)
{
	char bytes[16];
	mbstate_t state = { 0 };
	size_t n = wcrtomb(bytes, c, &state);

	if (n == (size_t)-1)
		buf_char(out, '?');
	else
		buf_put(out, bytes, n);
}

static void
put_line(struct buf *out, int y)
{
	size_t start = out->len;

	for (int x = 0; x < COLS; x++) {
		cchar_t cell;
		wchar_t chars[CCHARW_MAX + 1] = { 0 };
		attr_t attrs;
		short pair;
		if (mvin_wch(y, x, &cell) == ERR || getcchar(&cell, chars, &attrs, &pair, NULL) == ERR)
			continue;
		for (size_t i = 0; chars[i] != 0; i++)
			put_wide(out, chars[i]);
		int w = wcwidth(chars[0]);
		x += w > 1 ? w - 1 : 0;
	}
	while (out->len > start && out->ptr[out->len - 1] == ' ')
		buf_cut(out, out->len - 1);
	buf_char(out, '\n');
}

static void
read_screen(struct buf *out)
{
	for (int y = 0; y < LINES; y++)
		put_line(out, y);
}

static bool
save_screen(const char *path, struct err *err)
{
	struct buf text = BUF_INIT(0);
	FILE *f = fopen(path, "we");

	if (f == NULL) {
		err_sys(err, "%s", path);
		return false;
	}
	read_screen(&text);
	bool ok = fwrite(text.ptr, 1, text.len, f) == text.len;
	ok = fclose(f) == 0 && ok;
	if (!ok)
		err_sys(err, "%s", path);
	buf_clear(&text);
	return ok;
}

static bool
screen_shows(struct span wanted)
{
	struct buf text = BUF_INIT(0);

	read_screen(&text);
	bool found = text_has(buf_view(&text), wanted);
	buf_clear(&text);
	return found;
}

/* -- steps ---------------------------------------------------------------- */

static bool
do_step(struct script *s, struct console *con, struct span line, int64_t now, struct err *err)
{
	struct span verb = span_head(line, span_find(line, ' ')), rest = span_skip(line, verb.len + 1);
	struct term_size size;

	if (line.len == 0 || *line.ptr == '#')
		return true;
	if (span_eqs(verb, "keys"))
		return press(con, rest, err);
	if (span_eqs(verb, "wait") && rest.len > 0) {
		s->waiting = rest;
		s->until = now + WAIT_TIME;
	} else if (span_eqs(verb, "save-screen") && rest.len > 0) {
		char *path = span_dup(rest);
		console_draw(con);
		bool ok = save_screen(path, err);
		free(path);
		return ok;
	} else if (span_eqs(verb, "resize") && script_size(rest, &size)) {
		term_resize(size);
		con->redraw = true;
	} else if (span_eqs(verb, "quit") && rest.len == 0) {
		con->quit = true;
	} else {
		err_set(err, ERR_PERM, "what does \"%.*s\" mean? (keys, wait, save-screen, resize, quit)", SPAN_ARG(span_head(line, 60)));
		return false;
	}
	return true;
}

/* True: it is there, or nothing was waited for. */
static bool
waited(struct script *s, struct console *con, int64_t now, bool *failed)
{
	if (s->waiting.len == 0)
		return true;
	console_draw(con);
	if (screen_shows(s->waiting)) {
		s->waiting = SPAN_NONE;
		return true;
	}
	*failed = now > s->until;
	return false;
}

bool
script_run(struct script *s, struct console *con, int64_t now, struct err *err)
{
	struct span line;
	bool failed = false;

	while (!con->quit) {
		if (!waited(s, con, now, &failed)) {
			if (failed)
				err_set(err, ERR_TEMP, "line %u: the screen did not show \"%.*s\" within 10 seconds", s->line,
				    SPAN_ARG(span_head(s->waiting, 80)));
			return !failed;
		}
		if (s->left.len == 0 || !span_cut(&s->left, '\n', &line)) {
			con->quit = true;
			break;
		}
		s->line++;
		if (!do_step(s, con, span_rtrim(line), now, err)) {
			err_prefix(err, "line %u", s->line);
			return false;
		}
	}
	return true;
}
