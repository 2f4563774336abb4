#include "receive/pickup.h"

#include "base/buf.h"
#include "mail/verp.h"

#define RECIPIENTS_MAX	50000

static bool
fault(struct err *err, const char *text)
{
	err_set(err, ERR_PERM, "%s", text);
	return false;
}

static bool
one_line(struct span line, struct pickup_head *h, struct err *err)
{
	struct span key, value = line;

	if (!span_cut(&value, ' ', &key) || value.ptr == NULL)
		return fault(err, "a line without a value");
	if (span_eqs(key, "from")) {
		if (h->has_from)
			return fault(err, "two senders");
		h->has_from = true;
		h->from = value;
	} else if (span_eqs(key, "to")) {
		if (++h->recipients > RECIPIENTS_MAX)
			return fault(err, "too many recipients");
	} else if (span_eqs(key, "notify")) {
		return dsn_notify_parse(value, &h->notify) || fault(err, "bad notify");
	} else if (span_eqs(key, "ret")) {
		return dsn_ret_parse(value, &h->ret) || fault(err, "bad ret");
	} else if (span_eqs(key, "envid")) {
		h->envid = value;
	} else if (span_eqs(key, "verp")) {
		h->verp = value;
		return verp_flags(value) != 0 || fault(err, "bad verp");
	} else if (span_eqs(key, "body")) {
		h->is_8bit = span_caseeqs(value, "8BITMIME");
		return h->is_8bit || span_caseeqs(value, "7BIT") || fault(err, "bad body");
	} else {
		return fault(err, "an unknown line");
	}
	return true;
}

bool
pickup_parse(struct span text, struct pickup_head *h, struct err *err)
{
	struct span rest = text, line;

	*h = (struct pickup_head){ 0 };
	if (!span_cut(&rest, '\n', &line) || !span_eqs(line, "mtad-drop 1"))
		return fault(err, "not a maildrop file");
	while (rest.ptr != NULL && span_cut(&rest, '\n', &line)) {
		if (rest.ptr == NULL)
			break;
		if (line.len > 0) {
			if (!one_line(line, h, err))
				return false;
			continue;
		}
		h->length = (size_t)(rest.ptr - text.ptr);
		if (!h->has_from || h->recipients == 0)
			return fault(err, "no sender or no recipient");
		return true;
	}
	return fault(err, "no empty line after the head");
}

bool
pickup_recipient(struct span text, const struct pickup_head *h, size_t *at, struct span *path)
{
	struct span rest = span_head(text, h->length), line;

	rest = span_skip(rest, *at);
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		*at = (size_t)((rest.ptr == NULL ? text.ptr + h->length : rest.ptr) - text.ptr);
		if (!span_starts(line, "to "))
			continue;
		*path = span_skip(line, 3);
		return true;
	}
	return false;
}
