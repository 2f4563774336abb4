#include "spool/fileops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int
kernel_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static int
kernel_renameat(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to);
}

static int
kernel_unlinkat(int dir, const char *name)
{
	return unlinkat(dir, name, 0);
}

static int
kernel_fallocate(int fd, off_t size)
{
	return posix_fallocate(fd, 0, size);
}

const struct fileops fileops_kernel = {
	.openat = kernel_openat,
	.close = close,
	.pwrite = pwrite,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.renameat = kernel_renameat,
	.unlinkat = kernel_unlinkat,
	.mkdirat = mkdirat,
	.fallocate = kernel_fallocate,
};

const struct fileops *fileops = &fileops_kernel;

bool
fileops_write_all(int fd, const void *data, size_t n, off_t at)
{
	const char *p = data;

	while (n > 0) {
		ssize_t did = fileops->pwrite(fd, p, n, at);
		if (did < 0 && errno == EINTR)
			continue;
		if (did == 0)
			errno = ENOSPC;
		if (did <= 0)
			return false;
		p += did;
		at += did;
		n -= (size_t)did;
	}
	return true;
}
