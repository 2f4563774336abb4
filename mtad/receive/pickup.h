/*
 * Files of maildrop/, which a local program left while no receive role answered: docs/architecture.md, "A maildrop file". The master
 * opens them and says whose they are; what they hold is not trusted.
 */
#ifndef RECEIVE_PICKUP_H
#define RECEIVE_PICKUP_H

#include "base/err.h"
#include "base/ipc.h"
#include "base/span.h"
#include "mail/dsn.h"

struct receive;

/* Takes the descriptor. */
void	pickup_file(struct receive *, const struct ipc_pickup *, int fd);

/* The lines before the content. Spans point into the text. */
struct pickup_head {
	size_t		 length;	/* with the empty line */
	struct span	 from;		/* a path: "<a@b>" */
	bool		 has_from;
	unsigned	 recipients;	/* "to" lines */
	uint8_t		 notify;
	enum dsn_ret	 ret;
	struct span	 envid;		/* xtext */
	bool		 is_8bit;
	struct span	 verp;		/* two delimiters; empty: none */
};
/* False with the err where the text is no maildrop file, or its head is not whole. */
bool	pickup_parse(struct span text, struct pickup_head *, struct err *);
/* The next recipient's path: start with *at = 0. */
bool	pickup_recipient(struct span text, const struct pickup_head *, size_t *at, struct span *path);

#endif
