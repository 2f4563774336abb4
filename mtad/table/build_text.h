/* Lines of a table's text, as postmap(1) and postalias(1) read them. */
#ifndef TABLE_BUILD_TEXT_H
#define TABLE_BUILD_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/* "name: value, value" of aliases(5): the name without its quotes, the value with ", " between its parts. False with the reason. */
bool	build_alias_line(struct span line, struct buf *name, struct buf *value, const char **why);

#endif
