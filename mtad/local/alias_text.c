#include "local/alias_text.h"

#include "mail/address.h"

#define ITEM_MAX	8192

/* The item ends at a comma or a line end outside quotes, <> and (). */
static size_t
item_length(struct span s)
{
	bool quoted = false;
	int angle = 0, comment = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '\\' && i + 1 < s.len && s.ptr[i + 1] != '\n')
			i++;
		else if (c == '\n')
			return i;
		else if (c == '"' && comment == 0)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '<' || c == '>')
			angle += c == '<' ? 1 : angle > 0 ? -1 : 0;
		else if (c == '(' || c == ')')
			comment += c == '(' ? 1 : comment > 0 ? -1 : 0;
		else if (c == ',' && angle == 0 && comment == 0)
			return i;
	}
	return s.len;
}

/* "\"|program\"" without its quotes; what is not quoted as a whole stays. */
static void
unquote(struct span s, struct buf *out)
{
	buf_reset(out);
	buf_str(out, "");
	if (s.len < 2 || s.ptr[0] != '"' || s.ptr[s.len - 1] != '"') {
		buf_span(out, s);
		return;
	}
	for (size_t i = 1; i + 1 < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 2 < s.len)
			i++;
		buf_char(out, s.ptr[i]);
	}
}

static enum alias_kind
take_from(struct buf *out, size_t n, enum alias_kind kind)
{
	buf_drop(out, n);
	return out->len > 0 ? kind : ALIAS_BAD;
}

static enum alias_kind
address(struct span s, struct buf *out)
{
	struct mailbox_list list = { .left = s };
	struct mailbox box;

	buf_reset(out);
	buf_str(out, "");
	if (s.ptr[0] == '\\' && s.len > 1) {
		buf_span(out, span_skip(s, 1));
		return ALIAS_USER;
	}
	if (mailbox_next(&list, &box) && mailbox_address(box.spec, out) && out->len > 0 && out->len <= ADDRESS_MAX && !list.fault)
		return ALIAS_ADDRESS;
	buf_reset(out);
	buf_span(out, span_head(s, 200));
	return ALIAS_BAD;
}

static enum alias_kind
item(struct span s, struct buf *out)
{
	if (s.len > ITEM_MAX || span_has(s, '\0')) {
		buf_reset(out);
		buf_str(out, "an item that is too long");
		return ALIAS_BAD;
	}
	unquote(s, out);
	if (span_casestarts(buf_view(out), ":include:"))
		return take_from(out, 9, ALIAS_INCLUDE);
	if (span_starts(buf_view(out), "|"))
		return take_from(out, 1, ALIAS_COMMAND);
	if (span_starts(buf_view(out), "/"))
		return ALIAS_FILE;
	return address(s, out);
}

bool
alias_next(struct span *rest, enum alias_kind *kind, struct buf *out)
{
	while (rest->len > 0) {
		struct span s = span_ltrim(*rest);
		/* A comment is a line of its own. */
		size_t n = span_starts(s, "#") ? span_find(s, '\n') : item_length(s);
		bool comment = span_starts(s, "#");
		struct span one = span_trim(span_head(s, n));
		*rest = span_skip(s, n + 1);
		if (comment || one.len == 0)
			continue;
		*kind = item(one, out);
		return true;
	}
	return false;
}
