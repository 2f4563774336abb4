#include "mail/queue_id.h"

#define SEC_DIGITS	6	/* at least */
#define USEC_DIGITS	4
#define SEPARATOR	'z'
#define BASE_TIME	52
#define BASE_WRITER	51	/* without 'z', so that the last one in an ID is the separator */
#define USEC_A_SECOND	1000000u

/* No vowels: no ID spells a word. In ASCII order, so that texts of one length sort by time. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/* Writes v with at least `min` digits and returns the end. */
static char *
put_number(char *out, uint64_t v, unsigned base, unsigned min)
{
	char reversed[16];
	unsigned n = 0;
	do {
		reversed[n++] = digits[v % base];
		v /= base;
	} while ((v > 0 || n < min) && n < sizeof reversed);
	while (n > 0)
		*out++ = reversed[--n];
	return out;
}

const char *
qid_text(struct qid id, char out[QID_TEXT])
{
	char *p = put_number(out, id.usec / USEC_A_SECOND, BASE_TIME, SEC_DIGITS);
	p = put_number(p, id.usec % USEC_A_SECOND, BASE_TIME, USEC_DIGITS);
	*p++ = SEPARATOR;
	p = put_number(p, id.writer, BASE_WRITER, 1);
	*p = '\0';
	return out;
}

static bool
take_number(struct span s, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++) {
		const char *digit = memchr(digits, s.ptr[i], base);
		if (digit == NULL)
			return false;
		v = v * base + (uint64_t)(digit - digits);
		if (v > max)
			return false;
	}
	*out = v;
	return s.len > 0;
}

bool
qid_parse(struct span text, struct qid *out)
{
	uint64_t sec, usec, writer;
	size_t sep = span_rfind(text, SEPARATOR);
	if (sep == text.len || sep < SEC_DIGITS + USEC_DIGITS || text.len >= QID_TEXT)
		return false;
	size_t sec_len = sep - USEC_DIGITS;
	if (!take_number(span_head(text, sec_len), BASE_TIME, UINT64_MAX / USEC_A_SECOND - 1, &sec) ||
	    !take_number(span_of(text.ptr + sec_len, USEC_DIGITS), BASE_TIME, USEC_A_SECOND - 1, &usec) ||
	    !take_number(span_skip(text, sep + 1), BASE_WRITER, UINT32_MAX, &writer))
		return false;
	struct qid id = { sec * USEC_A_SECOND + usec, (uint32_t)writer };
	/* One ID has one text: leading zeros beyond the fixed width would give it another. */
	char again[QID_TEXT];
	if (!span_eqs(text, qid_text(id, again)))
		return false;
	*out = id;
	return true;
}

struct qid
qid_make(struct qid_maker *m, int64_t wall_now)
{
	uint64_t now = wall_now < 0 ? 0 : (uint64_t)wall_now;
	m->last = now > m->last ? now : m->last + 1;
	return (struct qid){ m->last, m->writer };
}
