/*
 * cache ls: a line an entry, its members behind the address. cache del: what went.
 */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static void
cache_row(struct display *d, struct span row)
{
	struct span key, value;
	struct jsonl_walk w;

	put_value(d, member(row, "address"));
	if (member(row, "error").len > 0) {
		put(d, " ");
		put_value(d, member(row, "error"));
	}
	if (jsonl_walk_object(&w, row))
		while (jsonl_member(&w, &key, &value)) {
			if (span_eqs(key, "address") || span_eqs(key, "cache") || span_eqs(key, "error"))
				continue;
			put(d, "\t%.*s=", SPAN_ARG(key));
			put_value(d, value);
		}
	put(d, "\n");
	d->messages++;
}

static void
cache_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->tty)
		buf_printf(note, "-- %llu entr%s", (unsigned long long)d->messages, d->messages == 1 ? "y" : "ies");
}

static void
dropped_row(struct display *d, struct span row)
{
	put_value(d, member(row, "address"));
	put(d, ": forgotten\n");
}

const struct presenter present_cache_ls = { NULL, cache_row, cache_end };
const struct presenter present_cache_del = { NULL, dropped_row, NULL };
