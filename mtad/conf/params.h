/*
 * The catalogue of parameters: params.def as an enum and a table.
 */
#ifndef CONF_PARAMS_H
#define CONF_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum param_type { PARAM_STR, PARAM_INT, PARAM_TIME, PARAM_BOOL };

/*
 * What mtad does with it. HONOURED: as Postfix does. ACCEPTED: needs no effect here, the note says why.
 * PLANNED: a later version will honour it. UNSUPPORTED: it will not be, the note says what to do instead. Of these two it is warned where they are
 * set to something else than the default.
 */
enum param_standing { HONOURED, ACCEPTED, PLANNED, UNSUPPORTED, STANDING_COUNT };

enum param {
#define PARAM(name, type, def, min, max, standing, summary)	P_##name,
#include "conf/params.def"
#undef PARAM
	PARAM_COUNT
};

struct param_row {
	const char	*name;
	enum param_type	 type;
	const char	*def;		/* as it would stand in main.cf, $names and all */
	int64_t		 min, max;	/* of PARAM_INT, and of PARAM_TIME in seconds; max 0: no bound */
	enum param_standing standing;
	const char	*summary;
};

const struct param_row *param_row(enum param);
const char *param_standing_name(enum param_standing);	/* "honoured" ... */
/* Whether the value is kept as it is written: its macros are filled in at use. */
bool	value_is_raw(enum param);
bool	param_find(struct span name, enum param *);
/* The known name nearest to a misspelt one, or NULL where none is near. */
const char *param_nearest(struct span name);

#endif
