/*
 * Selectors: the expression language that picks messages out of the queue, one for the controller, the console and the protocol.
 *
 *	state = deferred and rcpt.domain in (yahoo.com, aol.com) and age > 2h and reason ~ "421|4\.7"
 *
 * and, or, not, parentheses; = != < <= > >= ~ !~ in (...). Short forms stand for a test: a queue ID, @domain (recipient's), user@domain
 * (sender's or recipient's), domain (an unquoted word with a dot: as @domain), * (all); several side by side mean any of them. Text compares
 * without case; ~ is a PCRE2 expression. Sizes take k M G, durations s m h d w. A domain equals itself, and ".example.com" its subdomains.
 *
 * An expression is read for one recipient at a time, and a message matches when it holds for any of them: in "rcpt.domain = a.com and
 * reason ~ full" both are of the same recipient. A text that a row has not is empty; a number that it has not equals nothing.
 *
 * Hostile input: at most SELECTOR_MAX bytes, SELECTOR_TERMS tests, SELECTOR_DEPTH parentheses; regular expressions have match limits.
 */
#ifndef CTL_SELECTOR_H
#define CTL_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "mail/queue_id.h"

#define SELECTOR_MAX	((size_t)32768)
#define SELECTOR_TERMS	2000
#define SELECTOR_DEPTH	50

enum selector_type { SELECTOR_TEXT, SELECTOR_DOMAIN, SELECTOR_COUNT, SELECTOR_SIZE, SELECTOR_DURATION };

enum selector_field {
#define SELECTOR_FIELD(ident, name, type, per_recipient, summary)	SEL_##ident,
#include "ctl/selector.def"
#undef SELECTOR_FIELD
	SELECTOR_FIELDS
};

/* What is selected: recipients in the queue, or lines of the log. */
enum selector_kind { SELECTOR_QUEUE, SELECTOR_LOG };

struct selector_field_row {
	const char	*name;
	enum selector_type type;
	bool		 per_recipient;
	const char	*summary;
};
const struct selector_field_row *selector_field_row(enum selector_field);
bool	selector_field_in(enum selector_field, enum selector_kind);
bool	selector_field_find(struct span name, enum selector_field *);	/* of the queue */
bool	selector_field_find_in(enum selector_kind, struct span name, enum selector_field *);
/* The field with the nearest name, or NULL where none is near. */
const char *selector_field_nearest(struct span name);			/* of the queue */
const char *selector_field_nearest_in(enum selector_kind, struct span name);

/*
 * How to ask a row (whatever that is to the caller). False: the row has no such value. rcpt counts from 0 to recipients() - 1 and is 0 for fields of
 * the message. Spans live until the next call. Durations are microseconds (age: since arrival; next: from now).
 */
struct selector_row_ops {
	uint32_t (*recipients)(const void *row);
	bool	 (*text)(const void *row, enum selector_field, uint32_t rcpt, struct span *);
	bool	 (*number)(const void *row, enum selector_field, uint32_t rcpt, int64_t *);
};

struct selector;

/* NULL with the err (ERR_PERM, "selector, column 12: ..."). An empty text selects all. */
struct selector *selector_new(struct span text, struct err *);
struct selector *selector_new_in(enum selector_kind, struct span text, struct err *);
void	selector_free(struct selector *);

bool	selector_match(const struct selector *, const struct selector_row_ops *, const void *row);
/* The expression for this one recipient. */
bool	selector_match_recipient(const struct selector *, const struct selector_row_ops *, const void *row,
	    uint32_t rcpt);

/* True where it selects everything. */
bool	selector_all(const struct selector *);
/* True where it can only match these (a queue ID, or several): look them up instead of walking. At most `max` are written. */
bool	selector_ids(const struct selector *, struct qid *ids, size_t max, size_t *count);
/* True where any test reads this field. */
bool	selector_reads(const struct selector *, enum selector_field);
/* True where nothing can be said without this field: it is tested first, behind nothing that costs less. */
bool	selector_begins(const struct selector *, enum selector_field);
/* True where any test reads a per-recipient field. */
bool	selector_per_recipient(const struct selector *);

#endif
