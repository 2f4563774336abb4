/*
 * Lookup tables: "type:name" as in Postfix. What can be answered within the process is answered at once; what blocks (users and groups, SQL, LDAP, other
 * servers) is a fact that the lookup role knows. Keys are folded to lower case, as Postfix does, but for patterns, which see them as they are.
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

/* How this process has its tables. */
struct table_env {
	/* A descriptor to read the file with, the caller's; -1 with errno. NULL: open(2). */
	int	(*open)(const char *path);
	/* What is wrong with one line of a table that works without it; NULL: nobody wants to know. */
	void	(*warn)(void *arg, const char *path, unsigned line, const char *text);
	/* What was found, for who shows how a decision was come to: of patterns with the line of the rule, else 0. NULL: nobody wants to know. */
	void	(*told)(void *arg, const struct table *, struct span key, unsigned line, struct span value);
	bool	 lost_only;	/* warn: only of lines that are left out */
	void	*arg;
	bool	 blocks;	/* tables that block are asked here and now */
	bool	 keep_case;	/* keys are not folded (postmap -f) */
};
/* For the whole process; copied. */
void	table_use(const struct table_env *);

/*
 * "hash:/path" (its compiled file is "/path.gdbm", as of every indexed type), "pcre:/path", "inline:{ key = value, ... }", "static:value" and the rest of
 * table_type_name, each also behind "proxy:"; a path alone is of default_database_type. Text files are those that the conf carries (conf_file). A table that
 * cannot be read now may open and fail at each lookup. The conf must outlive the table. NULL with the err.
 */
struct table *table_open(const struct conf *, struct span spec, struct err *);
void	table_free(struct table *);
const char *table_name(const struct table *);
/* Whether the type can be used in this version. */
bool	table_type_known(struct span type);
/* The types in order of their names; NULL behind the last. */
const char *table_type_name(size_t index);
bool	table_type_blocks(struct span type);	/* another process answers */
/* Whether tables of this type are built from a text. */
bool	table_type_compiled(struct span type);

/* FOUND puts the value behind what *value holds. FAILED sets the err. facts may be NULL where no remote table is meant to be there. */
enum table_result table_get(const struct table *, struct facts *, struct span key, struct buf *value, struct err *);

/* The same with what is only a part of what is looked for (a domain, an address without its extension): absent from patterns, which see whole keys only. */
enum table_result table_get_part(const struct table *, struct facts *, struct span key, struct buf *value, struct err *);

/* Each entry in no order; false ends it. False with the err where the type cannot list, or fails. */
typedef bool	table_each_fn(void *arg, struct span key, struct span value);
bool	table_type_lists(struct span type);	/* table_each works */
bool	table_each(const struct table *, table_each_fn *, void *arg, struct err *);

/* A parameter's list of tables, asked in turn. */
struct tables {
	struct table	**list;
	size_t		 count;
};
/* Separated as lists in main.cf are. False with the err, and nothing to clear. */
bool	tables_open(struct tables *, const struct conf *, const char *value, struct err *);
void	tables_clear(struct tables *);
enum table_result tables_get(const struct tables *, struct facts *, struct span key, struct buf *value, struct err *);
enum table_result tables_get_part(const struct tables *, struct facts *, struct span key, struct buf *value, struct err *);
/*
 * As Postfix looks up a recipient: user+ext@domain, user@domain, then where `local`: user+ext, user; then @domain. ext: by `delimiters`.
 */
enum table_result tables_get_address(const struct tables *, struct facts *, struct span address, const char *delimiters,
    bool local, struct buf *value, struct err *);
/* The same; *unmatched is the extension ("+ext") where it was found without it, else empty. */
enum table_result tables_find_address(const struct tables *, struct facts *, struct span address, const char *delimiters,
    bool local, struct buf *value, struct span *unmatched, struct err *);

/* The next word of a list, with {groups} kept whole (braces included) and "type:{...}" as one word. */
bool	table_word(struct span *rest, struct span *word);

#endif
