/*
 * Tables in a delivery's own process: it lives for one recipient, so they are opened by path and asked here and now, blocking ones too. Where it is root they are
 * opened as root (they are the site's, and may hold passwords) and asked with the rights of mail_owner.
 */
#ifndef LOCAL_TABLES_H
#define LOCAL_TABLES_H

#include "local/job.h"
#include "table/table.h"

/* Whose database an alias was found in: commands and files are used with his rights. */
struct alias_owner {
	bool		 known;
	uid_t		 uid;		/* 0: the site's own */
	char		 table[200];
};

/* For the process. */
void	local_tables_use(void);

/*
 * Asks the tables of a parameter: `key` as it is, or as an address. FAILED: the report is set, with the text given. The value is put behind what the buffer holds.
 */
enum table_result local_ask(const struct job *, enum param, struct span key, struct buf *value, const char *failure, struct report *);
enum table_result local_ask_address(const struct job *, enum param, struct span address, struct buf *value, const char *failure,
    struct report *);

/* What became of it as local_delivery_status_filter and its relatives say it; once a report. */
void	local_filter_status(const struct job *, struct report *);

/* alias_maps, and whose table it was. Where this process is not root all tables are the site's. */
enum table_result local_ask_aliases(const struct job *, struct span name, struct buf *value, struct alias_owner *, const char *failure,
    struct report *);

#endif
