#include "policy/screen_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/num.h"

#define TIME_MAX	((uint64_t)1 << 40)	/* seconds: what is later is no time */

bool
screen_record_parse(struct span text, struct screen_record *r)
{
	struct span word;
	uint64_t n;

	for (int i = 0; i < SCREEN_TESTS; i++)
		r->until[i] = SCREEN_OFF;
	int at = 0;
	while (at < SCREEN_TESTS && span_cut(&text, ';', &word)) {
		if (!num_u64(word, &n) || n > TIME_MAX)
			return false;
		r->until[at++] = (int64_t)n;
	}
	return at > 0 && text.ptr == NULL;
}

void
screen_record_print(const struct screen_record *r, char out[SCREEN_RECORD_TEXT])
{
	size_t n = 0;

	for (int i = 0; i < SCREEN_TESTS; i++)
		n += (size_t)snprintf(out + n, SCREEN_RECORD_TEXT - n, "%s%" PRId64, i == 0 ? "" : ";", r->until[i]);
}

int64_t
screen_record_last(const struct screen_record *r)
{
	int64_t last = 0;

	for (int i = 0; i < SCREEN_TESTS; i++)
		if (r->until[i] > last)
			last = r->until[i];
	return last;
}
