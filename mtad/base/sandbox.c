#include "base/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define CALL(name)	SCMP_SYS(name)

/* What a single-threaded event loop with helper threads needs, in any role. */
static const int common[] = {
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(close), CALL(lseek), CALL(fstat), CALL(newfstatat),
	CALL(pread64), CALL(preadv), CALL(fcntl), CALL(dup), CALL(dup2), CALL(dup3), CALL(ioctl), CALL(poll), CALL(ppoll),
	CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2), CALL(epoll_ctl), CALL(epoll_create1),
	CALL(eventfd2), CALL(timerfd_create), CALL(timerfd_settime), CALL(pipe2), CALL(socketpair),
	CALL(recvfrom), CALL(recvmsg), CALL(sendto), CALL(sendmsg), CALL(shutdown), CALL(getsockname), CALL(getpeername),
	CALL(getsockopt), CALL(setsockopt),
	CALL(brk), CALL(mmap), CALL(munmap), CALL(mremap), CALL(mprotect), CALL(madvise),
	CALL(clone), CALL(clone3), CALL(set_robust_list), CALL(rseq), CALL(set_tid_address), CALL(futex), CALL(gettid), CALL(getpid),
	CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(sched_yield), CALL(sched_getaffinity), CALL(sched_setaffinity), CALL(sched_getparam), CALL(sched_getscheduler),
	CALL(membarrier), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(tgkill),
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday), CALL(time),
	CALL(getrandom), CALL(getrusage), CALL(sysinfo), CALL(uname), CALL(restart_syscall), CALL(exit), CALL(exit_group),
	-1,
};

static const int sockets_in[] = { CALL(accept), CALL(accept4), -1 };
/* The sender connects; libunbound makes a socket a query. */
static const int sockets_out[] = { CALL(socket), CALL(bind), CALL(connect), -1 };
static const int append[] = { CALL(pwrite64), CALL(pwritev), CALL(fdatasync), CALL(fsync), CALL(ftruncate), -1 };
/* The queue role owns the spool and works in it relative to a directory descriptor; its root is the queue directory. */
static const int files[] = {
	CALL(openat), CALL(unlinkat), CALL(renameat), CALL(renameat2), CALL(linkat), CALL(mkdirat), CALL(fallocate),
	CALL(getdents64), CALL(flock), CALL(statfs), CALL(fstatfs), CALL(faccessat), CALL(faccessat2), CALL(statx),
	CALL(sync_file_range), CALL(copy_file_range), CALL(fadvise64), CALL(fchmod), CALL(utimensat), CALL(msync), CALL(mincore),
	CALL(readlinkat), -1,
};
/* The state role keeps its caches in the data directory, which is its root. */
static const int kept[] = { CALL(openat), CALL(renameat), CALL(renameat2), CALL(flock), CALL(fadvise64), -1 };
/* Name services: files, and sockets to sssd, nscd or systemd. */
static const int names[] = {
	CALL(openat), CALL(open), CALL(stat), CALL(lstat), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(statx), CALL(getdents64),
	CALL(readlink), CALL(readlinkat), CALL(statfs), CALL(socket), CALL(connect), CALL(bind), CALL(flock), CALL(getcwd), CALL(sendmmsg),
	CALL(recvmmsg), CALL(close_range), -1,
};

/* What libraries try now and then and can do without. */
static const int refused[] = {
	CALL(openat), CALL(openat2), CALL(open), CALL(creat), CALL(stat), CALL(lstat), CALL(access), CALL(faccessat), CALL(faccessat2),
	CALL(statx), CALL(readlink), CALL(readlinkat), CALL(statfs), CALL(getcwd), CALL(mkdir), CALL(unlink), CALL(rename),
	CALL(socket), CALL(sched_setscheduler), CALL(prlimit64), CALL(getrlimit), CALL(mlock), CALL(madvise), -1,
};

#define LISTS	4
static const int *const lists[ROLE_COUNT][LISTS] = {
	[ROLE_RECEIVE] = { common, sockets_in, sockets_out, append },
	[ROLE_QUEUE] = { common, append, files },
	[ROLE_SEND] = { common, sockets_out, append },
	[ROLE_LOOKUP] = { common, names },
	[ROLE_STATE] = { common, append, kept },
	[ROLE_CONTROL] = { common, sockets_in, append },
};

bool
sandbox_has_filter(enum role role)
{
#ifdef MTAD_SANITIZED
	(void)role;
	return false;
#else
	return lists[role][0] != NULL;
#endif
}

static int
add_list(scmp_filter_ctx ctx, uint32_t action, const int *list)
{
	for (; *list != -1; list++) {
		/* Negative: this architecture has no such call. EEXIST and EPERM: the action is the same as another's. */
		int rc = *list < 0 ? 0 : seccomp_rule_add(ctx, action, *list, 0);
		if (rc < 0 && rc != -EEXIST && rc != -EPERM)
			return rc;
	}
	return 0;
}

static bool
listed(enum role role, int call)
{
	for (size_t i = 0; i < LISTS && lists[role][i] != NULL; i++)
		for (const int *p = lists[role][i]; *p != -1; p++)
			if (*p == call)
				return true;
	return false;
}

static int
add_refused(scmp_filter_ctx ctx, enum role role)
{
	int rc = 0;

	for (const int *p = refused; rc == 0 && *p != -1; p++)
		if (*p >= 0 && !listed(role, *p))
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), *p, 0);
	return rc;
}

/* Helper threads give themselves names; nothing else of prctl is needed. */
static int
add_prctl(scmp_filter_ctx ctx)
{
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	return rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), CALL(prctl), 1, SCMP_A0(SCMP_CMP_NE, PR_SET_NAME));
}

static int
load(scmp_filter_ctx ctx, enum role role)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; rc == 0 && i < LISTS && lists[role][i] != NULL; i++)
		rc = add_list(ctx, SCMP_ACT_ALLOW, lists[role][i]);
	if (rc == 0)
		rc = add_refused(ctx, role);
	if (rc == 0)
		rc = add_prctl(ctx);
	return rc == 0 ? seccomp_load(ctx) : rc;
}

bool
sandbox_enter(enum role role, struct err *err)
{
	if (!sandbox_has_filter(role))
		return true;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = ctx == NULL ? -ENOMEM : load(ctx, role);
	if (ctx != NULL)
		seccomp_release(ctx);
	if (rc == 0)
		return true;
	errno = -rc;
	err_sys(err, "cannot load the seccomp filter of %s", role_name(role));
	return false;
}
