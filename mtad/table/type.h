/*
 * What a table type is made of. Each type is a file with one of these; table.c lists them.
 */
#ifndef TABLE_TYPE_H
#define TABLE_TYPE_H

#include "base/map.h"
#include "table/table.h"

enum table_flags {
	TABLE_RAW_KEY	= 1,	/* keys come as they are, and of any length; else in lower case */
	TABLE_PATTERN	= 2,	/* keys are not in it as such: parts of a key are not looked up (regexp, cidr ...) */
	TABLE_BLOCKS	= 4,	/* another process, a name service, a database: the lookup role asks */
	TABLE_ASKED_BY_FILE = 8,	/* its name is a file that says how */
	TABLE_TEXT	= 16,	/* its name is a text that travels with the configuration */
};

struct table_type {
	const char	*name;
	/* *state is the type's own. False with the err. The name is what stands behind "type:". */
	bool	(*open)(const struct conf *, struct span name, void **state, struct err *);
	void	(*close)(void *state);
	/* `self` is "type:name". */
	enum table_result (*get)(const void *state, struct span self, struct facts *, struct span key, struct buf *value,
	    struct err *);
	unsigned flags;
	/* Of a type whose flags depend on what it is made of; else NULL. */
	unsigned (*flags_of)(const void *state);
	/* Of a type that lists its entries; else NULL. */
	bool	(*each)(const void *state, table_each_fn *, void *arg, struct err *);
};

extern const struct table_type table_inline, table_texthash, table_static, table_cidr, table_fail, table_unix, table_environ, table_unionmap,
    table_pipemap, table_randmap, table_regexp, table_pcre;
extern const struct table_type table_hash, table_btree, table_lmdb, table_cdb, table_gdbm, table_dbm;
extern const struct table_type table_tcp, table_socketmap, table_memcache, table_sqlite, table_mysql, table_pgsql, table_ldap;

/* As table_use set it. */
const struct table_env *table_env(void);
unsigned table_type_flags(struct span type);	/* 0: there is no such type */
unsigned table_flags(const struct table *);
/* A line that is left out; one that counts, and looks like a mistake. */
void	table_warn(struct span path, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	table_note(struct span path, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Of a type that goes by rules: the one that answers stands in this line. */
void	table_matched(unsigned line);

/* "type:name" taken apart; false where there is no such type, or none at all. A path without a type is of default_database_type. */
bool	table_find(const struct conf *, struct span spec, const struct table_type **, struct span *name);

/*
 * The text of a table: what the conf carries, else where this process may open paths, the file itself, read into *space. The span lives as long as both.
 */
bool	table_text(const struct conf *, const char *type, struct span path, struct buf *space, struct span *text, struct err *);
/* The same for what stands in the name itself: { {line}, {line} }, put into *out. */
bool	table_inline_text(const char *type, struct span name, struct buf *out, struct err *);
/* False, and warned of, for a line that no rule can be: one with a NUL byte, or cut as it is too long. */
struct conf_lines;
bool	table_line_ok(struct span path, unsigned number, const struct conf_lines *, struct span line);
/* "key value" off a line: the key ends at the first white space outside "quotes", which stay. False with the reason where the line is none. */
bool	table_pair(struct span line, struct span *key, struct span *value, const char **why);

/* Keys and values in memory, as inline: and texthash: have them. */
struct pairs {
	struct map	 map;
};
void	pairs_init(struct pairs *);
void	pairs_clear(struct pairs *);
/* The key in lower case. False where it is there already: the first counts. */
bool	pairs_add(struct pairs *, struct span key, struct span value);
void	pairs_put(struct pairs *, struct span key, struct span value);	/* the last counts */
void	pairs_each(const struct pairs *, table_each_fn *, void *arg);
enum table_result pairs_get(const struct pairs *, struct span key, struct buf *value);

#define TABLE_KEY_MAX	1280	/* a longer key is in no table */

/* In lower case into space; false where it is too long. */
bool	table_fold(struct span, char space[TABLE_KEY_MAX], struct span *folded);

#endif
