#include "policy/status_filter.h"

#include <stdio.h>

#include "mail/dsn.h"

bool
status_filter(const struct tables *tables, struct span *dsn, struct span *text, struct buf *out, char complaint[STATUS_COMPLAINT])
{
	struct buf key = BUF_INIT(64 << 10);
	struct err err = { ERR_NONE, "" };

	complaint[0] = '\0';
	buf_reset(out);
	buf_span(&key, *dsn);
	buf_char(&key, ' ');
	buf_span(&key, *text);
	enum table_result got = key.over ? TABLE_ABSENT : tables_get(tables, NULL, buf_view(&key), out, &err);
	buf_clear(&key);
	if (got == TABLE_FAILED || got == TABLE_PENDING)
		(void)snprintf(complaint, STATUS_COMPLAINT, "delivery status filter: %.200s", err.text);
	if (got != TABLE_FOUND)
		return false;
	struct span value = span_trim(buf_view(out));
	size_t n = dsn_code_len(value);
	bool same = n > 0 && dsn->len > 0 && (value.ptr[0] == '2') == (dsn->ptr[0] == '2');
	if (!same) {
		(void)snprintf(complaint, STATUS_COMPLAINT, "delivery status filter: \"%.*s\" cannot stand for %.*s",
		    SPAN_ARG(span_head(value, 200)), SPAN_ARG(*dsn));
		return false;
	}
	*dsn = span_head(value, n);
	*text = span_ltrim(span_skip(value, n));
	return true;
}
