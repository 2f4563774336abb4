#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "table/remote.h"

/* Waits for the socket; false with the err at the time limit. */
static bool
ready(const struct remote_stream *s, short events, struct err *err)
{
	struct pollfd p = { .fd = s->fd, .events = events };

	for (;;) {
		int64_t left = s->until - clock_mono();
		int rc = left <= 0 ? 0 : poll(&p, 1, (int)(left / 1000) + 1);
		if (rc > 0)
			return true;
		if (rc == 0) {
			err_set(err, ERR_TEMP, "no answer in time");
			return false;
		}
		if (errno != EINTR) {
			err_sys(err, "poll");
			return false;
		}
	}
}

static bool
connected(const struct remote_stream *s, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (!ready(s, POLLOUT, err))
		return false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
		return true;
	errno = error;
	err_sys(err, "connect");
	return false;
}

static bool
connect_to(struct remote_stream *s, const struct sockaddr *a, socklen_t len, struct err *err)
{
	s->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0) {
		err_sys(err, "socket");
		return false;
	}
	if (connect(s->fd, a, len) == 0)
		return true;
	if (errno == EINPROGRESS) {
		if (connected(s, err))
			return true;
	} else {
		err_sys(err, "connect");
	}
	(void)close(s->fd);
	s->fd = -1;
	return false;
}

static bool
connect_unix(struct remote_stream *s, const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sun.sun_path) {
		err_set(err, ERR_SYS, "the path of the socket is too long");
		return false;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	return connect_to(s, (const struct sockaddr *)&sun, sizeof sun, err);
}

static bool
connect_inet(struct remote_stream *s, struct span endpoint, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	size_t colon = span_rfind(endpoint, ':');
	struct span host = span_head(endpoint, colon);
	bool ok = false;

	if (span_starts(host, "[") && span_ends(host, "]"))
		host = span_of(host.ptr + 1, host.len - 2);
	char *name = span_dup(host), *port = span_dup(span_skip(endpoint, colon + 1));
	int rc = colon == endpoint.len ? EAI_SERVICE : getaddrinfo(name[0] == '\0' ? NULL : name, port, &hints, &found);
	if (rc != 0)
		err_set(err, ERR_TEMP, "%s", gai_strerror(rc));
	for (struct addrinfo *a = found; a != NULL && !ok; a = a->ai_next)
		ok = connect_to(s, a->ai_addr, a->ai_addrlen, err);
	if (found != NULL)
		freeaddrinfo(found);
	free(name);
	free(port);
	return ok;
}

bool
remote_connect(struct remote_stream *s, const char *endpoint, int64_t within, struct err *err)
{
	struct span e = span_str(endpoint);

	*s = (struct remote_stream){ .fd = -1, .in = BUF_INIT(REMOTE_VALUE_MAX + 4096), .until = clock_mono() + within };
	bool ok = span_starts(e, "unix:") ? connect_unix(s, endpoint + 5, err) :
	    connect_inet(s, span_starts(e, "inet:") ? span_skip(e, 5) : e, err);
	if (!ok)
		err_prefix(err, "%s", endpoint);
	return ok;
}

void
remote_disconnect(struct remote_stream *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	buf_clear(&s->in);
}

bool
remote_write(struct remote_stream *s, struct span data, struct err *err)
{
	while (data.len > 0) {
		ssize_t n = send(s->fd, data.ptr, data.len, MSG_NOSIGNAL);
		if (n > 0) {
			data = span_skip(data, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			if (!ready(s, POLLOUT, err))
				return false;
		} else if (n >= 0 || errno != EINTR) {
			err_sys(err, "write");
			return false;
		}
	}
	return true;
}

static bool
more(struct remote_stream *s, struct err *err)
{
	for (;;) {
		char *room = buf_room(&s->in, 4096);
		if (room == NULL) {
			err_set(err, ERR_TEMP, "an answer that is too long");
			return false;
		}
		ssize_t n = recv(s->fd, room, 4096, 0);
		if (n > 0) {
			buf_added(&s->in, (size_t)n);
			return true;
		}
		if (n == 0) {
			err_set(err, ERR_TEMP, "the server closed the connection");
			return false;
		}
		if (errno == EAGAIN) {
			if (!ready(s, POLLIN, err))
				return false;
		} else if (errno != EINTR) {
			err_sys(err, "read");
			return false;
		}
	}
}

bool
remote_read_line(struct remote_stream *s, const char *end, size_t max, struct span *line, struct err *err)
{
	size_t n = strlen(end), from = 0;

	for (;;) {
		const char *at = s->in.len - from < n ? NULL : memmem(s->in.ptr + from, s->in.len - from, end, n);
		if (at != NULL && (size_t)(at - s->in.ptr) <= max) {
			*line = span_of(s->in.ptr, (size_t)(at - s->in.ptr));
			return true;
		}
		if (at != NULL || s->in.len > max) {
			err_set(err, ERR_TEMP, "a line of more than %zu bytes", max);
			return false;
		}
		from = s->in.len < n ? 0 : s->in.len - n + 1;
		if (!more(s, err))
			return false;
	}
}

bool
remote_read_bytes(struct remote_stream *s, size_t n, struct span *bytes, struct err *err)
{
	while (s->in.len < n)
		if (!more(s, err))
			return false;
	*bytes = span_of(s->in.ptr, n);
	return true;
}
