/*
 * Where recipients went last and what was said to them, each text kept once: what was read from the journal for one question need not be read again for
 * the next. It is a memory that fills as questions are asked; a new outcome of a recipient takes it out. Texts that are said once only (queue IDs
 * of remotes in them) would fill it for nothing: a text is kept from its second appearance on.
 */
#ifndef SPOOL_INDEX_WORDS_H
#define SPOOL_INDEX_WORDS_H

#include "spool/index.h"

struct words {
	struct span	 transport, nexthop, text;
	bool		 has_text;	/* else the text has to be read */
};

/* What the journal record of its last outcome says. Nothing is kept where there is no room. */
void	words_learn(struct index *, struct entry_rcpt *, const struct words *);
/* False: not known, read the journal. */
bool	words_of(const struct index *, const struct entry_rcpt *, struct words *);
/* They are not its last any more. */
void	words_forget(struct index *, struct entry_rcpt *);
void	words_init(struct index *);
void	words_clear(struct index *);

#endif
