#include "mail/address.h"
#include "mail/address_parse.h"

/* One element of the list: where its parts are, while it is walked. */
struct element {
	size_t	start;
	size_t	open, close;		/* of <>; start of the element where none was seen */
	bool	angle;
};

static bool
ends_element(char c)
{
	return c == ',' || c == ';';
}

/* From i to the end of the element (its separator or the end of the value). */
static size_t
walk_element(struct mailbox_list *list, struct element *e)
{
	struct span s = list->left;
	size_t i = e->start;
	while (i < s.len && !(ends_element(s.ptr[i]) && !(e->angle && e->close == 0))) {
		char c = s.ptr[i];
		if (c == '<' && !e->angle) {
			e->angle = true;
			e->open = i;
		} else if (c == '>' && e->angle && e->close == 0) {
			e->close = i;
		} else if (c == ':' && !e->angle && !list->in_group) {
			list->in_group = true;		/* what stood before is the group's name */
			e->start = i + 1;
		}
		i = address_skip_token(s, i);
	}
	if (i > s.len) {
		list->fault = true;
		i = s.len;
	}
	return i;
}

/* Nothing but white space and comments. */
static bool
is_blank(struct span s)
{
	size_t i = 0;
	while (i < s.len && (s.ptr[i] == '(' || memchr(" \t\r\n", s.ptr[i], 4) != NULL))
		i = address_skip_token(s, i);
	return i >= s.len;
}

static bool
fill(struct mailbox_list *list, const struct element *e, size_t end, struct mailbox *m)
{
	struct span s = list->left;
	m->raw = span_trim(span_of(s.ptr + e->start, end - e->start));
	m->name = span_of(m->raw.ptr, 0);
	m->spec = m->raw;
	if (e->angle) {
		size_t close = e->close != 0 ? e->close : end;
		list->fault |= e->close == 0;
		m->name = span_trim(span_of(s.ptr + e->start, e->open - e->start));
		m->spec = span_of(s.ptr + e->open + 1, close - e->open - 1);
	}
	if (!address_skip_route(&m->spec))
		list->fault = true;
	m->spec = span_trim(m->spec);
	return !is_blank(m->spec);
}

bool
mailbox_next(struct mailbox_list *list, struct mailbox *m)
{
	while (list->left.len > 0) {
		struct element e = { 0 };
		size_t end = walk_element(list, &e);
		bool found = fill(list, &e, end, m);
		if (end < list->left.len && list->left.ptr[end] == ';')
			list->in_group = false;
		list->left = span_skip(list->left, end < list->left.len ? end + 1 : end);
		if (found)
			return true;
	}
	return false;
}

bool
mailbox_address(struct span spec, struct buf *out)
{
	const char *fault;
	return address_parse(spec, ADDRESS_8BIT, out, &fault);
}
