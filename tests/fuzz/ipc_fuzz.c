/*
 * Bytes of a peer gone wrong. The first byte chooses the two roles; then come frames as on the channel, handed to the dispatch one by one
 * (with a descriptor where the frame says so), and the whole input once through a real channel.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/ipc_table.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/num.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t touched;

static void
touch(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		touched += (unsigned char)s.ptr[i];
}

#define TOUCH_u8(v)	touched += (size_t)(v)
#define TOUCH_u16	TOUCH_u8
#define TOUCH_u32	TOUCH_u8
#define TOUCH_u64	TOUCH_u8
#define TOUCH_i64	TOUCH_u8
#define TOUCH_span(v)	touch(v)

#define IPC_BEGIN(name, from, to, flags)					\
static void									\
on_##name(void *arg, struct ipc *c, const struct ipc_##name *m, int fd)		\
{										\
	(void)arg;								\
	(void)c;								\
	if ((fd >= 0) && !((flags) & (IPC_FD | IPC_FD_MAYBE)))			\
		panic("a descriptor came with " #name);				\
	if (fd >= 0)								\
		(void)close(fd);
#define IPC_FIELD(type, field)	TOUCH_##type(m->field);
#define IPC_END(name)	}
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

static struct ipc *channel;

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
	channel = NULL;
	loop_stop(0);
}

static const struct ipc_handlers handlers = {
#define IPC_BEGIN(name, from, to, flags)	.name = on_##name,
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	.closed = on_closed,
};

static void
set_up(void)
{
	loop_init();
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "", "fuzz");
}

static void
each_frame(enum role self, enum role peer, struct span in)
{
	while (in.len >= 8) {
		const unsigned char *p = (const unsigned char *)in.ptr;
		size_t len = num_get32(p) % 4096;
		struct span body = span_head(span_skip(in, 8), len);
		/* A copy of exact size, so that a sanitizer sees one byte too far. */
		char *copy = span_dup(body);
		int fd = num_get16(p + 6) & 1 ? dup(STDERR_FILENO) : -1;
		(void)ipc_dispatch(&handlers, NULL, NULL, self, peer, num_get16(p + 4), span_of(copy, body.len), fd);
		free(copy);
		in = span_skip(in, 8 + len);
	}
}

static void
through_channel(enum role self, enum role peer, struct span in)
{
	int fds[2];

	if (in.len > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return;
	channel = ipc_new(fds[0], self, peer, 0, 1, &handlers, NULL);
	if (send(fds[1], in.ptr, in.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		touched++;
	(void)close(fds[1]);
	(void)loop_run();
	ipc_free(channel);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;

	if (!ready)
		set_up();
	ready = true;
	if (size < 1)
		return 0;
	enum role self = (enum role)(data[0] % ROLE_COUNT), peer = (enum role)(data[0] / 16 % ROLE_COUNT);
	struct span in = span_of(data + 1, size - 1);
	each_frame(self, peer, in);
	through_channel(self, peer, in);
	return 0;
}
