#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/content.h"
#include "local/lock.h"
#include "local/mailbox.h"
#include "mail/address.h"
#include "mail/date.h"

/* What failed, and at what: as local(8) and virtual(8) begin such texts. */
static void
context(const struct mbox *b, char *out, size_t size)
{
	if (b->user != NULL)
		snprintf(out, size, "cannot update mailbox %.150s for user %.60s. ", b->path, b->user);
	else if (b->aliased)
		snprintf(out, size, "cannot append message to file %.250s: ", b->path);
	else
		snprintf(out, size, "delivery failed to mailbox %.250s: ", b->path);
}

static void
tell(const struct mbox *b, struct report *r, int error, const char *what)
{
	char where[300];

	context(b, where, sizeof where);
	report_errno(r, error, "%s%s", where, what);
	if (b->aliased && strcmp(r->dsn, "4.2.0") == 0 && error != EAGAIN) {	/* waiting would not mend what an alias says */
		r->status = OUTCOME_BOUNCED;
		r->dsn[0] = '5';
	}
}

static bool
fail(struct mbox *b, struct report *r, int error, const char *what)
{
	tell(b, r, error, what);
	mbox_close(b);
	return false;
}

static bool
refuse(struct mbox *b, struct report *r, const char *why)
{
	char where[300];

	context(b, where, sizeof where);
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.2.0", "%s%s%.150s %s", where, b->user != NULL ? "destination " : "",
	    b->user != NULL ? b->path : "file", why);
	mbox_close(b);
	return false;
}

/* As an alias's file that will never do. */
static bool
refuse_file(struct mbox *b, struct report *r, const char *dsn, const char *why)
{
	char where[300];

	context(b, where, sizeof where);
	report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, dsn, "%s%s", where, why);
	mbox_close(b);
	return false;
}

static bool
begin(struct mbox *b, const char *path, const char *user, struct report *r)
{
	*b = (struct mbox){ .path = path, .user = user, .fd = -1 };
	int n = snprintf(b->lock, sizeof b->lock, "%s.lock", path);
	return (n >= 0 && (size_t)n < sizeof b->lock) || fail(b, r, ENAMETOOLONG, "cannot open file");
}

/* Made with O_EXCL, so that only a file that is ours to give gets a new owner. */
static bool
open_or_make(struct mbox *b, uid_t owner, gid_t group, struct report *r)
{
	int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	b->fd = open(b->path, flags | O_CREAT | O_EXCL, 0600);
	if (b->fd >= 0 && geteuid() == 0 && fchown(b->fd, owner, group) != 0)
		return fail(b, r, errno, "cannot change the owner");
	if (b->fd >= 0)
		return true;
	if (errno != EEXIST)
		return fail(b, r, errno, "cannot create file exclusively");
	b->fd = open(b->path, flags);
	if (b->fd < 0 && errno == EACCES)	/* it may be one to write to only */
		b->fd = open(b->path, (flags & ~O_RDWR) | O_WRONLY);
	if (b->fd < 0 && errno == ELOOP)
		return refuse(b, r, "is a symbolic link");
	return b->fd >= 0 || fail(b, r, errno, "cannot open file");
}

bool
mbox_open(struct mbox *b, const struct job *job, const char *path, const char *user, uid_t owner, gid_t group,
    bool check, struct report *r)
{
	struct stat st;

	if (!begin(b, path, user, r))
		return false;
	if (lock_wanted(job->locks, "dotlock")) {
		char what[300];
		snprintf(what, sizeof what, "unable to create lock file %.250s", b->lock);
		if (!lock_dot(job->view, b->lock))
			return fail(b, r, errno, errno == EAGAIN ? "unable to lock for exclusive access" : what);
		b->dotlock = true;
	}
	if (!open_or_make(b, owner, group, r))
		return false;
	if (fstat(b->fd, &st) != 0)
		return fail(b, r, errno, "cannot stat file");
	if (!S_ISREG(st.st_mode))
		return refuse(b, r, "is not a regular file");
	if (st.st_nlink != 1)
		return refuse(b, r, "has more than one hard link");
	if (check && st.st_uid != owner)
		return refuse(b, r, "is not owned by recipient");
	if (!lock_file(job->view, job->locks, b->fd))
		return fail(b, r, errno, "unable to lock for exclusive access");
	return true;
}

bool
mbox_open_file(struct mbox *b, const struct job *job, const char *path, struct report *r)
{
	struct stat st;

	if (!begin(b, path, NULL, r))
		return false;
	b->aliased = true;
	b->special = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	if (!b->special && lock_wanted(job->locks, "dotlock")) {
		b->dotlock = lock_dot(job->view, b->lock);
		if (!b->dotlock && errno == EAGAIN)
			return fail(b, r, errno, "unable to lock for exclusive access");
	}
	if (!open_or_make(b, geteuid(), getegid(), r))
		return false;
	if (fstat(b->fd, &st) != 0)
		return fail(b, r, errno, "cannot stat file");
	b->special = !S_ISREG(st.st_mode);
	if (!b->special && (st.st_mode & 0111) != 0)
		return refuse_file(b, r, "5.7.1", "file is executable");
	if (!b->special && st.st_nlink != 1)
		return refuse_file(b, r, "5.2.0", "file has more than one hard link");
	if (!b->special && !lock_file(job->view, job->locks, b->fd))
		return fail(b, r, errno, "unable to lock for exclusive access");
	return true;
}

static void
put_from_line(struct file_writer *w, const struct job *job)
{
	struct buf line = BUF_INIT(4 * ADDRESS_MAX);
	char date[DATE_TEXT];
	date_mbox(job->now, date);
	buf_str(&line, "From ");
	if (job->sender.len > 0)
		address_quote(&line, job->sender);
	else
		buf_str(&line, "MAILER-DAEMON");
	buf_printf(&line, "  %s\n", date);
	file_writer_raw(w, buf_view(&line));
	buf_clear(&line);
}

bool
mbox_append(struct mbox *b, const struct job *job, const struct message *m, struct report *r)
{
	struct file_writer w;
	off_t start = b->special ? 0 : lseek(b->fd, 0, SEEK_END);
	if (start < 0) {
		tell(b, r, errno, "seek");
		return false;
	}
	file_writer_init(&w, b->fd, (uint64_t)start, job->size_limit);
	put_from_line(&w, job);
	w.quote = true;
	content_put(&w, job, m);
	file_writer_end(&w);
	file_writer_raw(&w, SPAN("\n"));	/* the empty line between messages */
	bool ok = file_writer_end(&w);
	if (ok && !b->special && fsync(b->fd) != 0) {
		ok = false;
		w.error = errno;
	}
	if (!ok) {
		/* Half a message would run into the next one. */
		if (!b->special && ftruncate(b->fd, start) == 0)
			(void)!fsync(b->fd);
		tell(b, r, w.error, "error writing message");
	} else {
		report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "delivered to mailbox");
	}
	file_writer_clear(&w);
	return ok;
}

void
mbox_close(struct mbox *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	if (b->dotlock)
		unlink(b->lock);
	b->dotlock = false;
}
