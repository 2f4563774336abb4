/*
 * The linter: one call that reads a configuration directory and reports what is wrong with it, however broken it is. mtalint, mtactl,
 * the console and the daemon's start and reload use it. The rules are rows of rules.def, each with a permanent code.
 */
#ifndef LINT_LINT_H
#define LINT_LINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"

enum lint_level { LINT_STYLE, LINT_INFO, LINT_WARNING, LINT_ERROR, LINT_LEVELS };

enum lint_code {
#define RULE(code, level, needs, summary, why, help, bad, good, check)	LINT_##code,
#include "lint/rules.def"
#undef RULE
	LINT_CODES
};

/* What a rule looks at beside the two files. */
enum lint_needs { NEEDS_CONF = 0, NEEDS_FS = 1, NEEDS_HOST = 2, NEEDS_MAP = 4 };

struct lint;

struct lint_rule {
	const char	*code;		/* "P101" */
	enum lint_level	 level;		/* a finding may be milder, and then says why */
	unsigned	 needs;		/* of enum lint_needs */
	const char	*summary, *why, *help;
	/* A configuration that breaks the rule, and the same mended: the form is in rules.def. */
	const char	*bad, *good;
	void		(*check)(struct lint *);	/* rows of one group share it */
};
const struct lint_rule *lint_rule(enum lint_code);
bool	lint_rule_find(struct span code, enum lint_code *);	/* in any case */
const char *lint_level_name(enum lint_level);

struct lint_finding {
	enum lint_code	 code;
	enum lint_level	 level;
	char		*file;
	unsigned	 line, column;	/* from 1; 0: the file as a whole */
	unsigned	 width;		/* bytes of the offending text on that line */
	char		*source;	/* that line; NULL where there is none */
	char		*message;
	const char	*help;
};

struct lint_report {
	struct lint_finding *items;	/* by file, line, column */
	size_t		 count;
	size_t		 of_level[LINT_LEVELS];
	size_t		 disabled;	/* findings that a "# lint: disable=" took away */
	bool		 unreadable;	/* neither file could be read: there was nothing to look at */
};
void	lint_report_clear(struct lint_report *);

/* What a path leads to. */
struct lint_stat {
	char		 type;		/* 'f' 'd' 's' (socket) 'l' (only from `link`) or '?' */
	unsigned	 mode;		/* 07777 */
	unsigned	 uid, gid;
	int64_t		 mtime;		/* seconds */
	uint64_t	 size;
};

/* Questions to the machine, so that tests can answer them. All get `arg`. */
struct lint_host {
	void		*arg;
	unsigned	 uid;		/* of whoever will start the daemon */
	bool		(*stat)(void *arg, const char *path, bool follow, struct lint_stat *);
	bool		(*read)(void *arg, const char *path, struct buf *out, struct err *);
	bool		(*readlink)(void *arg, const char *path, struct buf *out);
	/* Names in a directory, in any order. */
	void		(*list)(void *arg, const char *path, void (*fn)(void *, const char *), void *fn_arg);
	bool		(*user)(void *arg, const char *name, unsigned *uid, unsigned *gid);
	bool		(*user_name)(void *arg, unsigned uid, const char *but, struct buf *other);
	bool		(*group)(void *arg, const char *name, unsigned *gid);
	bool		(*port)(void *arg, const char *name, unsigned *port);	/* of a name in /etc/services */
	bool		(*own_address)(void *arg, struct span address);
	bool		(*resolves)(void *arg, const char *name);		/* from /etc/hosts only: nothing is sent */
	/* 1: something listens there, 0: nothing does, -1: cannot be told. *who (may be NULL) gets the program's name, where known. */
	int		(*listens)(void *arg, unsigned port, struct buf *who);
	bool		(*container)(void *arg);
};
const struct lint_host *lint_host_real(void);

struct lint_options {
	const char	*dir;
	const struct conf_override *overrides;	/* of a command line, as conf_load has them */
	size_t		 override_count;
	const struct lint_host *host;		/* NULL: this machine */
	/* What to look at in the place of DIR/main.cf, as it would stand there (an edit that is not written yet). ptr NULL: the file. */
	struct span	 main_cf;
};

/* Always fills the report. False where there was nothing to look at (report->unreadable). */
bool	lint_run(const struct lint_options *, struct lint_report *);

enum lint_format { LINT_TTY, LINT_GCC, LINT_JSON, LINT_QUIET };
bool	lint_format_find(struct span name, enum lint_format *);
/* The findings as text. Bytes of the files that are no printable text are escaped. */
void	lint_print(const struct lint_report *, enum lint_format, bool colour, struct buf *out);
void	lint_explain(enum lint_code, struct buf *out);
void	lint_list(struct buf *out);
void	lint_manual(struct buf *out);	/* docs/lint.md */

#endif
