/*
 * Commands that mtactl answers itself, from the files of the configuration, with the rights of whoever calls it: map, config, route, simulate, lint.
 * Each returns an exit status; rows go by session_row.
 */
#ifndef MTACTL_LOCAL_H
#define MTACTL_LOCAL_H

#include "ctl/jsonl.h"
#include "mtactl/session.h"

int	map_run(struct session *, const struct request *);
int	map_change_run(struct session *, const struct request *);	/* put del edit diff undo */
int	map_check_run(struct session *, const struct request *);
int	map_build_run(struct session *, const struct request *);	/* types build */
int	config_get_run(struct session *, const struct request *);	/* get explain */
int	config_change_run(struct session *, const struct request *);	/* set unset comment undo */
int	config_support_run(struct session *, const struct request *);	/* support check diff */
int	sasl_run(struct session *, const struct request *);	/* passwd ls del */
int	route_run(struct session *, const struct request *);
int	simulate_run(struct session *, const struct request *);
/* What its words mean, for help. */
void	simulate_words_help(struct display *);
int	tls_probe_run(struct session *, const struct request *);
int	lint_command_run(struct session *, const struct request *);

/* What a TABLE argument means: "type:name", "/path", or a parameter that names one table. */
struct map_table {
	char		*spec;		/* "type:name" */
	char		*name;
	char		*grammar;	/* for source_open; NULL: no text to edit */
	bool		 aliases;
	bool		 named;		/* some parameter names it */
};
/* 0, or an exit status and said. Clear it in either case. */
int	map_resolve(struct session *, const struct request *, struct map_table *);
int	map_resolve_text(struct session *, struct span text, struct map_table *);
void	map_table_clear(struct map_table *);

/* The configuration as it is, or an empty one where it is wrong (nothing is said). Never NULL. */
struct conf *local_conf(struct session *);
/* 65, 75, 77 by the kind of err; said. */
int	local_fail(struct session *, const struct err *);
bool	local_flag(const struct request *, const char *option);

/* A resolver with the instance's settings, on the loop (base/loop.h); NULL: said. dns_free it. Needs session_configure. */
struct dns;
struct dns *local_dns(struct session *);
/* With `checked`, one that validates by mtad_dns_anchor or the root's keys. */
struct dns *local_dns_checked(struct session *, bool checked);

/* A change that was made, or (done false) would be: {"file","key","old","new","diff","done"}. Spans without ptr are left out. */
struct change {
	struct span	 file, key, old, new, diff;
	bool		 done;
};
void	local_change_row(struct session *, const struct change *);
/* After a change: reloads where that was asked for, else says what makes it take effect. A status. */
int	local_take_effect(struct session *, const struct request *);

/*
 * Has the daemon take tables that changed: 0 once every process has them. 69: it is not running, and nothing was said. Anything else was said: it cannot be
 * asked, or (65) goes on with what it had of this file.
 */
int	local_tables_look(struct session *, const char *file);

/* After a table's text was changed: built where it is compiled, and taken by the daemon. A status; said. */
int	map_take_effect(struct session *, const struct request *, const struct map_table *);

/* map_edit.c: the user's editor on a text, with questions. 0: *text is the new one, checked and agreed to. */
struct source;
int	map_edit(struct session *, struct source *);

#endif
