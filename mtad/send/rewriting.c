#include "send/rewriting.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/header_address.h"

#define TEXT_SHOWN	60	/* of a header or line, in the log */

struct rewriter {
	const struct rewriting *how;
	struct facts	*facts;
	const char	*program, *id;
	struct buf	 block;		/* the header block, until it is whole */
	bool		 in_body;
	struct mime_walk *walk;
	struct check_result result;
	struct buf	*out;		/* within a call */
	enum map_status	 status;
	struct err	 err;
};

/* -- a transport's -- */

static bool
open_checks(struct rewriting *r, struct conf *conf, const struct view *v, bool lmtp, struct err *err)
{
	if (!content_checks_new(conf, v, lmtp ? CHECK_LMTP : CHECK_SMTP, &r->checks, err))
		return false;
	if (r->checks == NULL)
		return true;
	r->walk = (struct walk_options){
		.structure = true,
		.lines = content_checks_has(r->checks, CHECK_BODY),
		.line_limit = (size_t)conf_int(v, P_line_length_limit),
		.header_limit = (size_t)conf_int(v, P_header_size_limit),
		.nesting_limit = (unsigned)conf_int(v, P_mime_nesting_limit),
	};
	return true;
}

bool
rewriting_new(struct conf *conf, const struct view *v, bool lmtp, struct rewriting **out, struct err *err)
{
	struct rewriting *r;

	*out = NULL;
	MEM_NEW(r);
	bool good = generic_new(conf, v, lmtp ? P_lmtp_generic_maps : P_smtp_generic_maps, &r->generic, err) &&
	    open_checks(r, conf, v, lmtp, err);
	if (good && (r->generic != NULL || r->checks != NULL))
		*out = r;
	else
		rewriting_free(r);
	return good;
}

void
rewriting_free(struct rewriting *r)
{
	if (r == NULL)
		return;
	generic_free(r->generic);
	content_checks_free(r->checks);
	free(r);
}

/* -- a message's -- */

struct rewriter *
rewriter_new(const struct rewriting *how, struct facts *facts, const char *program, const char *id)
{
	struct rewriter *r;

	MEM_NEW(r);
	r->how = how;
	r->facts = facts;
	r->program = program;
	r->id = id;
	r->block = r->result.value = BUF_INIT(0);
	return r;
}

void
rewriter_free(struct rewriter *r)
{
	if (r == NULL)
		return;
	buf_clear(&r->block);
	buf_clear(&r->result.value);
	mime_walk_free(r->walk);
	free(r);
}

enum map_status
rewriter_status(const struct rewriter *r, struct err *err)
{
	*err = r->err;
	return r->status;
}

static void
went(struct rewriter *r, enum map_status s)
{
	if (s == MAP_FAULT || r->status == MAP_DONE)
		r->status = s;
}

static bool
replace(void *arg, struct span given, struct buf *to)
{
	struct rewriter *r = arg;
	enum map_status s = generic_map(r->how->generic, r->facts, given, to, &r->err);

	went(r, s);
	return s == MAP_DONE && !span_eq(given, buf_view(to));
}

/* A header of the message's own block, as checks left it, with its addresses as they go out. */
static void
put_header(struct rewriter *r, enum header_addresses has, struct span text)
{
	struct span rest = text;
	struct header h;

	if (r->how->generic != NULL && has != ADDRESSES_NONE && header_next(&rest, &h) && rest.len == 0)
		header_replace_addresses(r->out, &h, replace, r);
	else
		buf_span(r->out, text);
}

static void
put(struct rewriter *r, enum header_addresses has, struct span text, bool ended)
{
	put_header(r, has, text);
	if (ended)
		buf_char(r->out, '\n');
}

static void
log_action(const struct rewriter *r, enum check_kind kind, struct span text)
{
	const struct check_result *c = &r->result;
	const char *word = content_check_word(c->action);

	if (r->id == NULL)
		return;
	if (c->complaint[0] != '\0')
		log_warning(r->program, "%s: %s", r->id, c->complaint);
	text = span_head(text, TEXT_SHOWN);
	if (word != NULL)
		log_info(r->program, "%s: %s: %s %.*s%s%.*s", r->id, word, kind == CHECK_BODY ? "body" : "header", SPAN_ARG(text),
		    c->text.len > 0 ? ": " : "", SPAN_ARG(c->text));
}

/* One header or line, without its end, and what becomes of it. */
static void
look(struct rewriter *r, enum check_kind kind, enum header_addresses has, struct span text, bool ended)
{
	struct check_result *c = &r->result;

	c->action = CHECK_DUNNO;
	c->complaint[0] = '\0';
	if (r->how->checks != NULL)
		content_check(r->how->checks, kind, text, c);
	log_action(r, kind, text);
	switch (c->action) {
	case CHECK_FAILED:
		err_set(&r->err, ERR_TEMP, "%s", c->complaint);
		went(r, MAP_FAULT);
		break;
	case CHECK_IGNORE:
	case CHECK_STRIP:
		break;
	case CHECK_REPLACE:
		put(r, has, c->text, ended);
		break;
	case CHECK_PREPEND:
		put(r, ADDRESSES_NONE, c->text, true);
		put(r, has, text, ended);
		break;
	default:
		put(r, has, text, ended);
		break;
	}
}

static void
item(void *arg, const struct walk_item *it)
{
	static const enum check_kind kinds[] = { [WALK_MIME] = CHECK_MIME, [WALK_NESTED] = CHECK_NESTED, [WALK_LINE] = CHECK_BODY };
	struct rewriter *r = arg;

	if (it->class == WALK_RUN)
		buf_span(r->out, it->text);
	else
		look(r, content_check_kind(kinds[it->class], it->text), ADDRESSES_NONE, it->text, it->ended);
}

static void
put_block(struct rewriter *r, struct span block)
{
	struct span rest = block;
	struct header h;

	while (header_next(&rest, &h)) {
		bool ended = h.raw.len > 0 && h.raw.ptr[h.raw.len - 1] == '\n';
		struct span text = span_head(h.raw, h.raw.len - ended);
		look(r, content_check_kind(CHECK_HEADER, text), header_addresses(h.name), text, ended);
	}
	buf_span(r->out, rest);	/* the empty line */
	r->in_body = true;
	if (r->how->checks == NULL || (!r->how->walk.structure && !r->how->walk.lines))
		return;
	r->walk = mime_walk_new(&r->how->walk, block);
	if (mime_walk_idle(r->walk)) {
		mime_walk_free(r->walk);
		r->walk = NULL;
	}
}

/* Where the block ends in what is gathered; 0: not yet. Only what came last can hold the end. */
static size_t
block_end(const struct buf *b, size_t from)
{
	struct span s = buf_view(b);

	if (span_starts(s, "\n"))
		return 1;
	for (size_t i = from > 0 ? from - 1 : 0; i + 1 < s.len; i++)
		if (s.ptr[i] == '\n' && s.ptr[i + 1] == '\n')
			return i + 2;
	return 0;
}

void
rewriter_put(struct rewriter *r, struct span piece, struct buf *out)
{
	r->out = out;
	if (!r->in_body) {
		size_t before = r->block.len;
		buf_span(&r->block, piece);
		size_t end = block_end(&r->block, before);
		if (end == 0)
			return;
		piece = span_skip(piece, end - before);
		put_block(r, span_head(buf_view(&r->block), end));
	}
	if (r->walk == NULL)
		buf_span(out, piece);
	else
		mime_walk_put(r->walk, piece, item, r);
}

void
rewriter_end(struct rewriter *r, struct buf *out)
{
	r->out = out;
	if (!r->in_body)
		put_block(r, buf_view(&r->block));
	if (r->walk != NULL)
		mime_walk_end(r->walk, item, r);
}
