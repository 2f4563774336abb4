#include "master/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "master/data.h"

#define PID_FILE	"pid/master.pid"
#define EPOCH_FILE	"pid/epoch"

/* -- users ---------------------------------------------------------------------------------- */

static bool
account_find(struct account *a, const char *parameter, const char *name, struct err *err)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL) {
		err_set(err, ERR_SYS, "%s = %s: no such user; make it (adduser --system --group --no-create-home %s) "
		    "or start with -u", parameter, name, name);
		return false;
	}
	if (pw->pw_uid == 0) {
		err_set(err, ERR_SYS, "%s = %s: that is root, whose rights these processes must not have", parameter, name);
		return false;
	}
	(void)snprintf(a->name, sizeof a->name, "%s", name);
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	return true;
}

static bool
find_accounts(struct instance *in, const struct conf *conf, struct err *err)
{
	const struct view *v = conf_main(conf);

	in->drop_group = (gid_t)-1;
	if (!in->privileged) {
		in->mail = in->queue = (struct account){ .uid = geteuid(), .gid = getegid() };
		return true;
	}
	if (!account_find(&in->mail, "mail_owner", conf_str(v, P_mail_owner), err) ||
	    !account_find(&in->queue, "mtad_queue_owner", conf_str(v, P_mtad_queue_owner), err))
		return false;
	if (in->mail.uid == in->queue.uid) {
		err_set(err, ERR_SYS, "mail_owner and mtad_queue_owner are both uid %u: they must be two users",
		    (unsigned)in->mail.uid);
		return false;
	}
	const struct group *gr = getgrnam(conf_str(v, P_setgid_group));
	if (gr != NULL)
		in->drop_group = gr->gr_gid;
	return true;
}

/* -- directories ---------------------------------------------------------------------------- */

enum owner { OWNER_MASTER, OWNER_QUEUE };

static const struct place {
	const char	*name;
	enum owner	 owner;
	mode_t		 mode;
	bool		 privileged_only;
} places[] = {
	{ "pid", OWNER_MASTER, 0755, false },
	{ "public", OWNER_MASTER, 0755, false },
	{ "private", OWNER_MASTER, 0700, false },
	{ "spool", OWNER_QUEUE, 0700, false },
	{ "maildrop", OWNER_MASTER, 0700, false },
	{ "empty", OWNER_MASTER, 0555, true },
};

/* Opens it without following a link; checks that nobody else could have put things into it. */
static int
open_owned(int at, const char *base, const char *name, uid_t uid, struct err *err)
{
	struct stat st;

	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(err, "%s/%s", base, name);
	} else if (st.st_uid != uid) {
		err_set(err, ERR_SYS, "%s/%s is owned by uid %u, must be uid %u (chown %u %s/%s)", base, name,
		    (unsigned)st.st_uid, (unsigned)uid, (unsigned)uid, base, name);
	} else {
		return fd;
	}
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static bool
make_place(struct instance *in, const struct place *p, struct err *err)
{
	uid_t uid = p->owner == OWNER_QUEUE ? in->queue.uid : geteuid();
	gid_t gid = p->owner == OWNER_QUEUE ? in->queue.gid : getegid();

	if (mkdirat(in->dir_fd, p->name, 0700) < 0) {
		if (errno == EEXIST)
			return true;
		err_sys(err, "cannot make %s/%s", in->dir, p->name);
		return false;
	}
	if (fchownat(in->dir_fd, p->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(in->dir_fd, p->name, p->mode, 0) < 0) {
		err_sys(err, "cannot give %s/%s to uid %u", in->dir, p->name, (unsigned)uid);
		return false;
	}
	return true;
}

static bool
set_mode(const struct instance *in, const char *name, int fd, mode_t mode, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && ((st.st_mode & 07777) == mode || fchmod(fd, mode) == 0))
		return true;
	err_sys(err, "cannot set the mode of %s/%s to %04o", in->dir, name, (unsigned)mode);
	return false;
}

static bool
is_empty(int fd)
{
	int copy = dup(fd);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int n = 0;

	while (d != NULL && n <= 2 && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return d != NULL && n <= 2;
}

static bool
check_empty(const struct instance *in, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & 0222) == 0 && is_empty(fd))
		return true;
	err_set(err, ERR_SYS, "%s/empty is the root directory of processes without rights: it must have mode 0555 and nothing in it",
	    in->dir);
	return false;
}

static bool
open_place(struct instance *in, const struct place *p, struct err *err)
{
	uid_t uid = p->owner == OWNER_QUEUE ? in->queue.uid : geteuid();

	if (!make_place(in, p, err))
		return false;
	int fd = open_owned(in->dir_fd, in->dir, p->name, uid, err);
	if (fd < 0)
		return false;
	bool fine;
	if (strcmp(p->name, "empty") == 0)
		fine = check_empty(in, fd, err);
	else if (strcmp(p->name, "maildrop") == 0 && in->drop_group != (gid_t)-1)
		fine = fchown(fd, (uid_t)-1, in->drop_group) == 0 && set_mode(in, p->name, fd, 0730, err);
	else
		fine = set_mode(in, p->name, fd, p->mode, err);
	if (fine && strcmp(p->name, "spool") == 0)
		in->spool_fd = fd;
	else if (fine && strcmp(p->name, "maildrop") == 0)
		in->maildrop_fd = fd;
	else
		(void)close(fd);
	return fine;
}

static bool
open_queue_directory(struct instance *in, const char *path, struct err *err)
{
	struct stat st;

	if (path[0] != '/') {
		err_set(err, ERR_SYS, "queue_directory = %s: must be an absolute path", path);
		return false;
	}
	if (mkdir(path, 0755) == 0)
		(void)chmod(path, 0755);	/* whatever the umask is */
	else if (errno != EEXIST) {
		err_sys(err, "cannot make queue_directory %s", path);
		return false;
	}
	in->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->dir_fd < 0 || fstat(in->dir_fd, &st) < 0) {
		err_sys(err, "queue_directory %s", path);
		return false;
	}
	if (st.st_uid != geteuid()) {
		err_set(err, ERR_SYS, "queue_directory %s is owned by uid %u, must be uid %u", path,
		    (unsigned)st.st_uid, (unsigned)geteuid());
		return false;
	}
	if ((st.st_mode & 022) != 0) {
		err_set(err, ERR_SYS, "queue_directory %s may be written to by others (chmod go-w %s)", path, path);
		return false;
	}
	in->dir = mem_str(path);
	return true;
}

static bool
open_places(struct instance *in, struct err *err)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (in->privileged || !places[i].privileged_only)
			if (!open_place(in, &places[i], err))
				return false;
	struct buf b = BUF_INIT(0);
	if (in->privileged)
		buf_printf(&b, "%s/empty", in->dir);
	in->empty = buf_take(&b);
	buf_printf(&b, "%s/maildrop", in->dir);
	in->maildrop = buf_take(&b);
	return true;
}

/* -- lock --------------------------------------------------------------------------------------- */

static bool
looks_like_postfix(const struct instance *in)
{
	return faccessat(in->dir_fd, "active", F_OK, 0) == 0 && faccessat(in->dir_fd, "deferred", F_OK, 0) == 0;
}

static void
say_locked(const struct instance *in, int fd, struct err *err)
{
	char text[32] = "";

	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	struct span pid = span_trim(span_of(text, n < 0 ? 0 : (size_t)n));
	if (looks_like_postfix(in))
		err_set(err, ERR_TEMP, "%s is the queue of a running Postfix (pid %.*s); give mtad a queue_directory of its own",
		    in->dir, SPAN_ARG(pid));
	else
		err_set(err, ERR_TEMP, "the mail system is already running (pid %.*s, %s)", SPAN_ARG(pid), in->dir);
}

/* The file may be removed by an ending instance between open and lock: then it is tried again. */
static bool
lock(struct instance *in, struct err *err)
{
	for (int tries = 0; tries < 10; tries++) {
		struct stat mine, now;
		int fd = openat(in->dir_fd, PID_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd < 0) {
			err_sys(err, "%s/" PID_FILE, in->dir);
			return false;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			say_locked(in, fd, err);
			(void)close(fd);
			return false;
		}
		if (fstat(fd, &mine) == 0 && fstatat(in->dir_fd, PID_FILE, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mine.st_ino == now.st_ino && mine.st_dev == now.st_dev) {
			in->lock_fd = fd;
			return true;
		}
		(void)close(fd);
	}
	err_set(err, ERR_TEMP, "%s/" PID_FILE " changes all the time", in->dir);
	return false;
}

bool
instance_write_pid(struct instance *in, struct err *err)
{
	char text[32];

	int n = snprintf(text, sizeof text, "%10d\n", (int)getpid());
	if (ftruncate(in->lock_fd, 0) == 0 && pwrite(in->lock_fd, text, (size_t)n, 0) == n)
		return true;
	err_sys(err, "cannot write %s/" PID_FILE, in->dir);
	return false;
}

/* Nothing stops for want of it: what is learnt is kept in memory then. */
static void
open_data(struct instance *in, const struct conf *conf)
{
	const char *path = conf_str(conf_main(conf), P_data_directory);
	struct err err = { ERR_NONE, "" };

	in->data_fd = data_open(in, path, &err);
	if (in->data_fd >= 0)
		in->data = mem_str(path);
	else
		log_info(NULL, "%s: what is known of addresses and clients will be gone after a restart", err.text);
}

bool
instance_open(struct instance *in, const struct conf *conf, bool privileged, struct err *err)
{
	*in = (struct instance){ .privileged = privileged, .dir_fd = -1, .spool_fd = -1, .maildrop_fd = -1, .data_fd = -1, .lock_fd = -1 };
	if (find_accounts(in, conf, err) && open_queue_directory(in, conf_str(conf_main(conf), P_queue_directory), err) &&
	    open_places(in, err) && lock(in, err) && instance_write_pid(in, err)) {
		open_data(in, conf);
		return true;
	}
	instance_close(in);
	return false;
}

void
instance_warn(const struct instance *in, const struct conf *conf)
{
	if (in->privileged && in->drop_group == (gid_t)-1)
		log_warning(NULL, "setgid_group = %s: no such group, so %s is root's alone: users' sendmail(1) fails while mtad is down; "
		    "make it (groupadd -r %s), give it to mtadrop, and restart", conf_str(conf_main(conf), P_setgid_group),
		    in->maildrop, conf_str(conf_main(conf), P_setgid_group));
}

void
instance_close(struct instance *in)
{
	const int fds[] = { in->lock_fd, in->data_fd, in->maildrop_fd, in->spool_fd, in->dir_fd };

	if (in->lock_fd >= 0)
		(void)unlinkat(in->dir_fd, PID_FILE, 0);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	free(in->dir);
	free(in->data);
	free(in->empty);
	free(in->maildrop);
	*in = (struct instance){ .dir_fd = -1, .spool_fd = -1, .maildrop_fd = -1, .lock_fd = -1 };
}

/*
 * A crash of the machine may lose the last numbers; queue IDs still differ by their time then. The file
 * stands against a clock that was set back.
 */
uint32_t
instance_next_epoch(struct instance *in)
{
	char text[16] = "";
	uint32_t epoch = 0;

	int fd = openat(in->dir_fd, EPOCH_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
	if (n > 0)
		(void)num_u32(span_trim(span_of(text, (size_t)n)), &epoch);
	epoch = epoch >= (1u << 26) - 1 ? 1 : epoch + 1;	/* a queue ID has 26 bits for it */
	int len = snprintf(text, sizeof text, "%10u\n", epoch);
	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len)
		log_warning(NULL, "cannot write %s/" EPOCH_FILE ": %s", in->dir, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return epoch;
}
