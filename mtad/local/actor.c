#include "local/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct actor
actor_of(const struct passwd *pw)
{
	return (struct actor){ pw->pw_uid, pw->pw_gid, pw->pw_name };
}

static bool
set_groups(const struct actor *a)
{
	return a->name != NULL ? initgroups(a->name, a->gid) == 0 : setgroups(1, &a->gid) == 0;
}

bool
actor_become(const struct actor *a, struct report *r)
{
	if (geteuid() != 0)
		return true;
	if (!set_groups(a) || setresgid(a->gid, a->gid, a->gid) != 0 || setresuid(a->uid, a->uid, a->uid) != 0 ||
	    (a->uid != 0 && setuid(0) == 0)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "cannot become user %s", a->name != NULL ? a->name : "of the mailbox");
		return false;
	}
	return true;
}

static noreturn void
child(const struct job *job, const struct actor *a, actor_fn *fn, void *arg, int fd)
{
	struct report r = { .status = OUTCOME_DEFERRED };
	struct buf b = BUF_INIT(REPORT_MAX);

	/* It dies with the one that waits for it, which alone can report what it did. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (job->forwards_fd > 0)
		close(job->forwards_fd);
	report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery did not end");
	if (a == NULL || actor_become(a, &r)) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a change of user ends it */
		fn(arg, &r);
	}
	report_pack(&b, &r);
	(void)!write(fd, b.ptr, b.len);
	_exit(0);
}

static void
collect(pid_t pid, int fd, struct report *r)
{
	char bytes[REPORT_MAX];
	int status = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) < 0 && errno == EINTR)
		;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n > 0 && report_unpack(span_of(bytes, (size_t)n), r))
		return;
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery process gave no report (wait status 0x%x)", (unsigned)status);
}

static void
run(const struct job *job, const struct actor *a, actor_fn *fn, void *arg, struct report *r)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		report_errno(r, errno, "cannot make a pipe");
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(job, a, fn, arg, ends[1]);
	}
	int error = errno;
	close(ends[1]);
	if (pid < 0)
		report_errno(r, error, "cannot start a process");
	else
		collect(pid, ends[0], r);
	close(ends[0]);
}

void
actor_run(const struct job *job, const struct actor *a, actor_fn *fn, void *arg, struct report *r)
{
	run(job, a, fn, arg, r);
}

void
actor_run_as_is(const struct job *job, actor_fn *fn, void *arg, struct report *r)
{
	run(job, NULL, fn, arg, r);
}
