#include "conf/params.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/near.h"

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

const char *
param_standing_name(enum param_standing standing)
{
	static const char *const names[STANDING_COUNT] = { "honoured", "accepted", "planned", "unsupported" };

	if ((unsigned)standing >= STANDING_COUNT)
		panic("no standing has the number %d", (int)standing);
	return names[standing];
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

const char *
param_nearest(struct span name)
{
	struct near near = { .word = name };

	for (size_t i = 0; i < PARAM_COUNT; i++)
		near_try(&near, rows[i].name);
	return near.best;
}
