/*
 * Compiling a table's text into the GDBM file beside it, as postmap(1) and postalias(1) do. The file is made under another name, synced, and renamed, so
 * whoever has the old one open keeps it whole, and nobody ever sees half of the new one.
 */
#ifndef TABLE_BUILD_H
#define TABLE_BUILD_H

#include "table/table.h"

enum build_duplicates { BUILD_DUP_WARN, BUILD_DUP_IGNORE, BUILD_DUP_REPLACE };

struct build_options {
	bool	 aliases;	/* the text is of aliases(5): "key: value, ..." */
	bool	 keep_case;	/* of keys (postmap -f) */
	bool	 files;		/* values are names of files, whose content is stored, in base64 (postmap -F) */
	bool	 plain_mode;	/* 0644: the file does not get its rights from the text (postmap -p) */
	bool	 stay_root;	/* else root becomes the owner of the text meanwhile (postmap -o) */
	enum build_duplicates duplicates;
};

/* What is wrong with a line goes to table_use's warn; such lines are left out. Number of entries in *count, which may be NULL. False with the err. */
bool	table_build(const char *path, const struct build_options *, size_t *count, struct err *);
/* The same into memory: *fd is the caller's, to be read only. */
bool	table_build_memory(const char *path, const struct build_options *, int *fd, struct err *);

/* How a compiled file stands beside its text. */
enum build_state {
	BUILD_FRESH,
	BUILD_STALE,	/* the text is newer */
	BUILD_MISSING,	/* there is a text, and no file */
	BUILD_ALONE,	/* a file whose text is not there */
	BUILD_NOTHING,
};
enum build_state table_build_state(const char *path);

/*
 * Changes within a compiled file, on a copy that takes its place at the end. Start with table_change_begin; every _begin needs one table_change_end (commit
 * false: all is as it was).
 */
struct table_change;
struct table_change *table_change_begin(const char *path, const struct build_options *, struct err *);
/* False where it was there already (and, but for BUILD_DUP_REPLACE, stays as it was). */
bool	table_change_put(struct table_change *, struct span key, struct span value);
bool	table_change_del(struct table_change *, struct span key);	/* false: it was not there */
/* Lines of text as in a table's source, e.g. of postmap -i. */
void	table_change_text(struct table_change *, const char *name, struct span text);
bool	table_change_end(struct table_change *, bool commit, struct err *);

#endif
