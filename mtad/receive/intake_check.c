/*
 * header_checks(5) on a new message, as cleanup(8) does it: the headers of its own block, those of its parts and of messages within, and lines of its
 * body, each as it passes by; what tables say is logged and done. Without such tables none of this is touched.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/mime_walk.h"
#include "policy/content_check.h"
#include "receive/state.h"

#define REPLY_TEXT	400	/* of a rejection's words */

static const char write_error[] = "451 4.3.0 Error: queue file write error";

void
intake_check_new(struct intake *in)
{
	struct intake_check *c;

	if (in->settings->checks == NULL && in->settings->walk.strict == 0)
		return;
	MEM_NEW(c);
	c->on = true;
	c->tables = in->settings->checks != NULL;
	c->header = c->out = c->result.value = BUF_INIT(0);
	in->check = c;
}

void
intake_check_free(struct intake_check *c)
{
	if (c == NULL)
		return;
	mime_walk_free(c->walk);
	buf_clear(&c->header);
	buf_clear(&c->out);
	buf_clear(&c->result.value);
	free(c);
}

/* -- what a table says -- */

void
intake_source_of(struct intake *in, struct check_source *s)
{
	const struct envelope *e = &in->envelope;
	struct unpack u = { .left = buf_view(&in->recipients) };
	struct recipient r;

	*s = (struct check_source){ .origin = SPAN("local"), .sender = e->sender, .protocol = span_starts(e->protocol, "ESMTP") ? SPAN("ESMTP") : e->protocol, .helo = e->helo };
	while (recipient_next(&u, &r)) {
		s->recipient = r.address;
		s->has_recipient = true;
	}
	if (e->client_addr.len > 0)
		s->origin = span_str(arena_printf(&in->arena, "%.*s[%.*s]", SPAN_ARG(e->client_name), SPAN_ARG(e->client_addr)));
}

static void
log_action(struct intake *in, enum check_kind kind, struct span text)
{
	struct buf line = BUF_INIT(8192);
	struct check_source source;
	char id[QID_TEXT];

	intake_source_of(in, &source);
	content_check_log(&line, &in->check->result, kind, text, &source);
	log_info("cleanup", "%s: %.*s", qid_text(in->envelope.id, id), SPAN_ARG(buf_view(&line)));
	buf_clear(&line);
}

static void
put_line(struct buf *out, struct span text, bool ended)
{
	buf_span(out, text);
	if (ended)
		buf_char(out, '\n');
}

/* What has an effect on the message as a whole. */
static void
act(struct intake *in)
{
	struct intake_check *c = in->check;
	struct span text = c->result.text;

	switch (c->result.action) {
	case CHECK_REJECT:
		in->fault = arena_printf(&in->arena, "%s %.*s", text.len > 0 && text.ptr[0] == '4' ? "451" : "550",
		    SPAN_ARG(span_head(text, REPLY_TEXT)));
		if (in->fault == NULL)
			in->fault = write_error;
		c->on = false;
		break;
	case CHECK_DISCARD:
		c->discard = true;
		c->on = false;
		break;
	case CHECK_PASS:
		c->on = false;
		break;
	case CHECK_REDIRECT:
		intake_redirect(in, text);
		c->on = false;
		break;
	case CHECK_FILTER:
		intake_filter(in, text);
		break;
	case CHECK_HOLD:
		intake_hold(in, text.len > 0 ? text : SPAN("header and body checks"));
		break;
	case CHECK_BCC:
		intake_copy(in, text);
		break;
	case CHECK_FAILED:
		in->fault = write_error;
		c->on = false;
		break;
	default:
		break;
	}
}

/* One header or line, and what becomes of it. */
static void
look(struct intake *in, enum check_kind kind, struct span text, bool ended, struct buf *out)
{
	struct intake_check *c = in->check;
	struct check_result *r = &c->result;
	char id[QID_TEXT];

	if (c->on && c->tables)
		content_check(in->settings->checks, kind, text, r);
	if (!c->on || !c->tables || (r->action == CHECK_DUNNO && r->complaint[0] == '\0')) {
		put_line(out, text, ended);
		return;
	}
	if (r->complaint[0] != '\0')
		log_warning("cleanup", "%s: %s", qid_text(in->envelope.id, id), r->complaint);
	if (r->action == CHECK_HOLD && (in->envelope.flags & ENVELOPE_HOLD || c->discard))
		r->action = CHECK_DUNNO;
	if (content_check_word(r->action) != NULL)
		log_action(in, kind, text);
	act(in);
	bool drops = r->action == CHECK_IGNORE || r->action == CHECK_STRIP || r->action == CHECK_REPLACE;
	if (r->action == CHECK_PREPEND || r->action == CHECK_REPLACE) {
		put_line(out, r->text, ended || r->action == CHECK_PREPEND);
		in->is_8bit = in->is_8bit || !span_is_ascii(r->text);
	}
	if (!drops)
		put_line(out, text, ended);
	c->changed = c->changed || drops || r->action == CHECK_PREPEND;
}

/* As cleanup(8) refuses what breaks MIME. */
static void
refuse_mime(struct intake *in, const char *what, struct span where)
{
	struct check_source s;
	char id[QID_TEXT];

	intake_source_of(in, &s);
	log_info("cleanup", "%s: reject: mime-error %s: %.*s from %.*s; from=<%.*s> to=<%.*s>", qid_text(in->envelope.id, id), what,
	    SPAN_ARG(span_head(where, 100)), SPAN_ARG(s.origin), SPAN_ARG(s.sender), SPAN_ARG(s.recipient));
	in->fault = arena_printf(&in->arena, "550 5.6.0 %s", what);
	if (in->fault == NULL)
		in->fault = write_error;
}

static const char *const faults[] = {
	[WALK_8BIT_HEADER] = "improper use of 8-bit data in message header",
	[WALK_8BIT_BODY] = "improper use of 8-bit data in message body",
	[WALK_ENCODING] = "invalid message/* or multipart/* encoding domain",
};

/* -- the message's own block -- */

struct span
intake_check_header(struct intake *in, struct span block)
{
	struct intake_check *c = in->check;
	struct header h;

	buf_reset(&c->header);
	while (header_next(&block, &h)) {
		bool ended = h.raw.len > 0 && h.raw.ptr[h.raw.len - 1] == '\n';
		struct span text = span_head(h.raw, h.raw.len - ended);
		if ((in->settings->walk.strict & WALK_STRICT(WALK_8BIT_HEADER)) != 0 && in->fault == NULL && !span_is_ascii(text))
			refuse_mime(in, faults[WALK_8BIT_HEADER], text);
		look(in, content_check_kind(CHECK_HEADER, text), text, ended, &c->header);
	}
	return buf_view(&c->header);
}

/* -- the body -- */

void
intake_check_begin(struct intake *in, struct span block)
{
	const struct walk_options *opt = &in->settings->walk;

	if (!in->check->on || (!opt->structure && !opt->lines))
		return;
	in->check->walk = mime_walk_new(opt, block);
	if (!mime_walk_idle(in->check->walk))
		return;
	mime_walk_free(in->check->walk);
	in->check->walk = NULL;
}

static void
item(void *arg, const struct walk_item *it)
{
	static const enum check_kind kinds[] = { [WALK_MIME] = CHECK_MIME, [WALK_NESTED] = CHECK_NESTED, [WALK_LINE] = CHECK_BODY };
	struct intake *in = arg;

	if (it->class == WALK_RUN)
		buf_span(&in->check->out, it->text);
	else
		look(in, content_check_kind(kinds[it->class], it->text), it->text, it->ended, &in->check->out);
}

bool
intake_checks_body(const struct intake *in)
{
	return in->check != NULL && in->check->walk != NULL;
}

struct span
intake_check_body(struct intake *in, struct span piece, bool last)
{
	struct intake_check *c = in->check;
	struct span header;

	buf_reset(&c->out);
	(void)buf_room(&c->out, piece.len + 1);
	mime_walk_put(c->walk, piece, item, in);
	if (last)
		mime_walk_end(c->walk, item, in);
	if (mime_walk_too_deep(c->walk, &header) && in->settings->refuse_deep && in->fault == NULL)
		refuse_mime(in, "MIME nesting exceeds safety limit", header);
	enum walk_fault fault = mime_walk_fault(c->walk, &header);
	if (fault != WALK_GOOD && in->fault == NULL)
		refuse_mime(in, faults[fault], header);
	if (c->out.over)
		in->fault = write_error;
	return buf_view(&c->out);
}
