#include "ctl/near.h"

#include <ctype.h>

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned
distance(struct span a, struct span b)
{
	unsigned row[NEAR_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned same = tolower((unsigned char)a.ptr[i - 1])
			    == tolower((unsigned char)b.ptr[j - 1]) ? 0 : 1;
			unsigned next = least(row[j] + 1, row[j - 1] + 1, diagonal + same);
			diagonal = row[j];
			row[j] = next;
		}
	}
	return row[b.len];
}

void
near_try(struct near *near, const char *name)
{
	struct span candidate = span_str(name);

	if (near->word.len == 0 || near->word.len > NEAR_MAX || candidate.len > NEAR_MAX)
		return;
	unsigned d = distance(near->word, candidate);
	if (d > 3 || d * 2 > near->word.len + 1)
		return;
	if (near->best != NULL && near->distance <= d)
		return;
	near->best = name;
	near->distance = d;
}
