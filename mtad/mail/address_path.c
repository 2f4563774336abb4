#include "mail/address.h"
#include "mail/address_parse.h"

/* The place of the ">" that ends the path at the front, or s.len. */
static size_t
angle_end(struct span s)
{
	for (size_t i = 1; i < s.len; i = s.ptr[i] == '"' || s.ptr[i] == '\\' ? address_skip_token(s, i) : i + 1)
		if (s.ptr[i] == '>')
			return i;
	return s.len;
}

/* The first white space outside a quoted string. */
static size_t
bare_end(struct span s)
{
	size_t i = 0;
	while (i < s.len && s.ptr[i] != ' ' && s.ptr[i] != '\t')
		i = s.ptr[i] == '"' ? address_skip_token(s, i) : i + 1;
	return i < s.len ? i : s.len;
}

bool
address_path(struct span arg, unsigned flags, struct buf *out, struct span *rest, const char **fault)
{
	struct span path;
	/* Postfix lets white space stand after the colon, also where it is strict about the rest. */
	arg = span_trim(arg);
	if (arg.len > 0 && arg.ptr[0] == '<') {
		size_t end = angle_end(arg);
		if (end == arg.len) {
			*fault = "unbalanced \"<\"";
			return false;
		}
		path = span_of(arg.ptr + 1, end - 1);
		*rest = span_skip(arg, end + 1);
		if (rest->len > 0 && rest->ptr[0] != ' ' && rest->ptr[0] != '\t') {
			*fault = "text after \">\"";
			return false;
		}
	} else {
		if (flags & ADDRESS_STRICT) {
			*fault = "no \"<\" and \">\" around the address";
			return false;
		}
		size_t end = bare_end(arg);
		path = span_head(arg, end);
		*rest = span_skip(arg, end);
		flags &= ~(unsigned)ADDRESS_EMPTY;
	}
	*rest = span_trim(*rest);
	if ((flags & ADDRESS_EMPTY) && (flags & ADDRESS_STRICT ? path : span_trim(path)).len == 0)
		return true;
	if (!address_skip_route(&path)) {
		*fault = "source route without end";
		return false;
	}
	return address_parse(path, flags, out, fault);
}
