/*
 * One delivery to one recipient, as the parent gives it to a child, and what the child says of it.
 */
#ifndef LOCAL_JOB_H
#define LOCAL_JOB_H

#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "conf/conf.h"
#include "mail/outcome.h"
#include "spool/loc.h"

struct job {
	const struct view *view;
	struct span	 recipient;	/* unquoted */
	struct span	 sender;	/* unquoted */
	const char	*hostname;
	int64_t		 now;		/* wall */
	int		 segment_fd;
	uint64_t	 nonce;
	struct loc	 loc;
	int		 spill_fd;	/* -1: none */
};

/* At most REPORT_MAX bytes packed, so that a pipe takes it whole. */
#define REPORT_MAX	2048
#define REPORT_TEXT	500

struct report {
	uint8_t		 status;	/* enum outcome_status */
	uint8_t		 scope;		/* enum outcome_scope */
	char		 dsn[12];
	char		 text[REPORT_TEXT];
};

void	report_set(struct report *, enum outcome_status, enum outcome_scope, const char *dsn, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
/* A failure of the file system: status and DSN by the errno; the text ends in ": ERROR". */
void	report_errno(struct report *, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	report_pack(struct buf *, const struct report *);
/* The bytes come from a process that was the recipient's: all is checked. */
bool	report_unpack(struct span, struct report *);

/*
 * The child's whole work; the outcome is in the report, or was written to report_fd by a process of its own (then false).
 * Where the process is root, it becomes the recipient on the way, for good.
 */
bool	job_run(const struct job *, int report_fd, struct report *);

/* The recipient's user, as the local part without extension names it; false with the report set. The strings are in `room`. */
bool	job_find_user(const struct job *, struct passwd *, char *room, size_t size, struct report *);

#endif
