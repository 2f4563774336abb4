/*
 * The descriptors of a generation: what each role is given, by key. What makes two of them the same thing is
 * their identity (an address; a file's device, inode and change time), so that a reload sends only what changed.
 */
#ifndef MASTER_DESCS_H
#define MASTER_DESCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipc.h"
#include "base/span.h"

struct stat;

#define EVERY_SLOT	UINT32_MAX

struct desc {
	char		*key;
	char		*identity;
	enum role	 role;		/* ROLE_COUNT: every role */
	uint32_t	 slot;
	int		 fd;
};

struct descs {
	struct desc	*items;
	size_t		 count;
};

/* Takes the fd. */
void	descs_add(struct descs *, enum role, uint32_t slot, const char *key, const char *identity, int fd);
/* Opens the file to read and adds it; one that cannot be opened is left out (false, errno). */
bool	descs_add_file(struct descs *, enum role, const char *key, const char *path);
/* A descriptor of bytes that nobody can change; -1: none. */
int	descs_sealed(const char *name, struct span bytes);
/* What descs_add_file gives a file as identity. */
void	desc_identity(const struct stat *, char *out, size_t size);
/* A duplicate of the descriptor with this identity, or -1. */
int	descs_same(const struct descs *, enum role, uint32_t slot, const char *identity);
/* Whether both have the same thing by this key, or neither any. */
bool	descs_alike(const struct descs *, const struct descs *, enum role, const char *key);
void	descs_clear(struct descs *);	/* closes all */

/* Sends a role what `now` has for it and `before` (may be NULL) had not, and what is there no more. */
void	descs_send(const struct descs *now, const struct descs *before, struct ipc *, enum role, uint32_t slot,
	    uint32_t generation);

#endif
