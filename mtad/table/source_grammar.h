/* What an entry of each type's text looks like: read, and written. */
#ifndef TABLE_SOURCE_GRAMMAR_H
#define TABLE_SOURCE_GRAMMAR_H

#include "table/source.h"

struct source_grammar {
	const char	*type;
	bool		 compiled;	/* the daemon reads what is made of this text */
	bool		 exact;		/* the case of a key's letters counts */
	bool		 settings;	/* "name = value": how to reach a server; the table's rows are there */
	/*
	 * Fills kind, key and value from a logical line; *key may be used for what cannot be a span of it. A value that is one is a span of the line. False
	 * with the err.
	 */
	bool		(*parse)(struct span line, struct buf *key, struct source_entry *, struct err *);
	/* The key as it is written, with what stands between it and a value. */
	void		(*write)(struct buf *, struct span key, struct span blanks);
};

const struct source_grammar *source_grammar(struct span type);	/* NULL: none */

#endif
