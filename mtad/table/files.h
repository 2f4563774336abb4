/*
 * The files behind the tables that a configuration names and that roles read by descriptor: compiled tables, and the files that say how to ask a server.
 * Texts of tables travel with the configuration itself (conf_file).
 */
#ifndef TABLE_FILES_H
#define TABLE_FILES_H

#include "conf/conf.h"

struct table_file {
	char		*path;		/* what is opened: "/etc/mtad/virtual.gdbm" */
	char		*text;		/* what a compiled one is built of: "/etc/mtad/virtual"; NULL: no compiled one */
	char		*spec;		/* as it is named, for messages */
	bool		 aliases;	/* the text is of aliases(5) */
	bool		 by_default;	/* the system's aliases, which the site does not mention: nothing is written there */
};

/* Each once, also those inside unionmap:{...} and pipemap:{...}. Free them. */
size_t	table_files(const struct conf *, struct table_file **);
void	table_files_free(struct table_file *, size_t count);

/* The texts that travel with the configuration, as tables name them: "cidr:/etc/mtad/clients". Each once; the caller's, strings too. */
size_t	table_texts(const struct conf *, char ***specs);
struct span table_text_path(struct span spec);	/* "/etc/mtad/clients" */

/* The tables that only the lookup role asks ("mysql:/path", "tcp:host:port"), each once; the caller's, strings too. */
size_t	table_remotes(const struct conf *, char ***specs);

/* Whether a compiled table can be opened now, by this process's means. */
bool	table_there(struct span spec);

/* In a role: files of tables are the descriptors that the master gave it, by the key "table:PATH"; see table_use. */
void	table_use_descriptors(bool blocks);

#endif
