/* In a file of its own, so that programs that are no role need nothing of base/role.h. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/role.h"
#include "net/tls_given.h"

static bool
read_given(void *arg, const char *path, bool directory, struct buf *out, struct err *err)
{
	struct buf key = BUF_INIT(8192);
	char piece[16384];
	ssize_t n;

	(void)arg;
	(void)directory;
	buf_printf(&key, "tls:%s", path);
	int fd = key.over ? -1 : role_fd(key.ptr);
	buf_clear(&key);
	if (fd < 0) {
		err_set(err, ERR_SYS, "cannot open %s", path);
		return false;
	}
	for (off_t at = 0; (n = pread(fd, piece, sizeof piece, at)) > 0 && out->len <= TLS_FILE_MAX; at += n)
		buf_put(out, piece, (size_t)n);
	return n == 0;
}

void
tls_files_use_descriptors(void)
{
	tls_files_use(read_given, NULL);
}
