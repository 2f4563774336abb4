/* The walk through a body: whatever the pieces, the items are the same, and together they are what came. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "mail/header.h"
#include "mail/mime_walk.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct seen {
	struct buf	all, items;
};

static void
item(void *arg, const struct walk_item *it)
{
	struct seen *s = arg;

	buf_span(&s->all, it->text);
	if (it->ended)
		buf_char(&s->all, '\n');
	if (it->class == WALK_RUN)
		return;
	buf_char(&s->items, (char)('0' + it->class));
	buf_span(&s->items, it->text);
}

static void
walk(struct span header, struct span body, size_t step, bool lines, struct seen *s)
{
	const struct walk_options opt = { .structure = true, .lines = lines, .lines_limit = 300, .line_limit = 64, .nesting_limit = 4 };
	struct mime_walk *w = mime_walk_new(&opt, header);

	*s = (struct seen){ BUF_INIT(0), BUF_INIT(0) };
	for (; body.len > 0; body = span_skip(body, step))
		mime_walk_put(w, span_head(body, step), item, s);
	mime_walk_end(w, item, s);
	mime_walk_free(w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size), header = span_head(all, header_block_len(all)), body = span_skip(all, header.len);
	bool lines = size % 2 == 1;
	struct seen whole, parts;

	walk(header, body, size + 1, lines, &whole);
	walk(header, body, size % 7 + 1, lines, &parts);
	if (!span_eq(buf_view(&whole.all), body) || !span_eq(buf_view(&parts.all), body) ||
	    !span_eq(buf_view(&whole.items), buf_view(&parts.items)))
		abort();
	buf_clear(&whole.all);
	buf_clear(&whole.items);
	buf_clear(&parts.all);
	buf_clear(&parts.items);
	return 0;
}
