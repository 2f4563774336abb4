/*
 * What a table type is made of. Each type is a file with one of these; table.c lists them.
 */
#ifndef TABLE_TYPE_H
#define TABLE_TYPE_H

#include "base/map.h"
#include "table/table.h"

struct table_type {
	const char	*name;
	/* *state is the type's own. False with the err. The name is what stands behind "type:". */
	bool	(*open)(const struct conf *, struct span name, void **state, struct err *);
	void	(*close)(void *state);
	/* The key is in lower case. `self` is "type:name". */
	enum table_result (*get)(const void *state, struct span self, struct facts *, struct span key, struct buf *value,
	    struct err *);
};

extern const struct table_type table_inline, table_texthash, table_static, table_cidr, table_fail, table_unix;

/* Keys and values in memory, as inline: and texthash: have them. */
struct pairs {
	struct map	 map;
};
void	pairs_init(struct pairs *);
void	pairs_clear(struct pairs *);
/* The key in lower case. False where it is there already: the first counts. */
bool	pairs_add(struct pairs *, struct span key, struct span value);
enum table_result pairs_get(const struct pairs *, struct span key, struct buf *value);

#define TABLE_KEY_MAX	1280	/* a longer key is in no table */

/* In lower case into space; false where it is too long. */
bool	table_fold(struct span, char space[TABLE_KEY_MAX], struct span *folded);

#endif
