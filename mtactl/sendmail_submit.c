/*
 * A message over ESMTP to a receive role on this machine. Until the final dot nothing is lost by giving up: then the maildrop gets it.
 */
#include "mtactl/sendmail.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mail/address.h"
#include "mtactl/display.h"

#define PATIENCE	300000		/* ms for any reply */
#define REPLY_MAX	((size_t)64 << 10)
#define GROUP		50		/* recipients sent before their replies are read */

struct dialogue {
	const struct mail *mail;
	int		 fd;
	struct buf	 in;
	struct buf	 out;
	size_t		 taken;		/* of in */
	bool		 dsn, utf8, eightbit, pipelining;
	size_t		 accepted;
	int		 refused;	/* reply code of the last recipient refused for good */
	struct buf	 reply;		/* text of the last reply, its lines joined by spaces */
};

/* -- bytes ---------------------------------------------------------------- */

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof addr.sun_path)
		return -1;
	memcpy(addr.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
send_out(struct dialogue *d)
{
	struct span left = buf_view(&d->out);

	while (left.len > 0) {
		ssize_t n = send(d->fd, left.ptr, left.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		left = span_skip(left, (size_t)n);
	}
	buf_reset(&d->out);
	return true;
}

static bool
read_more(struct dialogue *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	char *room;
	ssize_t n;

	buf_drop(&d->in, d->taken);
	d->taken = 0;
	room = buf_room(&d->in, 4096);
	if (room == NULL || poll(&p, 1, PATIENCE) <= 0)
		return false;
	n = recv(d->fd, room, 4096, 0);
	if (n <= 0)
		return false;
	buf_added(&d->in, (size_t)n);
	return true;
}

static bool
read_line(struct dialogue *d, struct span *line)
{
	for (;;) {
		struct span rest = span_skip(buf_view(&d->in), d->taken);
		size_t n = span_find(rest, '\n');
		if (n < rest.len) {
			*line = span_rtrim(span_head(rest, n));
			d->taken += n + 1;
			return true;
		}
		if (!read_more(d))
			return false;
	}
}

static bool
digits3(struct span s)
{
	return s.len >= 3 && isdigit((unsigned char)s.ptr[0]) && isdigit((unsigned char)s.ptr[1])
	    && isdigit((unsigned char)s.ptr[2]);
}

/* The code of a whole reply, 0 where the connection is gone or talks nonsense. */
static int
read_reply(struct dialogue *d)
{
	struct span line;

	buf_reset(&d->reply);
	while (read_line(d, &line)) {
		if (!digits3(line) || (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
			return 0;
		if (d->reply.len > 0)
			buf_char(&d->reply, '\n');
		buf_span(&d->reply, span_skip(line, 4));
		if (line.len == 3 || line.ptr[3] == ' ')
			return (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
	}
	return 0;
}

/* -- commands ------------------------------------------------------------- */

static bool
has_high_bytes(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] > 127)
			return true;
	return false;
}

static void
learn(struct dialogue *d)
{
	struct span left = buf_view(&d->reply), line;

	while (span_cut(&left, '\n', &line)) {
		d->dsn |= span_caseeqs(line, "DSN");
		d->utf8 |= span_casestarts(line, "SMTPUTF8");
		d->eightbit |= span_caseeqs(line, "8BITMIME");
		d->pipelining |= span_caseeqs(line, "PIPELINING");
	}
}

static bool
greet(struct dialogue *d)
{
	char host[256] = "localhost";

	if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
		memcpy(host, "localhost", sizeof "localhost");
	if (read_reply(d) != 220)
		return false;
	buf_printf(&d->out, "EHLO %s\r\n", host);
	if (!send_out(d) || read_reply(d) != 250)
		return false;
	learn(d);
	return true;
}

static bool
any_address_utf8(const struct mail *m)
{
	bool any = has_high_bytes(m->sender);

	for (size_t i = 0; i < m->rcpt_count; i++)
		any = any || has_high_bytes(m->rcpts[i]);
	return any;
}

static void
put_mail(struct dialogue *d)
{
	const struct mail *m = d->mail;

	buf_str(&d->out, "MAIL FROM:<");
	address_quote(&d->out, m->sender);
	buf_char(&d->out, '>');
	if (d->eightbit && (m->body != NULL || has_high_bytes(buf_view(&m->content))))
		buf_printf(&d->out, " BODY=%s", m->body != NULL ? m->body : "8BITMIME");
	if (d->utf8 && any_address_utf8(m))
		buf_str(&d->out, " SMTPUTF8");
	if (d->dsn && m->ret != NULL)
		buf_printf(&d->out, " RET=%s", m->ret);
	if (d->dsn && m->envid != NULL)
		buf_printf(&d->out, " ENVID=%s", m->envid);
	if (m->verp != NULL)
		buf_printf(&d->out, " XVERP=%s", m->verp);
	buf_str(&d->out, "\r\n");
}

static void
put_rcpt(struct dialogue *d, struct span address)
{
	buf_str(&d->out, "RCPT TO:<");
	address_quote(&d->out, address);
	buf_char(&d->out, '>');
	if (d->dsn && d->mail->notify != NULL)
		buf_printf(&d->out, " NOTIFY=%s", d->mail->notify);
	buf_str(&d->out, "\r\n");
}

static void
say_refused(struct dialogue *d, struct span what, int code)
{
	tell_safe(d->mail->program, "%.*s: %d %.*s", SPAN_ARG(what), code, SPAN_ARG(buf_view(&d->reply)));
}

static int
send_sender(struct dialogue *d)
{
	put_mail(d);
	int code = send_out(d) ? read_reply(d) : 0;
	if (code == 250)
		return EX_FINE;
	if (code < 500)
		return EX_LATER;
	say_refused(d, d->mail->sender.len > 0 ? d->mail->sender : SPAN("<>"), code);
	return code == 550 || code == 553 ? EX_NO_RIGHT : EX_DOWN;
}

/* A recipient that is refused for now sends the whole message to the maildrop: there it is tried again. */
static int
send_recipients(struct dialogue *d)
{
	const struct mail *m = d->mail;
	size_t group = d->pipelining ? GROUP : 1;

	for (size_t i = 0; i < m->rcpt_count; i += group) {
		size_t n = m->rcpt_count - i < group ? m->rcpt_count - i : group;
		for (size_t k = 0; k < n; k++)
			put_rcpt(d, m->rcpts[i + k]);
		if (!send_out(d))
			return EX_LATER;
		for (size_t k = 0; k < n; k++) {
			int code = read_reply(d);
			if (code / 100 == 2) {
				d->accepted++;
			} else if (code >= 500) {
				d->refused = code;
				say_refused(d, m->rcpts[i + k], code);
			} else {
				return EX_LATER;
			}
		}
	}
	return d->accepted > 0 ? EX_FINE : EX_NO_USER;
}

/* CRLF at every line's end, and a dot more where a line begins with one. */
static bool
send_content(struct dialogue *d)
{
	struct span left = buf_view(&d->mail->content);

	while (left.len > 0) {
		size_t n = span_find(left, '\n');
		if (*left.ptr == '.')
			buf_char(&d->out, '.');
		buf_put(&d->out, left.ptr, n);
		buf_put(&d->out, "\r\n", 2);
		left = span_skip(left, n + 1);
		if (d->out.len > 65536 && !send_out(d))
			return false;
	}
	buf_put(&d->out, ".\r\n", 3);
	return send_out(d);
}

static int
send_data(struct dialogue *d)
{
	buf_str(&d->out, "DATA\r\n");
	if (!send_out(d) || read_reply(d) != 354 || !send_content(d))
		return EX_LATER;
	int code = read_reply(d);
	if (code / 100 == 2) {
		if (d->mail->verbose)
			tell_safe(d->mail->program, "%d %.*s", code, SPAN_ARG(buf_view(&d->reply)));
		return EX_FINE;
	}
	if (code < 500)
		return EX_LATER;
	say_refused(d, SPAN("the message"), code);
	return EX_DOWN;
}

static int
converse(struct dialogue *d)
{
	int status;

	if (!greet(d))
		return EX_LATER;
	status = send_sender(d);
	if (status == EX_FINE)
		status = send_recipients(d);
	if (status == EX_FINE)
		status = send_data(d);
	if (status != EX_LATER) {
		buf_str(&d->out, "QUIT\r\n");
		if (send_out(d))
			(void)read_reply(d);
	}
	if (status == EX_FINE && d->refused != 0)
		return EX_NO_USER;
	return status;
}

int
mail_submit(const struct mail *m, const char *socket_path)
{
	struct dialogue d = { .mail = m, .fd = connect_to(socket_path), .in = BUF_INIT(REPLY_MAX),
	    .out = BUF_INIT(0), .reply = BUF_INIT(REPLY_MAX) };
	int status;

	if (d.fd < 0)
		return EX_LATER;
	status = converse(&d);
	close(d.fd);
	buf_clear(&d.in);
	buf_clear(&d.out);
	buf_clear(&d.reply);
	return status;
}

/* -- sendmail -bs ---------------------------------------------------------- */

/* False at the end of `from` or where `to` takes nothing any more. */
static bool
pass_on(int from, int to)
{
	char bytes[16384];
	ssize_t n = read(from, bytes, sizeof bytes);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	for (ssize_t at = 0; at < n; ) {
		ssize_t done = write(to, bytes + at, (size_t)(n - at));
		if (done < 0 && errno != EINTR)
			return false;
		at += done > 0 ? done : 0;
	}
	return true;
}

int
mail_relay_smtp(const char *program, const char *socket_path)
{
	int fd = connect_to(socket_path);
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	if (fd < 0) {
		printf("421 4.3.0 mtad is not running\r\n");
		fflush(stdout);
		fprintf(stderr, "%s: mtad is not running (%s)\n", program, socket_path);
		return EX_DOWN;
	}
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0 && !pass_on(fd, STDOUT_FILENO))
			break;
		if (p[0].revents != 0 && !pass_on(STDIN_FILENO, fd)) {
			p[0].fd = -1;
			(void)shutdown(fd, SHUT_WR);
		}
	}
	close(fd);
	return EX_FINE;
}
