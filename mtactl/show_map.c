/* map types, map build, map look. */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static void
types_row(struct display *d, struct span row)
{
	put_member(d, row, "type");
	put(d, "\t");
	put_member(d, row, "how");
	put(d, "\n");
}

static void
build_row(struct display *d, struct span row)
{
	put(d, "built ");
	put_member(d, row, "file");
	put(d, ": ");
	put_member(d, row, "entries");
	put(d, " entries\n");
}

static void
look_row(struct display *d, struct span row)
{
	put_member(d, row, "text");
	put(d, "\n");
}

const struct presenter present_map_types = { NULL, types_row, NULL };
const struct presenter present_map_build = { NULL, build_row, NULL };
const struct presenter present_map_look = { NULL, look_row, NULL };
