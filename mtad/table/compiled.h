/*
 * The compiled form of a table: a GDBM file "NAME.gdbm" beside the text "NAME", whatever the indexed type is called. Keys are in lower case. A key
 * that begins with NUL is about the file itself: "\0mtad" holds the form of the text it was built of ("map", "aliases").
 */
#ifndef TABLE_COMPILED_H
#define TABLE_COMPILED_H

#include "table/table.h"

#define COMPILED_SUFFIX	".gdbm"
#define COMPILED_META	"\0mtad"	/* 5 bytes */
#define COMPILED_META_LEN 5u

struct compiled;

/* Takes the descriptor, which must be at its start and not be read by others at the same time. NULL with the err. */
struct compiled *compiled_new(int fd, const char *path, struct err *);
struct compiled *compiled_ref(struct compiled *);
void	compiled_unref(struct compiled *);	/* NULL is fine */
enum table_result compiled_get(struct compiled *, struct span key, struct buf *value, struct err *);
bool	compiled_each(struct compiled *, table_each_fn *, void *arg, struct err *);
/* "map" or "aliases", or empty where it does not say. */
void	compiled_form(struct compiled *, struct buf *out);

/* "NAME.gdbm", where it fits. */
bool	compiled_path(struct span name, struct buf *out);

#endif
