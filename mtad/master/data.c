#include "master/data.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who may write there could give the state role what he likes; and root gives away nothing but what it has just made. */
static bool
check(const struct instance *in, int fd, bool made, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (made && in->privileged && fchown(fd, in->mail.uid, in->mail.gid) < 0) || fstat(fd, &st) < 0) {
		err_sys(err, "data_directory %s", path);
		return false;
	}
	if (st.st_uid != in->mail.uid) {
		err_set(err, ERR_SYS, "data_directory %s is owned by uid %u, must be uid %u (chown %u %s)", path, (unsigned)st.st_uid,
		    (unsigned)in->mail.uid, (unsigned)in->mail.uid, path);
		return false;
	}
	if ((st.st_mode & 022) != 0) {
		err_set(err, ERR_SYS, "data_directory %s may be written to by others (chmod go-w %s)", path, path);
		return false;
	}
	return true;
}

int
data_open(const struct instance *in, const char *path, struct err *err)
{
	if (path[0] != '/') {
		err_set(err, ERR_SYS, "data_directory = %s: must be an absolute path", path);
		return -1;
	}
	bool made = mkdir(path, 0700) == 0;
	if (!made && errno != EEXIST) {
		err_sys(err, "cannot make data_directory %s", path);
		return -1;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (made ? O_NOFOLLOW : 0));
	if (fd < 0) {
		err_sys(err, "data_directory %s", path);
		return -1;
	}
	if (check(in, fd, made, path, err))
		return fd;
	(void)close(fd);
	return -1;
}
