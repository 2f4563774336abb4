/*
 * What becomes of a message on its way out: addresses by smtp_generic_maps, headers and lines by smtp_header_checks and its relatives (lmtp_...). It
 * works on the content as it is sent otherwise, so behind a conversion for servers without 8BITMIME, as smtp(8) does it.
 */
#ifndef SEND_REWRITING_H
#define SEND_REWRITING_H

#include "mail/mime_walk.h"
#include "policy/content_check.h"
#include "route/generic.h"

/* A transport's. */
struct rewriting {
	struct generic	*generic;	/* NULL: addresses stay */
	struct content_checks *checks;	/* NULL: there are none */
	struct walk_options walk;
};

/* *out is NULL where nothing is set. False with the err: "NAME: what is wrong". */
bool	rewriting_new(struct conf *, const struct view *, bool lmtp, struct rewriting **out, struct err *);
void	rewriting_free(struct rewriting *);	/* NULL is fine */

/* One message at work. */
struct rewriter;

/* Borrows all. program, id: for the log; without an id nothing is logged (it is done to find out which facts are wanted). */
struct rewriter *rewriter_new(const struct rewriting *, struct facts *, const char *program, const char *id);
void	rewriter_free(struct rewriter *);	/* NULL is fine */
/* Content from its beginning, in pieces of any size. */
void	rewriter_put(struct rewriter *, struct span, struct buf *out);
void	rewriter_end(struct rewriter *, struct buf *out);
/* PENDING: facts are wanted. FAULT: a table could not be asked, or gave nonsense; the err says which. */
enum map_status rewriter_status(const struct rewriter *, struct err *);

#endif
