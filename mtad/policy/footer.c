/* smtpd_reject_footer: what a site has to say to those it refuses. */
#include "policy/action.h"
#include "policy/private.h"

static bool
template_of(const struct policy_footer *f, const char *reply, struct buf *out)
{
	struct err err = { ERR_NONE, "" };

	if (f->no_facts != NULL)
		facts_reset(f->no_facts, 0);
	if (f->maps->count > 0 && tables_get(f->maps, f->no_facts, span_str(reply), out, &err) == TABLE_FOUND)
		return out->len > 0;
	buf_reset(out);
	buf_str(out, f->text);
	return out->len > 0;
}

/* "550 5.7.1 " of "550 5.7.1 no": what each line begins with. */
static struct span
prefix_of(struct span reply)
{
	struct span rest = span_skip(reply, 4);
	char dsn[12];

	return access_dsn(&rest, dsn) ? span_head(reply, reply.len - rest.len) : span_head(reply, 4);
}

static void
put_line(struct buf *out, struct span prefix, struct span text, bool last)
{
	buf_span(out, span_head(prefix, 3));
	buf_char(out, last ? ' ' : '-');
	buf_span(out, span_skip(prefix, 4));
	buf_span(out, text);
	if (!last)
		buf_str(out, "\r\n");
}

static bool
next_line(struct span *rest, struct span *line)
{
	if (rest->ptr == NULL)
		return false;
	for (size_t i = 0; i + 1 < rest->len; i++)
		if (rest->ptr[i] == '\\' && rest->ptr[i + 1] == 'n') {
			*line = span_head(*rest, i);
			*rest = span_skip(*rest, i + 2);
			return true;
		}
	*line = *rest;
	*rest = SPAN_NONE;
	return true;
}

bool
policy_footer(struct policy *p, const struct policy_session *s, const char *reply, struct buf *out)
{
	const struct policy_footer f = { p->view, &p->footers, conf_str(p->view, P_smtpd_reject_footer), p->no_facts };

	return policy_footer_by(&f, s, reply, out);
}

bool
policy_footer_by(const struct policy_footer *f, const struct policy_session *s, const char *reply, struct buf *out)
{
	struct buf template = BUF_INIT(8192), text = BUF_INIT(16384);
	struct span given = span_str(reply);
	bool any = given.len > 4 && (reply[0] == '4' || reply[0] == '5') && reply[3] == ' ' && template_of(f, reply, &template);

	if (any)
		any = policy_expand(f->view, s, buf_view(&template), NULL, 0, &text);
	if (any && text.ptr == NULL)
		buf_str(&text, "");
	if (any) {
		struct span prefix = prefix_of(given), rest = buf_view(&text), line;
		bool joined = span_starts(rest, "\\c");
		if (joined)
			rest = span_skip(rest, 2);
		struct buf first = BUF_INIT(16384);
		buf_span(&first, span_skip(given, prefix.len));
		if (joined && next_line(&rest, &line))
			buf_span(&first, line);
		put_line(out, prefix, buf_view(&first), rest.ptr == NULL);
		while (next_line(&rest, &line))
			put_line(out, prefix, line, rest.ptr == NULL);
		buf_clear(&first);
	}
	buf_clear(&template);
	buf_clear(&text);
	return any && !out->over;
}
