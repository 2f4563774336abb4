/*
 * The system calls by which the spool changes files. Tests put a layer of their own here, which
 * records or fails them; everything else uses the default, which is the kernel.
 * Calls come from helper threads too. They return as the system calls do, with errno.
 */
#ifndef SPOOL_FILEOPS_H
#define SPOOL_FILEOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fileops {
	int	(*openat)(int dir, const char *name, int flags, mode_t mode);
	int	(*close)(int fd);
	ssize_t	(*pwrite)(int fd, const void *, size_t, off_t);
	int	(*fdatasync)(int fd);		/* a file's bytes and size */
	int	(*fsync)(int fd);		/* everything; of a directory, its names */
	int	(*renameat)(int dir, const char *from, const char *to);
	int	(*unlinkat)(int dir, const char *name);
	int	(*mkdirat)(int dir, const char *name, mode_t mode);
	int	(*fallocate)(int fd, off_t size);	/* reserves room from 0 on; an errno, not -1 */
};

extern const struct fileops fileops_kernel;
extern const struct fileops *fileops;

/* pwrite until all is written; false with errno. */
bool	fileops_write_all(int fd, const void *, size_t, off_t);

#endif
