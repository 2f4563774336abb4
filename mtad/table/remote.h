/*
 * Tables that a server answers: asked where blocking does no harm (table_use: the lookup role, mtactl), a fact anywhere else. What
 * their files say, the %-expansion of queries and results, and sockets with a time limit.
 */
#ifndef TABLE_REMOTE_H
#define TABLE_REMOTE_H

#include <stdint.h>

#include "base/map.h"
#include "table/type.h"

#define REMOTE_VALUE_MAX	((size_t)1 << 20)	/* of one answer */
#define REMOTE_TIME		(10 * (int64_t)1000000)	/* for one attempt, microseconds */

/* One kind of server. */
struct remote_type {
	/* The name is what stands behind "type:". False with the err. */
	bool	(*open)(const struct conf *, struct span name, void **state, struct err *);
	void	(*close)(void *state);
	enum table_result (*ask)(void *state, struct span key, struct buf *value, struct err *);
};

/* The functions of a struct table_type, by way of a remote_type. */
bool	remote_open(const struct remote_type *, const struct conf *, struct span name, void **state, struct err *);
void	remote_close(void *state);
enum table_result remote_get(const void *state, struct span self, struct facts *, struct span key, struct buf *value, struct err *);

#define REMOTE_TABLE(type, functions, more_flags)	\
	static bool type##_table_open(const struct conf *c, struct span n, void **s, struct err *e)	\
	{ return remote_open(&(functions), c, n, s, e); }	\
	const struct table_type table_##type = { #type, type##_table_open, remote_close, remote_get, .flags = TABLE_BLOCKS | (more_flags) }

/* -- its file: "name = value" lines ------------------------------------------------------------------- */

struct remote_file {
	char		*path;
	struct map	 settings;
};
bool	remote_file_read(struct remote_file *, const char *type, struct span path, struct err *);
bool	remote_file_text(const char *path, struct buf *out, struct err *);
/* The same of a text that is there already; needs remote_file_clear also where it is false. */
bool	remote_file_parse(struct remote_file *, const char *path, struct span text, struct err *);
void	remote_file_clear(struct remote_file *);
void	remote_file_each(const struct remote_file *, void (*fn)(void *arg, const char *name, const char *value, unsigned line), void *arg);	/* by line */
unsigned remote_line(const struct remote_file *, const char *name);	/* 0: it is not there */
/* The value, or `def`. Lives as long as the file. */
const char *remote_str(const struct remote_file *, const char *name, const char *def);
/* False with the err where it is no such number. */
bool	remote_int(const struct remote_file *, const char *name, int64_t def, int64_t min, int64_t max, int64_t *, struct err *);
bool	remote_bool(const struct remote_file *, const char *name, bool def);

/* -- queries and results --------------------------------------------------------------------------------- */

struct match_list;
struct remote_query {
	const char	*query, *result;	/* formats; the file's */
	struct match_list *domains;		/* NULL: any key */
	int64_t		 limit;			/* of values; 0: none */
};
/* query_name: the parameter that holds the query. The common ones: domain, result_format, expansion_limit. */
bool	remote_query_init(struct remote_query *, const struct conf *, const struct remote_file *, const char *query_name, const char *query_default,
	    struct err *);
void	remote_query_clear(struct remote_query *);
bool	remote_format_check(const char *format, const char *what, struct err *);

/*
 * The query of select_field, table, where_field and additional_conditions, which SQL tables had before `query`, or of a function (NULL: there is none); the
 * caller's. NULL: they are not there.
 */
char	*remote_select(const struct remote_file *, const char *function);

typedef void	remote_quote(void *arg, struct span, struct buf *out);
/*
 * %s %u %d of the value, %S %U %D %1..%9 of the key. False where a part is asked for that is not there: then there is no query, or no result. quote may be
 * NULL.
 */
bool	remote_expand(const char *format, struct span value, struct span key, remote_quote *, void *arg, struct buf *out);
/* Whether the key is one that the table is asked for at all (domain = ...). */
bool	remote_wants(const struct remote_query *, struct span key);
/* Adds one value to the answer; false with the err where there are too many. *count: of those before. */
bool	remote_add(const struct remote_query *, struct span value, struct span key, int64_t *count, struct buf *out, struct err *);

/* -- sockets --------------------------------------------------------------------------------------------- */

struct remote_stream {
	int		 fd;
	struct buf	 in;
	int64_t		 until;		/* monotonic; for all that is done with it until it is set anew */
};
/* "inet:host:port", "unix:/path", "host:port". False with the err. */
bool	remote_connect(struct remote_stream *, const char *endpoint, int64_t within, struct err *);
void	remote_disconnect(struct remote_stream *);
bool	remote_write(struct remote_stream *, struct span, struct err *);
/* Up to `end` (left out), at most max bytes; the span lives until the next call. */
bool	remote_read_line(struct remote_stream *, const char *end, size_t max, struct span *line, struct err *);
bool	remote_read_bytes(struct remote_stream *, size_t n, struct span *bytes, struct err *);

/* A library that is loaded when a table wants it. NULL with the err. */
void	*remote_library(const char *name, const char *package, struct err *);
/* Fills n pointers; false with the err where one is not there. */
bool	remote_symbols(void *library, const char *const *names, void **pointers, size_t n, struct err *);

#endif
