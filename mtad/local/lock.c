#include "local/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

bool
lock_wanted(const char *locks, const char *kind)
{
	struct span list = span_str(locks), word;
	while (span_word(&list, "\t\r\n ,", &word))
		if (span_eqs(word, kind))
			return true;
	return false;
}

static void
pause_for(int64_t usec)
{
	struct timespec ts = { .tv_sec = (time_t)(usec / SECOND), .tv_nsec = (long)(usec % SECOND) * 1000 };
	nanosleep(&ts, NULL);
}

static bool
make_lock(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A lock that nobody touched for stale_lock_time is a dead program's. */
static void
remove_stale(const char *path, int64_t stale)
{
	struct stat st;
	if (lstat(path, &st) == 0 && (int64_t)st.st_ctime * SECOND + stale < (int64_t)time(NULL) * SECOND)
		unlink(path);
}

bool
lock_dot(const struct view *v, const char *path)
{
	int64_t attempts = conf_int(v, P_deliver_lock_attempts), delay = conf_time(v, P_deliver_lock_delay);
	for (int64_t i = 0; i < attempts || i == 0; i++) {
		if (i > 0)
			pause_for(delay);
		if (make_lock(path))
			return true;
		if (errno != EEXIST)
			return false;
		remove_stale(path, conf_time(v, P_stale_lock_time));
	}
	errno = EAGAIN;
	return false;
}

static bool
try_locks(int fd, bool want_fcntl, bool want_flock)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (want_fcntl && fcntl(fd, F_SETLK, &fl) != 0)
		return false;
	return !want_flock || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

bool
lock_file(const struct view *v, const char *locks, int fd)
{
	bool want_fcntl = lock_wanted(locks, "fcntl"), want_flock = lock_wanted(locks, "flock");
	int64_t attempts = conf_int(v, P_deliver_lock_attempts), delay = conf_time(v, P_deliver_lock_delay);
	for (int64_t i = 0; i < attempts || i == 0; i++) {
		if (i > 0)
			pause_for(delay);
		if (try_locks(fd, want_fcntl, want_flock))
			return true;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return false;
	}
	errno = EAGAIN;
	return false;
}
