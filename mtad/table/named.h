/*
 * The tables that a configuration names, in whatever parameter, and a table asked once: what `mtactl map` and the console share.
 */
#ifndef TABLE_NAMED_H
#define TABLE_NAMED_H

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "table/table.h"

struct named_table {
	char		*spec;		/* "texthash:/etc/mtad/transport", without "proxy:" */
	char		*type, *name;	/* "texthash", "/etc/mtad/transport" */
	char		*users;		/* "transport_maps, smtp inet -o smtpd_client_restrictions" */
	bool		 aliases;	/* named by alias_maps or alias_database: "key: value" */
	bool		 known;		/* the type can be used in this version */
	const char	*grammar;	/* for source_open; NULL: there is no text to edit */
};

/* In the order in which they are first named, each once. Free them. */
size_t	tables_named(const struct conf *, struct named_table **);
void	tables_named_free(struct named_table *, size_t count);

/*
 * What a table answers for a key, as it stands on disk now; it need not be named by the configuration. TABLE_PENDING never: what only the daemon can ask is
 * TABLE_FAILED with kind ERR_TEMP; a table that is wrong or missing with ERR_SYS.
 */
enum table_result table_ask(const struct conf *, struct span spec, struct span key, struct buf *value, struct err *);

/* For tables to be opened with: one that carries no text, so that files are read as they are now; a reference. */
struct conf *table_conf(const struct conf *);

#endif
