/* The file: read, committed, exchanged with the one before. */
#include "base/textfile_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"

#define ATTRIBUTE_MAX	65536
#define LOCK_TRIES	50
#define LOCK_WAIT	(20 * 1000)	/* microseconds */

/* -- names ---------------------------------------------------------------------------------- */

static char *
real_path(const char *path, struct err *err)
{
	char *real = realpath(path, NULL);

	if (real == NULL)
		err_sys(err, "cannot open %s", path);
	return real;
}

/* "DIR/.NAME" and what follows. */
static char *
beside(const char *path, const char *suffix)
{
	struct buf b = BUF_INIT(PATH_MAX * 2);
	struct span p = span_str(path);
	size_t slash = span_rfind(p, '/');

	buf_span(&b, span_head(p, slash + 1));
	buf_printf(&b, ".%s%s", path + slash + 1, suffix);
	return buf_take(&b);
}

static bool
sync_directory(const char *path, struct err *err)
{
	char *dir = span_dup(span_head(span_str(path), span_rfind(span_str(path), '/') + 1));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		err_sys(err, "%s is written, but its directory cannot be synced", path);
	if (fd >= 0)
		close(fd);
	free(dir);
	return ok;
}

/* -- reading -------------------------------------------------------------------------------- */

static bool
same_stamp(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
read_all(struct textfile *t, size_t max, struct err *err)
{
	struct stat after;
	ssize_t n = 0;

	if (fstat(t->fd, &t->stamp) != 0 || !S_ISREG(t->stamp.st_mode)) {
		err_set(err, ERR_PERM, "%s is not a plain file", t->path);
		return false;
	}
	if ((uint64_t)t->stamp.st_size > (uint64_t)max) {
		err_set(err, ERR_PERM, "%s is too large: over %zu MiB", t->path, max >> 20);
		return false;
	}
	/* One more than it should have: a file that grows meanwhile shows. */
	size_t size = (size_t)t->stamp.st_size + 1;
	char *room = buf_room(&t->text, size);
	while (t->text.len < size && (n = read(t->fd, room + t->text.len, size - t->text.len)) > 0)
		buf_added(&t->text, (size_t)n);
	if (n < 0)
		err_sys(err, "cannot read %s", t->path);
	else if (fstat(t->fd, &after) != 0 || !same_stamp(&after, &t->stamp) || t->text.len + 1 != size)
		err_set(err, ERR_TEMP, "%s changed while it was being read", t->path);
	else
		return true;
	return false;
}

struct textfile *
textfile_open(const char *path, size_t max, struct err *err)
{
	char *real = real_path(path, err);
	struct textfile *t;

	if (real == NULL)
		return NULL;
	MEM_NEW(t);
	t->path = real;
	t->text = BUF_INIT(max * 2 + 2);
	t->fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (t->fd < 0)
		err_sys(err, "cannot open %s", real);
	if (t->fd >= 0 && read_all(t, max, err))
		return t;
	textfile_free(t);
	return NULL;
}

void
textfile_free(struct textfile *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		close(t->fd);
	text_edits_clear(t);
	buf_clear(&t->text);
	free(t->path);
	free(t);
}

/* -- the new file, which is the lock as well ---------------------------------------------------- */

/* Left by one that was killed, or planted: nobody else may be able to write what becomes the file. */
static bool
is_ours(int fd, const char *path)
{
	struct stat st, named;

	return fstat(fd, &st) == 0 && lstat(path, &named) == 0 && S_ISREG(st.st_mode) && st.st_ino == named.st_ino &&
	    st.st_dev == named.st_dev && st.st_uid == geteuid() && st.st_nlink == 1 && (st.st_mode & 077) == 0;
}

/*
 * Opens the new file, locked. Its name is always the same, so that one who was killed leaves no more than one, and so that two cannot commit at once.
 */
static int
open_new(const char *path, struct err *err)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd < 0) {
			err_sys(err, "cannot make %s", path);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			close(fd);
			usleep(LOCK_WAIT);
			continue;
		}
		if (is_ours(fd, path) && ftruncate(fd, 0) == 0)
			return fd;
		/* Renamed meanwhile by who held it, or a leftover whose rights were changed already. */
		struct stat st, named;
		if (fstat(fd, &st) == 0 && lstat(path, &named) == 0 && st.st_ino == named.st_ino)
			unlink(path);
		close(fd);
	}
	err_set(err, ERR_TEMP, "somebody else is changing the same file (%s is locked)", path);
	return -1;
}

static bool
copy_attribute(int from, int to, const char *name)
{
	char value[ATTRIBUTE_MAX];
	ssize_t n = fgetxattr(from, name, value, sizeof value);

	return n < 0 || fsetxattr(to, name, value, (size_t)n, 0) == 0;
}

static bool
keep_rights(int from, const struct stat *st, int to, const char *path, struct err *err)
{
	if (st->st_uid != geteuid() || st->st_gid != getegid()) {
		if (fchown(to, st->st_uid, st->st_gid) != 0) {
			err_sys(err, "cannot keep the owner of %s", path);
			return false;
		}
	}
	if (fchmod(to, st->st_mode & 07777) != 0 || !copy_attribute(from, to, "system.posix_acl_access")) {
		err_sys(err, "cannot keep the rights of %s", path);
		return false;
	}
	(void)copy_attribute(from, to, "security.selinux");
	return true;
}

static bool
write_all(int fd, struct span text, const char *path, struct err *err)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err_sys(err, "cannot write %s", path);
			return false;
		}
		text = span_skip(text, (size_t)n);
	}
	if (fsync(fd) == 0)
		return true;
	err_sys(err, "cannot sync %s", path);
	return false;
}

/* The text as it was read, for file systems without hard links. */
static bool
copy_before(const struct textfile *t, const char *before, struct err *err)
{
	char bytes[65536];
	off_t at = 0;
	ssize_t n;
	int fd = open(before, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0;

	if (!ok)
		err_sys(err, "cannot make %s", before);
	while (ok && (n = pread(t->fd, bytes, sizeof bytes, at)) > 0) {
		ok = write_all(fd, span_of(bytes, (size_t)n), before, err);
		at += n;
	}
	ok = ok && keep_rights(t->fd, &t->stamp, fd, t->path, err);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
keep_before(struct textfile *t, struct err *err)
{
	char *before = beside(t->path, ".before");
	bool ok = true;

	if (unlink(before) != 0 && errno != ENOENT) {
		err_sys(err, "cannot replace %s", before);
		ok = false;
	} else if (!t->secret && linkat(AT_FDCWD, t->path, AT_FDCWD, before, 0) != 0) {
		ok = copy_before(t, before, err);
	}
	/* A link more has changed the stamp. */
	struct stat now;
	if (ok && stat(t->path, &now) == 0 && now.st_ino == t->stamp.st_ino && now.st_dev == t->stamp.st_dev &&
	    now.st_size == t->stamp.st_size)
		t->stamp = now;
	free(before);
	return ok;
}

static bool
is_unchanged(const struct textfile *t, struct err *err)
{
	struct stat now;

	if (stat(t->path, &now) == 0 && same_stamp(&now, &t->stamp))
		return true;
	err_set(err, ERR_TEMP, "%s was changed by somebody else meanwhile; nothing is written. Look at it and try again", t->path);
	return false;
}

static bool
replace(struct textfile *t, int fd, const char *new, struct err *err)
{
	if (!is_unchanged(t, err) || !write_all(fd, textfile_text(t), new, err) ||
	    !keep_rights(t->fd, &t->stamp, fd, t->path, err) || !is_unchanged(t, err) || !keep_before(t, err))
		return false;
	if (fsync(fd) != 0 || rename(new, t->path) != 0) {
		err_sys(err, "cannot put %s in the place of %s", new, t->path);
		return false;
	}
	return true;
}

/* Who looks after the file must see that nobody writes it any more. */
static int
only_to_read(int fd, const char *path)
{
	struct stat ours, now;
	int again = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

	if (again >= 0 && fstat(fd, &ours) == 0 && fstat(again, &now) == 0 && ours.st_ino == now.st_ino && ours.st_dev == now.st_dev) {
		close(fd);
		return again;
	}
	if (again >= 0)
		close(again);
	return fd;
}

void
textfile_keep_nothing(struct textfile *t)
{
	t->secret = true;
}

bool
textfile_commit(struct textfile *t, struct err *err)
{
	char *new;
	int fd;

	if (t->count == 0)
		return true;
	new = beside(t->path, ".new");
	fd = open_new(new, err);
	bool ok = fd >= 0 && replace(t, fd, new, err);
	if (!ok && fd >= 0) {
		unlink(new);
		close(fd);
	}
	free(new);
	if (!ok)
		return false;
	close(t->fd);
	flock(fd, LOCK_UN);
	t->fd = only_to_read(fd, t->path);
	(void)fstat(t->fd, &t->stamp);
	text_edits_clear(t);
	return sync_directory(t->path, err);
}

/* -- undo ----------------------------------------------------------------------------------------- */

static struct textfile *
open_before(const char *real, size_t max, struct err *err)
{
	char *before = beside(real, ".before");
	struct textfile *was = NULL;
	struct stat st;

	if (lstat(before, &st) != 0 || !S_ISREG(st.st_mode))
		err_set(err, ERR_PERM, "there is nothing to undo: no former text of %s is kept", real);
	else
		was = textfile_open(before, max, err);
	free(before);
	return was;
}

struct textfile *
textfile_before(const char *path, size_t max, struct err *err)
{
	struct textfile *t = textfile_open(path, max, err), *was;

	if (t == NULL)
		return NULL;
	was = open_before(t->path, max, err);
	if (was == NULL) {
		textfile_free(t);
		return NULL;
	}
	textfile_set(t, textfile_text(was));
	textfile_free(was);
	return t;
}

/* Both names at once; else one after the other, so that neither text is ever lost. */
static bool
exchange(const char *path, const char *before, const char *new, struct err *err)
{
	if (renameat2(AT_FDCWD, before, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
		return true;
	if ((errno == EINVAL || errno == ENOSYS) && unlink(new) == 0 && link(path, new) == 0 && rename(before, path) == 0 &&
	    rename(new, before) == 0)
		return true;
	err_sys(err, "cannot exchange %s and %s", path, before);
	return false;
}

bool
textfile_undo(const char *path, struct buf *diff, struct err *err)
{
	struct textfile *t = textfile_before(path, BUF_MAX, err);
	char *before, *new;
	bool ok = false;

	if (t == NULL)
		return false;
	before = beside(t->path, ".before");
	new = beside(t->path, ".new");
	int fd = open_new(new, err);
	if (fd >= 0 && is_unchanged(t, err) && exchange(t->path, before, new, err))
		ok = sync_directory(t->path, err);
	if (ok && diff != NULL)
		textfile_diff(t, diff);
	if (fd >= 0) {
		unlink(new);
		close(fd);
	}
	free(before);
	free(new);
	textfile_free(t);
	return ok;
}
