/* sasl passwd, ls, del. */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static void
change_row(struct display *d, struct span row)
{
	put_member(d, row, "done");
	put(d, " ");
	put_member(d, row, "user");
	put(d, "\n");
}

static void
ls_row(struct display *d, struct span row)
{
	put_member(d, row, "user");
	put(d, "\t");
	put_member(d, row, "kept");
	put(d, "\t");
	put_member(d, row, "iterations");
	put(d, " iterations\n");
}

const struct presenter present_sasl_passwd = { NULL, change_row, NULL };
const struct presenter present_sasl_del = { NULL, change_row, NULL };
const struct presenter present_sasl_ls = { NULL, ls_row, NULL };
