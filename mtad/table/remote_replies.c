#include "table/remote_replies.h"

#include "base/clock.h"
#include "base/num.h"

int64_t
remote_deadline(int64_t within)
{
	return clock_mono() + within;
}

void
remote_percent_encode(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c <= ' ' || c >= 0x7f || c == '%')
			buf_printf(out, "%%%02X", c);
		else
			buf_char(out, (char)c);
	}
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
percent_decode(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '%') {
			buf_char(out, s.ptr[i]);
			continue;
		}
		int high = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1, low = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		buf_char(out, (char)(high * 16 + low));
		i += 2;
	}
	return true;
}

enum table_result
remote_tcp_reply(struct span line, struct buf *value, struct err *err)
{
	size_t start = value->len;

	if (span_ends(line, "\r"))
		line.len--;
	struct span text = span_ltrim(span_skip(line, 3));
	if (line.len < 3 || (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '\t'))
		err_set(err, ERR_TEMP, "the reply is not what tcp_table(5) says");
	else if (span_starts(line, "500"))
		return TABLE_ABSENT;
	else if (span_starts(line, "400"))
		err_set(err, ERR_TEMP, "the server says: %.*s", SPAN_ARG(span_head(text, 150)));
	else if (!span_starts(line, "200"))
		err_set(err, ERR_TEMP, "the server says: %.*s", SPAN_ARG(span_head(line, 150)));
	else if (percent_decode(value, text))
		return TABLE_FOUND;
	else
		err_set(err, ERR_TEMP, "the reply has a bad %% sequence");
	buf_cut(value, start);
	return TABLE_FAILED;
}

bool
remote_netstring_length(struct span head, size_t max, size_t *len, struct err *err)
{
	uint32_t n;

	if (num_u32(head, &n) && n <= max) {
		*len = n;
		return true;
	}
	err_set(err, ERR_TEMP, "the reply is no netstring, or longer than %zu bytes", max);
	return false;
}

enum table_result
remote_socketmap_reply(struct span reply, struct buf *value, struct err *err)
{
	size_t blank = span_find(reply, ' ');
	struct span word = span_head(reply, blank), text = span_skip(reply, blank + 1);

	if (span_eqs(word, "OK") && blank < reply.len && text.len > 0) {
		buf_span(value, text);
		return TABLE_FOUND;
	}
	if (span_eqs(word, "NOTFOUND"))
		return TABLE_ABSENT;
	if (span_eqs(word, "TEMP") || span_eqs(word, "TIMEOUT") || span_eqs(word, "PERM"))
		err_set(err, ERR_TEMP, "the server says: %.*s", SPAN_ARG(span_head(reply, 150)));
	else
		err_set(err, ERR_TEMP, "the reply is not what socketmap_table(5) says");
	return TABLE_FAILED;
}

enum table_result
remote_memcache_value(struct span line, size_t max, size_t *len, struct err *err)
{
	struct span rest = line, word[4];
	uint32_t n;

	if (span_eqs(line, "END"))
		return TABLE_ABSENT;
	for (int i = 0; i < 4; i++)
		if (!span_word(&rest, " ", &word[i]))
			word[i] = SPAN_NONE;
	if (span_eqs(word[0], "VALUE") && num_u32(word[3], &n) && n <= max) {
		*len = n;
		return TABLE_FOUND;
	}
	err_set(err, ERR_TEMP, "the server says: %.*s", SPAN_ARG(span_head(line, 100)));
	return TABLE_FAILED;
}
