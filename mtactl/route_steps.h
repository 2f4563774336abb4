/*
 * How a decision was come to, for people: the lines of a trace (route_resolve, policy_check) with the places that decided them: where the parameter is set,
 * and which line of which table answered.
 */
#ifndef MTACTL_ROUTE_STEPS_H
#define MTACTL_ROUTE_STEPS_H

#include "base/buf.h"
#include "conf/conf.h"
#include "ctl/jsonl.h"
#include "table/table.h"

/* An answer of a table; it belongs to the line of the trace that begins at `at`. */
struct place {
	size_t		 at;
	char		*table, *key;
	unsigned	 line;		/* 0: unknown */
};

struct steps {
	struct buf	 trace;		/* "parameter: what of it\n" */
	struct place	*places;
	size_t		 count;
};

void	steps_clear(struct steps *);
/* Forgets what is behind this much of the trace: a decision that is asked again tells it again. */
void	steps_cut(struct steps *, size_t len);
/* For table_env.told. */
void	steps_told(struct steps *, const struct table *, struct span key, unsigned line, struct span value);
void	steps_add(struct steps *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "table", "key", "line" of what answered last for the line of the trace that begins at `at`, where something did. */
void	steps_put_place(const struct steps *, size_t at, struct jsonl *);
/* "steps": [{"text","parameter","set" (line of main.cf),"table","key","line"}], of the trace between the two. */
void	steps_put(const struct steps *, const struct conf *, size_t from, size_t to, struct jsonl *);

#endif
