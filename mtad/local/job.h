/*
 * One delivery to one recipient, as the parent gives it to a child, and what the child says of it.
 */
#ifndef LOCAL_JOB_H
#define LOCAL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "conf/conf.h"
#include "mail/outcome.h"
#include "mail/queue_id.h"
#include "spool/loc.h"
#include "spool/message.h"

enum job_program { PROGRAM_LOCAL, PROGRAM_VIRTUAL, PROGRAM_PIPE };

struct job {
	const struct view *view;
	enum job_program program;
	const char	*transport;	/* the master.cf service */
	struct span	 nexthop;
	struct qid	 id;
	struct span	 recipient;	/* unquoted; of a pipe with several recipients, the first one */
	struct span	 original;	/* as it was given, unquoted, for X-Original-To:; empty: not known */
	struct span	 delivered;	/* for Delivered-To:; empty: none */
	struct span	 orcpt;
	uint8_t		 notify;
	struct span	 recipients;	/* packed: all that a pipe delivers to at once */
	struct span	 sender;	/* unquoted */
	const char	*hostname;
	int64_t		 now;		/* wall */
	int		 segment_fd;
	uint64_t	 nonce;
	struct loc	 loc;
	int		 spill_fd;	/* -1: none */
	bool		 probe;		/* there is no message: the report says whether one would be delivered */
	bool		 loops;		/* nothing is added that would tell a loop: none is looked for */
	int		 forwards_fd;	/* what is to become messages of their own (local/forward.h); 0: none */
	/* Of the files that are written to; job_run fills them in. */
	uint64_t	 size_limit;
	const char	*locks;
};

/* At most REPORT_MAX bytes packed, so that a pipe takes it whole. */
#define REPORT_MAX	2048
#define REPORT_TEXT	500


/* What a child leaves beside its report: one byte of these, the outcomes of what its recipient was expanded to, new messages. */
enum { NOTES_SAY_ALL = 1, NOTES_FORWARDED = 2 };
#define FORWARDED_TEXT	"forwarded as a new message"

struct report {
	uint8_t		 status;	/* enum outcome_status */
	uint8_t		 scope;		/* enum outcome_scope */
	char		 dsn[12];
	char		 text[REPORT_TEXT];
	char		 warning[400];	/* for the log; empty: none */
	bool		 filtered;	/* in the child: the site's filter was asked */
};

void	report_set(struct report *, enum outcome_status, enum outcome_scope, const char *dsn, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
/* What the site should know of; the first one stays. */
void	report_warn(struct report *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Of a probe: mail would be delivered so. */
void	report_probed(struct report *, const char *how, const char *where);
/* A failure of the file system: status and DSN by the errno; the text ends in ": ERROR". */
void	report_errno(struct report *, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	report_pack(struct buf *, const struct report *);
/* The bytes come from a process that was the recipient's: all is checked. */
bool	report_unpack(struct span, struct report *);

/*
 * The child's whole work; the outcome is in the report. Where the process is root, what the message holds is read only with the rights of whom it goes to.
 */
void	job_run(struct job *, struct report *);

/* -- between the files of a delivery -------------------------------------------------------------- */

/* Reads the message and looks whether it came by here before. With the rights of a recipient, never as root. */
bool	job_read(const struct job *, struct message *, struct report *);

void	local_deliver(struct job *, struct report *);
void	virtual_deliver(struct job *, struct report *);
void	pipe_deliver(struct job *, struct report *);

#endif
