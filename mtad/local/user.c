#include "local/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "local/actor.h"
#include "local/mailbox.h"

#define USER_MAX	256
#define PATH_ROOM	1024

/* Where the message goes. */
struct target {
	char	path[PATH_ROOM];
	bool	maildir;
	bool	in_spool;	/* in mail_spool_directory, which is not the user's own */
	bool	shared;		/* and anybody may write to that */
};

enum user_result
user_find(struct span local, struct passwd *pw, char *room, size_t size, struct report *r)
{
	char name[USER_MAX];
	struct passwd *found = NULL;
	size_t len = local.len < sizeof name ? local.len : sizeof name - 1;
	for (size_t i = 0; i < len; i++)
		name[i] = local.ptr[i] >= 'A' && local.ptr[i] <= 'Z' ? (char)(local.ptr[i] + ('a' - 'A')) : local.ptr[i];
	name[len] = '\0';
	/* The name becomes part of a path. */
	bool usable = len == local.len && len > 0 && name[0] != '.' && name[0] != '-' && strlen(name) == len &&
	    strchr(name, '/') == NULL;
	int error = usable ? getpwnam_r(name, pw, room, size, &found) : 0;
	if (found != NULL)
		return USER_FOUND;
	if (error == 0 || error == ENOENT || error == ESRCH)
		return USER_UNKNOWN;
	report_errno(r, error, "cannot look up user %s", name);
	return USER_FAILED;
}

struct passwd *
user_keep(const struct passwd *pw)
{
	struct passwd *own;

	MEM_NEW(own);
	*own = (struct passwd){ .pw_uid = pw->pw_uid, .pw_gid = pw->pw_gid, .pw_name = mem_str(pw->pw_name),
		.pw_dir = mem_str(pw->pw_dir), .pw_shell = mem_str(pw->pw_shell) };
	return own;
}

static bool
find_target(const struct job *job, const struct passwd *pw, struct target *t, struct report *r)
{
	struct stat st;
	const char *home_mailbox = conf_str(job->view, P_home_mailbox);
	const char *spool = conf_str(job->view, P_mail_spool_directory);
	/* Maildirs go before mbox files. */
	bool home_maildir = *home_mailbox != '\0' && home_mailbox[strlen(home_mailbox) - 1] == '/';
	bool spool_maildir = *spool != '\0' && spool[strlen(spool) - 1] == '/';
	*t = (struct target){ .in_spool = !home_maildir && (*home_mailbox == '\0' || spool_maildir) };
	if (conf_bool(job->view, P_require_home_directory) && stat(pw->pw_dir, &st) != 0) {
		report_errno(r, errno, "cannot access home directory %s", pw->pw_dir);
		return false;
	}
	const char *dir = t->in_spool ? spool : pw->pw_dir, *last = t->in_spool ? pw->pw_name : home_mailbox;
	size_t dir_len = strlen(dir);
	t->maildir = t->in_spool ? spool_maildir : home_maildir;
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

/* As the recipient. `open`: an mbox that is open and locked already, or NULL. */
static void
deliver(const struct job *job, const struct passwd *pw, const struct target *t, struct mbox *open, struct report *r)
{
	struct message m = { 0 };
	struct mbox own = { .fd = -1 };
	if (!job_read(job, &m, r)) {
		message_clear(&m);
		return;
	}
	if (t->maildir) {
		maildir_deliver(job, &m, t->path, r);
	} else if (open != NULL) {
		mbox_append(open, job, &m, r);
	} else if (mbox_open(&own, job, t->path, pw->pw_name, geteuid(), getegid(),
	    conf_bool(job->view, P_strict_mailbox_ownership), r)) {
		mbox_append(&own, job, &m, r);
		mbox_close(&own);
	}
	message_clear(&m);
}

struct guarded {
	const struct job *job;
	const struct passwd *pw;
	const struct target *target;
	struct mbox	*box;
};

static void
deliver_as_user(void *arg, struct report *r)
{
	struct guarded *g = arg;

	deliver(g->job, g->pw, g->target, g->box, r);
}

/*
 * The usual mbox: its directory is root's (or the group mail's), so that making the file and its lock, and removing the lock, needs rights which the
 * one who parses the message must not have. This process keeps the lock, another one becomes the recipient and writes.
 */
static void
deliver_guarded(const struct job *job, const struct passwd *pw, const struct target *t, struct report *r)
{
	struct actor user = actor_of(pw);
	struct mbox box;
	if (!mbox_open(&box, job, t->path, pw->pw_name, pw->pw_uid, pw->pw_gid, conf_bool(job->view, P_strict_mailbox_ownership), r))
		return;
	actor_run(job, &user, deliver_as_user, &(struct guarded){ job, pw, t, &box }, r);
	mbox_close(&box);
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

void
user_deliver(const struct job *job, const struct passwd *pw, struct report *r)
{
	struct actor user = actor_of(pw);
	struct target t;
	if (!find_target(job, pw, &t, r))
		return;
	if (job->probe) {
		report_probed(r, t.maildir ? "delivers to maildir" : "delivers to mailbox", "");
		return;
	}
	bool root = geteuid() == 0;
	if (root && t.in_spool && !t.shared && !t.maildir)
		deliver_guarded(job, pw, &t, r);
	else if (!root || !t.in_spool || t.shared || make_spool_maildir(pw, &t, r))
		actor_run(job, &user, deliver_as_user, &(struct guarded){ job, pw, &t, NULL }, r);
}
