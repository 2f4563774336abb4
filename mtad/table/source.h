/*
 * The text of a table, to be looked through and edited with its layout kept: comments, blank lines, order and continuation lines stay as they are
 * where nothing is changed. Each type's grammar is a row in source_grammar.c. Changes are in memory until source_commit; see base/textfile.h for how that is done.
 * Of types that are compiled (hash, btree, lmdb ...) this is the source; who compiles it is told apart.
 */
#ifndef TABLE_SOURCE_H
#define TABLE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct source;

/* An entry (a logical line). SOURCE_BAD: one that the grammar refuses; its key is the line, its value says why. */
enum source_kind { SOURCE_PAIR, SOURCE_IF, SOURCE_ENDIF, SOURCE_BAD };
struct source_entry {
	enum source_kind kind;
	struct span	 key, value;	/* as written, continued lines joined; quotes of a key taken off. Until the next call */
	unsigned	 line, last;	/* physical lines, from 1 */
};

/* Whether tables of this type have a text with a grammar known here ("texthash", "hash", "cidr", "pcre", "aliases"...). */
bool	source_type(struct span type);
/* Whether the type is compiled from the text, so that a change shows only once it was built anew. */
bool	source_compiled(struct span type);

/* type: "texthash"; "aliases" for what alias_maps names, whatever its type. Errors in the text are no failure here. NULL with the err. */
struct source *source_open(struct span type, const char *path, struct err *);
void	source_free(struct source *);		/* NULL is fine */
const char *source_path(const struct source *);	/* of the real file */
struct span source_text(const struct source *);

size_t	source_count(const struct source *);	/* of entries, bad ones too */
bool	source_entry(struct source *, size_t index, struct source_entry *);
/* The first entry with this key as from `from` on; letters' case does not count where the type folds it. */
bool	source_find(struct source *, struct span key, size_t from, size_t *index);
/* True where all lines are right; else err is "PATH:LINE: why", of the first that is not. */
bool	source_check(struct source *, struct err *);

/*
 * Replaces the first entry with the key in its place, or appends one. False with the err where the grammar refuses key or value. The console and mtactl
 * look for the old value by source_find first.
 */
bool	source_put(struct source *, struct span key, struct span value, struct err *);
/* Takes every entry with this key out; false with the err where there is none. */
bool	source_del(struct source *, struct span key, struct err *);
/* The whole text, as an editor left it; false with the err (as source_check), and nothing changed, where it is wrong. */
bool	source_set(struct source *, struct span text, struct err *);

bool	source_edited(const struct source *);
void	source_diff(const struct source *, struct buf *out);
/* For passwords: what was is not kept, and there is no undo. */
void	source_keep_nothing(struct source *);
/* Refuses a text with errors that it did not have when it was read. */
bool	source_commit(struct source *, struct err *);
/* Swaps the file with what it was before the last commit. *diff may be NULL. */
bool	source_undo(const char *path, struct buf *diff, struct err *);
/* The change that source_undo would make. */
bool	source_undo_diff(const char *path, struct buf *diff, struct err *);

#endif
