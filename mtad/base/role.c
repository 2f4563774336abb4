#include "base/role.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/watch.h"

#define MASTER_FD	3
#define CONF_MAX	((off_t)64 << 20)

/* A descriptor of the master's. `next_fd` waits for `go`; at -2 nothing waits, at -1 it is dropped then. */
struct held {
	char		*key;
	int		 fd;
	int		 next_fd;
};
#define NOTHING_WAITS	(-2)

static struct {
	const struct role_spec *spec;
	struct ipc_handlers from_master, from_peers;
	struct ipc	*master;
	uint32_t	 slot, epoch;
	bool		 running;		/* the rights are dropped */
	int		 conf_fd;		/* until it is configured */
	char		*hostname, *syslog_name, *user, *chroot;
	bool		 sandbox;
	void		(*log_words)(const char *level, const char *text);
	pid_t		 pid;
	struct held	*held;
	size_t		 held_count;
} role = { .conf_fd = -1 };

struct ipc *
role_master(void)
{
	return role.master;
}

uint32_t
role_slot(void)
{
	return role.slot;
}

uint32_t
role_epoch(void)
{
	return role.epoch;
}

const char *
role_hostname(void)
{
	return role.hostname == NULL ? "localhost" : role.hostname;
}

static struct held *
find_held(struct span key)
{
	for (size_t i = 0; i < role.held_count; i++)
		if (span_eqs(key, role.held[i].key))
			return &role.held[i];
	return NULL;
}

int
role_fd(const char *key)
{
	struct held *h = find_held(span_str(key));
	return h == NULL ? -1 : h->fd;
}

void
role_fd_each(const char *prefix, void (*fn)(void *arg, const char *rest, int fd), void *arg)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < role.held_count; i++)
		if (role.held[i].fd >= 0 && strncmp(role.held[i].key, prefix, n) == 0)
			fn(arg, role.held[i].key + n, role.held[i].fd);
}

/* -- what the master tells --------------------------------------------------------------- */

static void
on_init(void *arg, struct ipc *c, const struct ipc_init *m, int fd)
{
	(void)arg;
	(void)c;
	if (role.conf_fd >= 0)
		(void)close(role.conf_fd);
	role.conf_fd = fd;
	role.epoch = m->epoch;
	free(role.hostname);
	free(role.syslog_name);
	free(role.user);
	free(role.chroot);
	role.hostname = span_dup(m->hostname);
	role.syslog_name = span_dup(m->syslog_name);
	role.user = span_dup(m->user);
	role.chroot = span_dup(m->chroot);
	role.sandbox = m->sandbox != 0;
}

static void	pass_on_last_words(void);

static void
open_log(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	bool terminal = isatty(fd) == 1;
	log_open(S_ISSOCK(st.st_mode) ? LOG_SINK_SYSLOG : terminal ? LOG_SINK_STDERR : LOG_SINK_FILE, fd,
	    terminal ? "" : role_hostname(), role.syslog_name == NULL ? "mtad" : role.syslog_name);
	pass_on_last_words();
}

static struct held *
held_for(struct span key)
{
	struct held *h = find_held(key);

	if (h != NULL)
		return h;
	role.held = mem_grow(role.held, role.held_count + 1, sizeof *role.held);
	h = &role.held[role.held_count++];
	*h = (struct held){ .key = span_dup(key), .fd = -1, .next_fd = NOTHING_WAITS };
	return h;
}

static void
wait_for_go(struct span key, int fd)
{
	struct held *h = held_for(key);

	if (h->next_fd >= 0)
		(void)close(h->next_fd);
	h->next_fd = fd;
}

static void
on_descriptor(void *arg, struct ipc *c, const struct ipc_descriptor *m, int fd)
{
	(void)arg;
	(void)c;
	if (!span_eqs(m->key, "log")) {
		wait_for_go(m->key, fd);
		return;
	}
	/* The log is wanted before anything else can go wrong. */
	struct held *h = held_for(m->key);
	log_flush();
	int old = h->fd;
	h->fd = fd;
	open_log(fd);
	if (old >= 0)
		(void)close(old);
}

static void
on_descriptor_drop(void *arg, struct ipc *c, const struct ipc_descriptor_drop *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	if (find_held(m->key) != NULL)
		wait_for_go(m->key, -1);
}

/* The waiting descriptors become the ones in use; the old ones are in next_fd then, for close_old. */
static void
use_waiting(void)
{
	for (size_t i = 0; i < role.held_count; i++) {
		struct held *h = &role.held[i];
		if (h->next_fd == NOTHING_WAITS)
			continue;
		int old = h->fd;
		h->fd = h->next_fd;
		h->next_fd = old;
	}
}

static void
close_old(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < role.held_count; i++) {
		struct held h = role.held[i];
		if (h.next_fd >= 0)
			(void)close(h.next_fd);
		h.next_fd = NOTHING_WAITS;
		if (h.fd < 0)
			free(h.key);
		else
			role.held[kept++] = h;
	}
	role.held_count = kept;
}

static bool
configure(int fd, struct err *err)
{
	struct stat st;

	if (role.spec->configure == NULL)
		return true;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > CONF_MAX) {
		err_set(err, ERR_SYS, "the frozen configuration has no sensible size");
		return false;
	}
	size_t len = (size_t)st.st_size;
	void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		err_sys(err, "cannot map the frozen configuration");
		return false;
	}
	bool done = role.spec->configure(role.spec->state, span_of(bytes, len), err);
	(void)munmap(bytes, len);
	return done;
}

/* -- the drop ---------------------------------------------------------------------------------- */

static bool
change_root(struct err *err)
{
	if (role.chroot[0] == '\0')
		return true;
	if (chdir(role.chroot) == 0 && chroot(".") == 0 && chdir("/") == 0)
		return true;
	err_sys(err, "cannot make %s the root directory", role.chroot);
	return false;
}

static bool
change_user(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
		err_sys(err, "cannot become user %s", role.user);
		return false;
	}
	if (uid != 0 && setuid(0) == 0)
		panic("root's rights could be regained after the drop");
	return true;
}

/* Rights go one after the other: the root directory while we may still change it, then groups and user, then new privileges, then system calls. */
static bool
drop(uid_t uid, gid_t gid, struct err *err)
{
	if (!change_root(err))
		return false;
	if (role.user[0] != '\0' && !change_user(uid, gid, err))
		return false;
	/* A change of user clears this one. The channel's end is what counts; this is for a role that is stuck. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (role.spec->role == ROLE_LOCAL)
		return true;		/* runs other people's programs, some of them setgid */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		err_sys(err, "cannot give up gaining privileges");
		return false;
	}
	return !role.sandbox || sandbox_enter(role.spec->role, err);
}

static bool
find_user(uid_t *uid, gid_t *gid, struct err *err)
{
	if (role.user[0] == '\0')
		return true;
	errno = 0;
	const struct passwd *pw = getpwnam(role.user);
	if (pw == NULL) {
		err_set(err, ERR_SYS, "user %s does not exist", role.user);
		return false;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

static bool
begin(struct err *err)
{
	const struct role_spec *spec = role.spec;
	uid_t uid = 0;
	gid_t gid = 0;

	use_waiting();
	close_old();
	if (!find_user(&uid, &gid, err) || !configure(role.conf_fd, err))
		return false;
	(void)close(role.conf_fd);
	role.conf_fd = -1;
	if (spec->prepare != NULL && !spec->prepare(spec->state, err))
		return false;
	if (!drop(uid, gid, err))
		return false;
	role.running = true;
	return spec->start == NULL || spec->start(spec->state, err);
}

static bool
switch_generation(int fd, struct err *err)
{
	use_waiting();		/* configuring opens tables by the new descriptors */
	bool done = fd < 0 || configure(fd, err);
	if (done && role.spec->switched != NULL)
		role.spec->switched(role.spec->state);
	close_old();
	return done;
}

static void
on_go(void *arg, struct ipc *c, const struct ipc_go *m, int fd)
{
	struct err err = { 0 };

	(void)arg;
	bool first = !role.running;
	bool done = first ? role.user != NULL && begin(&err) : switch_generation(fd, &err);
	if (fd >= 0)
		(void)close(fd);
	ipc_send_ready(c, &(struct ipc_ready){ .generation = m->generation,
	    .error = done ? SPAN_NONE : span_str(err.text[0] == '\0' ? "go came before init" : err.text) }, -1);
	if (done || !first)
		return;
	ipc_flush(c);
	loop_stop(EX_CONFIG);
}

/* Every role shows its log to the control role; what else of `watch` concerns it, its own handler sees. */
static void
on_watch(void *arg, struct ipc *c, const struct ipc_watch *m, int fd)
{
	watch_lines(m->lines != 0);
	if (role.spec->handlers->watch != NULL)
		role.spec->handlers->watch(arg, c, m, fd);
}

static void
on_peer_closed(void *arg, struct ipc *c)
{
	watch_closed(c);
	if (role.spec->handlers->closed != NULL)
		role.spec->handlers->closed(arg, c);
	else
		ipc_free(c);
}

static void
on_peer(void *arg, struct ipc *c, const struct ipc_peer *m, int fd)
{
	(void)arg;
	(void)c;
	if (m->role >= ROLE_COUNT || !role.running || role.spec->handlers == NULL) {
		(void)close(fd);
		return;
	}
	struct ipc *p = ipc_new(fd, role.spec->role, (enum role)m->role, m->slot, m->epoch,
	    &role.from_peers, role.spec->state);
	if (m->role == ROLE_CONTROL)
		watch_control(p);
	if (role.spec->peer != NULL)
		role.spec->peer(role.spec->state, p);
}

static void
on_peer_gone(void *arg, struct ipc *c, const struct ipc_peer_gone *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	if (m->role < ROLE_COUNT && role.spec->peer_gone != NULL)
		role.spec->peer_gone(role.spec->state, (enum role)m->role, m->slot, m->epoch);
}

static void
on_stop(void *arg, struct ipc *c, const struct ipc_stop *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	if (role.spec->stop == NULL || !role.running)
		loop_stop(0);
	else
		role.spec->stop(role.spec->state, m->within);
}

static void
on_retire(void *arg, struct ipc *c, const struct ipc_retire *m, int fd)
{
	if (role.spec->retire == NULL || !role.running)
		on_stop(arg, c, &(struct ipc_stop){ .within = m->within }, fd);
	else
		role.spec->retire(role.spec->state, m->within);
}

static void
on_ping(void *arg, struct ipc *c, const struct ipc_ping *m, int fd)
{
	(void)arg;
	(void)fd;
	ipc_send_pong(c, &(struct ipc_pong){ .number = m->number }, -1);
}

/* The master repeats them beside the exit status. A helper thread must not touch the channel. */
static void
on_last_words(const char *level, const char *text)
{
	static bool busy;
	char all[600];

	role.log_words(level, text);
	if (busy || gettid() != role.pid || role.master == NULL)
		return;
	busy = true;
	(void)snprintf(all, sizeof all, "%s: %s", level, text);
	ipc_send_last_words(role.master, &(struct ipc_last_words){ .text = span_str(all) }, -1);
	ipc_flush(role.master);
}

static void
pass_on_last_words(void)
{
	if (err_last_words == on_last_words)
		return;
	role.log_words = err_last_words;
	role.pid = getpid();
	err_last_words = on_last_words;
}

/* Without a master nobody watches over this process any more, and a new master would start another in its place. */
static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	(void)c;
	log_flush();
	_exit(0);
}

/* -- life ------------------------------------------------------------------------------------------ */

static void
set_up_signals(void)
{
	/* A service manager or a terminal signals the whole group; only the master acts, and ends the roles in order. */
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT };

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int
role_main(const struct role_spec *spec, uint32_t slot)
{
	char name[16];

	if (fcntl(MASTER_FD, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "mtad: --role is for mtad itself: no channel on descriptor %d\n", MASTER_FD);
		return EX_USAGE;
	}
	set_up_signals();
	(void)umask(077);
	tzset();		/* reads the zone while files can be opened */
	(void)snprintf(name, sizeof name, "mtad:%s", role_name(spec->role));
	(void)prctl(PR_SET_NAME, name);
	role.spec = spec;
	role.slot = slot;
	log_program(spec->program);
	loop_init();

	if (spec->handlers != NULL) {
		role.from_peers = *spec->handlers;
		role.from_peers.watch = on_watch;
		role.from_peers.closed = on_peer_closed;
	}
	if (spec->master_handlers != NULL)
		role.from_master = *spec->master_handlers;
	role.from_master.init = on_init;
	role.from_master.descriptor = on_descriptor;
	role.from_master.descriptor_drop = on_descriptor_drop;
	role.from_master.go = on_go;
	role.from_master.peer = on_peer;
	role.from_master.peer_gone = on_peer_gone;
	role.from_master.stop = on_stop;
	role.from_master.retire = on_retire;
	role.from_master.ping = on_ping;
	role.from_master.closed = on_closed;
	role.master = ipc_new(MASTER_FD, spec->role, ROLE_MASTER, 0, 0, &role.from_master, spec->state);
	int status = loop_run();
	ipc_flush(role.master);
	return status;
}
