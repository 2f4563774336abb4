/*
 * What the groups of rules share: the files with the place of each byte, the settings and services in them, and the configuration that
 * mtad itself would make of all that is sound in it.
 */
#ifndef LINT_PRIVATE_H
#define LINT_PRIVATE_H

#include "base/arena.h"
#include "base/map.h"
#include "lint/lint.h"

#define LINT_SEPS	"\t\r\n ,"
#define LINT_BLANKS	" \t\r\n\f\v"

/* A logical line: its text as mtad joins it, and for each byte (and the end) where in the file it stands. */
struct logical {
	struct source	*src;
	struct span	 text;
	const uint32_t	*at;
	unsigned	 line, last;	/* first and last physical line, from 1 */
};

/* A file, or a text with a name. */
struct source {
	char		*path;
	struct buf	 bytes;
	bool		 there, readable, checked;
	uint32_t	*starts;	/* where each physical line begins; line_count + 1 of them */
	unsigned	 line_count;
	struct logical	*logicals;
	size_t		 count;
};

/* name = value, both within logical->text. */
struct lint_setting {
	const struct logical *logical;
	struct span	 name, value;
	const char	*raw;		/* the value, terminated */
	bool		 counts;	/* the last of its name */
	bool		 dropped;	/* not in l->conf: the line cannot be used */
	const struct lint_service *service;	/* an -o; NULL: main.cf */
};

struct lint_service {
	const struct logical *logical;
	struct span	 field[8];	/* name type private unpriv chroot wakeup maxproc command */
	unsigned	 fields;
	struct lint_setting *options;	/* -o name=value, in order */
	size_t		 option_count;
	struct span	*words;		/* the other arguments, {} taken off */
	size_t		 word_count;
	bool		 counts;	/* the last of its name and type */
	bool		 dropped;
	const struct service *service;	/* in l->conf; NULL where it is not */
	const struct view *view;	/* NULL with it */
};

struct lint {
	const struct lint_options *options;
	const struct lint_host *host;
	struct lint_report *report;
	struct arena	 arena;
	struct source	 main_cf, master_cf;
	struct lint_setting *settings;
	size_t		 setting_count;
	struct map	 last;		/* of struct lint_setting: those that count, by name */
	struct lint_service *services;
	size_t		 service_count;
	struct source	**files;	/* texts of tables, read once */
	size_t		 file_count;
	struct conf	*conf;		/* of all that can be used; never NULL while rules run */
	const struct view *main;
};

/* Where a finding points. */
struct place {
	const struct source *src;	/* NULL: `path` as a whole */
	const char	*path;
	uint32_t	 from, to;	/* in src->bytes */
	unsigned	 line;		/* with src and from == to: the line, or 0 for the file */
};

/* -- source.c -- */
void	source_read(struct lint *, struct source *, const char *path);
void	source_use(struct lint *, struct source *, struct span);	/* instead of what was read */
void	source_clear(struct source *);
unsigned source_line_of(const struct source *, uint32_t offset);
struct span source_line(const struct source *, unsigned line);	/* without its end */
struct place at_span(const struct logical *, struct span within);
struct place at_line(const struct source *, unsigned line);	/* all of it, without blanks at both ends */
struct place at_column(const struct source *, unsigned line, size_t from, size_t len);
struct place at_file(const struct source *);
struct place at_path(const char *path);				/* lives as long as the run */

/* -- model.c -- */
void	model_read(struct lint *);
void	model_clear(struct lint *);
void	model_conf(struct lint *);
/* The conf of all usable lines and `more` lines of main.cf behind them; NULL where it cannot be had. */
struct conf *model_conf_with(struct lint *, struct span more);
const struct lint_setting *setting_of(const struct lint *, const char *name);
bool	is_set(const struct lint *, enum param);
/* The value where it is set, else main.cf as a whole. For a service its -o comes first. */
struct place at_param(const struct lint *, const struct lint_service *, enum param);
/* The word within the setting's value where it stands there as it is, else the value. */
struct place at_word(const struct lint_setting *, struct span word);
struct place at_word_of(const struct lint *, const struct lint_service *, enum param, struct span word);
const struct lint_setting *option_of(const struct lint_service *, const char *name);
/* The service that counts, of a type other than inet; NULL: none. */
const struct lint_service *transport_of(const struct lint *, struct span name);
bool	runs(const struct lint_service *, const char *command);
const struct view *view_of(const struct lint *, const struct lint_service *);
unsigned port_of(const struct lint *, struct span name);	/* 0: not known */
/* "host:port", "[::1]:25", "port": either part may be empty. */
void	split_endpoint(struct span, struct span *host, struct span *port);
bool	is_loopback(struct span host);
/* Whether others than this machine reach an inet service. */
bool	is_public(const struct lint *, const struct lint_service *);
char	*path_in(struct lint *, const char *dir, struct span path);	/* absolute: as it is */

/* -- lint.c -- */
void	lint_find(struct lint *, enum lint_code, struct place, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));
/* A milder one: the rule's level is the worst that it finds. */
void	lint_find_as(struct lint *, enum lint_code, enum lint_level, struct place, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));

/* -- uses.c: every use of a transport or a table in main.cf -- */
struct use {
	const struct lint_service *service;	/* whose -o it is; NULL: main.cf */
	enum param	 param;
	struct span	 text;		/* "smtp:[host]:25" or "hash:/path", expanded; in l->arena */
	struct place	 place;
};
typedef void use_fn(struct lint *, const struct use *, void *arg);
/* Values of parameters that name a transport (and next hop): default_transport, content_filter ... */
void	each_transport(struct lint *, use_fn *, void *arg);
/* Next hops of smtp-like delivery: relayhost, fallback relays, and those behind a transport. */
struct hop {
	struct span	 transport, host, port;	/* host without []; port empty: the default */
	bool		 bracketed;
};
struct hop hop_parse(struct span nexthop);
void	each_table(struct lint *, use_fn *, void *arg);
bool	is_table_param(enum param);
bool	transport_used(struct lint *, struct span name);

/* -- entries.c: the text of a table, where it can be read here -- */
struct table_entry {
	struct span	 key, value;
	struct place	 place;
};
typedef bool entry_fn(struct lint *, const struct table_entry *, void *arg);	/* false: enough */
/* False where the table's text cannot be had. `place` is used for inline and static tables. */
const struct source *table_source(struct lint *, struct span table);
struct source *file_source(struct lint *, struct span path);	/* read once; NULL: there are too many */
bool	each_entry(struct lint *, struct span table, struct place, entry_fn *, void *arg);

/* -- witness.c -- */
/*
 * Runs mtad's own decision code for a stranger's RCPT TO, with the relay and recipient lists given (NULL: the service's own). True where it says
 * yes; then *text tells the input and who decided. Restrictions that this version has not are left out.
 */
bool	witness_relay(struct lint *, const struct lint_service *, const char *relay, const char *recipient,
	    const char *mynetworks, struct buf *text);

/* The groups, as rules.def names them. */
#define RULE(code, level, needs, summary, why, help, bad, good, check)	void check(struct lint *);
#include "lint/rules.def"
#undef RULE

#endif
