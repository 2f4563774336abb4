#include "smtp/server.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "smtp/server_state.h"

#define SKIP_ERROR	65536	/* bytes of a line that is too long */

struct smtp_server *
smtp_server_new(const struct smtp_server_config *config, const struct smtp_server_options *options,
    const struct smtp_server_ops *ops, void *arg, struct buf *out)
{
	struct smtp_server *s;

	MEM_NEW(s);
	s->config = config;
	s->options = *options;
	s->ops = ops;
	s->arg = arg;
	s->out = out;
	s->where = "CONNECT";
	s->secure = options->tls_active;
	s->verb = SMTP_UNKNOWN;
	return s;
}

void
smtp_server_free(struct smtp_server *s)
{
	if (s == NULL)
		return;
	free(s->client);
	free(s->denied);
	free(s->asked);
	free(s->mechanisms);
	free(s->chunk_reply);
	free(s);
}

void
smtp_server_client(struct smtp_server *s, const char *client)
{
	free(s->client);
	s->client = mem_str(client);
}

void
smtp_server_bare_lf(struct smtp_server *s, enum smtp_bare_lf mode)
{
	s->options.bare_lf = mode;
}

void
smtp_server_discard(struct smtp_server *s, unsigned discard)
{
	s->options.discard = discard;
}

void
smtp_server_start(struct smtp_server *s)
{
	s->ask = ASK_CONNECT;
	s->ops->connect(s->arg);
}

enum smtp_server_wait
smtp_server_waits(const struct smtp_server *s)
{
	if (s->delay)
		return SMTP_WAITS_DELAY;
	if (s->phase == PHASE_CLOSED)
		return SMTP_WAITS_CLOSE;
	if (s->phase == PHASE_TLS)
		return SMTP_WAITS_TLS;
	return s->ask == ASK_NOTHING ? SMTP_WAITS_INPUT : SMTP_WAITS_VERDICT;
}

/* -- the loop -- */

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
forbidden(const struct smtp_server *s, struct span line, struct span word)
{
	struct span list = span_str(s->config->forbidden_commands), each;

	if (header_name_len(line) > 0)
		return true;
	while (span_word(&list, "\t\r\n ,", &each)) {
		if (span_caseeq(each, word))
			return true;
		/* The one pattern in Postfix's default: what does not begin with a letter. */
		if (span_eqs(each, "regexp:{{/^[^A-Z]/") && !is_letter(line.ptr[0]))
			return true;
	}
	return false;
}

static bool
is_noop(const struct smtp_server *s, struct span word)
{
	struct span list = span_str(s->config->noop_commands), each;

	while (span_word(&list, "\t\r\n ,", &each))
		if (span_caseeq(each, word))
			return true;
	return false;
}

static void
count_junk(struct smtp_server *s)
{
	if (!s->options.no_limits && s->junk++ > s->config->junk_limit)
		s->errors++;
}

static void
unknown(struct smtp_server *s, struct span line, const struct smtp_command *c)
{
	s->where = "UNKNOWN";
	if (forbidden(s, line, c->word)) {
		server_note(s, SMTP_NOTE_NON_SMTP, line);
		server_reply(s, "221 2.7.0 Error: I can break rules, too. Goodbye.");
		server_close(s);
		return;
	}
	server_error(s, "500 5.5.2 Error: command not recognized");
}

bool
server_no_args(struct smtp_server *s, const struct smtp_command *c)
{
	if (c->args.len == 0)
		return true;
	server_errorf(s, "501 5.5.4 Syntax: %s", smtp_verb_name(c->verb));
	return false;
}

/* What stands before the name ("@": and the domains below it) makes no difference, as with Postfix. A literal is taken, too. */
static bool
is_site(struct span *domain)
{
	struct span ip;
	bool v6;

	if (span_starts(*domain, "@") || span_starts(*domain, "#"))
		*domain = span_skip(*domain, 1);
	return address_hostname_ok(*domain, false) || address_literal(*domain, &ip, &v6);
}

/* RFC 1985. */
static void
etrn(struct smtp_server *s, const struct smtp_command *c)
{
	struct span rest = c->args, domain, more;

	if (s->config->helo_required && !s->helo)
		server_error(s, "503 Error: send HELO/EHLO first");
	else if (s->in_mail)
		server_error(s, "503 Error: MAIL transaction in progress");
	else if (!span_word(&rest, " \t", &domain) || span_word(&rest, " \t", &more))
		server_error(s, "500 Syntax: ETRN domain");
	else if (!is_site(&domain))
		server_error(s, "501 Error: invalid parameter syntax");
	else {
		free(s->asked);
		s->asked = span_dup(domain);
		s->ask = ASK_ETRN;
		s->ops->etrn(s->arg, domain);
	}
}

static void
refused_extension(struct smtp_server *s, const struct smtp_command *c)
{
	switch (c->verb) {
	case SMTP_XCLIENT:
	case SMTP_XFORWARD:
		server_x(s, c);
		break;
	default:
		etrn(s, c);
	}
}

static void
rset(struct smtp_server *s, const struct smtp_command *c)
{
	if (!server_no_args(s, c))
		return;
	server_reset(s);
	if (s->xforward)
		s->ops->xforward(s->arg, NULL);
	server_reply(s, "250 2.0.0 Ok");
	server_good(s);
}

static void
quit(struct smtp_server *s)
{
	server_reply(s, "221 2.0.0 Bye");
	server_good(s);
	server_close(s);
}

static void
noop(struct smtp_server *s)
{
	server_reply(s, "250 2.0.0 Ok");
	server_good(s);
}

static void
dispatch(struct smtp_server *s, const struct smtp_command *c, struct span line)
{
	switch (c->verb) {
	case SMTP_HELO:
	case SMTP_EHLO:
	case SMTP_LHLO:
		server_helo(s, c);
		break;
	case SMTP_STARTTLS:
		server_starttls(s, c);
		break;
	case SMTP_MAIL:
		server_mail(s, c);
		break;
	case SMTP_RCPT:
		server_rcpt(s, c);
		break;
	case SMTP_DATA:
		server_data(s, c);
		break;
	case SMTP_BDAT:
		server_bdat(s, c, line);
		break;
	case SMTP_RSET:
		rset(s, c);
		break;
	case SMTP_NOOP:
		noop(s);
		break;
	case SMTP_VRFY:
		server_vrfy(s, c);
		break;
	case SMTP_AUTH:
		server_auth(s, c);
		break;
	case SMTP_QUIT:
		quit(s);
		break;
	default:
		refused_extension(s, c);
	}
}

/* The last of a group of pipelined commands: what follows it must wait for the reply. RFC 2920, section 3.1. */
static bool
must_be_last(enum smtp_verb v)
{
	return v == SMTP_HELO || v == SMTP_EHLO || v == SMTP_LHLO || v == SMTP_DATA || v == SMTP_NOOP || v == SMTP_VRFY;
}

static bool
is_junk(enum smtp_verb v)
{
	return v == SMTP_HELO || v == SMTP_EHLO || v == SMTP_LHLO || v == SMTP_RSET || v == SMTP_NOOP ||
	    v == SMTP_VRFY || v == SMTP_ETRN;
}

/* PIPELINING allows NOOP and VRFY to end a group; HELO and DATA must see their reply first. False: the session is over. */
static bool
pipelining_ok(struct smtp_server *s, enum smtp_verb v, struct span behind)
{
	if (behind.len == 0 || !must_be_last(v))
		return true;
	if (!s->pipelined)
		server_note(s, SMTP_NOTE_PIPELINING, behind);
	s->pipelined = true;
	if (!s->config->forbid_pipelining)
		return true;
	server_error(s, "554 5.5.0 Error: SMTP protocol synchronization");
	server_close(s);
	return false;
}

static void
command_line(struct smtp_server *s, struct span line, struct span behind)
{
	struct smtp_command c;

	if (s->distrusted != NULL) {
		server_replyf(s, "421 4.7.1 %s Error: %s", s->config->hostname, s->distrusted);
		server_close(s);
		return;
	}
	if (!smtp_command_parse(line, &c)) {
		server_error(s, "500 5.5.2 Error: bad syntax");
		return;
	}
	if (s->config->smtputf8 && !address_is_utf8(line)) {
		s->verb = SMTP_UNKNOWN;
		server_error(s, "500 5.5.2 Error: bad UTF-8 syntax");
		return;
	}
	if ((c.verb == SMTP_LHLO) != s->config->lmtp && (c.verb == SMTP_LHLO || c.verb == SMTP_EHLO || c.verb == SMTP_HELO))
		c.verb = SMTP_UNKNOWN;
	s->verb = c.verb;
	s->counts[c.verb].all++;
	if (is_noop(s, c.word)) {
		count_junk(s);
		noop(s);
		return;
	}
	if (c.verb == SMTP_UNKNOWN) {
		unknown(s, line, &c);
		return;
	}
	s->where = smtp_verb_name(c.verb);
	if (s->denied != NULL && c.verb != SMTP_QUIT) {
		server_errorf(s, "503 5.7.0 Error: access denied%s%s", s->client == NULL ? "" : " for ", s->client == NULL ? "" : s->client);
		return;
	}
	if (server_needs_tls(s, c.verb))
		return;
	if (is_junk(c.verb))
		count_junk(s);
	if (pipelining_ok(s, c.verb, behind))
		dispatch(s, &c, line);
}

static bool
too_many_errors(struct smtp_server *s)
{
	if (s->options.no_limits || s->errors < s->config->hard_error_limit)
		return false;
	server_note(s, SMTP_NOTE_TOO_MANY_ERRORS, SPAN_NONE);
	server_replyf(s, "421 4.7.0 %s Error: too many errors", s->config->hostname);
	server_close(s);
	return true;
}

static void
long_line(struct smtp_server *s, struct span in)
{
	if (s->phase == PHASE_AUTH) {
		server_auth_stop(s, "500 5.5.6 SASL response limit exceeded", SMTP_NOTE_AUTH_LONG);
		return;
	}
	s->verb = SMTP_UNKNOWN;
	s->counts[SMTP_UNKNOWN].all++;
	server_note(s, SMTP_NOTE_LONG_LINE, span_head(in, 100));
	if (s->shown)
		s->ops->said(s->arg, SAID_NOTE, SPAN("a line that is too long"));
	server_error(s, "500 5.5.2 Error: line too long");
}

/* A line that does not end is an error again and again, so that it ends with the session. */
static size_t
skip_more(struct smtp_server *s, size_t n, bool whole)
{
	s->skip_line = !whole;
	s->skipped += n;
	while (s->skipped >= SKIP_ERROR) {
		s->skipped -= SKIP_ERROR;
		s->errors++;
	}
	if (whole)
		s->skipped = 0;
	return n;
}

/* A command line may also be refused for what it ends with. */
static bool
line_end_ok(struct smtp_server *s, struct span line)
{
	if (span_ends(line, "\r"))
		return true;
	if (s->options.bare_lf == SMTP_BARE_LF_NOTE)
		server_note(s, SMTP_NOTE_BARE_LF, SPAN_NONE);
	if (s->options.bare_lf != SMTP_BARE_LF_REJECT)
		return true;
	server_note(s, SMTP_NOTE_BARE_LF, SPAN_NONE);
	if (s->phase == PHASE_AUTH) {
		s->phase = PHASE_COMMAND;
		server_note(s, SMTP_NOTE_AUTH_ABORTED, SPAN_NONE);
	}
	s->verb = SMTP_UNKNOWN;
	s->counts[SMTP_UNKNOWN].all++;
	server_errorf(s, "%u 5.5.2 %s Error: bare <LF> received", s->config->bare_lf_code, s->config->hostname);
	if (s->config->bare_lf_code == 521 || s->config->bare_lf_code == 421)
		server_close(s);
	return false;
}

static size_t
command_input(struct smtp_server *s, struct span in)
{
	size_t len = span_find(in, '\n');
	size_t limit = s->phase == PHASE_AUTH ? s->config->auth_response_limit : s->config->line_length_limit;
	bool whole = len < in.len;

	/* A handshake's record: type 22, version 3. */
	if (s->requests == 0 && !s->secure && !s->tls_noted && in.len > 2 && in.ptr[0] == 22 && in.ptr[1] == 3) {
		s->tls_noted = true;
		server_note(s, SMTP_NOTE_TLS_AT_ONCE, SPAN_NONE);
	}
	if (s->skip_line)
		return skip_more(s, whole ? len + 1 : in.len, whole);
	if (limit > 0 && len > limit) {
		long_line(s, in);
		return skip_more(s, whole ? len + 1 : in.len, whole);
	}
	if (!whole || too_many_errors(s))
		return 0;
	struct span line = span_head(in, len);
	s->requests++;
	if (!line_end_ok(s, line))
		return len + 1;
	while (span_ends(line, "\r"))
		line.len--;
	if (s->shown)
		s->ops->said(s->arg, SAID_BY_PEER, line);
	if (s->phase == PHASE_AUTH)
		server_auth_line(s, line);
	else
		command_line(s, s->ops->command == NULL ? line : s->ops->command(s->arg, line), span_skip(in, len + 1));
	return len + 1;
}

void
smtp_server_resume(struct smtp_server *s)
{
	s->delay = false;
	if (smtp_server_waits(s) == SMTP_WAITS_INPUT && s->phase == PHASE_COMMAND)
		(void)too_many_errors(s);
}

static bool
replies_wait(const struct smtp_server *s)
{
	return s->options.replies_max > 0 && s->out->len >= s->options.replies_max;
}

size_t
smtp_server_run(struct smtp_server *s, struct span in)
{
	size_t used = 0, n = 1;

	while (n > 0 && used < in.len && smtp_server_waits(s) == SMTP_WAITS_INPUT && !replies_wait(s)) {
		struct span left = span_skip(in, used);

		if (s->phase == PHASE_DATA)
			n = server_data_input(s, left);
		else if (s->phase == PHASE_BDAT)
			n = server_bdat_input(s, left);
		else
			n = command_input(s, left);
		used += n;
	}
	if (smtp_server_waits(s) == SMTP_WAITS_INPUT && s->phase == PHASE_COMMAND)
		(void)too_many_errors(s);
	return used;
}
