#include "lookup/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/role.h"
#include "lookup/lookup.h"

#define QUESTION_HEAD	4u	/* the key's length */
#define ANSWER_HEAD	5u	/* status, the value's length */

/* -- in the new process ------------------------------------------------------------------------------- */

struct kept {
	int	*fds;
	size_t	 count;
};

static void
keep(void *arg, const char *rest, int fd)
{
	struct kept *k = arg;

	(void)rest;
	k->fds = mem_grow(k->fds, k->count + 1, sizeof *k->fds);
	k->fds[k->count++] = fd;
}

static int
compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Channels would not be seen to close while a copy of them is open here; what the master gave for the tables and the log is kept. */
static void
close_others(int fd, int life)
{
	struct kept k = { NULL, 0 };
	unsigned from = 3;

	role_fd_each("", keep, &k);
	keep(&k, "", fd);
	keep(&k, "", life);
	qsort(k.fds, k.count, sizeof *k.fds, compare);
	for (size_t i = 0; i < k.count; i++) {
		unsigned keeps = (unsigned)k.fds[i];
		if (keeps > from)
			(void)close_range(from, keeps - 1, 0);
		if (keeps >= from)
			from = keeps + 1;
	}
	(void)close_range(from, ~0u, 0);
	free(k.fds);
}

/* The kernel sends SIGIO when the other end closes, and that ends a process, in whatever call of a library it hangs. */
static void
hang_on(int life)
{
	struct pollfd p = { .fd = life, .events = POLLIN };

	(void)signal(SIGIO, SIG_DFL);
	if (fcntl(life, F_SETOWN, getpid()) < 0 || fcntl(life, F_SETFL, O_ASYNC) < 0 || poll(&p, 1, 0) != 0)
		_exit(0);
}

static bool
read_all(int fd, void *to, size_t len)
{
	for (char *at = to; len > 0; ) {
		ssize_t n = read(fd, at, len);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool
write_all(int fd, const char *from, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		from += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool
answer_one(int fd, const char *spec, char *key)
{
	struct buf value = BUF_INIT(WORKER_VALUE_MAX);
	unsigned char head[ANSWER_HEAD];

	if (!read_all(fd, head, QUESTION_HEAD))
		return false;
	size_t len = num_get32(head);
	if (len > WORKER_KEY_MAX || !read_all(fd, key, len))
		return false;
	enum lookup_status status = lookup_table(span_str(spec), span_of(key, len), &value);
	if (value.over) {
		buf_reset(&value);
		buf_str(&value, "the value is too long");
		status = LOOKUP_FAILED;
	}
	log_flush();
	head[0] = (unsigned char)status;
	num_put32(head + 1, (uint32_t)value.len);
	bool ok = write_all(fd, (const char *)head, ANSWER_HEAD) && write_all(fd, value.ptr, value.len);
	buf_clear(&value);
	return ok;
}

static _Noreturn void
serve(const char *spec, int fd, int life)
{
	char *key = mem_new(WORKER_KEY_MAX);

	log_watch = NULL;	/* what shows lines elsewhere is the role's */
	(void)prctl(PR_SET_NAME, "mtad:table");
	close_others(fd, life);
	hang_on(life);
	while (answer_one(fd, spec, key))
		;
	_exit(0);
}

/* -- in the role ----------------------------------------------------------------------------------------- */

bool
worker_start(const char *spec, struct worker_ends *ends, struct err *err)
{
	int pair[2] = { -1, -1 }, life[2] = { -1, -1 };
	pid_t pid = -1;

	log_flush();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && pipe2(life, O_CLOEXEC) == 0 &&
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
		pid = fork();
	if (pid == 0)
		serve(spec, pair[1], life[0]);
	if (pid < 0) {
		err_sys(err, "cannot start a process for it");
		(void)(pair[0] < 0 ? 0 : close(pair[0]));
		(void)(life[1] < 0 ? 0 : close(life[1]));
	}
	(void)(pair[1] < 0 ? 0 : close(pair[1]));
	(void)(life[0] < 0 ? 0 : close(life[0]));
	*ends = (struct worker_ends){ pair[0], life[1] };
	return pid > 0;
}

bool
worker_ask(int fd, struct span key)
{
	unsigned char head[QUESTION_HEAD];

	num_put32(head, (uint32_t)key.len);
	return write_all(fd, (const char *)head, sizeof head) && write_all(fd, key.ptr, key.len);
}

enum worker_got
worker_read(int fd, struct buf *in, uint8_t *status, struct span *value)
{
	for (;;) {
		size_t len = in->len < ANSWER_HEAD ? 0 : num_get32((const unsigned char *)in->ptr + 1);
		if (len > WORKER_VALUE_MAX)
			return WORKER_GONE;
		if (in->len >= ANSWER_HEAD && in->len == ANSWER_HEAD + len) {
			*status = (uint8_t)in->ptr[0];
			*value = span_of(in->ptr + ANSWER_HEAD, len);
			return WORKER_ANSWERED;
		}
		size_t want = in->len < ANSWER_HEAD ? ANSWER_HEAD - in->len : ANSWER_HEAD + len - in->len;
		char *room = buf_room(in, want);
		ssize_t n = room == NULL ? 0 : read(fd, room, want);
		if (n > 0)
			buf_added(in, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return WORKER_WAITS;
		else if (n == 0 || errno != EINTR)
			return WORKER_GONE;
	}
}
