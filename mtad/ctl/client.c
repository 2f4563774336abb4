#include "ctl/client.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/jsonl.h"

#define READ_SIZE	((size_t)64 << 10)
#define LINE_MAX_BYTES	((size_t)64 << 20)	/* a message with very many recipients is one row */
#define HELLO_TIME	10000			/* ms */

struct ctl_client {
	int		 fd;
	uint8_t		 rights;
	char		 host[256];
	int64_t		 last_id;
	struct buf	 in;
	size_t		 taken;		/* of in */
	size_t		 seen;		/* of in: holds no newline between taken and here */
	struct buf	 text;
};

void
ctl_client_close(struct ctl_client *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	buf_clear(&c->in);
	buf_clear(&c->text);
	free(c);
}

int
ctl_client_fd(const struct ctl_client *c)
{
	return c->fd;
}

uint8_t
ctl_client_rights(const struct ctl_client *c)
{
	return c->rights;
}

const char *
ctl_client_host(const struct ctl_client *c)
{
	return c->host;
}

/* -- lines ---------------------------------------------------------------- */

static enum reply_kind
lost(struct err *err, const char *text)
{
	err_set(err, ERR_TEMP, "%s", text);
	return REPLY_LOST;
}

/* REPLY_ROW here means: something was read. */
static enum reply_kind
read_more(struct ctl_client *c, int timeout, struct err *err)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t n;
	char *room;

	do
		n = poll(&p, 1, timeout);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return REPLY_WAIT;
	if (c->taken > 0) {
		buf_drop(&c->in, c->taken);
		c->seen -= c->taken;
		c->taken = 0;
	}
	room = buf_room(&c->in, READ_SIZE);
	if (room == NULL)
		return lost(err, "mtad sent a line that is too long");
	do
		n = recv(c->fd, room, READ_SIZE, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return lost(err, "mtad closed the connection");
	buf_added(&c->in, (size_t)n);
	return REPLY_ROW;
}

static enum reply_kind
read_line(struct ctl_client *c, int timeout, struct span *line, struct err *err)
{
	for (;;) {
		struct span rest = span_skip(buf_view(&c->in), c->seen);
		size_t n = span_find(rest, '\n');
		if (n < rest.len) {
			size_t end = c->seen + n;
			*line = span_of(c->in.ptr + c->taken, end - c->taken);
			c->taken = c->seen = end + 1;
			return REPLY_ROW;
		}
		c->seen = c->in.len;
		enum reply_kind kind = read_more(c, timeout, err);
		if (kind != REPLY_ROW)
			return kind;
	}
}

/* -- opening -------------------------------------------------------------- */

/* A listener whose queue is full keeps connect() waiting, as long as the socket's time for sending. */
static void
limit_waiting(int fd, int ms)
{
	struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static int
connect_to(const char *path, int timeout, bool *down, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	*down = false;
	if (len >= sizeof addr.sun_path) {
		err_set(err, ERR_SYS, "%s: the path is too long for a socket", path);
		return -1;
	}
	memcpy(addr.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_sys(err, "socket");
		return -1;
	}
	limit_waiting(fd, timeout);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0) {
		limit_waiting(fd, 0);
		return fd;
	}
	*down = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
	err_sys(err, "%s", path);
	close(fd);
	return -1;
}

static void
read_rights(struct ctl_client *c, struct span list)
{
	struct jsonl_walk w;
	struct span one;

	if (!jsonl_walk_array(&w, list))
		return;
	while (jsonl_element(&w, &one)) {
		if (!jsonl_is_string(one))
			continue;
		struct span name = span_of(one.ptr + 1, one.len - 2);
		for (unsigned bit = CTL_VIEW; bit <= CTL_ADMINISTER; bit <<= 1)
			if (span_eqs(name, rights_name((enum ctl_rights)bit)))
				c->rights = (uint8_t)(c->rights | bit);
	}
}

/* Only what a host's name is made of: it is shown on terminals. */
static void
read_host(struct ctl_client *c, struct span value)
{
	buf_reset(&c->text);
	if (!jsonl_text(value, &c->text) || c->text.len >= sizeof c->host)
		return;
	for (size_t i = 0; i < c->text.len; i++)
		if (!isalnum((unsigned char)c->text.ptr[i]) && strchr("-._", c->text.ptr[i]) == NULL)
			return;
	if (c->text.len > 0)
		memcpy(c->host, c->text.ptr, c->text.len + 1);
}

static bool
read_hello(struct ctl_client *c, int timeout, struct err *err)
{
	struct span line, value;
	int64_t version;

	switch (read_line(c, timeout, &line, err)) {
	case REPLY_LOST:
		return false;
	case REPLY_WAIT:
		err_set(err, ERR_TEMP, "mtad does not answer");
		return false;
	default:
		break;
	}
	if (jsonl_find(line, "error", &value)) {
		buf_reset(&c->text);
		err_set(err, ERR_TEMP, "%s", jsonl_text(value, &c->text) ? c->text.ptr : "refused");
		return false;
	}
	if (!jsonl_find(line, "protocol", &value) || !jsonl_int(value, &version) || version != 1) {
		err_set(err, ERR_SYS, "what answers there does not speak mtad's control protocol 1");
		return false;
	}
	if (jsonl_find(line, "rights", &value))
		read_rights(c, value);
	if (jsonl_find(line, "hostname", &value))
		read_host(c, value);
	return true;
}

struct ctl_client *
ctl_client_open(const char *path, bool *down, struct err *err)
{
	return ctl_client_open_within(path, HELLO_TIME, down, err);
}

struct ctl_client *
ctl_client_open_within(const char *path, int timeout, bool *down, struct err *err)
{
	struct ctl_client *c;
	int fd = connect_to(path, timeout, down, err);

	if (fd < 0)
		return NULL;
	MEM_NEW(c);
	c->fd = fd;
	c->in = BUF_INIT(LINE_MAX_BYTES);
	c->text = BUF_INIT(65536);
	if (read_hello(c, timeout, err))
		return c;
	ctl_client_close(c);
	return NULL;
}

/* -- requests and replies ------------------------------------------------- */

static bool
send_all(int fd, struct span bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(err, "cannot send to mtad");
			return false;
		}
		bytes = span_skip(bytes, (size_t)n);
	}
	return true;
}

bool
ctl_client_send(struct ctl_client *c, const struct request *req, bool readonly, int64_t *id, struct err *err)
{
	struct buf line = BUF_INIT(0);
	struct jsonl j = { .out = &line };

	*id = ++c->last_id;
	jsonl_object(&j, NULL);
	jsonl_i64(&j, "id", *id);
	jsonl_str(&j, "cmd", span_str(command_row(req->command)->name));
	if (readonly)
		jsonl_bool(&j, "readonly", true);
	jsonl_object(&j, "args");
	for (size_t i = 0; i < req->count; i++)
		jsonl_str(&j, req->args[i].name.ptr, req->args[i].value);
	jsonl_end_object(&j);
	jsonl_end_object(&j);
	buf_char(&line, '\n');
	bool ok = send_all(c->fd, buf_view(&line), err);
	buf_clear(&line);
	return ok;
}

bool
ctl_client_cancel(struct ctl_client *c, int64_t of, struct err *err)
{
	struct buf line = BUF_INIT(128);

	buf_printf(&line, "{\"id\":%lld,\"cmd\":\"cancel\",\"args\":{\"of\":%lld}}\n", (long long)++c->last_id, (long long)of);
	bool ok = send_all(c->fd, buf_view(&line), err);
	buf_clear(&line);
	return ok;
}

/* {"id":N,"row":{...}} as mtad writes it, the row last: nothing in it need be looked at. */
static bool
parse_plain_row(struct span line, struct ctl_reply *r)
{
	static const char id[] = "{\"id\":", row[] = ",\"row\":{";
	size_t at = sizeof id - 1, from = at;

	if (!span_starts(line, id))
		return false;
	while (at < line.len && (isdigit((unsigned char)line.ptr[at]) || line.ptr[at] == '-'))
		at++;
	struct span digits = span_of(line.ptr + from, at - from), rest = span_skip(line, at);
	if (!span_starts(rest, row) || !span_ends(rest, "}}"))
		return false;
	*r = (struct ctl_reply){ .kind = REPLY_ROW };
	r->row = span_of(rest.ptr + sizeof row - 2, rest.len - (sizeof row - 2) - 1);
	return jsonl_int(digits, &r->id);
}

/* Every member but the row is looked at; the row is only measured. */
bool
ctl_reply_parse(struct span line, struct buf *text, struct ctl_reply *r)
{
	struct jsonl_walk w;
	struct span key, value;
	bool done = false, row = false;
	int64_t n;

	if (parse_plain_row(line, r))
		return true;
	*r = (struct ctl_reply){ .id = -1, .status = 70 };
	buf_reset(text);
	if (!jsonl_walk_object(&w, line))
		return false;
	while (jsonl_member(&w, &key, &value)) {
		if (span_eqs(key, "row")) {
			r->row = value;
			row = value.len > 0 && *value.ptr == '{';
		} else if (span_eqs(key, "id")) {
			if (!jsonl_int(value, &r->id))
				r->id = -1;
		} else if (span_eqs(key, "done")) {
			done = jsonl_true(value);
		} else if (span_eqs(key, "status")) {
			if (jsonl_int(value, &n) && n >= 0 && n <= 255)
				r->status = (int)n;
		} else if (span_eqs(key, "error")) {
			buf_reset(text);
			jsonl_text(value, text);
		}
	}
	if (w.fault || row == done)
		return false;
	r->kind = row ? REPLY_ROW : REPLY_DONE;
	r->error = buf_view(text);
	return true;
}

void
ctl_client_next(struct ctl_client *c, int timeout, struct ctl_reply *r, struct err *err)
{
	struct span line;
	enum reply_kind kind = read_line(c, timeout, &line, err);

	*r = (struct ctl_reply){ .kind = kind };
	if (kind != REPLY_ROW)
		return;
	if (!ctl_reply_parse(line, &c->text, r))
		r->kind = lost(err, "mtad sent something that is no reply");
}
