#include "local/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "mail/dsn.h"

void
report_set(struct report *r, enum outcome_status status, enum outcome_scope scope, const char *dsn, const char *fmt, ...)
{
	va_list ap;
	r->status = (uint8_t)status;
	r->scope = (uint8_t)scope;
	snprintf(r->dsn, sizeof r->dsn, "%s", dsn);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	va_end(ap);
}

void
report_probed(struct report *r, const char *how, const char *where)
{
	report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "%s%.400s", how, where);
}

void
report_warn(struct report *r, const char *fmt, ...)
{
	va_list ap;
	if (r->warning[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(r->warning, sizeof r->warning, fmt, ap);
	va_end(ap);
}

static enum outcome_status
status_of_errno(int error, const char **dsn)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		*dsn = "4.2.2";		/* room may be made while the message waits */
		return OUTCOME_DEFERRED;
	case EFBIG:
		*dsn = "5.2.2";		/* the site's own limit, mailbox_size_limit */
		return OUTCOME_BOUNCED;
	case EIO:
	case ENFILE:
	case EMFILE:
	case ENOMEM:
	case EROFS:
		*dsn = "4.3.0";
		return OUTCOME_DEFERRED;
	default:
		*dsn = "4.2.0";
		return OUTCOME_DEFERRED;
	}
}

void
report_errno(struct report *r, int error, const char *fmt, ...)
{
	char reason[128], text[REPORT_TEXT];
	const char *dsn;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	enum outcome_status status = status_of_errno(error, &dsn);
	report_set(r, status, SCOPE_RECIPIENT, dsn, "%s%.300s: %s", error == ENOSPC || error == EDQUOT ? "mailbox full: " : "",
	    text, strerror_r(error, reason, sizeof reason));
}

void
report_pack(struct buf *b, const struct report *r)
{
	pack_u8(b, r->status);
	pack_u8(b, r->scope);
	pack_span(b, span_str(r->dsn));
	pack_span(b, span_str(r->text));
	pack_span(b, span_str(r->warning));
}

static void
copy_text(char *to, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		to[i] = (unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f ? ' ' : text.ptr[i];
	to[text.len] = '\0';
}

bool
report_unpack(struct span bytes, struct report *r)
{
	struct unpack u = { .left = bytes };
	r->status = unpack_u8(&u);
	r->scope = unpack_u8(&u);
	struct span dsn = unpack_span(&u), text = unpack_span(&u), warning = unpack_span(&u);
	bool known = r->status == OUTCOME_SENT || r->status == OUTCOME_RELAYED || r->status == OUTCOME_EXPANDED ||
	    r->status == OUTCOME_DEFERRED || r->status == OUTCOME_BOUNCED;
	if (!unpack_end(&u) || !known || r->scope > SCOPE_DESTINATION || dsn.len == 0 || dsn_code_len(dsn) != dsn.len ||
	    dsn.len >= sizeof r->dsn || text.len >= sizeof r->text || warning.len >= sizeof r->warning)
		return false;
	memcpy(r->dsn, dsn.ptr, dsn.len);
	r->dsn[dsn.len] = '\0';
	copy_text(r->text, text);
	copy_text(r->warning, warning);
	return true;
}
