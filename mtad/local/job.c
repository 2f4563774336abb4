#include "local/job.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local/mailbox.h"
#include "mail/address.h"
#include "mail/header.h"

#define USER_MAX	256
#define PATH_ROOM	1024

/* Where the message goes. */
struct target {
	char	path[PATH_ROOM];
	bool	maildir;
	bool	in_spool;	/* in mail_spool_directory, which is not the user's own */
	bool	shared;		/* and anybody may write to that */
};

bool
job_find_user(const struct job *job, struct passwd *pw, char *room, size_t size, struct report *r)
{
	char name[USER_MAX];
	struct span user, ext;
	struct passwd *found = NULL;
	address_extension(address_local(job->recipient), conf_str(job->view, P_recipient_delimiter), &user, &ext);
	size_t len = user.len < sizeof name ? user.len : sizeof name - 1;
	for (size_t i = 0; i < len; i++)
		name[i] = user.ptr[i] >= 'A' && user.ptr[i] <= 'Z' ? (char)(user.ptr[i] + ('a' - 'A')) : user.ptr[i];
	name[len] = '\0';
	/* The name becomes part of a path. */
	bool usable = len == user.len && len > 0 && name[0] != '.' && name[0] != '-' && strlen(name) == len &&
	    strchr(name, '/') == NULL;
	int error = usable ? getpwnam_r(name, pw, room, size, &found) : 0;
	if (found != NULL)
		return true;
	if (error == 0 || error == ENOENT || error == ESRCH)
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.1.1", "unknown user: \"%s\"", name);
	else
		report_errno(r, error, "cannot look up user %s", name);
	return false;
}

static bool
find_target(const struct job *job, const struct passwd *pw, struct target *t, struct report *r)
{
	struct stat st;
	const char *home_mailbox = conf_str(job->view, P_home_mailbox);
	const char *spool = conf_str(job->view, P_mail_spool_directory);
	*t = (struct target){ .in_spool = *home_mailbox == '\0' };
	if (conf_bool(job->view, P_require_home_directory) && stat(pw->pw_dir, &st) != 0) {
		report_errno(r, errno, "cannot access home directory %s", pw->pw_dir);
		return false;
	}
	const char *dir = t->in_spool ? spool : pw->pw_dir, *last = t->in_spool ? pw->pw_name : home_mailbox;
	size_t dir_len = strlen(dir), last_len = strlen(last);
	t->maildir = t->in_spool ? dir_len > 0 && dir[dir_len - 1] == '/' : last[last_len - 1] == '/';
	while (dir_len > 1 && dir[dir_len - 1] == '/')
		dir_len--;
	int n = snprintf(t->path, sizeof t->path, "%.*s/%s%s", (int)dir_len, dir, last, t->in_spool && t->maildir ? "/" : "");
	if (n < 0 || (size_t)n >= sizeof t->path) {
		report_errno(r, ENAMETOOLONG, "mailbox of user %s", pw->pw_name);
		return false;
	}
	t->shared = t->in_spool && stat(spool, &st) == 0 && (st.st_mode & S_IWOTH) != 0;
	return true;
}

/* For good, and checked: what follows reads what strangers wrote. */
static bool
become(const struct passwd *pw, struct report *r)
{
	if (geteuid() != 0)
		return true;
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0 || (pw->pw_uid != 0 && setuid(0) == 0)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "cannot become user %s", pw->pw_name);
		return false;
	}
	return true;
}

static bool
read_message(const struct job *job, struct message *m, struct report *r)
{
	struct err err;
	if (!message_read(job->segment_fd, job->nonce, job->loc, m, &err)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "cannot read the message: %s", err.text);
		return false;
	}
	if (m->spill_length > 0 && job->spill_fd < 0) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "cannot read the message: its body is missing");
		return false;
	}
	if (header_delivered_to(m->header, job->recipient)) {
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "mail forwarding loop for %.*s",
		    SPAN_ARG(span_head(job->recipient, REPORT_TEXT / 2)));
		return false;
	}
	return true;
}

/* As the recipient. `open`: an mbox that is open and locked already, or NULL. */
static void
deliver(const struct job *job, const struct passwd *pw, const struct target *t, struct mbox *open, struct report *r)
{
	struct message m = { 0 };
	struct mbox own = { .fd = -1 };
	if (!read_message(job, &m, r)) {
		message_clear(&m);
		return;
	}
	if (t->maildir) {
		/* Whole or not at all, so that dying with the parent, which alone can report it, leaves nothing half done. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		maildir_deliver(job, &m, t->path, r);
	} else if (open != NULL) {
		mbox_append(open, job, &m, r);
	} else if (mbox_open(&own, job->view, t->path, pw->pw_name, geteuid(), getegid(),
	    conf_bool(job->view, P_strict_mailbox_ownership), r)) {
		mbox_append(&own, job, &m, r);
		mbox_close(&own);
	}
	message_clear(&m);
}

static void
send_report(int fd, const struct report *r)
{
	struct buf b = BUF_INIT(REPORT_MAX);
	report_pack(&b, r);
	(void)!write(fd, b.ptr, b.len);
}

/*
 * The usual mbox: its directory is root's (or the group mail's), so that making the file and its lock, and removing the lock, needs rights which the
 * one who parses the message must not have. This process keeps the lock, another one becomes the recipient and writes.
 */
static bool
deliver_guarded(const struct job *job, const struct passwd *pw, const struct target *t, int report_fd, struct report *r)
{
	struct mbox box;
	if (!mbox_open(&box, job->view, t->path, pw->pw_name, pw->pw_uid, pw->pw_gid,
	    conf_bool(job->view, P_strict_mailbox_ownership), r))
		return true;
	pid_t pid = fork();
	if (pid == 0) {
		if (become(pw, r))
			deliver(job, pw, t, &box, r);
		send_report(report_fd, r);
		_exit(0);
	}
	if (pid < 0)
		report_errno(r, errno, "cannot start a process for user %s", pw->pw_name);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	mbox_close(&box);
	return pid < 0;
}

/* A Maildir in a directory where only root may make one is made for the user. */
static bool
make_spool_maildir(const struct passwd *pw, const struct target *t, struct report *r)
{
	struct stat st;
	if (lstat(t->path, &st) == 0)
		return true;
	if (mkdir(t->path, 0700) != 0 && errno != EEXIST) {
		report_errno(r, errno, "maildir delivery failed: create maildir %s", t->path);
		return false;
	}
	int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool ok = fd >= 0 && fchown(fd, pw->pw_uid, pw->pw_gid) == 0;
	if (!ok)
		report_errno(r, errno, "maildir delivery failed: create maildir %s", t->path);
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
job_run(const struct job *job, int report_fd, struct report *r)
{
	struct passwd pw;
	struct target t;
	char room[16384];
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery did not end");
	if (!job_find_user(job, &pw, room, sizeof room, r) || !find_target(job, &pw, &t, r))
		return true;
	bool root = geteuid() == 0;
	if (root && t.in_spool && !t.shared && !t.maildir)
		return deliver_guarded(job, &pw, &t, report_fd, r);
	if (root && t.in_spool && !t.shared && !make_spool_maildir(&pw, &t, r))
		return true;
	if (become(&pw, r))
		deliver(job, &pw, &t, NULL, r);
	return true;
}
