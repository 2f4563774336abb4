/*
 * Postfix's command names: what they share. Each says what Postfix says, on the same stream, with the same exit status; what is not in
 * this version ends with 69.
 */
#ifndef MTACTL_POSTFIX_H
#define MTACTL_POSTFIX_H

#include "mtactl/present.h"
#include "mtactl/session.h"

#define POSTFIX_FATAL	1	/* the exit status of Postfix's fatal errors */
#define POSTFIX_NOT_YET	69
#define POSTFIX_DOWN	69

struct postfix {
	struct session	 session;
	const char	*name;
	/* Of the answer that is being read. */
	void		(*row)(struct postfix *, struct span row);
	void		*arg;
};

int	newaliases_main(struct postfix *, int argc, char **argv);
int	postcat_main(struct postfix *, int argc, char **argv);
int	postconf_main(struct postfix *, int argc, char **argv);
int	postfix_control_main(struct postfix *, int argc, char **argv);
int	postmap_main(struct postfix *, int argc, char **argv);
int	postmulti_main(struct postfix *, int argc, char **argv);
int	postqueue_main(struct postfix *, int argc, char **argv);
int	postsuper_main(struct postfix *, int argc, char **argv);

/* "NAME: fatal: TEXT", "NAME: warning: TEXT" on stderr. postfix_fatal returns POSTFIX_FATAL. */
int	postfix_fatal(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	postfix_warn(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says that this is not in this version; returns POSTFIX_NOT_YET. */
int	postfix_not_yet(const char *name, const char *what);
bool	postfix_is_queue_id(struct span);

/*
 * Asks the daemon, or where it is down and the command can read the files, those. `words` is the command and its arguments. Each row goes
 * to p->row (NULL: to nobody); what is wrong goes into *error, unsaid. POSTFIX_DOWN with nothing in *error: mtad is not running.
 */
int	postfix_ask(struct postfix *, const struct span *words, size_t n, struct buf *error);
/* One that changes nothing, as mtactl shows it. */
int	postfix_show(struct postfix *, const char *command, const struct presenter *);

#endif
