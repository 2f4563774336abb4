#include "receive/before_queue_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "receive/session_xclient.h"
#include "receive/state.h"

#define READ_ONCE	4096

static const char write_error[] = "451 4.3.0 Error: queue file write error";	/* as Postfix words every failure of the filter's */

/* -- settings ---------------------------------------------------------------------------------------- */

/* "host:port", "port", "inet:host:port" or "unix:path" as dial() takes it. */
bool
before_queue_open(struct settings *s, struct err *err)
{
	struct span value = span_trim(span_str(conf_str(s->view, P_smtpd_proxy_filter))), options = span_str(conf_str(s->view, P_smtpd_proxy_options)), word;
	struct buf where = BUF_INIT(4096);

	while (span_word(&options, "\t\r\n ,", &word)) {
		if (!span_caseeqs(word, "speed_adjust")) {
			err_set(err, ERR_PERM, "smtpd_proxy_options: \"%.*s\" is no option; there is speed_adjust", SPAN_ARG(span_head(word, 60)));
			return false;
		}
		s->filter_adjust = true;
	}
	if (value.len == 0)
		return true;
	s->filter_name = span_dup(value);
	if (span_starts(value, "inet:"))
		value = span_skip(value, 5);
	bool local = span_starts(value, "unix:");
	if (!local)
		buf_str(&where, span_has(value, ':') && value.ptr[0] != ':' ? "inet:" : value.ptr[0] == ':' ? "inet:localhost" : "inet:localhost:");
	buf_span(&where, value);
	s->filter = buf_take(&where);
	s->filter_ehlo = conf_str(s->view, P_smtpd_proxy_ehlo);
	s->filter_timeout = conf_time(s->view, P_smtpd_proxy_timeout);
	return true;
}

/* -- what is said of it ------------------------------------------------------------------------------- */

/* "from=<s> to=<r> proto=ESMTP helo=<h>": the reply to a message, whoever gave it. */
static void
log_end(const struct before_queue *b, bool accepted, const char *reply)
{
	const struct session *s = b->s;
	struct buf *text = &s->rx->text;

	buf_reset(text);
	buf_printf(text, "proxy-%s: END-OF-MESSAGE: %s; from=<%s> to=<%s> proto=%s helo=<%s>", accepted ? "accept" : "reject", reply, s->sender == NULL ? "" : s->sender,
	    b->first == NULL ? "" : b->first, s->esmtp ? "ESMTP" : "SMTP", s->helo == NULL ? "" : s->helo);
	log_info(session_program(s), "%s", text->ptr);
}

static void
warn(const struct before_queue *b, const char *what)
{
	log_warning(session_program(b->s), "%s proxy %s", what, b->s->settings->filter_name);
}

/* -- the connection ------------------------------------------------------------------------------------ */

static void
hang_up(struct before_queue *b)
{
	loop_timer_stop(&b->timer);
	dial_drop(b->dial);
	b->dial = NULL;
	if (b->fd >= 0) {
		loop_io_watch(&b->io, 0);
		close(b->fd);
	}
	b->fd = -1;
	b->step = AT_EASE;
	buf_reset(&b->out);
	b->out_at = 0;
}

static void
free_all(struct before_queue *b)
{
	hang_up(b);
	link_spill_done(&b->s->rx->link, b->spill, false);
	filter_reply_clear(&b->reply);
	buf_clear(&b->out);
	buf_clear(&b->rcpts);
	buf_clear(&b->room);
	buf_clear(&b->body);
	free(b->mail);
	free(b->first);
	free(b->command);
	free(b);
}

/* Said without waiting for an answer, where the filter expects a command. */
static void
say_quit(const struct before_queue *b)
{
	if (b->fd >= 0 && b->step == AT_EASE)
		(void)send(b->fd, "QUIT\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
before_queue_drop(struct session *s)
{
	struct before_queue *b = s->before_queue;

	if (b == NULL)
		return;
	s->before_queue = NULL;
	say_quit(b);
	free_all(b);
}

/* What the client waits for, answered. NULL: good, in the server's own words. */
static void
answer(struct before_queue *b, const char *reply)
{
	struct session *s = b->s;
	bool end = b->owed == OWED_END, good = end && reply[0] == '2';

	if (b->owed == OWED_NOTHING)
		return;
	b->owed = OWED_NOTHING;
	/* The reply may lie in what goes with the filter's dialogue. */
	char *kept = reply == NULL ? NULL : mem_str(reply);
	if (end) {
		log_end(b, good, kept);
		s->rx->accepted += good;
		s->rx->rejected += !good;
		before_queue_drop(s);
		session_forward_drop(s);
		intake_drop(s->intake);
		s->intake = NULL;
	}
	smtp_server_answer(s->server, kept);
	free(kept);
	session_continue(s);
}

/* The dialogue has broken down, or the filter refused what it must not. */
static void
give_up(struct before_queue *b, const char *reply)
{
	b->lost = b->lost || b->has_mail;
	hang_up(b);
	answer(b, reply);
}

void
before_queue_broke(struct before_queue *b, const char *what)
{
	warn(b, what);
	give_up(b, write_error);
}

/* One line, whatever the client has put into it. */
static void
say(struct before_queue *b, enum step step, struct span command)
{
	free(b->command);
	b->command = span_dup(command);
	b->step = step;
	for (size_t i = 0; i < command.len; i++)
		buf_char(&b->out, command.ptr[i] == '\r' || command.ptr[i] == '\n' || command.ptr[i] == '\0' ? ' ' : command.ptr[i]);
	buf_str(&b->out, "\r\n");
	before_queue_watch(b);
}

/* -- the dialogue --------------------------------------------------------------------------------------------- */

static void
next_recipient(struct before_queue *b)
{
	struct span command;

	if (b->rcpt_at < b->rcpts.len) {
		command = span_str(b->rcpts.ptr + b->rcpt_at);
		b->rcpt_at += command.len + 1;
		say(b, RCPT, command);
	} else if (b->owed == OWED_END) {
		say(b, DATA, SPAN("DATA"));
	} else {
		b->step = AT_EASE;
		before_queue_watch(b);
	}
}

static bool
forward_more(struct before_queue *b)
{
	struct envelope_client c;
	struct buf line = BUF_INIT(4096);

	envelope_client(&b->s->intake->envelope, &c);
	const struct span values[FILTER_XATTRS] = {
		[FILTER_NAME] = c.name, [FILTER_ADDR] = c.addr, [FILTER_PORT] = c.port, [FILTER_HELO] = c.helo, [FILTER_IDENT] = c.ident,
		[FILTER_PROTO] = c.protocol, [FILTER_SOURCE] = c.local ? SPAN("LOCAL") : SPAN("REMOTE"),
	};
	struct span told[FILTER_XATTRS];
	for (unsigned i = 0; i < FILTER_XATTRS; i++)
		told[i] = i != FILTER_HELO && span_caseeqs(values[i], "unknown") ? SPAN_NONE : values[i];
	bool any = filter_xforward(&b->forward_left, told, &line);
	if (any)
		say(b, FORWARD, buf_view(&line));
	buf_clear(&line);
	return any;
}

/* For Received:, the restrictions of the end of data, and the log. */
static void
note_recipient(struct before_queue *b)
{
	struct intake *in = b->s->intake;

	if (in->envelope.recipient_count++ == 0)
		in->first_recipient = arena_span(&in->arena, span_str(b->s->rcpt.address));
	if (b->first == NULL)
		b->first = mem_str(b->s->rcpt.address);
}

static void
good(struct before_queue *b)
{
	struct buf hello = BUF_INIT(1024);

	switch (b->step) {
	case GREETING:
		buf_printf(&hello, "EHLO %s", b->s->settings->filter_ehlo);
		say(b, HELLO, buf_view(&hello));
		break;
	case HELLO:
		b->forward_left = filter_xforward_offered(&b->reply);
		/* fall through */
	case FORWARD:
		if (!forward_more(b))
			say(b, MAIL, span_str(b->mail));
		break;
	case MAIL:
		b->has_mail = true;
		if (!b->told_client)
			session_log_client(b->s);
		b->told_client = true;
		next_recipient(b);
		break;
	case RCPT:
		next_recipient(b);
		if (b->owed == OWED_RCPT) {
			note_recipient(b);
			answer(b, NULL);
		}
		break;
	case DATA:
		b->step = b->adjust ? END : CONTENT;
		if (!b->adjust)
			before_queue_begin(b);
		before_queue_watch(b);
		if (b->owed == OWED_DATA)
			answer(b, NULL);
		break;
	default:
		break;
	}
	buf_clear(&hello);
}

/* A reply that is not what the step needs. What the filter says of the client's own commands the client is told. */
static void
bad(struct before_queue *b, char class)
{
	log_warning(session_program(b->s), "proxy %s rejected \"%s\": \"%s\"", b->s->settings->filter_name, b->step == GREETING ? "connection request" : b->command,
	    b->reply.text.ptr);
	const char *reply = class == '4' || class == '5' ? b->reply.text.ptr : write_error;
	if (b->step == GREETING || b->step == HELLO) {
		give_up(b, write_error);
	} else if ((b->step == RCPT || b->step == DATA) && b->owed != OWED_END) {
		b->step = AT_EASE;
		before_queue_watch(b);
		answer(b, reply);
	} else {
		give_up(b, reply);
	}
}

static void
replied(struct before_queue *b)
{
	char class = filter_reply_class(&b->reply), wanted = b->step == DATA ? '3' : '2';

	if (b->step == END) {
		bool early = before_queue_unsent(b);
		b->step = AT_EASE;
		if (early)
			hang_up(b);
		answer(b, class == 0 || class == '3' || (early && class == '2') ? write_error : b->reply.text.ptr);
		return;
	}
	if (class == wanted || b->step == FORWARD)
		good(b);
	else
		bad(b, class);
}

static void
read_reply(struct before_queue *b)
{
	char bytes[READ_ONCE];
	ssize_t n = recv(b->fd, bytes, sizeof bytes, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		before_queue_broke(b, "lost connection with");
		return;
	}
	/* Only what belongs to this reply is taken. */
	size_t used = filter_reply_take(&b->reply, span_of(bytes, (size_t)n));
	(void)recv(b->fd, bytes, used, 0);
	if (b->reply.whole)
		replied(b);
}

static void
on_io(void *arg, short what)
{
	struct before_queue *b = arg;

	if (what & EV_WRITE)
		before_queue_send(b);
	else if (what & EV_READ)
		read_reply(b);
}

static void
on_timer(void *arg)
{
	before_queue_broke(arg, "timeout talking to");
}

static void
dialled(void *arg, int fd, const char *error)
{
	struct before_queue *b = arg;

	b->dial = NULL;
	if (fd < 0) {
		log_warning(session_program(b->s), "connect to proxy filter %s: %s", b->s->settings->filter_name, error);
		give_up(b, write_error);
		return;
	}
	b->fd = fd;
	loop_io_init(&b->io, fd, on_io, b);
	b->step = GREETING;
	before_queue_watch(b);
}

static void
connect_to(struct before_queue *b)
{
	b->step = DIALLING;
	b->dial = dial(span_str(b->s->settings->filter), b->s->settings->filter_timeout, dialled, b);
}

/* -- what the session asks for ------------------------------------------------------------------------------------ */

void
before_queue_mail(struct session *s, struct span line)
{
	struct before_queue *b;

	before_queue_drop(s);
	MEM_NEW(b);
	*b = (struct before_queue){ .s = s, .fd = -1, .adjust = s->settings->filter_adjust, .mail = span_dup(line),
	    .reply = { .text = BUF_INIT(4 * FILTER_REPLY_MAX), .line = BUF_INIT(2 * FILTER_REPLY_MAX) },
	    .out = BUF_INIT(0), .rcpts = BUF_INIT(0), .room = BUF_INIT(0), .body = BUF_INIT(0) };
	loop_timer_init(&b->timer, on_timer, b);
	s->before_queue = b;
}

void
before_queue_rcpt(struct session *s, struct span line)
{
	struct before_queue *b = s->before_queue;

	if (b->lost) {
		smtp_server_answer(s->server, write_error);
		return;
	}
	if (b->adjust) {
		if (!b->told_client)
			session_log_client(s);
		b->told_client = true;
		note_recipient(b);
		buf_span(&b->rcpts, line);
		buf_char(&b->rcpts, '\0');
		smtp_server_answer(s->server, NULL);
		return;
	}
	b->owed = OWED_RCPT;
	buf_reset(&b->rcpts);
	buf_span(&b->rcpts, line);
	buf_char(&b->rcpts, '\0');
	b->rcpt_at = 0;
	if (b->fd < 0)
		connect_to(b);
	else
		next_recipient(b);
}

void
before_queue_data(struct session *s)
{
	struct before_queue *b = s->before_queue;

	if (b->lost) {
		smtp_server_answer(s->server, write_error);
	} else if (b->adjust) {
		before_queue_begin(b);
		smtp_server_answer(s->server, NULL);
	} else {
		b->owed = OWED_DATA;
		say(b, DATA, SPAN("DATA"));
	}
}

void
before_queue_end(struct session *s)
{
	struct before_queue *b = s->before_queue;

	b->owed = OWED_END;
	if (b->lost) {
		answer(b, write_error);
		return;
	}
	buf_str(b->adjust ? &b->body : &b->out, ".\r\n");
	if (b->adjust) {
		connect_to(b);
		return;
	}
	b->step = END;
	before_queue_watch(b);
}
