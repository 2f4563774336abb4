/*
 * The configuration: an immutable generation, made from main.cf, master.cf and
 * command-line overrides, of views. Each master.cf line has a view, in which its `-o` settings stand over main.cf's.
 * Code takes a view, never a global. What each parameter is stands in params.def; P_name is its enum.
 * Follows postconf(5) and master(5).
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/params.h"

struct conf;
struct view;

/* One name=value from a command line's -o. */
struct conf_override {
	const char	*name;
	const char	*value;
};

/* What is wrong with a configuration, one place a row. */
enum problem_level { PROBLEM_WARNING, PROBLEM_ERROR };
struct conf_problem {
	enum problem_level level;
	char		*file;		/* NULL: the command line */
	unsigned	 line;		/* 0: the file as a whole */
	char		*text;		/* what is wrong and what to do */
};
struct conf_problems {
	struct conf_problem *items;
	size_t		 count;
	size_t		 errors;
};
void	conf_problem_add(struct conf_problems *, enum problem_level, const char *file, unsigned line,
	    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void	conf_problems_clear(struct conf_problems *);
/* "FILE:LINE: error: TEXT\n" a problem. */
void	conf_problems_print(const struct conf_problems *, struct buf *);

/*
 * Reads DIR/main.cf and DIR/master.cf (where one is missing: the built-in one, and no error). Never NULL-and-silent: on errors the result is NULL and
 * problems->errors > 0; warnings come with a result. All syntax errors, bad numbers, times, booleans, ranges are found here.
 */
struct conf *conf_load(const char *dir, const struct conf_override *, size_t n, struct conf_problems *);

/* The same from bytes that the caller has, as if they stood in DIR/main.cf and DIR/master.cf (the linter's way in). */
struct conf *conf_parse(const char *dir, struct span main_cf, struct span master_cf, struct conf_problems *);

/* The generation as bytes for other roles, and back. conf_thaw trusts nothing: false bytes give NULL and the err. */
void	conf_freeze(const struct conf *, struct buf *);
struct conf *conf_thaw(struct span, struct err *);
/* The same configuration with stress = yes, as a service with all its sessions taken has it. NULL with the err. */
struct conf *conf_stressed(const struct conf *, struct err *);
/* The same configuration with another text in one file that it carries (conf_file); a new reference. NULL with the err. */
struct conf *conf_with_file(const struct conf *, struct span path, struct span data, struct err *);

struct conf *conf_ref(struct conf *);	/* counted; conf_unref(NULL) is fine */
void	conf_unref(struct conf *);
const char *conf_dir(const struct conf *);

/* A master.cf line. Names and arguments are the conf's. */
enum service_type { SERVICE_INET, SERVICE_UNIX, SERVICE_FIFO, SERVICE_PASS };
struct service {
	unsigned	 index;
	unsigned	 line;		/* in master.cf */
	const char	*name;		/* "smtp", "127.0.0.1:2525", "submission" */
	enum service_type type;
	bool		 private_, unprivileged, chroot;
	int64_t		 wakeup;	/* microseconds; 0: never */
	int		 maxproc;	/* 0: no limit; the default is filled in */
	const char	*command;	/* "smtpd" */
	char *const	*argv;		/* after the command, -o pairs left out; NULL-terminated */
};
size_t	conf_service_count(const struct conf *);
const struct service *conf_service(const struct conf *, size_t index);
/* The first line with this name and type unix/fifo/pass (any non-inet), or NULL: how transports are found. */
const struct service *conf_transport(const struct conf *, struct span name);
/* The view of a line; of a Postfix program by its command ("cleanup", "qmgr": its first line, else main.cf's); of main.cf. */
const struct view *conf_view(const struct conf *, const struct service *);
const struct view *conf_program(const struct conf *, const char *command);
const struct view *conf_main(const struct conf *);
struct conf *view_conf(const struct view *);
const struct service *view_service(const struct view *);	/* NULL for main.cf's own */

/* Values, expanded. Asking with the wrong type is a bug (panic). Times are microseconds. Strings live as long as the conf. */
const char *conf_str(const struct view *, enum param);
int64_t	conf_int(const struct view *, enum param);
int64_t	conf_time(const struct view *, enum param);
bool	conf_bool(const struct view *, enum param);

/*
 * Transport-specific parameters, e.g. ("relay", "_destination_concurrency_limit"): the service's own, else "default" + suffix as Postfix has it.
 * False with no output where neither is known.
 */
bool	conf_transport_int(const struct conf *, const char *transport, const char *suffix, int64_t *);
bool	conf_transport_time(const struct conf *, const char *transport, const char *suffix, int64_t *);

/* The text, expanded; for the feedback parameters ("1", "1/concurrency"). */
bool	conf_transport_str(const struct conf *, const char *transport, const char *suffix, struct buf *);

/*
 * What the file held when the configuration was loaded: one that a list ("/path") or a text table ("texthash:/path",
 * "cidr:/path", "regexp:/path", "pcre:/path") of an honoured parameter names. False where it is not among them. Lives as long as the conf.
 */
bool	conf_file(const struct conf *, struct span path, struct span *data);

/*
 * The addresses of this machine on which mail is received, as inet_interfaces and inet_protocols say: "127.0.0.1 ::1 192.0.2.1". Found where the configuration
 * was loaded.
 */
const char *conf_addresses(const struct conf *);

/* Any name at all, catalogued or the site's own macro: the raw value and the expanded one; NULL where it is not set and has no default. */
const char *conf_raw(const struct view *, struct span name);
bool	conf_expanded(const struct view *, struct span name, struct buf *, struct err *);
/* Expands $name and the like in a text of the caller's. */
bool	conf_expand(const struct view *, struct span text, struct buf *, struct err *);
/*
 * Whether a setting (of the catalogue, or a transport's own) is not honoured and has another value than its default: then *why says so and what to do
 * instead. For warnings.
 */
bool	conf_ineffective(const struct view *, struct span name, struct span value, struct buf *why);
/* How many processes of a kind there are by one of mtad_receive_workers and its like: 0 is one a core, 8 at most; never more than SEATS_COLUMNS. */
uint32_t conf_workers(const struct conf *, enum param);
/* Where the name is set in main.cf; 0: it is not. */
unsigned conf_line(const struct conf *, struct span name);

/* "10s", "5d", "3" (default unit given, e.g. 's') to microseconds. */
bool	conf_parse_time(struct span, char unit, int64_t *, struct err *);

#endif
