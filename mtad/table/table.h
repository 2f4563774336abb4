/*
 * Lookup tables: "type:name" as in Postfix. What is answered within the process is answered at once; unix: tables (users and groups) are facts that the
 * lookup role knows. Keys are compared without regard to case, as Postfix folds them for all types here.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "conf/conf.h"

enum table_result { TABLE_FOUND, TABLE_ABSENT, TABLE_FAILED, TABLE_PENDING };

struct table;

/*
 * "texthash:/path", "inline:{ key = value, ... }", "static:value", "cidr:/path", "fail:text", "unix:passwd.byname", each also behind "proxy:".
 * Text files are those that the conf carries (conf_file). The conf must outlive the table. NULL with the err.
 */
struct table *table_open(const struct conf *, struct span spec, struct err *);
void	table_free(struct table *);
const char *table_name(const struct table *);
/* Whether the type can be used in this version. */
bool	table_type_known(struct span type);

/* FOUND puts the value behind what *value holds. FAILED sets the err. facts may be NULL where no remote table is meant to be there. */
enum table_result table_get(const struct table *, struct facts *, struct span key, struct buf *value, struct err *);

/* A parameter's list of tables, asked in turn. */
struct tables {
	struct table	**list;
	size_t		 count;
};
/* Separated as lists in main.cf are. False with the err, and nothing to clear. */
bool	tables_open(struct tables *, const struct conf *, const char *value, struct err *);
void	tables_clear(struct tables *);
enum table_result tables_get(const struct tables *, struct facts *, struct span key, struct buf *value, struct err *);
/*
 * As Postfix looks up a recipient: user+ext@domain, user@domain, then where `local`: user+ext, user; then @domain. ext: by `delimiters`.
 */
enum table_result tables_get_address(const struct tables *, struct facts *, struct span address, const char *delimiters,
    bool local, struct buf *value, struct err *);

/* The next word of a list, with {groups} kept whole (braces included) and "type:{...}" as one word. */
bool	table_word(struct span *rest, struct span *word);

#endif
