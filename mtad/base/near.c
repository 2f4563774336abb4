#include "base/near.h"

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau and Levenshtein's, three rows at a time; ends early where no way stays within the limit. */
size_t
near_distance(struct span a, struct span b, size_t limit)
{
	size_t row[3][NEAR_MAX + 1];

	if (a.len > NEAR_MAX || b.len > NEAR_MAX || a.len > b.len + limit || b.len > a.len + limit)
		return limit + 1;
	for (size_t j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *two = row[(i + 1) % 3];
		size_t best = now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);
			size_t d = least(before[j - 1] + (x != y), least(before[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == y)
				d = least(d, two[j - 2] + 1);
			now[j] = d;
			best = least(best, d);
		}
		if (best > limit)
			return limit + 1;
	}
	size_t d = row[a.len % 3][b.len];
	return d > limit ? limit + 1 : d;
}

void
near_try(struct near *near, const char *name)
{
	size_t limit = near->word.len < 8 ? 1 : near->word.len < 16 ? 2 : 3;

	if (near->best != NULL)
		limit = near->distance == 0 ? 0 : near->distance - 1;
	if (near->word.len < 2 || (near->best != NULL && near->distance == 0))
		return;
	size_t d = near_distance(near->word, span_str(name), limit);
	if (d > limit)
		return;
	near->best = name;
	near->distance = d;
}
