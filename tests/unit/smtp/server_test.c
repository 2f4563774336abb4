#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "smtp/ehlo.h"
#include "smtp/server.h"

/*
 * A session that writes down what it hears ("{mail a@b}") between the replies. Events are answered at once or,
 * with `later`, only after the run came back.
 */
struct play {
	struct smtp_server *server;
	struct buf	 out;
	struct buf	 body;
	bool		 later, lmtp;
	bool		 pending;
	char		 answer[200];
	bool		 has_answer;
};

static void
answer(struct play *p, const char *reply)
{
	p->has_answer = reply != NULL;
	if (reply != NULL) {
		size_t n = strlen(reply);
		assert_true(n < sizeof p->answer);
		memcpy(p->answer, reply, n + 1);
	}
	p->pending = true;
	if (!p->later) {
		p->pending = false;
		smtp_server_answer(p->server, p->has_answer ? p->answer : NULL);
	}
}

static void
on_connect(void *arg)
{
	answer(arg, NULL);
}

static void
on_helo(void *arg, enum smtp_verb verb, struct span name)
{
	struct play *p = arg;

	buf_printf(&p->out, "{%s %.*s}\n", smtp_verb_name(verb), SPAN_ARG(name));
	answer(p, span_eqs(name, "bad") ? "450 4.7.1 <bad>: Helo command rejected" : NULL);
}

static void
on_mail(void *arg, const struct smtp_mail *m)
{
	struct play *p = arg;

	buf_printf(&p->out, "{mail %.*s size=%llu body=%d utf8=%d ret=%d envid=%.*s}\n", SPAN_ARG(m->sender),
	    (unsigned long long)m->size, (int)m->body, m->smtputf8, (int)m->ret, SPAN_ARG(m->envid));
	answer(p, span_starts(m->sender, "no@") ? "554 5.7.1 <no>: Sender address rejected" : NULL);
}

static void
on_rcpt(void *arg, const struct smtp_rcpt *r)
{
	struct play *p = arg;

	buf_printf(&p->out, "{rcpt %.*s notify=%u orcpt=%.*s}\n", SPAN_ARG(r->address), r->notify, SPAN_ARG(r->orcpt));
	answer(p, span_starts(r->address, "no@") ? "554 5.7.1 <no@x>: Relay access denied" : NULL);
}

static void
on_data(void *arg, bool bdat)
{
	struct play *p = arg;

	buf_reset(&p->body);
	buf_printf(&p->out, "{data%s}\n", bdat ? " bdat" : "");
	answer(p, NULL);
}

static char *
on_room(void *arg, size_t n)
{
	return buf_room(&((struct play *)arg)->body, n);
}

static void
on_added(void *arg, size_t n)
{
	buf_added(&((struct play *)arg)->body, n);
}

static void
put_visible(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\n')
			buf_char(b, '|');
		else
			buf_char(b, s.ptr[i] == '\0' ? '@' : s.ptr[i]);
	}
}

static void
on_end(void *arg, const struct smtp_end *e)
{
	struct play *p = arg;
	char reply[64];

	buf_str(&p->out, "{end ");
	put_visible(&p->out, buf_view(&p->body));
	buf_str(&p->out, "}\n");
	assert_int_equal(e->bytes, p->body.len);
	snprintf(reply, sizeof reply, "250 2.0.0 Ok: %llu queued", (unsigned long long)e->wire);
	/* LMTP wants an answer a recipient. */
	for (uint32_t n = p->lmtp ? smtp_server_recipients(p->server) : 1; n > 0; n--)
		answer(p, reply);
}

static void
on_vrfy(void *arg, struct span address)
{
	struct play *p = arg;

	buf_printf(&p->out, "{vrfy %.*s}\n", SPAN_ARG(address));
	answer(p, NULL);
}

static void
on_etrn(void *arg, struct span domain)
{
	struct play *p = arg;

	buf_printf(&p->out, "{etrn %.*s}\n", SPAN_ARG(domain));
	answer(p, NULL);
}

static void
on_reset(void *arg)
{
	buf_str(&((struct play *)arg)->out, "{reset}\n");
}

static void
on_note(void *arg, enum smtp_note note, enum smtp_verb verb, struct span text)
{
	(void)verb;
	(void)text;
	if (note != SMTP_NOTE_PIPELINING)
		buf_printf(&((struct play *)arg)->out, "{note %d}\n", (int)note);
}

static const struct smtp_server_ops ops = {
	.connect = on_connect, .helo = on_helo, .mail = on_mail, .rcpt = on_rcpt, .data = on_data, .room = on_room,
	.added = on_added, .end = on_end, .vrfy = on_vrfy, .etrn = on_etrn, .reset = on_reset, .note = on_note,
};

static struct buf scratch = BUF_INIT(1 << 20);
static const struct smtp_server_config usual = {
	.hostname = "mx.test", .banner = "mx.test ESMTP", .noop_commands = "FROB",
	.forbidden_commands = "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", .smtputf8 = true,
	.message_size_limit = 100, .recipient_limit = 3, .recipient_overshoot = 1, .line_length_limit = 200,
	.soft_error_limit = 10, .hard_error_limit = 20, .junk_limit = 100, .bare_lf_code = 550, .scratch = &scratch,
};

/* Feeds `step` bytes at a time (0: all) and returns the transcript, the caller's. */
static char *
play(const struct smtp_server_config *config, const struct smtp_server_options *options, const char *in, size_t len,
    size_t step, bool later)
{
	struct play p = { .later = later, .lmtp = config->lmtp, .out = BUF_INIT(0), .body = BUF_INIT(0) };
	size_t done = 0, shown = 0;

	p.server = smtp_server_new(config, options, &ops, &p, &p.out);
	smtp_server_start(p.server);
	for (int n = 0; n < 10000; n++) {
		if (p.pending) {
			p.pending = false;
			smtp_server_answer(p.server, p.has_answer ? p.answer : NULL);
		}
		if (smtp_server_waits(p.server) == SMTP_WAITS_CLOSE)
			break;
		if (smtp_server_waits(p.server) == SMTP_WAITS_DELAY) {
			smtp_server_resume(p.server);
			continue;
		}
		if (p.pending)
			continue;
		size_t used = smtp_server_run(p.server, span_of(in + done, shown - done));
		done += used;
		if (used > 0 || p.pending || smtp_server_waits(p.server) != SMTP_WAITS_INPUT)
			continue;
		if (shown == len)
			break;
		shown = step == 0 || shown + step > len ? len : shown + step;
	}
	if (smtp_server_waits(p.server) == SMTP_WAITS_CLOSE)
		buf_str(&p.out, "{close}\n");
	smtp_server_free(p.server);
	buf_clear(&p.body);
	return buf_take(&p.out);
}

#define HELLO	"EHLO me\r\n"
#define HELLO_R	"220 mx.test ESMTP\r\n{EHLO me}\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-VRFY\r\n250-ETRN\r\n" \
		"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
#define BANNER	"220 mx.test ESMTP\r\n"
#define MAIL	"MAIL FROM:<a@b>\r\n"
#define MAIL_R	"{mail a@b size=0 body=0 utf8=0 ret=0 envid=}\n250 2.1.0 Ok\r\n"
#define RCPT	"RCPT TO:<c@d>\r\n"
#define RCPT_R	"{rcpt c@d notify=0 orcpt=}\n250 2.1.5 Ok\r\n"
#define DATA_R	"{data}\n354 End data with <CR><LF>.<CR><LF>\r\n"

static const struct row {
	const char	*in;
	size_t		 len;		/* 0: strlen */
	const char	*out;
} rows[] = {
	{ HELLO MAIL RCPT "DATA\r\nhi\r\n.\r\nQUIT\r\n", 0,
	  HELLO_R MAIL_R RCPT_R DATA_R "{end hi|}\n250 2.0.0 Ok: 4 queued\r\n221 2.0.0 Bye\r\n{close}\n" },
	{ MAIL RCPT "DATA\r\n.\r\n", 0, BANNER MAIL_R RCPT_R DATA_R "{end }\n250 2.0.0 Ok: 0 queued\r\n" },
	/* Dots and line ends. */
	{ MAIL RCPT "DATA\r\n..\r\n.x\r\n...\r\na.\r\n.\r\n", 0,
	  BANNER MAIL_R RCPT_R DATA_R "{end .|x|..|a.|}\n250 2.0.0 Ok: 14 queued\r\n" },
	{ MAIL RCPT "DATA\r\na\n.\nb\n.\r\nc\r\n.\nd\r\r\n\re\r\n.\r\n", 0,
	  BANNER MAIL_R RCPT_R DATA_R "{end a|b|c|d| e|}\n250 2.0.0 Ok: 16 queued\r\n" },
	{ MAIL RCPT "DATA\r\na\r.\r\r.\r\n.\r\r\n\r\n.\r\n", 0,
	  BANNER MAIL_R RCPT_R DATA_R "{end a .  .|||}\n250 2.0.0 Ok: 12 queued\r\n" },
	{ MAIL RCPT "DATA\r\na\0b\r\n.\r\n", sizeof(MAIL RCPT "DATA\r\na\0b\r\n.\r\n") - 1,
	  BANNER MAIL_R RCPT_R DATA_R "{end a@b|}\n250 2.0.0 Ok: 5 queued\r\n" },
	/* Order of commands. */
	{ RCPT "DATA\r\n" MAIL MAIL "DATA\r\n" RCPT "DATA x\r\nRSET x\r\nRSET\r\nDATA\r\n", 0,
	  BANNER "503 5.5.1 Error: need MAIL command\r\n503 5.5.1 Error: need RCPT command\r\n" MAIL_R
	  "503 5.5.1 Error: nested MAIL command\r\n554 5.5.1 Error: no valid recipients\r\n" RCPT_R
	  "501 5.5.4 Syntax: DATA\r\n501 5.5.4 Syntax: RSET\r\n{reset}\n250 2.0.0 Ok\r\n503 5.5.1 Error: need RCPT command\r\n" },
	{ MAIL HELLO MAIL "HELO x y\r\n", 0, BANNER MAIL_R "{reset}\n" /* then EHLO's own */
	  "{EHLO me}\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
	  "250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n" MAIL_R "{reset}\n{HELO x y}\n250 mx.test\r\n" },
	{ "EHLO bad\r\nEHLO\r\nLHLO x\r\n", 0, BANNER "{EHLO bad}\n450 4.7.1 <bad>: Helo command rejected\r\n"
	  "501 Syntax: EHLO hostname\r\n500 5.5.2 Error: command not recognized\r\n" },
	/* Parameters. */
	{ "MAIL FROM:<> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+41 SMTPUTF8\r\n", 0,
	  BANNER "{mail  size=10 body=2 utf8=1 ret=2 envid=aA}\n250 2.1.0 Ok\r\n" },
	{ "MAIL\r\nMAIL FROM:\r\nMAIL FROM:<a@b> X=1\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b> SIZE=101\r\n", 0,
	  BANNER "501 5.5.4 Syntax: MAIL FROM:<address>\r\n501 5.5.4 Syntax: MAIL FROM:<address>\r\n"
	  "555 5.5.4 Unsupported option: X=1\r\n501 5.5.4 Bad message size syntax\r\n"
	  "{note 8}\n552 5.3.4 Message size exceeds fixed limit\r\n" },
	{ "MAIL FROM:<a@b> BODY=X\r\nMAIL FROM:<a@b> RET=X\r\nMAIL FROM:<a@b> ENVID=\r\nMAIL FROM:<a@b\r\nMAIL FROM:<no@x>\r\n", 0,
	  BANNER "555 5.5.4 Unsupported option: BODY=X\r\n501 5.5.4 Bad RET parameter syntax\r\n501 5.5.4 Bad ENVID parameter syntax\r\n"
	  "{note 1}\n501 5.1.7 Bad sender address syntax\r\n{mail no@x size=0 body=0 utf8=0 ret=0 envid=}\n{reset}\n"
	  "554 5.7.1 <no>: Sender address rejected\r\n" },
	{ MAIL "RCPT TO:<\"c x\"@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y\r\nRCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\n"
	  "RCPT TO:<c@d> ORCPT=x\r\nRCPT TO:<c@d> SIZE=1\r\nRCPT TO:<>\r\nRCPT\r\n", 0,
	  BANNER MAIL_R "{rcpt c x@d notify=10 orcpt=rfc822;x@y}\n250 2.1.5 Ok\r\n501 5.5.4 Error: Bad NOTIFY parameter syntax\r\n"
	  "501 5.5.4 Error: Bad ORCPT parameter syntax\r\n555 5.5.4 Unsupported option: SIZE=1\r\n"
	  "{note 1}\n501 5.1.3 Bad recipient address syntax\r\n501 5.5.4 Syntax: RCPT TO:<address>\r\n" },
	{ "MAIL FROM:<\xff@b>\r\n", 0, BANNER "500 5.5.2 Error: bad UTF-8 syntax\r\n" },
	/* Limits. */
	{ MAIL "RCPT TO:<no@x>\r\n" RCPT RCPT RCPT RCPT RCPT, 0, BANNER MAIL_R
	  "{rcpt no@x notify=0 orcpt=}\n554 5.7.1 <no@x>: Relay access denied\r\n" RCPT_R RCPT_R RCPT_R
	  "452 4.5.3 Error: too many recipients\r\n452 4.5.3 Error: too many recipients\r\n" },
	{ MAIL RCPT "DATA\r\n"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n.\r\n", 0,
	  BANNER MAIL_R RCPT_R DATA_R "{note 7}\n{reset}\n552 5.3.4 Error: message file too big\r\n" },
	{ "NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nNOOP\r\n", 0,
	  BANNER "{note 2}\n500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n" },
	{ "x\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\nx\r\n\r\nNOOP\r\n", 0,
	  BANNER
#define UNK	"500 5.5.2 Error: command not recognized\r\n"
	  UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK UNK "500 5.5.2 Error: bad syntax\r\n"
	  "{note 6}\n421 4.7.0 mx.test Error: too many errors\r\n{close}\n" },
	/* What is no SMTP. */
	{ "Subject: x\r\nNOOP\r\n", 0, BANNER "{note 0}\n221 2.7.0 Error: I can break rules, too. Goodbye.\r\n{close}\n" },
	{ "get / HTTP/1.0\r\n", 0, BANNER "{note 0}\n221 2.7.0 Error: I can break rules, too. Goodbye.\r\n{close}\n" },
	{ "\x16\x03\x01\r\n", 0, BANNER "{note 11}\n{note 0}\n221 2.7.0 Error: I can break rules, too. Goodbye.\r\n{close}\n" },
	/* Others. */
	{ "FROB x\r\n  noop\r\n\r\nHELP\r\nETRN\r\nSTARTTLS\r\nSTARTTLS x\r\nAUTH PLAIN\r\nETRN x\r\nXCLIENT\r\nXFORWARD a=b\r\n", 0,
	  BANNER "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n500 5.5.2 Error: bad syntax\r\n"
	  "500 5.5.2 Error: command not recognized\r\n500 Syntax: ETRN domain\r\n"
	  "502 5.5.1 Error: command not implemented\r\n501 5.5.4 Syntax: STARTTLS\r\n503 5.5.1 Error: authentication not enabled\r\n"
	  "{etrn x}\n459 <x>: service unavailable\r\n501 5.5.4 Syntax: XCLIENT attribute=value...\r\n"
	  "550 5.7.0 Error: insufficient authorization\r\n" },
	{ "VRFY\r\nVRFY <a@b> SMTPUTF8\r\nVRFY a b\r\n", 0, BANNER "501 5.5.4 Syntax: VRFY address [SMTPUTF8]\r\n"
	  "{vrfy a@b}\n252 2.0.0 <a@b>\r\n{note 1}\n501 5.1.3 Bad recipient address syntax\r\n" },
	/* BDAT. */
	{ MAIL RCPT "BDAT 3\r\nabcBDAT 6\r\ndef\r\n\rDATA\r\nBDAT 5 LAST\r\n\n.\r\nxNOOP\r\n", 0, BANNER MAIL_R RCPT_R
	  "{data bdat}\n250 2.0.0 Ok: 3 bytes\r\n250 2.0.0 Ok: 6 bytes\r\n503 5.5.1 Error: DATA after BDAT\r\n"
	  "{end abcdef||.|x|}\n250 2.0.0 Ok: 16 queued\r\n250 2.0.0 Ok\r\n" },
	{ MAIL "BDAT 3\r\nabc" RCPT "BDAT 2\r\nxxBDAT 0 LAST\r\n" MAIL, 0, BANNER MAIL_R
	  "554 5.5.1 Error: no valid recipients\r\n503 5.5.1 Error: RCPT after BDAT\r\n551 5.0.0 Discarded 2 bytes after earlier error\r\n"
	  "551 5.0.0 Discarded 0 bytes after earlier error\r\n{reset}\n" MAIL_R },
	{ "BDAT 4 LAST\r\nRSETNOOP\r\n", 0, BANNER "503 5.5.1 Error: need RCPT command\r\n250 2.0.0 Ok\r\n" },
	{ MAIL RCPT "BDAT 101\r\n", 0, BANNER MAIL_R RCPT_R "{note 7}\n" },
	{ MAIL RCPT "BDAT 0 LAST\r\n", 0, BANNER MAIL_R RCPT_R "{data bdat}\n{end }\n250 2.0.0 Ok: 0 queued\r\n" },
	{ "BDAT 0\r\nNOOP\r\n", 0, BANNER "551 5.7.1 Null BDAT request\r\n250 2.0.0 Ok\r\n" },
	{ "BDAT x\r\nNOOP\r\n", 0, BANNER "{note 3}\n521 5.5.4 Syntax: BDAT count [LAST]\r\n{close}\n" },
	{ "BDAT 99999999999999999999\r\n", 0, BANNER "{note 3}\n521 5.5.4 Syntax: BDAT count [LAST]\r\n{close}\n" },
	{ "BDAT 1 LAST x\r\n", 0, BANNER "{note 3}\n521 5.5.4 Syntax: BDAT count [LAST]\r\n{close}\n" },
};

/* However the bytes come, and whenever events are answered, the dialogue is the same. */
static void
dialogues(void **state)
{
	static const struct smtp_server_options none = { 0 };
	static const size_t steps[] = { 0, 1, 2, 3, 7, 19 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t len = rows[i].len > 0 ? rows[i].len : strlen(rows[i].in);
		for (size_t k = 0; k < 2 * sizeof steps / sizeof steps[0]; k++) {
			char *got = play(&usual, &none, rows[i].in, len, steps[k / 2], k % 2 == 1);
			assert_string_equal(got, rows[i].out);
			free(got);
		}
	}
}

static void
one(struct smtp_server_config c, struct smtp_server_options o, const char *in, const char *out)
{
	char *got = play(&c, &o, in, strlen(in), 0, false);

	assert_string_equal(got, out);
	free(got);
}

static void
configured(void **state)
{
	struct smtp_server_config c = usual;
	struct smtp_server_options o = { 0 };

	(void)state;
	c.helo_required = true;
	c.disable_vrfy = true;
	c.smtputf8 = false;
	c.message_size_limit = 0;
	o.discard = smtp_ehlo_list(SPAN("pipelining, dsn silent-discard"));
	one(c, o, MAIL "EHLO x\r\nVRFY x\r\nMAIL FROM:<a@b> RET=FULL\r\nMAIL FROM:<\xff@b>\r\n", BANNER
	    "503 5.5.1 Error: send HELO/EHLO first\r\n{EHLO x}\n250-mx.test\r\n250-SIZE\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
	    "250 CHUNKING\r\n502 5.5.1 VRFY command is disabled\r\n501 5.7.1 DSN support is disabled\r\n"
	    "{mail \xff@b size=0 body=0 utf8=0 ret=0 envid=}\n250 2.1.0 Ok\r\n");
	c = usual;
	o = (struct smtp_server_options){ .bare_lf = SMTP_BARE_LF_REJECT };
	one(c, o, "NOOP\n" MAIL RCPT "DATA\r\na\nb\r\n.\r\nNOOP\r\n", BANNER
	    "{note 5}\n550 5.5.2 mx.test Error: bare <LF> received\r\n" MAIL_R RCPT_R DATA_R
	    "{note 5}\n{reset}\n550 5.5.2 mx.test Error: bare <LF> received\r\n250 2.0.0 Ok\r\n");
	o = (struct smtp_server_options){ 0 };
	c.forbid_pipelining = true;
	one(c, o, MAIL RCPT "DATA\r\nx", BANNER MAIL_R RCPT_R
	    "554 5.5.0 Error: SMTP protocol synchronization\r\n{reset}\n{close}\n");
	c = usual;
	c.lmtp = true;
	one(c, o, "EHLO x\r\nLHLO x\r\nRSET\r\n" MAIL RCPT RCPT "DATA\r\n.\r\nNOOP\r\n", BANNER UNK "{LHLO x}\n"
	    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n"
	    "250-SMTPUTF8\r\n250 CHUNKING\r\n250 2.0.0 Ok\r\n" MAIL_R RCPT_R RCPT_R DATA_R
	    "{end }\n250 2.0.0 Ok: 0 queued\r\n250 2.0.0 Ok: 0 queued\r\n250 2.0.0 Ok\r\n");
}

/* A bad client waits for each reply; what ends the session is said at once. */
static void
tarpit(void **state)
{
	struct smtp_server_config c = usual;
	static const struct smtp_server_options none = { 0 };
	struct play p = { .out = BUF_INIT(0) };
	struct buf counts = BUF_INIT(0), where = BUF_INIT(0);

	(void)state;
	c.soft_error_limit = 2;
	p.server = smtp_server_new(&c, &none, &ops, &p, &p.out);
	smtp_server_start(p.server);
	struct span in = SPAN("x\r\nNOOP\r\nx\r\nNOOP\r\n");
	size_t n = smtp_server_run(p.server, in);
	assert_int_equal(n, 12);
	assert_int_equal(smtp_server_waits(p.server), SMTP_WAITS_DELAY);
	smtp_server_resume(p.server);
	assert_int_equal(smtp_server_run(p.server, span_skip(in, n)), 6);
	assert_int_equal(smtp_server_waits(p.server), SMTP_WAITS_DELAY);
	smtp_server_bye(p.server, "421 4.3.2 x");
	assert_int_equal(smtp_server_waits(p.server), SMTP_WAITS_CLOSE);
	smtp_server_counts(p.server, &counts);
	assert_string_equal(counts.ptr, "noop=2 unknown=0/2 commands=2/4");
	smtp_server_where(p.server, &where);
	assert_string_equal(where.ptr, "NOOP");
	smtp_server_free(p.server);
	buf_clear(&p.out);
	buf_clear(&counts);
	buf_clear(&where);
}

/* A client that reads no replies: nothing more is taken until they are written. */
static void
replies_wait(void **state)
{
	static const struct smtp_server_options options = { .replies_max = 40 };
	struct play p = { .out = BUF_INIT(0) };
	struct span in = SPAN("RSET\r\nRSET\r\nRSET\r\nRSET\r\n");

	(void)state;
	p.server = smtp_server_new(&usual, &options, &ops, &p, &p.out);
	smtp_server_start(p.server);
	size_t n = smtp_server_run(p.server, in);
	assert_true(n > 0 && n < in.len && n % 6 == 0);
	assert_true(p.out.len >= 40 && p.out.len < 60);
	assert_int_equal(smtp_server_waits(p.server), SMTP_WAITS_INPUT);
	assert_int_equal(smtp_server_run(p.server, span_skip(in, n)), 0);
	buf_reset(&p.out);
	assert_int_equal(smtp_server_run(p.server, span_skip(in, n)), in.len - n);
	smtp_server_free(p.server);
	buf_clear(&p.out);
}

/* One that says a line without an end is an error every 64 KiB: so it is over some time. */
static void
endless_line(void **state)
{
	static const struct smtp_server_options none = { 0 };
	static char x[32768];
	struct play p = { .out = BUF_INIT(0) };
	unsigned n = 0;

	(void)state;
	memset(x, 'x', sizeof x);
	struct smtp_server_config c = usual;
	c.soft_error_limit = 30;
	p.server = smtp_server_new(&c, &none, &ops, &p, &p.out);
	smtp_server_start(p.server);
	for (; n < 100 && smtp_server_waits(p.server) == SMTP_WAITS_INPUT; n++)
		(void)smtp_server_run(p.server, span_of(x, sizeof x));
	assert_int_equal(n, 38);	/* 1 for the line, 19 for 19 times 64 KiB: 20 errors */
	assert_int_equal(smtp_server_waits(p.server), SMTP_WAITS_CLOSE);
	assert_non_null(strstr(p.out.ptr, "421 4.7.0 mx.test Error: too many errors"));
	smtp_server_free(p.server);
	buf_clear(&p.out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues),
		cmocka_unit_test(configured),
		cmocka_unit_test(tarpit), cmocka_unit_test(replies_wait), cmocka_unit_test(endless_line),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_clear(&scratch);
	return failed;
}
