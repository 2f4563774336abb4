/*
 * The log, in Postfix's form. A line is "DATE HOST NAME/PROGRAM[PID]: text" to a
 * file or stderr, or a datagram to the system log. Lines are gathered and
 * written by log_flush (the loop calls it before it sleeps, or when 64 KiB are waiting); panic and fatal flush first.
 * Control bytes, bytes that are no UTF-8, and characters that must not reach a terminal (base/utf8.h) are written as "?".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_PANIC };

enum log_sink {
	LOG_SINK_STDERR,	/* short form "NAME/PROGRAM[PID]: text" where stderr is a terminal, else as a file */
	LOG_SINK_FILE,		/* an append-only descriptor */
	LOG_SINK_SYSLOG,	/* a connected datagram socket to /dev/log */
};

/* Before the first call, lines go to stderr. The descriptor stays the caller's and must outlive its use. */
void	log_open(enum log_sink, int fd, const char *hostname, const char *syslog_name);
/* What stands behind "NAME/" where a caller gives no program (NULL): the role's Postfix name, e.g. "smtpd". */
void	log_program(const char *);

/*
 * `program`: Postfix's program name for this line ("qmgr", "cleanup"), or NULL for the default. One with a slash is the whole tag ("mtad/submission/smtpd"), of
 * a service with a syslog_name of its own; watchers see what follows its last slash.
 */
void	log_info(const char *program, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	log_warning(const char *program, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	log_error(const char *program, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	log_line(enum log_level, const char *program, const char *fmt, va_list);
void	log_flush(void);

/* Sees every line (without date and host) as it is made: the control role's subscribers. NULL ends it. */
extern void (*log_watch)(enum log_level, const char *program, const char *text);

#endif
