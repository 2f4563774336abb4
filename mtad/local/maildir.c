#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "local/content.h"
#include "local/mailbox.h"

#define PATH_ROOM	1100
#define CONTEXT		"maildir delivery failed"

/* The host in file names, with nothing that is special in a path. */
static void
host_part(const char *hostname, char out[128])
{
	size_t i = 0;
	for (; hostname[i] != '\0' && i < 127; i++)
		out[i] = hostname[i] == '/' || hostname[i] == ':' ? '_' : hostname[i];
	out[i] = '\0';
}

/* With those above it; errno where it cannot be. */
static bool
make_dir(const char *dir, const char *sub)
{
	char path[PATH_ROOM];
	size_t n = strlen(dir);

	snprintf(path, sizeof path, "%s%s", dir, sub);
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	for (size_t at = 1; errno == ENOENT && at < n; at++) {
		if (path[at] != '/')
			continue;
		path[at] = '\0';
		bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
		path[at] = '/';
		if (!made)
			return false;
		errno = ENOENT;
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool
make_dirs(const char *dir)
{
	return make_dir(dir, "") && make_dir(dir, "tmp") && make_dir(dir, "new") && make_dir(dir, "cur");
}

/* The new name of a file must be on the disk before the message is said to be delivered. */
static bool
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

static bool
write_file(int fd, const struct job *job, const struct message *m, struct report *r)
{
	struct file_writer w;
	file_writer_init(&w, fd, 0, job->size_limit);
	content_put(&w, job, m);
	bool ok = file_writer_end(&w);
	if (ok && fsync(fd) != 0) {
		ok = false;
		w.error = errno;
	}
	if (!ok)
		report_errno(r, w.error, CONTEXT ": error writing message");
	file_writer_clear(&w);
	return ok;
}

static bool
move_to_new(int fd, const struct job *job, const char *dir, const char *host, const char *from, struct report *r)
{
	char to[PATH_ROOM + 256], parent[PATH_ROOM];
	struct stat st;
	snprintf(parent, sizeof parent, "%snew", dir);
	if (fstat(fd, &st) != 0) {
		report_errno(r, errno, CONTEXT ": stat %s", from);
		return false;
	}
	/* Device and inode make the name unique as long as the file is there; the time, afterwards. */
	snprintf(to, sizeof to, "%s/%" PRId64 ".V%jxI%jxM%" PRId64 ".%s", parent, job->now / SECOND, (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino, job->now % SECOND, host);
	if (rename(from, to) == 0 && sync_dir(parent))
		return true;
	report_errno(r, errno, CONTEXT ": create maildir file %s", to);
	return false;
}

bool
maildir_deliver(const struct job *job, const struct message *m, const char *dir, struct report *r)
{
	char path[PATH_ROOM], host[128];
	host_part(job->hostname, host);
	int n = snprintf(path, sizeof path, "%stmp/%" PRId64 ".M%06" PRId64 "P%ld.%s", dir, job->now / SECOND,
	    job->now % SECOND, (long)getpid(), host);
	if (n < 0 || (size_t)n > sizeof path - 80) {
		report_errno(r, ENAMETOOLONG, CONTEXT ": %s", dir);
		return false;
	}
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags, 0600);
	if (fd < 0 && errno == ENOENT && make_dirs(dir))
		fd = open(path, flags, 0600);
	if (fd < 0) {
		report_errno(r, errno, CONTEXT ": create maildir file %s", path);
		return false;
	}
	bool ok = write_file(fd, job, m, r) && move_to_new(fd, job, dir, host, path, r);
	close(fd);
	if (!ok)
		unlink(path);
	else
		report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "delivered to maildir");
	return ok;
}
