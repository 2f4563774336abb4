/*
 * A client's bytes against the SMTP server. The first byte chooses the configuration and how the owner answers; the second how
 * the bytes are cut. The dialogue must be the same as when all comes at once, and content must come out with line ends of LF alone.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "smtp/ehlo.h"
#include "smtp/server.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { LMTP = 1, LATER = 2, REFUSE = 4, STRICT = 8, NO_UTF8 = 16, REJECT_LF = 32, NO_PIPES = 64 };

struct play {
	struct smtp_server *server;
	unsigned	 how;
	bool		 later;
	struct buf	 out, body;
	unsigned	 asked;
	unsigned	 pending;		/* answers that are owed */
	const char	*reply;
	bool		 challenge;
};

static void
give(struct play *p)
{
	bool challenge = p->challenge && p->reply == NULL;

	p->challenge = false;
	if (challenge)
		smtp_server_challenge(p->server, SPAN("Pz8="));
	else
		smtp_server_answer(p->server, p->reply);
}

static void
answer(struct play *p, const char *reply, unsigned times)
{
	/* Each third is refused. */
	if ((p->how & REFUSE) && ++p->asked % 3 == 0)
		reply = p->asked % 2 == 0 ? "450 4.7.1 later" : "554 5.7.1 no";
	p->reply = reply;
	if (p->later) {
		p->pending = times;
		return;
	}
	for (; times > 0; times--)
		give(p);
}

static void
on_connect(void *arg)
{
	struct play *p = arg;
	unsigned how = p->how;

	p->how &= ~(unsigned)REFUSE;
	answer(p, NULL, 1);
	p->how = how;
}

static void
on_helo(void *arg, enum smtp_verb verb, struct span name)
{
	struct play *p = arg;

	buf_printf(&p->out, "{%d %zu}", (int)verb, name.len);
	answer(p, NULL, 1);
}

static void
on_mail(void *arg, const struct smtp_mail *m)
{
	struct play *p = arg;

	buf_str(&p->out, "{mail ");
	buf_span(&p->out, m->sender);
	buf_span(&p->out, m->envid);
	answer(p, NULL, 1);
}

static void
on_rcpt(void *arg, const struct smtp_rcpt *r)
{
	struct play *p = arg;

	if (r->address.len == 0)
		panic("an empty recipient");
	buf_str(&p->out, "{rcpt ");
	buf_span(&p->out, r->address);
	buf_span(&p->out, r->orcpt);
	answer(p, NULL, 1);
}

static void
on_data(void *arg, bool bdat)
{
	struct play *p = arg;

	buf_printf(&p->out, "{data %d}", bdat);
	buf_reset(&p->body);
	answer(p, NULL, 1);
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
on_end(void *arg, const struct smtp_end *e)
{
	struct play *p = arg;

	if (e->bytes != p->body.len || memchr(p->body.ptr, '\r', p->body.len) != NULL)
		panic("content with CR, or miscounted");
	if (p->body.len > 0 && p->body.ptr[p->body.len - 1] != '\n')
		panic("content without a last line end");
	buf_str(&p->out, "{end ");
	buf_span(&p->out, buf_view(&p->body));
	answer(p, "250 2.0.0 Ok: queued", p->how & LMTP ? smtp_server_recipients(p->server) : 1);
}

static void
on_vrfy(void *arg, struct span address)
{
	struct play *p = arg;

	buf_span(&p->out, address);
	answer(p, NULL, 1);
}

static void
on_etrn(void *arg, struct span domain)
{
	struct play *p = arg;

	buf_span(&p->out, domain);
	answer(p, NULL, 1);
}

/* A response that ends in "?" is challenged. */
static void
on_response(struct play *p, struct span response)
{
	p->challenge = span_ends(response, "?");
	answer(p, NULL, 1);
}

static void
on_auth(void *arg, struct span mechanism, struct span response)
{
	struct play *p = arg;

	if (mechanism.len == 0)
		panic("AUTH without a mechanism");
	buf_str(&p->out, "{auth ");
	buf_span(&p->out, mechanism);
	buf_span(&p->out, response);
	on_response(p, response);
}

static void
on_auth_more(void *arg, struct span response)
{
	struct play *p = arg;

	if (response.len > 50 || smtp_server_authenticated(p->server))
		panic("a response that is too long, or of one who is in");
	buf_str(&p->out, "{more ");
	buf_span(&p->out, response);
	on_response(p, response);
}

static void
on_reset(void *arg)
{
	buf_str(&((struct play *)arg)->out, "{reset}");
}

static void
on_note(void *arg, enum smtp_note note, enum smtp_verb verb, struct span text)
{
	(void)arg;
	(void)note;
	(void)verb;
	(void)text;
}

static const struct smtp_server_ops ops = {
	.connect = on_connect, .helo = on_helo, .mail = on_mail, .rcpt = on_rcpt, .data = on_data, .room = on_room,
	.added = on_added, .end = on_end, .vrfy = on_vrfy, .etrn = on_etrn, .auth = on_auth, .auth_more = on_auth_more, .reset = on_reset, .note = on_note,
};

static void
pay(struct play *p)
{
	while (p->pending > 0) {
		p->pending--;
		give(p);
	}
}

/* `step` bytes more at a time. */
static void
feed(struct play *p, struct span in, size_t step)
{
	size_t done = 0, shown = 0;

	for (;;) {
		pay(p);
		enum smtp_server_wait w = smtp_server_waits(p->server);
		if (w == SMTP_WAITS_CLOSE)
			return;
		if (w == SMTP_WAITS_DELAY) {
			smtp_server_resume(p->server);
			continue;
		}
		if (w == SMTP_WAITS_VERDICT)
			panic("nothing is owed, and a verdict is waited for");
		size_t used = smtp_server_run(p->server, span_head(span_skip(in, done), shown - done));
		done += used;
		if (used > 0 || p->pending > 0 || smtp_server_waits(p->server) != SMTP_WAITS_INPUT)
			continue;
		if (shown == in.len)
			return;
		shown = in.len - shown < step ? in.len : shown + step;
	}
}

static void
play(struct play *p, const struct smtp_server_config *config, struct span in, size_t step)
{
	struct smtp_server_options options = { .bare_lf = p->how & REJECT_LF ? SMTP_BARE_LF_REJECT :
	    SMTP_BARE_LF_NORMALIZE };
	struct buf text = BUF_INIT(0);

	p->server = smtp_server_new(config, &options, &ops, p, &p->out);
	smtp_server_offer_verp(p->server, true);
	smtp_server_offer_auth(p->server, !(p->how & NO_PIPES), SPAN("PLAIN LOGIN"));
	smtp_server_start(p->server);
	feed(p, in, step);
	smtp_server_where(p->server, &text);
	smtp_server_counts(p->server, &text);
	smtp_server_free(p->server);
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf scratch = BUF_INIT(1 << 20);

	if (size < 2)
		return 0;
	struct smtp_server_config config = {
		.hostname = "mx.test", .banner = "mx.test ESMTP", .noop_commands = "FROB", .forbidden_commands = "GET POST", .verp_delimiters = "+=", .verp_filter = "-=+",
		.lmtp = (data[0] & LMTP) != 0, .helo_required = (data[0] & STRICT) != 0, .disable_vrfy = (data[0] & STRICT) != 0,
		.smtputf8 = !(data[0] & NO_UTF8), .strict_smtputf8 = (data[0] & STRICT) != 0,
		.strict_envelopes = (data[0] & STRICT) != 0, .message_size_limit = 1000, .recipient_limit = 5,
		.recipient_overshoot = 2, .line_length_limit = 300, .soft_error_limit = 10, .hard_error_limit = 20,
		.junk_limit = 20, .auth_response_limit = 50, .bare_lf_code = 550, .scratch = &scratch,
	};
	struct play whole = { .how = data[0], .out = BUF_INIT(0), .body = BUF_INIT(0) };
	struct play parts = { .how = data[0], .later = (data[0] & LATER) != 0, .out = BUF_INIT(0), .body = BUF_INIT(0) };
	struct span in = span_of(data + 2, size - 2);

	play(&whole, &config, in, in.len + 1);
	play(&parts, &config, in, data[1] % 32u + 1);
	if (!span_eq(buf_view(&whole.out), buf_view(&parts.out)))
		panic("the dialogue depends on how the bytes come");
	/* What depends on them by its nature: bytes that came too early. */
	config.forbid_pipelining = true;
	buf_reset(&parts.out);
	play(&parts, &config, in, data[1] % 32u + 1);
	buf_clear(&whole.out);
	buf_clear(&whole.body);
	buf_clear(&parts.out);
	buf_clear(&parts.body);
	return 0;
}
