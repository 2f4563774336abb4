/*
 * One process that asks one table, a question after the other. It is a copy of the lookup role (with its rights and filter), made where a table is first asked;
 * so a server that does not answer, or a client library that crashes, concerns its own table only. Questions and answers go through a socket in short frames.
 */
#ifndef LOOKUP_WORKER_H
#define LOOKUP_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define WORKER_KEY_MAX	((size_t)60000)		/* fits a socket's buffer, so a question is written at once */
#define WORKER_VALUE_MAX ((size_t)1 << 20)

struct worker_ends {
	int	 fd;		/* non-blocking: questions out, answers in */
	int	 life;		/* closing it ends the process, whatever it does */
};

bool	worker_start(const char *spec, struct worker_ends *, struct err *);
bool	worker_ask(int fd, struct span key);	/* false: the process is gone */

enum worker_got { WORKER_WAITS, WORKER_ANSWERED, WORKER_GONE };
/* Reads on into *in, which starts empty. ANSWERED: status is a lookup_status, the value lives in *in. */
enum worker_got worker_read(int fd, struct buf *in, uint8_t *status, struct span *value);

#endif
