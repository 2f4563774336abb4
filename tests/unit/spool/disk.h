/*
 * A layer between the spool and the kernel that writes down what was done to the disk, and can say what a power loss at some
 * moment may have left: whatever was synced, and any part of the rest, torn at sectors of 512 bytes; names (made, renamed, removed) only
 * for certain once their directory was synced.
 */
#ifndef TEST_SPOOL_DISK_H
#define TEST_SPOOL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

/* Everything below `dir` is recorded from now on: fileops points here until disk_stop. */
struct disk *disk_start(int dir);
void	disk_stop(struct disk *);
void	disk_free(struct disk *);

/* A note of the test between the operations, with its number. */
void	disk_mark(struct disk *, int kind, uint64_t value);

/* Operations and marks so far. Cut n keeps the first n. */
size_t	disk_ops(const struct disk *);
/* Calls for the marks before the cut, in order. */
void	disk_marks(const struct disk *, size_t cut, void (*fn)(void *arg, int kind, uint64_t value), void *arg);

/* How much of what was not synced is there after the cut. */
enum disk_rest { DISK_NOTHING, DISK_EVERYTHING, DISK_SOME };
/* Makes the files of such a disk in `dir`, which is empty. seed: of DISK_SOME. */
void	disk_replay(const struct disk *, size_t cut, enum disk_rest, uint64_t seed, int dir);

#endif
