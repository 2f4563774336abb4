#include "base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ipc_table.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/num.h"

/*
 * A frame: u32 length of the body, u16 type, u16 flags, body. Descriptors travel as SCM_RIGHTS, never later than the first byte of
 * the frame that they belong to, and in the order of those frames; so each flagged frame takes the next one waiting.
 */
#define FRAME_HEAD	8
#define FRAME_MAX	((size_t)16 << 20)
#define FLAG_FD		1u
#define READ_SIZE	65536u
#define OUT_MAX		((size_t)512 << 20)	/* a peer that reads nothing for that long is at fault */
#define KEEP_MEMORY	((size_t)1 << 20)	/* a bigger buffer is freed when it is empty */

/* Descriptors in one sendmsg. None go ahead of frames that still wait for earlier ones, so a receiver never holds over twice as many. */
#define FDS_A_SEND	64
#define FDS_WAITING	(2 * FDS_A_SEND)

#define WINDOW		4096	/* bulk messages that may be unreturned */
#define RETURN_BATCH	(WINDOW / 4)

struct out_fd {
	uint64_t	 at;		/* stream offset of its frame */
	int		 fd;
};

struct ipc {
	enum role	 self, peer;
	uint32_t	 slot, epoch;
	const struct ipc_handlers *handlers;
	void		*arg;
	int		 fd;
	struct loop_io	 io;
	struct loop_task task;

	struct buf	 out;
	size_t		 out_done;	/* bytes at the front of `out` that are written */
	uint64_t	 out_base;	/* stream offset of the front of `out` */
	uint64_t	 fds_until;	/* descriptors of frames before this offset are sent */
	struct out_fd	*out_fds;
	size_t		 out_fd_count, out_fd_cap;
	int64_t		 credits;

	struct buf	 in;
	int		 in_fds[FDS_WAITING];
	size_t		 in_fd_first, in_fd_count;
	uint32_t	 owed;		/* credits to return */

	bool		 deaf;		/* the peer reads no more; what it said before it went is still read */
	bool		 over;		/* closed is to be called, or was */
	bool		 told;
	bool		 busy;		/* inside a callback: ipc_free only marks */
	bool		 dead;
};

static void	io_ready(void *arg, short what);
static void	run_task(void *arg);

struct ipc *
ipc_new(int fd, enum role self, enum role peer, uint32_t slot, uint32_t epoch,
    const struct ipc_handlers *handlers, void *arg)
{
	struct ipc *c;

	MEM_NEW(c);
	c->self = self;
	c->peer = peer;
	c->slot = slot;
	c->epoch = epoch;
	c->handlers = handlers;
	c->arg = arg;
	c->fd = fd;
	c->out = BUF_INIT(OUT_MAX);
	c->in = BUF_INIT(2 * FRAME_MAX);
	c->credits = WINDOW;
	c->task = (struct loop_task){ .fn = run_task, .arg = c };
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	loop_io_init(&c->io, fd, io_ready, c);
	loop_io_watch(&c->io, EV_READ);
	return c;
}

static void
close_fds(struct ipc *c)
{
	for (size_t i = 0; i < c->out_fd_count; i++)
		if (c->out_fds[i].fd >= 0)
			(void)close(c->out_fds[i].fd);
	c->out_fd_count = 0;
	for (; c->in_fd_count > 0; c->in_fd_count--, c->in_fd_first++)
		(void)close(c->in_fds[c->in_fd_first % FDS_WAITING]);
}

void
ipc_free(struct ipc *c)
{
	if (c == NULL)
		return;
	if (!c->dead) {
		c->dead = true;
		loop_io_watch(&c->io, 0);
		loop_undefer(&c->task);
		close_fds(c);
		(void)close(c->fd);
	}
	if (c->busy)
		return;
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c->out_fds);
	free(c);
}

/* Callbacks run between these two; afterwards c may be gone (false). */
static bool
leave(struct ipc *c)
{
	c->busy = false;
	if (!c->dead)
		return true;
	ipc_free(c);
	return false;
}

/* The channel is finished; `closed` is called from the loop, never from inside a caller's send. */
static void
finish(struct ipc *c)
{
	if (c->over)
		return;
	c->over = true;
	c->deaf = true;
	loop_io_watch(&c->io, 0);
	loop_defer(&c->task);
}

static void
fault(struct ipc *c, const char *what)
{
	if (!c->over)
		log_error(NULL, "channel to %s %u: %s", role_name(c->peer), c->slot, what);
	finish(c);
}

enum role
ipc_peer(const struct ipc *c)
{
	return c->peer;
}

uint32_t
ipc_slot(const struct ipc *c)
{
	return c->slot;
}

uint32_t
ipc_epoch(const struct ipc *c)
{
	return c->epoch;
}

bool
ipc_blocked(const struct ipc *c)
{
	return c->credits <= 0;
}

size_t
ipc_unsent(const struct ipc *c)
{
	return c->out.len - c->out_done;
}

/* -- sending ------------------------------------------------------------------------------- */

static void
keep_fd(struct ipc *c, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		fatal("cannot duplicate descriptor %d for %s: too many open files?", fd, role_name(c->peer));
	if (c->out_fd_count == c->out_fd_cap) {
		c->out_fd_cap = c->out_fd_cap == 0 ? 16 : c->out_fd_cap * 2;
		c->out_fds = mem_grow(c->out_fds, c->out_fd_cap, sizeof *c->out_fds);
	}
	c->out_fds[c->out_fd_count++] = (struct out_fd){ c->out_base + c->out.len, copy };
}

char *
ipc_frame_begin(struct ipc *c, const struct ipc_type *t, uint16_t type, size_t size, int fd)
{
	if (c == NULL || c->deaf || c->dead)
		return NULL;
	if ((t->from & 1u << c->self) == 0 || (t->to & 1u << c->peer) == 0)
		panic("%s may not send %s to %s", role_name(c->self), t->name, role_name(c->peer));
	if (t->flags & IPC_FD ? fd < 0 : fd >= 0 && !(t->flags & IPC_FD_MAYBE))
		panic("message %s %s", t->name, fd < 0 ? "needs a descriptor" : "carries no descriptor");
	if (size > FRAME_MAX)
		panic("message %s of %zu bytes", t->name, size);
	char *room = buf_room(&c->out, FRAME_HEAD + size);
	if (room == NULL) {
		fault(c, "the peer does not read");
		return NULL;
	}
	if (fd >= 0)
		keep_fd(c, fd);
	if (t->flags & IPC_BULK)
		c->credits--;
	unsigned char *p = (unsigned char *)room;
	num_put32(p, (uint32_t)size);
	num_put16(p + 4, type);
	num_put16(p + 6, fd >= 0 ? FLAG_FD : 0);
	return room + FRAME_HEAD;
}

void
ipc_frame_end(struct ipc *c, size_t size)
{
	buf_added(&c->out, FRAME_HEAD + size);
	loop_defer(&c->task);
}

/* Forgets what is written. Moving the rest costs little as long as it is done seldom. */
static void
drop_written(struct ipc *c)
{
	size_t n = 0;

	if (c->out_done < c->out.len && c->out_done < c->out.len / 2)
		return;
	c->out_base += c->out_done;
	buf_drop(&c->out, c->out_done);
	c->out_done = 0;
	if (c->out.len == 0 && c->out.cap > KEEP_MEMORY)
		buf_clear(&c->out);
	while (n < c->out_fd_count && c->out_fds[n].at < c->out_base)
		n++;
	for (size_t i = n; n > 0 && i < c->out_fd_count; i++)
		c->out_fds[i - n] = c->out_fds[i];
	c->out_fd_count -= n;
}

/*
 * Chooses the descriptors for the write that starts at out_done, and cuts its length to what may go with them.
 * Entries before fds_until are sent (their fd is -1).
 */
static size_t
choose_fds(struct ipc *c, size_t *len, int *fds)
{
	uint64_t from = c->out_base + c->out_done;
	bool ahead = c->fds_until > from;
	size_t n = 0;

	for (size_t i = 0; i < c->out_fd_count; i++) {
		if (c->out_fds[i].fd < 0)
			continue;
		if (ahead || n == FDS_A_SEND) {
			if (c->out_fds[i].at < from + *len)
				*len = (size_t)(c->out_fds[i].at - from);
			break;
		}
		fds[n++] = c->out_fds[i].fd;
	}
	return n;
}

static void
fds_sent(struct ipc *c, size_t n)
{
	for (size_t i = 0; n > 0 && i < c->out_fd_count; i++) {
		if (c->out_fds[i].fd < 0)
			continue;
		(void)close(c->out_fds[i].fd);
		c->out_fds[i].fd = -1;
		c->fds_until = c->out_fds[i].at + 1;
		n--;
	}
}

static ssize_t
write_some(struct ipc *c)
{
	union {
		struct cmsghdr	 head;
		char		 bytes[CMSG_SPACE(sizeof(int) * FDS_A_SEND)];
	} control;
	int fds[FDS_A_SEND];
	size_t len = c->out.len - c->out_done;
	size_t n = c->out_fd_count == 0 ? 0 : choose_fds(c, &len, fds);

	struct iovec iov = { c->out.ptr + c->out_done, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	}
	ssize_t done = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (done > 0)
		fds_sent(c, n);
	return done;
}

void
ipc_flush(struct ipc *c)
{
	if (c == NULL || c->dead)
		return;
	while (!c->deaf && c->out_done < c->out.len) {
		ssize_t n = write_some(c);
		if (n > 0) {
			c->out_done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EPIPE && errno != ECONNRESET) {
			fault(c, strerror(errno));
			return;
		}
		/* The peer ended. What it wrote before is read to its end, which then calls closed. */
		c->deaf = true;
		c->out_done = c->out.len;
	}
	if (c->out.len > 0)
		drop_written(c);
	if (!c->over)
		loop_io_watch(&c->io, c->out.len > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void
run_task(void *arg)
{
	struct ipc *c = arg;

	if (!c->over) {
		ipc_flush(c);
		return;
	}
	if (c->told)
		return;
	c->told = true;
	c->busy = true;
	if (c->handlers->closed != NULL)
		c->handlers->closed(c->arg, c);
	(void)leave(c);
}

/* -- receiving ------------------------------------------------------------------------------ */

static bool
take_fds(struct ipc *c, struct msghdr *msg)
{
	bool fits = (msg->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (c->in_fd_count == FDS_WAITING) {
				(void)close(fd);
				fits = false;
				continue;
			}
			c->in_fds[(c->in_fd_first + c->in_fd_count++) % FDS_WAITING] = fd;
		}
	}
	return fits;
}

/* False where nothing came (again later, the end, or a fault). */
static bool
read_some(struct ipc *c)
{
	union {
		struct cmsghdr	 head;
		char		 bytes[CMSG_SPACE(sizeof(int) * FDS_A_SEND)];
	} control;
	char *room = buf_room(&c->in, READ_SIZE);

	if (room == NULL) {
		fault(c, "too much was sent at once");
		return false;
	}
	struct iovec iov = { room, READ_SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			finish(c);
		return false;
	}
	if (n == 0) {
		finish(c);
		return false;
	}
	buf_added(&c->in, (size_t)n);
	if (take_fds(c, &msg))
		return true;
	fault(c, "more descriptors than messages");
	return false;
}

static bool
take_credits(struct ipc *c, struct span body)
{
	if (body.len != 4)
		return false;
	uint32_t n = num_get32((const unsigned char *)body.ptr);
	bool was_blocked = c->credits <= 0;
	if (n > WINDOW || c->credits + n > WINDOW)
		return false;
	c->credits += n;
	if (was_blocked && c->credits > 0 && c->handlers->credit != NULL)
		c->handlers->credit(c->arg, c);
	return true;
}

static void
return_credits(struct ipc *c)
{
	if (c->owed < RETURN_BATCH || c->deaf)
		return;
	unsigned char *p = (unsigned char *)buf_room(&c->out, FRAME_HEAD + 4);
	if (p == NULL)
		return;
	num_put32(p, 4);
	num_put16(p + 4, IPC_TYPE_CREDIT);
	num_put16(p + 6, 0);
	num_put32(p + FRAME_HEAD, c->owed);
	c->owed = 0;
	ipc_frame_end(c, 4);
}

static bool
take_fd(struct ipc *c, unsigned flags, int *fd)
{
	*fd = -1;
	if ((flags & FLAG_FD) == 0)
		return true;
	if (c->in_fd_count == 0)
		return false;
	*fd = c->in_fds[c->in_fd_first];
	c->in_fd_first = (c->in_fd_first + 1) % FDS_WAITING;
	c->in_fd_count--;
	return true;
}

/* False where the channel is at fault. A handler may have freed it (c->dead). */
static bool
one_frame(struct ipc *c, unsigned type, unsigned flags, struct span body)
{
	int fd;

	if (type == IPC_TYPE_CREDIT)
		return flags == 0 && take_credits(c, body);
	if (!take_fd(c, flags, &fd))
		return false;
	if (!ipc_dispatch(c->handlers, c->arg, c, c->self, c->peer, (uint16_t)type, body, fd))
		return false;
	if (ipc_type_flags((uint16_t)type) & IPC_BULK)
		c->owed++;
	return true;
}

static void
read_frames(struct ipc *c)
{
	size_t at = 0;
	bool sound = true;

	while (sound && !c->dead && !c->over && c->in.len - at >= FRAME_HEAD) {
		const unsigned char *p = (const unsigned char *)c->in.ptr + at;
		size_t len = num_get32(p);
		if (len > FRAME_MAX) {
			sound = false;
			break;
		}
		if (c->in.len - at - FRAME_HEAD < len)
			break;
		at += FRAME_HEAD + len;
		sound = one_frame(c, num_get16(p + 4), num_get16(p + 6), span_of(p + FRAME_HEAD, len));
	}
	if (c->dead)
		return;
	if (!sound) {
		fault(c, "a message that does not decode or may not be sent");
		return;
	}
	buf_drop(&c->in, at);
	if (c->in.len == 0 && c->in.cap > KEEP_MEMORY)
		buf_clear(&c->in);
	return_credits(c);
}

static void
io_ready(void *arg, short what)
{
	struct ipc *c = arg;

	if (what & EV_WRITE)
		ipc_flush(c);
	if (!(what & EV_READ) || c->over || !read_some(c))
		return;
	c->busy = true;
	read_frames(c);
	(void)leave(c);
}

void
ipc_drain(struct ipc *c)
{
	while (!c->over && !c->dead && read_some(c)) {
		c->busy = true;
		read_frames(c);
		if (!leave(c))
			return;
	}
}
