/*
 * What was made of a text is used by all who name the same table: by parameters, services and generations of the configuration. It is the same table where
 * type, path and text are the same. What is wrong with lines is kept, and told to each of them.
 */
#ifndef TABLE_SHARED_H
#define TABLE_SHARED_H

#include "table/type.h"

/* As the type's open and close do; of a text that does not travel with the configuration each has its own. */
bool	shared_open(const struct table_type *, const struct conf *, struct span name, void **state, struct err *);
void	shared_close(const struct table_type *, void *state);

/* From now on what is said of lines is kept in here, too; NULL: nowhere. */
struct complaints;
void	table_keep_complaints(struct complaints *);
void	complaint_add(struct complaints *, bool note, unsigned line, const char *text);

#endif
