/* One question to a policy server, waited for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtactl/simulate.h"
#include "net/addr.h"
#include "policy/server.h"

static int
connect_unix(struct session *s, struct span path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct buf full = BUF_INIT(4096);
	int fd = -1;

	session_locate(s);
	if (span_starts(path, "/"))
		buf_span(&full, path);
	else
		buf_printf(&full, "%s/%.*s", s->queue_directory, SPAN_ARG(path));
	if (full.len >= sizeof un.sun_path || full.over) {
		errno = ENAMETOOLONG;
	} else {
		memcpy(un.sun_path, full.ptr, full.len + 1);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof un) < 0) {
			int saved = errno;
			close(fd);
			errno = saved;
			fd = -1;
		}
	}
	buf_clear(&full);
	return fd;
}

static int
connect_inet(struct span where, const struct timeval *within)
{
	size_t colon = span_rfind(where, ':');
	struct span host = span_head(where, colon);
	struct net_addr a;
	uint16_t port;

	if (span_starts(host, "[") && span_ends(host, "]"))
		host = span_of(host.ptr + 1, host.len - 2);
	if (!net_port(span_skip(where, colon + 1), &port) ||
	    !net_addr_parse(span_caseeqs(host, "localhost") ? SPAN("127.0.0.1") : host, port, &a)) {
		errno = EINVAL;
		return -1;
	}
	int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, within, sizeof *within);
	if (connect(fd, &a.sa, a.len) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
send_all(int fd, struct span s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = span_skip(s, (size_t)n);
	}
	return true;
}

/* False with *why, or errno where that is NULL. */
static bool
read_reply(int fd, int64_t until, struct buf *in, struct span *action, const char **why)
{
	size_t used;

	*why = NULL;
	for (;;) {
		char *room = buf_room(in, 4096);
		ssize_t n = room == NULL ? 0 : recv(fd, room, 4096, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			*why = "the server closed the connection";
		if (n <= 0)
			return false;
		buf_added(in, (size_t)n);
		enum server_reply r = server_reply_parse(buf_view(in), action, &used, why);
		if (r != SERVER_REPLY_MORE)
			return r == SERVER_REPLY_GOOD;
		if (clock_mono() > until) {
			*why = "the answer does not come in time";
			return false;
		}
	}
}

bool
ask_server(struct session *s, const struct policy_server *server, struct span request, struct buf *action)
{
	struct span where = span_str(server->where), found = SPAN_NONE;
	struct timeval within = { .tv_sec = (time_t)(server->timeout / SECOND), .tv_usec = (suseconds_t)(server->timeout % SECOND) };
	struct buf in = BUF_INIT(2 * SERVER_REPLY_MAX);
	const char *why = NULL;
	bool ok = false;

	int fd = span_starts(where, "unix:") ? connect_unix(s, span_skip(where, 5)) : connect_inet(span_skip(where, 5), &within);
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof within);
		ok = send_all(fd, request) && read_reply(fd, clock_mono() + server->timeout, &in, &found, &why);
	}
	if (ok)
		buf_span(action, found);
	else
		buf_str(action, why != NULL ? why : strerror(errno));
	if (fd >= 0)
		close(fd);
	buf_clear(&in);
	return ok;
}
