/* A policy server's answer: hostile bytes. */
#include "policy/server.h"

/* The whole answer is here: everything up to and with the empty line. */
static bool
find_end(struct span in, size_t *end)
{
	struct span rest = in, line;

	while (rest.len > 0) {
		size_t at = span_find(rest, '\n');
		if (at == rest.len)
			return false;
		line = span_rtrim(span_head(rest, at));
		rest = span_skip(rest, at + 1);
		if (line.len == 0) {
			*end = in.len - rest.len;
			return true;
		}
	}
	return false;
}

enum server_reply
server_reply_parse(struct span in, struct span *action, size_t *used, const char **fault)
{
	struct span rest, line;
	bool found = false;

	if (!find_end(in, used)) {
		*fault = "the answer is too long";
		return in.len > SERVER_REPLY_MAX ? SERVER_REPLY_BAD : SERVER_REPLY_MORE;
	}
	rest = span_head(in, *used);
	while (span_cut(&rest, '\n', &line) && (line = span_rtrim(line)).len > 0) {
		size_t at = span_find(line, '=');
		if (at == line.len) {
			*fault = "a line of the answer has no \"=\"";
			return SERVER_REPLY_BAD;
		}
		if (span_eqs(span_head(line, at), "action")) {
			*action = span_trim(span_skip(line, at + 1));
			found = true;
		}
	}
	*fault = "the answer has no action";
	return found && action->len > 0 && !span_has(*action, '\0') ? SERVER_REPLY_GOOD : SERVER_REPLY_BAD;
}
