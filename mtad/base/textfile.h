/*
 * A text file being edited: read once, changed in memory in whole lines, shown as a difference, and put back whole or not at all. The file keeps its
 * owner, mode and access list; symbolic links are followed to the real file. The text before the last commit stays beside it as ".NAME.before", so that
 * textfile_undo is exact. Both main.cf and the sources of tables are edited so.
 */
#ifndef BASE_TEXTFILE_H
#define BASE_TEXTFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct textfile;

/* NULL with the err; a file over max bytes, or none that is plain, is refused. */
struct textfile *textfile_open(const char *path, size_t max, struct err *);
void	textfile_free(struct textfile *);	/* NULL is fine */
const char *textfile_path(const struct textfile *);	/* of the real file */

/* The text with its edits; until the next edit. */
struct span textfile_text(const struct textfile *);
bool	textfile_edited(const struct textfile *);
/* Puts `with` in the place of [from, to) of the text as it is now. */
void	textfile_splice(struct textfile *, size_t from, size_t to, struct span with);
/* Another text, as one edit for each place where it differs. */
void	textfile_set(struct textfile *, struct span text);
/* What the edits change, as `diff -u` writes it; nothing where there is none. */
void	textfile_diff(const struct textfile *, struct buf *out);

/* For secrets: nothing of the former text stays beside it, and what stood there goes. There is no undo then. */
void	textfile_keep_nothing(struct textfile *);
/*
 * Writes the text: a new file with the rights of the old one, synced, renamed over it, the directory synced. False with the err (nothing is changed then)
 * where the file is another than was read, where somebody else is committing, or the rights cannot be kept. True and nothing done without edits.
 */
bool	textfile_commit(struct textfile *, struct err *);

/* Exchanges the file with what it was before the last commit; a second undo brings the edit back. *diff (may be NULL) gets what that changes. */
bool	textfile_undo(const char *path, struct buf *diff, struct err *);
/* Opens the file with the former text set as its edit: shown by textfile_diff, and nothing written. NULL with the err where there is none. */
struct textfile *textfile_before(const char *path, size_t max, struct err *);

#endif
