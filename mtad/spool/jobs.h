/*
 * A helper thread for calls that block: jobs run one after the other in the thread, then `done` in the loop, in
 * the order in which they were posted.
 */
#ifndef SPOOL_JOBS_H
#define SPOOL_JOBS_H

#include <stdbool.h>
#include <stddef.h>

struct jobs;

/* Embed it; it stays the caller's, untouched by him from jobs_post to done. */
struct job {
	void		(*run)(struct job *);	/* in the thread */
	void		(*done)(struct job *);	/* in the loop; may free the job; may be NULL */
	struct job	*next;
};

struct jobs *jobs_new(const char *name);
void	jobs_post(struct jobs *, struct job *);
size_t	jobs_waiting(const struct jobs *);	/* posted, and not done */
/* Runs what is posted to its end and calls done, then ends the thread. NULL is fine. */
void	jobs_free(struct jobs *);

#endif
