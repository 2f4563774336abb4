/*
 * Rows made from the spool's files: the same as the daemon gives, as far as files know.
 */
#ifndef MTACTL_FILES_H
#define MTACTL_FILES_H

#include "ctl/selector.h"
#include "mtactl/session.h"
#include "spool/envelope.h"
#include "spool/index.h"
#include "spool/store.h"

struct queue_files {
	int		 dir;
	struct store	*store;
	struct index	 index;
};

/* The spool directory, and root's rights given up. 0 or an exit status, said. */
int	files_open_spool(struct session *, int *dir);

/* From now on files_run keeps what it loaded, for the next request; false ends that. */
void	files_keep(bool);

/* What a selector is asked about. */
struct file_row {
	struct queue_files *files;
	const struct entry *entry;
	int64_t		 now;
	struct buf	 scratch;
};
extern const struct selector_row_ops file_row_ops;

/* A message's row; with its envelope, all that is known of it. */
void	files_row(struct queue_files *, const struct entry *, const struct envelope *, struct buf *);
/* why: a row each recipient. */
void	files_why(struct session *, struct queue_files *, const struct entry *);

#endif
