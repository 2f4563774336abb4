#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mail/outcome.h"
#include "smtp/client.h"

/*
 * Dialogues: "S: " is what the server says, "C: " what the client must have put out by then. "S! " closes the connection, "T! " is a
 * time-out. A line ends with CRLF on the wire.
 */
struct row {
	const char	*name;
	const char	*script;
	const char	*result;	/* "event; rcpt verdicts", see judge() */
	const char	*body;		/* NULL: "hello\n" */
	const char	*sender;	/* NULL: "a@x.test" */
	const char	*rcpts;		/* NULL: "b@y.test" */
	const char	*envid;
	const char	*orcpt;
	uint8_t		 notify;
	bool		 lmtp, utf8, eightbit, skip_5xx, best_mx, loop, no_ehlo_always;
	uint32_t	 line_limit;
	unsigned	 pix;
};

#define HELLO	"S: 220 mx.test ESMTP\n" "C: EHLO me.test\n" "S: 250-mx.test\n"
#define PIPE	HELLO "S: 250-PIPELINING\n" "S: 250 8BITMIME\n"
#define PLAIN	HELLO "S: 250 8BITMIME\n"
#define LHLO	"S: 220 mx.test LMTP\n" "C: LHLO me.test\n" "S: 250-mx.test\n" "S: 250 PIPELINING\n"
#define MAIL	"C: MAIL FROM:<a@x.test>\n"
#define RCPT	"C: RCPT TO:<b@y.test>\n"
#define TEXT	"C: Subject: x\nC: \nC: hello\nC: .\n"
#define PREFIX	"host mx[1.2.3.4] "

static const struct row rows[] = {
	{ .name = "pipelined",
	    .script = PIPE MAIL RCPT "C: DATA\n" "S: 250 2.1.0 Ok\nS: 250 2.1.5 Ok\nS: 354 go\n" TEXT "S: 250 2.0.0 Ok: queued as X\n",
	    .result = "done; sent 2.0.0 250 2.0.0 Ok: queued as X" },
	{ .name = "one by one",
	    .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n" TEXT "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "no ESMTP: HELO",
	    .script = "S: 220 mx.test ESMTP\nC: EHLO me.test\nS: 500 what\nC: HELO me.test\nS: 250 mx\n" MAIL "S: 250 Ok\n" RCPT
		"S: 250 Ok\n" "C: DATA\n" "S: 354 go\n" TEXT "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "greeting without ESMTP, and EHLO only where it is there", .no_ehlo_always = true,
	    .script = "S: 220 mx.test hi\nC: HELO me.test\nS: 250 mx\n" MAIL "S: 250 Ok\n" RCPT "S! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while sending RCPT TO; none" },
	{ .name = "greeting with ESMTP in several lines", .no_ehlo_always = true,
	    .script = "S: 220-mx.test\nS: 220 ESMTP here\nC: EHLO me.test\nS! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while performing the EHLO handshake; none" },
	{ .name = "a greeting of asterisks", .pix = PIX_DISABLE_ESMTP,
	    .script = "S: 220 **********0*2**\nC: HELO me.test\nS: 250 mx\n" MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n" TEXT "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "a greeting of more than asterisks", .pix = PIX_DISABLE_ESMTP, .script = "S: 220 **** 3\nC: EHLO me.test\nS! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while performing the EHLO handshake; none" },
	{ .name = "4xx greeting", .script = "S: 421 4.3.2 busy\n",
	    .result = "failed soft 4.3.2 " PREFIX "refused to talk to me: 421 4.3.2 busy; none" },
	{ .name = "5xx greeting", .script = "S: 554 no\n",
	    .result = "failed hard 5.0.0 " PREFIX "refused to talk to me: 554 no; none" },
	{ .name = "5xx greeting skipped", .skip_5xx = true, .script = "S: 554 5.7.1 no\n",
	    .result = "failed soft 4.7.1 " PREFIX "refused to talk to me: 554 5.7.1 no; none" },
	{ .name = "closed at once", .script = "S! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while receiving the initial server greeting; none" },
	{ .name = "hello refused", .script = "S: 220 mx ESMTP\nC: EHLO me.test\nS: 550 no\nC: HELO me.test\nS: 550 5.7.0 go away\n",
	    .result = "failed hard 5.7.0 " PREFIX "refused to talk to me: 550 5.7.0 go away; none" },
	{ .name = "our own name, best mx", .best_mx = true, .script = "S: 220 mx\nC: EHLO me.test\nS: 250 ME.test\n",
	    .result = "failed hard 5.4.6 mail for y.test loops back to myself; none" },
	{ .name = "our own name, another mx", .loop = true, .script = "S: 220 mx\nC: EHLO me.test\nS: 250 ME.test\n",
	    .result = "failed soft 4.4.6 mail for y.test loops back to myself; none" },
	{ .name = "no SMTP at all", .script = "S: SSH-2.0-OpenSSH\n",
	    .result = "failed soft 4.5.0 " PREFIX "sent a malformed reply: SSH-2.0-OpenSSH (in reply to connecting); none" },
	{ .name = "sender refused, pipelined",
	    .script = PIPE MAIL RCPT "C: DATA\n" "S: 550 5.7.1 no\nS: 503 x\nS: 503 x\n",
	    .result = "done; hard 5.7.1 " PREFIX "said: 550 5.7.1 no (in reply to MAIL FROM command)" },
	{ .name = "sender refused and then closed",
	    .script = PIPE MAIL RCPT "C: DATA\n" "S: 451 4.7.1 later\nS! \n",
	    .result = "done; soft 4.7.1 " PREFIX "said: 451 4.7.1 later (in reply to MAIL FROM command)" },
	{ .name = "sender refused, one by one", .script = PLAIN MAIL "S: 550 5.7.1 no\n",
	    .result = "done; hard 5.7.1 " PREFIX "said: 550 5.7.1 no (in reply to MAIL FROM command)" },
	{ .name = "one of two recipients refused", .rcpts = "b@y.test c@y.test",
	    .script = PIPE MAIL RCPT "C: RCPT TO:<c@y.test>\nC: DATA\n" "S: 250 Ok\nS: 550-5.1.1 no\nS: 550 5.1.1 such user\nS: 250 Ok\nS: 354 go\n"
		TEXT "S: 250 2.0.0 Ok\n",
	    .result = "done; hard 5.1.1 " PREFIX "said: 550-5.1.1 no 550 5.1.1 such user (in reply to RCPT TO command); sent 2.0.0 250 2.0.0 Ok" },
	{ .name = "all refused, and DATA too",
	    .script = PIPE MAIL RCPT "C: DATA\n" "S: 250 Ok\nS: 450 4.2.0 later\nS: 554 5.5.1 no valid recipients\n",
	    .result = "done; soft 4.2.0 " PREFIX "said: 450 4.2.0 later (in reply to RCPT TO command)" },
	{ .name = "all refused, yet DATA is taken",
	    .script = PIPE MAIL RCPT "C: DATA\n" "S: 250 Ok\nS: 550 no\nS: 354 go\n" "C: .\n" "S: 250 queued nothing\n",
	    .result = "done; hard 5.0.0 " PREFIX "said: 550 no (in reply to RCPT TO command)" },
	{ .name = "552 to RCPT is temporary", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 552 5.5.3 too many\n",
	    .result = "done; soft 4.5.3 " PREFIX "said: 552 5.5.3 too many (in reply to RCPT TO command)" },
	{ .name = "odd reply to RCPT", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 354 what\n",
	    .result = "done; hard 5.5.0 " PREFIX "said: 354 what (in reply to RCPT TO command)" },
	{ .name = "DATA refused", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 451 4.3.0 no\n",
	    .result = "done; soft 4.3.0 " PREFIX "said: 451 4.3.0 no (in reply to DATA command)" },
	{ .name = "refused at the end", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n" TEXT "S: 554 5.7.1 spam\n",
	    .result = "done; hard 5.7.1 " PREFIX "said: 554 5.7.1 spam (in reply to end of DATA command)" },
	{ .name = "status of another class than the code", .script = PLAIN MAIL "S: 550 4.1.1 odd\n",
	    .result = "done; hard 5.0.0 " PREFIX "said: 550 4.1.1 odd (in reply to MAIL FROM command)" },
	{ .name = "lost after the dot", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n" TEXT "S! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while sending end of data -- message may be sent more than once; none" },
	{ .name = "time-out at MAIL", .script = PLAIN MAIL "T! \n",
	    .result = "failed soft 4.4.2 conversation with mx[1.2.3.4] timed out while sending MAIL FROM; none" },
	{ .name = "dots", .body = ".\n..x\na.b\n.", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n"
		"C: Subject: x\nC: \nC: ..\nC: ...x\nC: a.b\nC: ..\nC: .\n" "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "long lines", .line_limit = 12, .body = "0123456789abcdefghijklmnopqrst\n012345678901\n",
	    .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n"
		"C: Subject: x\nC: \nC: 0123456789ab\nC:  cdefghijklm\nC:  nopqrst\nC: 012345678901\nC: .\n" "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "empty body", .body = "", .script = PLAIN MAIL "S: 250 Ok\n" RCPT "S: 250 Ok\n" "C: DATA\n" "S: 354 go\n"
		"C: Subject: x\nC: \nC: .\n" "S: 250 Ok\n",
	    .result = "done; sent 2.0.0 250 Ok" },
	{ .name = "size, 8bit, dsn", .eightbit = true, .envid = "id=1 2", .orcpt = "rfc822;b+c@y.test", .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE,
	    .script = HELLO "S: 250-SIZE 1000\nS: 250-8bitmime\nS: 250 DSN\n"
		"C: MAIL FROM:<a@x.test> SIZE=18 BODY=8BITMIME ENVID=id+3D1+202 RET=HDRS\n" "S: 250 Ok\n"
		"C: RCPT TO:<b@y.test> ORCPT=rfc822;b+2Bc@y.test NOTIFY=SUCCESS,FAILURE\n" "S: 421 4.3.2 bye\n",
	    .result = "done; soft 4.3.2 " PREFIX "said: 421 4.3.2 bye (in reply to RCPT TO command)" },
	{ .name = "too large for it", .script = HELLO "S: 250 SIZE 10\n",
	    .result = "done; hard 5.3.4 message size 18 exceeds size limit 10 of server mx[1.2.3.4]" },
	{ .name = "SMTPUTF8 missing", .utf8 = true, .script = PLAIN,
	    .result = "done; hard 5.6.7 SMTPUTF8 is required, but was not offered by host mx[1.2.3.4]" },
	{ .name = "SMTPUTF8", .utf8 = true, .sender = "\xc3\xa4@x.test",
	    .script = HELLO "S: 250 SMTPUTF8\nC: MAIL FROM:<\xc3\xa4@x.test> SMTPUTF8\nS: 250 Ok\n" RCPT "S! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while sending RCPT TO; none" },
	{ .name = "quoted local part, null sender", .sender = "", .rcpts = "john\"doe@y.test",
	    .script = PLAIN "C: MAIL FROM:<>\n" "S: 250 Ok\n" "C: RCPT TO:<\"john\\\"doe\"@y.test>\n" "S: 250 Ok\nC: DATA\nS: 451 x\n",
	    .result = "done; soft 4.0.0 " PREFIX "said: 451 x (in reply to DATA command)" },
	{ .name = "line end in a recipient", .rcpts = "b\rRSET@y.test", .script = PLAIN,
	    .result = "done; hard 5.1.3 bad address syntax" },
	{ .name = "lmtp", .lmtp = true, .rcpts = "b@y.test c@y.test d@y.test",
	    .script = LHLO MAIL RCPT "C: RCPT TO:<c@y.test>\nC: RCPT TO:<d@y.test>\nC: DATA\n" "S: 250 Ok\nS: 250 Ok\nS: 550 5.1.1 no\nS: 250 Ok\nS: 354 go\n"
		TEXT "S: 250 2.1.5 Saved\nS: 452 4.2.2 Full\n",
	    .result = "done; sent 2.1.5 250 2.1.5 Saved; hard 5.1.1 " PREFIX "said: 550 5.1.1 no (in reply to RCPT TO command); "
		"soft 4.2.2 " PREFIX "said: 452 4.2.2 Full (in reply to end of DATA command)" },
	{ .name = "lmtp, lost between the replies", .lmtp = true, .rcpts = "b@y.test c@y.test",
	    .script = LHLO MAIL RCPT "C: RCPT TO:<c@y.test>\nC: DATA\n" "S: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 go\n"
		TEXT "S: 250 2.1.5 Saved\nS! \n",
	    .result = "failed soft 4.4.2 lost connection with mx[1.2.3.4] while sending end of data -- message may be sent more than once; "
		"sent 2.1.5 250 2.1.5 Saved; none" },
	{ .name = "control bytes in a reply", .script = PLAIN MAIL "S: 550 5.7.1 a\x1b[31mb\n",
	    .result = "done; hard 5.7.1 " PREFIX "said: 550 5.7.1 a?[31mb (in reply to MAIL FROM command)" },
};

static const char *
judge(const struct client_verdict *v, char *out, size_t size)
{
	static const char *const names[] = { "none", "sent", "soft", "hard" };

	if (v->result == CLIENT_PENDING)
		return "none";
	(void)snprintf(out, size, "%s %.*s %.*s", names[v->result], SPAN_ARG(v->dsn), SPAN_ARG(v->text));
	return out;
}

struct run {
	const struct row *row;
	struct client_options options;
	struct client_mail mail;
	struct client_rcpt rcpts[4];
	struct smtp_client *client;
	enum client_event last;
	bool		 bytewise;
};

static void
set_up(struct run *r)
{
	const struct row *row = r->row;
	struct span list = span_str(row->rcpts == NULL ? "b@y.test" : row->rcpts), word;
	const char *body = row->body == NULL ? "hello\n" : row->body;

	r->options = (struct client_options){ .lmtp = row->lmtp, .always_ehlo = !row->no_ehlo_always,
		.skip_5xx_greeting = row->skip_5xx, .pix = row->pix, .loop_check = row->loop || row->best_mx, .best_mx = row->best_mx, .quote = true,
		.line_limit = row->line_limit, .helo_name = "me.test", .myhostname = "me.test", .nexthop = "y.test" };
	r->mail = (struct client_mail){ .sender = span_str(row->sender == NULL ? "a@x.test" : row->sender),
		.envid = span_str(row->envid), .size = 18, .eightbit = row->eightbit, .utf8 = row->utf8,
		.ret_hdrs = row->envid != NULL, .rcpts = r->rcpts,
		.content.parts = { SPAN("Subject: x\n\n"), span_str(body) } };
	while (span_word(&list, " ", &word))
		r->rcpts[r->mail.rcpt_count++] = (struct client_rcpt){ .address = word,
			.orcpt = span_str(row->orcpt), .notify = row->notify };
	r->client = smtp_client_new(&r->options, "mx[1.2.3.4]");
	r->last = CLIENT_MORE;
}

static void
note(struct run *r, enum client_event event)
{
	if (event == CLIENT_GREETED)
		event = smtp_client_deliver(r->client, &r->mail);
	if (event != CLIENT_MORE)
		r->last = event;
}

static void
server_says(struct run *r, struct span line)
{
	char wire[300];
	size_t len = (size_t)snprintf(wire, sizeof wire, "%.*s\r\n", SPAN_ARG(line));

	for (size_t at = 0; at < len; at += r->bytewise ? 1 : len)
		note(r, smtp_client_input(r->client, span_of(wire + at, r->bytewise ? 1 : len)));
}

static void
client_says(struct run *r, struct span line)
{
	struct buf *out = smtp_client_output(r->client);
	char wire[300];
	size_t len = (size_t)snprintf(wire, sizeof wire, "%.*s\r\n", SPAN_ARG(line));

	if (out->len < len || memcmp(out->ptr, wire, len) != 0)
		fail_msg("expected: %sgot: %.*s", wire, SPAN_ARG(buf_view(out)));
	buf_drop(out, len);
}

static void
play(const struct row *row, bool bytewise)
{
	struct run r = { .row = row, .bytewise = bytewise };
	struct span script = span_str(row->script), line;
	char result[2000] = "", one[600];

	set_up(&r);
	while (span_cut(&script, '\n', &line) && script.ptr != NULL) {
		struct span rest = span_skip(line, 3);
		if (span_starts(line, "S: "))
			server_says(&r, rest);
		else if (span_starts(line, "C: "))
			client_says(&r, rest);
		else
			note(&r, smtp_client_lost(r.client, line.ptr[0] == 'T' ? LOST_TIME : LOST_CONNECTION));
	}
	assert_int_equal(smtp_client_output(r.client)->len, 0);
	if (r.last == CLIENT_FAILED)
		(void)snprintf(result, sizeof result, "failed %s", judge(smtp_client_failure(r.client), one, sizeof one));
	else
		(void)snprintf(result, sizeof result, "%s", r.last == CLIENT_DONE ? "done" : "more");
	for (size_t i = 0; i < r.mail.rcpt_count && (r.last == CLIENT_DONE || row->lmtp); i++) {
		size_t used = strlen(result);
		(void)snprintf(result + used, sizeof result - used, "; %s",
		    judge(&r.rcpts[i].verdict, one, sizeof one));
	}
	if (r.last == CLIENT_FAILED && !row->lmtp)
		(void)snprintf(result + strlen(result), sizeof result - strlen(result), "; none");
	assert_string_equal(result, row->result);
	smtp_client_free(r.client);
}

static void
dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		print_message("%s\n", rows[i].name);
		play(&rows[i], false);
		play(&rows[i], true);
	}
}

static void
say(struct smtp_client *c, const char *text, enum client_event want)
{
	assert_int_equal(smtp_client_input(c, span_str(text)), want);
}

/* RSET only after a transaction that did not come to its end; no hello again. */
static void
reuse(void **state)
{
	struct client_options options = { .always_ehlo = true, .helo_name = "me", .myhostname = "me" };
	struct client_rcpt rcpt = { .address = SPAN("b@y.test") };
	struct client_mail mail = { .sender = SPAN("a@x.test"), .rcpts = &rcpt, .rcpt_count = 1,
		.content.parts = { SPAN("h: 1\n\n"), SPAN("b\n") } };
	struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");
	struct buf *out = smtp_client_output(c);

	(void)state;
	say(c, "220 x\r\n", CLIENT_MORE);
	say(c, "250-x\r\n250 PIPELINING\r\n", CLIENT_GREETED);
	for (int i = 0; i < 2; i++) {
		buf_reset(out);
		assert_int_equal(smtp_client_deliver(c, &mail), CLIENT_MORE);
		assert_string_equal(out->ptr, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
		buf_reset(out);
		say(c, "250 a\r\n250 b\r\n354 c\r\n", CLIENT_MORE);
		assert_string_equal(out->ptr, "h: 1\r\n\r\nb\r\n.\r\n");
		say(c, "250 d\r\n", CLIENT_DONE);
		assert_true(smtp_client_usable(c));
	}
	smtp_client_deliver(c, &mail);
	say(c, "250 a\r\n450 b\r\n554 c\r\n", CLIENT_DONE);
	assert_true(smtp_client_usable(c));
	buf_reset(out);
	smtp_client_deliver(c, &mail);
	assert_string_equal(out->ptr, "RSET\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n");
	say(c, "250 r\r\n250 a\r\n250 b\r\n354 c\r\n", CLIENT_MORE);
	say(c, "421 bye\r\n", CLIENT_DONE);
	assert_int_equal(rcpt.verdict.result, CLIENT_SOFT);
	assert_false(smtp_client_usable(c));
	smtp_client_free(c);
}

/* More replies than were asked for: whose they are is not known, so nothing more goes over this connection. */
static void
out_of_step(void **state)
{
	struct client_options options = { .always_ehlo = true, .helo_name = "me", .myhostname = "me" };
	struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");

	(void)state;
	say(c, "220 x\r\n", CLIENT_MORE);
	say(c, "250 x\r\n250 y\r\n", CLIENT_GREETED);
	assert_false(smtp_client_usable(c));
	smtp_client_free(c);
}

static long
more_bytes(void *arg, char *out, size_t n)
{
	size_t *left = arg;

	if (n > *left)
		n = *left;
	memset(out, 'x', n);
	for (size_t i = 0; i < n; i += 50)
		out[i] = '\n';
	*left -= n;
	return (long)n;
}

static long
more_fails(void *arg, char *out, size_t n)
{
	(void)arg;
	(void)out;
	(void)n;
	return -1;
}

/* Pulled content comes in pieces, and never much of it waits. */
static void
pulled_content(void **state)
{
	struct client_options options = { .always_ehlo = true, .helo_name = "me", .myhostname = "me" };
	size_t left = 1 << 20, total = 0;
	struct client_rcpt rcpt = { .address = SPAN("b@y.test") };
	struct client_mail mail = { .sender = SPAN("a@x.test"), .rcpts = &rcpt, .rcpt_count = 1,
		.content = { .parts = { SPAN("h: 1\n\n") }, .more = more_bytes, .arg = &left } };
	struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");
	struct buf *out = smtp_client_output(c);

	(void)state;
	say(c, "220 x\r\n", CLIENT_MORE);
	say(c, "250-x\r\n250 PIPELINING\r\n", CLIENT_GREETED);
	smtp_client_deliver(c, &mail);
	buf_reset(out);
	say(c, "250 a\r\n250 b\r\n354 c\r\n", CLIENT_MORE);
	while (smtp_client_stage(c) == CLIENT_BODY) {
		assert_true(out->len < 256 << 10);
		total += out->len;
		buf_reset(out);
		assert_int_equal(smtp_client_pump(c), CLIENT_MORE);
	}
	assert_true(total > 1 << 20);
	assert_int_equal(memcmp(out->ptr + out->len - 5, "\r\n.\r\n", 5), 0);
	say(c, "250 d\r\n", CLIENT_DONE);

	mail.content.more = more_fails;
	smtp_client_deliver(c, &mail);
	say(c, "250 a\r\n250 b\r\n354 c\r\n", CLIENT_FAILED);
	assert_string_equal(smtp_client_failure(c)->text.ptr, "local data error while talking to mx[1.2.3.4]");
	smtp_client_free(c);
}

/* A server that never ends a line or a reply costs no memory. */
static void
endless_reply(void **state)
{
	struct client_options options = { .always_ehlo = true, .helo_name = "me", .myhostname = "me" };
	struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");
	char line[4096];

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "220-", 4);
	line[sizeof line - 1] = '\n';
	for (int i = 0; i < 1000; i++)
		assert_int_equal(smtp_client_input(c, span_of(line, sizeof line)), CLIENT_MORE);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(smtp_client_input(c, span_of(line, sizeof line - 1)), CLIENT_MORE);
	smtp_client_lost(c, LOST_TIME);
	smtp_client_free(c);
}

/* Everything but the end of the content, then a pause, in which an answer ends it all. */
static void
pause_before_the_dot(void **state)
{
	struct client_options options = { .pix = PIX_DELAY_DOTCRLF, .always_ehlo = true, .helo_name = "me.test", .myhostname = "me.test", .nexthop = "y.test" };

	(void)state;
	for (int early = 0; early < 2; early++) {
		struct client_rcpt rcpt = { .address = SPAN("b@y.test") };
		struct client_mail mail = { .sender = SPAN("a@x.test"), .rcpts = &rcpt, .rcpt_count = 1, .content.parts = { SPAN("h: 1\n"), SPAN("\nx") } };
		struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");
		struct buf *out = smtp_client_output(c);

		say(c, "220 ****\r\n", CLIENT_MORE);
		say(c, "250-x\r\n250 PIPELINING\r\n", CLIENT_GREETED);
		smtp_client_deliver(c, &mail);
		buf_reset(out);
		say(c, "250 a\r\n250 b\r\n354 c\r\n", CLIENT_MORE);
		assert_true(span_eqs(buf_view(out), "h: 1\r\n\r\nx\r\n"));
		buf_reset(out);
		assert_int_equal(smtp_client_pump(c), CLIENT_PAUSE);
		assert_int_equal(out->len, 0);
		if (early) {
			say(c, "451 4.3.0 no\r\n", CLIENT_DONE);
			assert_int_equal(rcpt.verdict.result, CLIENT_SOFT);
			assert_false(smtp_client_usable(c));
			assert_int_equal(smtp_client_end_content(c), CLIENT_MORE);
			assert_int_equal(out->len, 0);
		} else {
			assert_int_equal(smtp_client_end_content(c), CLIENT_MORE);
			assert_true(span_eqs(buf_view(out), ".\r\n"));
			say(c, "250 d\r\n", CLIENT_DONE);
			assert_int_equal(rcpt.verdict.result, CLIENT_SENT);
		}
		smtp_client_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues), cmocka_unit_test(reuse), cmocka_unit_test(out_of_step),
		cmocka_unit_test(pulled_content), cmocka_unit_test(pause_before_the_dot), cmocka_unit_test(endless_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
