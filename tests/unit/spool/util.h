/*
 * For the tests of the spool layer: directories, segments in memory, messages that can be told apart.
 */
#ifndef TEST_SPOOL_UTIL_H
#define TEST_SPOOL_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "spool/message.h"

/* A new directory under /dev/shm or /tmp, opened; util_rmdir removes it with everything in it. */
int	util_mkdir(char path[64]);
void	util_rmdir(int fd, const char *path);

/* Runs the loop until loop_stop; fails the test after 60 s. */
void	util_spin(void);

/* Message number n: its envelope, header and body follow from n alone. spill: the body is `length` bytes in that file. */
void	util_message(uint64_t n, uint64_t spill, struct envelope *, struct buf *strings, struct buf *header, struct buf *body);
/* Whether a message read back is the one that util_message makes for its number; *body_file gets what a spill file must hold. */
bool	util_message_ok(const struct message *, struct buf *body_file);

/* A segment in memory, written by the batch code; grows as batches are added. */
struct image {
	unsigned char	*bytes;
	size_t		 size;
	uint64_t	 nonce, at, sequence;
};
void	image_new(struct image *, size_t size, uint64_t nonce);
void	image_free(struct image *);
/* One batch of records with these payloads; offsets (may be NULL) gets where each stands. */
void	image_batch(struct image *, const struct span *, size_t n, uint64_t *offsets);

#endif
