/*
 * postmap -h, -b, -m: a message on standard input, whose header and body lines are the keys, as header_checks(5) and body_checks(5) see them.
 */
#include "mail/header.h"
#include "mail/mime_walk.h"
#include "mtactl/postfix_map.h"

struct keys_of {
	const struct postmap *map;
	postmap_key_fn	*fn;
	void		*arg;
	bool		 go_on;
};

static void
give(struct keys_of *k, struct span key)
{
	if (k->go_on)
		k->go_on = k->fn(k->arg, key);
}

static void
on_item(void *arg, const struct walk_item *item)
{
	struct keys_of *k = arg;
	bool header = item->class == WALK_MIME || item->class == WALK_NESTED;

	if ((header && k->map->headers) || (item->class == WALK_LINE && k->map->body))
		give(k, item->text);
}

/* "Subject : x" is looked up as "Subject: x". */
static void
give_header(struct keys_of *k, const struct header *h)
{
	struct span raw = span_ends(h->raw, "\n") ? span_head(h->raw, h->raw.len - 1) : h->raw;
	struct buf key = BUF_INIT(0);

	buf_span(&key, h->name);
	buf_span(&key, span_skip(raw, span_find(raw, ':')));
	give(k, buf_view(&key));
	buf_clear(&key);
}

static void
give_body(struct keys_of *k, struct span header, struct span body)
{
	const struct view *v = conf_main(k->map->conf);
	const struct walk_options options = {
		.structure = k->map->mime, .lines = k->map->body, .line_limit = (size_t)conf_int(v, P_line_length_limit),
		.header_limit = (size_t)conf_int(v, P_header_size_limit), .nesting_limit = (unsigned)conf_int(v, P_mime_nesting_limit),
	};
	struct mime_walk *walk = mime_walk_new(&options, header);

	mime_walk_put(walk, body, on_item, k);
	mime_walk_end(walk, on_item, k);
	mime_walk_free(walk);
}

void
postmap_message(const struct postmap *m, struct span message, postmap_key_fn *fn, void *arg)
{
	struct keys_of k = { m, fn, arg, true };
	struct span rest = message, header;
	struct header h;

	while (header_next(&rest, &h))
		if (m->headers)
			give_header(&k, &h);
	header = span_head(message, message.len - rest.len);
	if (rest.len == 0 || (!m->body && !m->mime))
		return;
	/* The empty line behind the headers is of the body; where it is missing, Postfix puts it there. */
	if (m->body)
		give(&k, SPAN_NONE);
	give_body(&k, header, span_starts(rest, "\n") ? span_skip(rest, 1) : rest);
}
