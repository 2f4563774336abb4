#include "conf/params.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static const struct param_row rows[] = {
#define PARAM(name, type, def, min, max, standing, summary) \
	{ #name, type, def, min, max, standing, summary },
#include "conf/params.def"
#undef PARAM
};

const struct param_row *
param_row(enum param p)
{
	if ((unsigned)p >= PARAM_COUNT)
		panic("no parameter has the number %d", (int)p);
	return &rows[p];
}

bool
param_find(struct span name, enum param *out)
{
	size_t low = 0, high = PARAM_COUNT;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = span_cmp(name, span_str(rows[mid].name));
		if (order == 0) {
			*out = (enum param)mid;
			return true;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

#define NEAR_MAX	64	/* longer names are not compared */

/* Edit distance with swapped neighbours as one step; more than `limit` is reported as limit + 1. */
size_t
param_distance(struct span a, struct span b, size_t limit)
{
	size_t row[3][NEAR_MAX + 1];

	if (a.len > NEAR_MAX || b.len > NEAR_MAX)
		return limit + 1;
	for (size_t j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *two = row[(i + 1) % 3];
		size_t best = now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t d = before[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
			if (before[j] + 1 < d)
				d = before[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] &&
			    a.ptr[i - 2] == b.ptr[j - 1] && two[j - 2] + 1 < d)
				d = two[j - 2] + 1;
			now[j] = d;
			if (d < best)
				best = d;
		}
		if (best > limit)
			return limit + 1;
	}
	size_t d = row[a.len % 3][b.len];
	return d > limit ? limit + 1 : d;
}

const char *
param_nearest(struct span name)
{
	const char *nearest = NULL;
	size_t limit = name.len < 8 ? 1 : name.len < 16 ? 2 : 3;

	for (size_t i = 0; i < PARAM_COUNT && limit > 0; i++) {
		size_t d = param_distance(name, span_str(rows[i].name), limit);
		if (d <= limit) {
			nearest = rows[i].name;
			limit = d - (d > 0);
		}
	}
	return nearest;
}
