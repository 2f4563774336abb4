#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/ehlo.h"
#include "smtp/server.h"

/* A session that writes down what it hears between the replies; "no" as a response is refused, "ask" gets a challenge. */
struct play {
	struct smtp_server *server;
	struct buf	 out;
	bool		 later, pending;
	bool		 challenge, refused;
};

static void
answer(struct play *p)
{
	p->pending = false;
	if (p->challenge)
		smtp_server_challenge(p->server, SPAN("Pz8="));
	else
		smtp_server_answer(p->server, p->refused ? "535 5.7.8 Error: authentication failed: no" : NULL);
	p->challenge = p->refused = false;
}

static void
decide(struct play *p)
{
	p->pending = true;
	if (!p->later)
		answer(p);
}

static void
on_connect(void *arg)
{
	decide(arg);
}

static void
on_helo(void *arg, enum smtp_verb verb, struct span name)
{
	(void)verb;
	(void)name;
	decide(arg);
}

static void
on_mail(void *arg, const struct smtp_mail *m)
{
	struct play *p = arg;

	buf_printf(&p->out, "{mail auth=%.*s}", SPAN_ARG(m->auth));
	decide(p);
}

static void
on_auth(void *arg, struct span mechanism, struct span response)
{
	struct play *p = arg;

	buf_printf(&p->out, "{%.*s %s%.*s}", SPAN_ARG(mechanism), response.ptr == NULL ? "-" : "", SPAN_ARG(response));
	p->challenge = response.ptr == NULL || span_eqs(response, "ask");
	p->refused = span_eqs(response, "no");
	decide(p);
}

static void
on_auth_more(void *arg, struct span response)
{
	struct play *p = arg;

	buf_printf(&p->out, "{more %.*s}", SPAN_ARG(response));
	p->challenge = span_eqs(response, "ask");
	p->refused = span_eqs(response, "no");
	decide(p);
}

static void
on_reset(void *arg)
{
	buf_str(&((struct play *)arg)->out, "{reset}");
}

static void
on_note(void *arg, enum smtp_note note, enum smtp_verb verb, struct span text)
{
	(void)verb;
	(void)text;
	if (note == SMTP_NOTE_AUTH_ABORTED || note == SMTP_NOTE_AUTH_LONG)
		buf_str(&((struct play *)arg)->out, note == SMTP_NOTE_AUTH_LONG ? "{long}" : "{aborted}");
}

static const struct smtp_server_ops ops = {
	.connect = on_connect, .helo = on_helo, .mail = on_mail, .auth = on_auth, .auth_more = on_auth_more, .reset = on_reset, .note = on_note,
};

enum { OFF = 1, HIDDEN = 2, DISCARDED = 4, BROKEN = 8, NO_LF = 16 };

#define OK235	"235 2.7.0 Authentication successful\r\n"
#define NO535	"535 5.7.8 Error: authentication failed: no\r\n"
#define ASK334	"334 Pz8=\r\n"
#define MAIL	"{mail auth=}250 2.1.0 Ok\r\n"

static const struct {
	const char	*in;
	unsigned	 how;
	const char	*out;		/* behind the banner */
} cases[] = {
	{ "EHLO x\r\n", 0, "250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n" },
	{ "EHLO x\r\n", BROKEN, "250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n" },
	{ "EHLO x\r\n", OFF, "250-mx.test\r\n250 ENHANCEDSTATUSCODES\r\n" },
	{ "EHLO x\r\nAUTH PLAIN yes\r\n", HIDDEN, "250-mx.test\r\n250 ENHANCEDSTATUSCODES\r\n{PLAIN yes}" OK235 },
	{ "EHLO x\r\nAUTH PLAIN yes\r\n", DISCARDED, "250-mx.test\r\n250 ENHANCEDSTATUSCODES\r\n503 5.5.1 Error: authentication not enabled\r\n" },
	{ "AUTH PLAIN yes\r\n", OFF, "503 5.5.1 Error: authentication not enabled\r\n" },
	{ "AUTH PLAIN yes\r\nAUTH PLAIN yes\r\n", 0, "{PLAIN yes}" OK235 "503 5.5.1 Error: already authenticated\r\n" },
	{ "auth  plain  yes \r\n", 0, "{plain yes}" OK235 },
	{ "AUTH PLAIN no\r\nAUTH PLAIN yes\r\n", 0, "{PLAIN no}" NO535 "{PLAIN yes}" OK235 },
	{ "AUTH PLAIN\r\nyes\r\nNOOP\r\n", 0, "{PLAIN -}" ASK334 "{more yes}" OK235 "250 2.0.0 Ok\r\n" },
	{ "AUTH LOGIN ask\r\nask\r\nno\r\nNOOP\r\n", 0, "{LOGIN ask}" ASK334 "{more ask}" ASK334 "{more no}" NO535 "250 2.0.0 Ok\r\n" },
	{ "AUTH LOGIN\r\n\r\n", 0, "{LOGIN -}" ASK334 "{more }" OK235 },
	{ "AUTH LOGIN\r\nQUIT\r\n", 0, "{LOGIN -}" ASK334 "{more QUIT}" OK235 },
	{ "AUTH LOGIN\r\n*\r\nNOOP\r\n", 0, "{LOGIN -}" ASK334 "{aborted}501 5.7.0 Authentication aborted\r\n250 2.0.0 Ok\r\n" },
	{ "AUTH LOGIN\r\n* \r\n", 0, "{LOGIN -}" ASK334 "{more * }" OK235 },
	{ "AUTH LOGIN\r\n012345678901234567890\r\nNOOP\r\n", 0, "{LOGIN -}" ASK334 "{long}500 5.5.6 SASL response limit exceeded\r\n250 2.0.0 Ok\r\n" },
	{ "AUTH LOGIN\r\n0123456789012345678\r\n", 0, "{LOGIN -}" ASK334 "{more 0123456789012345678}" OK235 },
	{ "AUTH LOGIN\r\nyes\nNOOP\r\n", 0, "{LOGIN -}" ASK334 "{more yes}" OK235 "250 2.0.0 Ok\r\n" },
	{ "AUTH LOGIN\r\nyes\nNOOP\r\n", NO_LF, "{LOGIN -}" ASK334 "{aborted}550 5.5.2 mx.test Error: bare <LF> received\r\n250 2.0.0 Ok\r\n" },
	{ "AUTH\r\nAUTH PLAIN a b\r\n", 0, "501 5.5.4 Syntax: AUTH mechanism\r\n501 5.5.4 Syntax: AUTH mechanism\r\n" },
	{ "MAIL FROM:<a@b>\r\nAUTH PLAIN yes\r\n", 0, MAIL "503 5.5.1 Error: MAIL transaction in progress\r\n{reset}" },
	{ "MAIL FROM:<a@b> AUTH=<>\r\n", 0, MAIL "{reset}" },
	{ "MAIL FROM:<a@b> AUTH=x+2By\r\n", 0, "{mail auth=x+2By}250 2.1.0 Ok\r\n{reset}" },
	{ "MAIL FROM:<a@b> AUTH=x AUTH=y\r\n", 0, "503 5.5.4 Error: multiple AUTH= options\r\n" },
	{ "MAIL FROM:<a@b> AUTH\r\n", 0, "555 5.5.4 Unsupported option: AUTH\r\n" },
};

/* Bytes come `step` at a time. */
static void
feed(struct play *p, struct span in, size_t step)
{
	size_t shown = 0, used = 0;

	for (;;) {
		if (p->pending)
			answer(p);
		if (smtp_server_waits(p->server) == SMTP_WAITS_DELAY) {
			smtp_server_resume(p->server);
			continue;
		}
		size_t n = smtp_server_run(p->server, span_head(span_skip(in, used), shown - used));
		used += n;
		if (n > 0 || p->pending || smtp_server_waits(p->server) != SMTP_WAITS_INPUT)
			continue;
		if (shown == in.len)
			return;
		shown = in.len - shown < step ? in.len : shown + step;
	}
}

static void
play(size_t i, size_t step, bool later)
{
	static struct buf scratch = BUF_INIT(1 << 20);
	unsigned how = cases[i].how;
	struct smtp_server_config config = { .hostname = "mx.test", .banner = "mx.test ESMTP", .noop_commands = "", .forbidden_commands = "",
	    .disable_vrfy = true, .line_length_limit = 100, .auth_response_limit = 20, .soft_error_limit = 10, .hard_error_limit = 20,
	    .junk_limit = 100, .bare_lf_code = 550, .broken_auth_clients = (how & BROKEN) != 0, .scratch = &scratch };
	struct smtp_server_options options = { .bare_lf = how & NO_LF ? SMTP_BARE_LF_REJECT : SMTP_BARE_LF_NORMALIZE,
	    .discard = EHLO_PIPELINING | EHLO_SIZE | EHLO_8BITMIME | EHLO_DSN | EHLO_CHUNKING | EHLO_ETRN | EHLO_STARTTLS |
	        (how & DISCARDED ? EHLO_AUTH : 0u) };
	struct play p = { .out = BUF_INIT(1 << 20), .later = later };

	p.server = smtp_server_new(&config, &options, &ops, &p, &p.out);
	smtp_server_offer_auth(p.server, !(how & OFF), how & HIDDEN ? SPAN_NONE : SPAN("PLAIN LOGIN"));
	smtp_server_start(p.server);
	feed(&p, span_str(cases[i].in), step);
	smtp_server_bye(p.server, NULL);
	assert_string_equal(p.out.ptr + strlen("220 mx.test ESMTP\r\n"), cases[i].out);
	smtp_server_free(p.server);
	buf_clear(&p.out);
	buf_clear(&scratch);
}

static void
test_auth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step <= 101; step += 20) {
			play(i, step, false);
			play(i, step, true);
		}
}

/* What a client proved in clear counts for nothing after STARTTLS (RFC 3207, 4.2): it may, and must, prove it again. */
static void
test_forgotten_in_tls(void **state)
{
	static struct buf scratch = BUF_INIT(1 << 20);
	struct smtp_server_config config = { .hostname = "mx.test", .banner = "mx.test ESMTP", .noop_commands = "", .forbidden_commands = "",
	    .line_length_limit = 100, .auth_response_limit = 20, .soft_error_limit = 10, .hard_error_limit = 20, .junk_limit = 100, .scratch = &scratch };
	struct smtp_server_options options = { .bare_lf = SMTP_BARE_LF_NORMALIZE };
	struct play p = { .out = BUF_INIT(1 << 20) };

	(void)state;
	p.server = smtp_server_new(&config, &options, &ops, &p, &p.out);
	smtp_server_offer_auth(p.server, true, SPAN("PLAIN LOGIN"));
	smtp_server_start(p.server);
	feed(&p, SPAN("EHLO x\r\nAUTH PLAIN good\r\n"), 100);
	assert_true(smtp_server_authenticated(p.server));
	smtp_server_secured(p.server);
	assert_false(smtp_server_authenticated(p.server));
	buf_reset(&p.out);
	feed(&p, SPAN("EHLO x\r\nAUTH PLAIN good\r\n"), 100);
	assert_non_null(strstr(p.out.ptr, OK235));
	smtp_server_free(p.server);
	buf_clear(&p.out);
	buf_clear(&scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_auth), cmocka_unit_test(test_forgotten_in_tls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
