#include "smtp/screen_talk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "mail/address.h"
#include "smtp/ehlo.h"

#define SHOWN		100		/* bytes of what a client said */
#define HELO_MAX	256
#define PATH_BYTES	512
#define BIT(test)	(1u << (test))
#define BLANK		" "		/* what stands between words; a tab is part of one, as postscreen has it */

/* -- words ------------------------------------------------------------------------------------------ */

void
screen_talk_escape(struct span s, struct buf *out)
{
	static const char named[] = "abtnvfr";	/* of 7 to 13 */

	s = span_head(s, SHOWN);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\\')
			buf_str(out, "\\\\");
		else if (c >= ' ' && c < 127)
			buf_char(out, (char)c);
		else if (c >= 7 && c <= 13)
			buf_printf(out, "\\%c", named[c - 7]);
		else
			buf_printf(out, "\\%03o", c);
	}
}

static void
put_printable(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++)
		buf_char(out, s.ptr[i] < ' ' || s.ptr[i] > '~' ? '?' : s.ptr[i]);
}

/* As the log has addresses: in their external form. */
static void
put_address(struct span address, struct buf *out)
{
	struct buf quoted = BUF_INIT(4096);

	address_quote(&quoted, address);
	put_printable(buf_view(&quoted), out);
	buf_clear(&quoted);
}

static void
say(struct screen_talk *t, const char *reply)
{
	char soft[600];

	if (t->config->soft_bounce && reply[0] == '5') {
		(void)snprintf(soft, sizeof soft, "%s", reply);
		soft[0] = '4';
		if (soft[3] == ' ' && soft[4] == '5')
			soft[4] = '4';
		reply = soft;
	}
	const char *longer = t->ops->footer != NULL && (reply[0] == '4' || reply[0] == '5') ? t->ops->footer(t->arg, reply) : NULL;
	buf_str(t->out, longer != NULL ? longer : reply);
	buf_str(t->out, "\r\n");
}

/* The last reply. */
static void
finish(struct screen_talk *t, const char *reply)
{
	say(t, reply);
	t->state = TALK_OVER;
}

static void
finish_busy(struct screen_talk *t)
{
	char reply[400];

	(void)snprintf(reply, sizeof reply, "421 %.300s Service unavailable - try again later", t->config->hostname);
	finish(t, reply);
}

void
screen_talk_late(struct screen_talk *t)
{
	char reply[400], text[200];

	(void)snprintf(text, sizeof text, "COMMAND TIME LIMIT from %s after %s", t->who, t->where);
	t->ops->log(t->arg, text);
	(void)snprintf(reply, sizeof reply, "421 4.4.2 %.300s Error: timeout exceeded", t->config->hostname);
	finish(t, reply);
}

static void
set(char **to, struct span value)
{
	free(*to);
	*to = value.ptr == NULL ? NULL : span_dup(value);
}

void
screen_talk_begin(struct screen_talk *t)
{
	t->line = BUF_INIT((size_t)t->config->line_limit + 2);
	t->where = "CONNECT";
	t->state = TALK_GOES_ON;
	if (!t->no_greeting)
		buf_printf(t->out, "220 %s\r\n", t->config->banner);
}

void
screen_talk_clear(struct screen_talk *t)
{
	buf_clear(&t->line);
	set(&t->helo, SPAN_NONE);
	set(&t->sender, SPAN_NONE);
}

void
screen_talk_secured(struct screen_talk *t)
{
	t->tls_active = true;
	t->has_helo = t->has_sender = false;
	set(&t->helo, SPAN_NONE);
	set(&t->sender, SPAN_NONE);
	buf_reset(&t->line);
	t->cr = false;
	t->state = TALK_GOES_ON;
}

/* -- the tests ----------------------------------------------------------------------------------------- */

/* False: the session is over. */
static bool
fail(struct screen_talk *t, enum screen_talk_test test, const char *dropped, struct buf *text)
{
	enum screen_talk_action action = t->config->actions[test];

	t->ops->log(t->arg, text->ptr);
	buf_clear(text);
	t->skip |= BIT(test);
	t->ops->failed(t->arg, test, action);
	if (action == TALK_IGNORE)
		return true;
	t->failed_bits |= BIT(test);
	if (action == TALK_ENFORCE)
		(void)snprintf(t->refusal, sizeof t->refusal, "550 5.5.1 Protocol error");
	else
		finish(t, dropped);
	return action == TALK_ENFORCE;
}

static bool
is_due(const struct screen_talk *t, enum screen_talk_test test)
{
	return (t->todo & BIT(test)) != 0 && (t->skip & BIT(test)) == 0;
}

static bool
bare_newline(struct screen_talk *t)
{
	struct buf text = BUF_INIT(4096);

	if (!is_due(t, TALK_BARE_NEWLINE))
		return true;
	buf_printf(&text, "BARE NEWLINE from %s after ", t->who);
	screen_talk_escape(span_head(buf_view(&t->line), t->line.len - 1), &text);
	return fail(t, TALK_BARE_NEWLINE, "521 5.5.1 Protocol error", &text);
}

/* As is_header(3) of Postfix: a word, perhaps blanks, a colon. */
static bool
is_header(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] == ':')
			return i > 0;
		if (word.ptr[i] <= ' ' || word.ptr[i] > '~')
			return false;
	}
	return false;
}

static bool
is_utf8(struct span s)
{
	for (size_t n; s.len > 0; s = span_skip(s, n))
		if ((n = utf8_length(s)) == 0)
			return false;
	return true;
}

static bool
is_forbidden(const struct screen_talk *t, struct span word)
{
	struct span list = span_str(t->config->forbidden_commands), each;

	while (span_word(&list, "\t\r\n ,", &each))
		if (span_caseeq(each, word))
			return true;
	return false;
}

static bool
non_smtp(struct screen_talk *t, struct span word, struct span args)
{
	struct buf text = BUF_INIT(4096);

	if (!is_due(t, TALK_NON_SMTP) || !(is_header(word) || (t->config->smtputf8 && !is_utf8(word)) || is_forbidden(t, word)))
		return true;
	buf_printf(&text, "NON-SMTP COMMAND from %s after %s: ", t->who, t->where);
	put_printable(span_head(word, SHOWN), &text);
	buf_char(&text, ' ');
	screen_talk_escape(args, &text);
	return fail(t, TALK_NON_SMTP, "521 5.7.0 Error: I can break rules, too. Goodbye.", &text);
}

static bool
pipelining(struct screen_talk *t, struct span word, struct span more)
{
	struct buf text = BUF_INIT(4096);

	if (!is_due(t, TALK_PIPELINING) || more.len == 0)
		return true;
	buf_printf(&text, "COMMAND PIPELINING from %s after ", t->who);
	put_printable(span_head(word, SHOWN), &text);
	buf_str(&text, ": ");
	screen_talk_escape(more, &text);
	return fail(t, TALK_PIPELINING, "521 5.5.1 Protocol error", &text);
}

/* -- commands -------------------------------------------------------------------------------------------- */

static bool
next_word(struct span *rest, struct span *word)
{
	return span_word(rest, BLANK, word);
}

static void
helo(struct screen_talk *t, struct span args)
{
	char reply[400];
	struct span name;

	if (!next_word(&args, &name)) {
		say(t, "501 Syntax: HELO hostname");
		return;
	}
	set(&t->helo, span_head(name, HELO_MAX));
	t->has_helo = true;
	t->has_sender = false;
	(void)snprintf(reply, sizeof reply, "250 %.300s", t->config->hostname);
	say(t, reply);
}

static void
ehlo_line(struct screen_talk *t, unsigned bit, const char *text, size_t *last)
{
	if ((t->discard & bit) != 0)
		return;
	*last = t->out->len;
	buf_printf(t->out, "250-%s\r\n", text);
}

static void
ehlo(struct screen_talk *t, struct span args)
{
	char size[40] = "SIZE";
	struct span name;
	size_t last = t->out->len;

	if (!next_word(&args, &name)) {
		say(t, "501 Syntax: EHLO hostname");
		return;
	}
	set(&t->helo, span_head(name, HELO_MAX));
	t->has_helo = t->esmtp = true;
	t->has_sender = false;
	if (t->config->size_limit > 0)
		(void)snprintf(size, sizeof size, "SIZE %" PRIu64, t->config->size_limit);
	buf_printf(t->out, "250-%s\r\n", t->config->hostname);
	ehlo_line(t, EHLO_SIZE, size, &last);
	if (t->config->tell_vrfy)
		ehlo_line(t, EHLO_VRFY, "VRFY", &last);
	ehlo_line(t, EHLO_ETRN, "ETRN", &last);
	if (t->tls && !t->tls_active)
		ehlo_line(t, EHLO_STARTTLS, "STARTTLS", &last);
	ehlo_line(t, EHLO_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES", &last);
	ehlo_line(t, EHLO_8BITMIME, "8BITMIME", &last);
	ehlo_line(t, EHLO_DSN, "DSN", &last);
	if (t->config->smtputf8)
		ehlo_line(t, EHLO_SMTPUTF8, "SMTPUTF8", &last);
	ehlo_line(t, EHLO_CHUNKING, "CHUNKING", &last);
	if (!t->out->over)
		t->out->ptr[last + 3] = ' ';
}

static void
starttls(struct screen_talk *t, struct span args)
{
	struct span word;

	if (next_word(&args, &word)) {
		say(t, "501 5.5.4 Syntax: STARTTLS");
	} else if (t->tls_active) {
		say(t, "554 5.5.1 Error: TLS already active");
	} else if (!t->tls || (t->discard & EHLO_STARTTLS) != 0) {
		say(t, "502 5.5.1 Error: command not implemented");
	} else if (t->tls_broken) {
		say(t, "454 4.7.0 TLS not available due to local problem");
	} else {
		say(t, "220 2.0.0 Ready to start TLS");
		t->state = TALK_TLS;
	}
}

/* What stands in angle brackets, or up to a blank; quotes are taken off, a source route is skipped. */
static struct span
address_of(struct span s, char room[PATH_BYTES])
{
	bool quoted = false, bracket;
	size_t i = 0, n = 0;

	while (i < s.len && s.ptr[i] == ' ')
		i++;
	bracket = i < s.len && s.ptr[i] == '<';
	i += bracket;
	for (; i < s.len && n < PATH_BYTES && (quoted || s.ptr[i] != (bracket ? '>' : ' ')); i++) {
		if (s.ptr[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (s.ptr[i] == '\\' && ++i == s.len)
			break;
		room[n++] = s.ptr[i];
	}
	struct span address = span_of(room, n);
	size_t colon = span_find(address, ':');
	return span_starts(address, "@") && colon < n ? span_skip(address, colon + 1) : address;
}

static void
mail(struct screen_talk *t, struct span args)
{
	char room[PATH_BYTES];
	size_t colon = span_find(args, ':');

	if (t->config->helo_required && !t->has_helo) {
		say(t, "503 5.5.1 Error: send HELO/EHLO first");
	} else if (t->has_sender) {
		say(t, "503 5.5.1 Error: nested MAIL command");
	} else if (colon == args.len) {
		say(t, "501 5.5.4 Syntax: MAIL FROM:<address>");
	} else {
		set(&t->sender, address_of(span_skip(args, colon + 1), room));
		t->has_sender = true;
		say(t, "250 2.1.0 Ok");
	}
}

static void
refuse(struct screen_talk *t, struct span recipient)
{
	struct buf text = BUF_INIT(8192);
	bool soft = t->config->soft_bounce && t->refusal[0] == '5';
	size_t at = text.len;

	buf_printf(&text, "NOQUEUE: reject: RCPT from %s: ", t->who);
	at = text.len;
	buf_str(&text, t->refusal);
	if (soft && !text.over) {
		text.ptr[at] = '4';
		if (text.ptr[at + 4] == '5')
			text.ptr[at + 4] = '4';
	}
	buf_str(&text, "; from=<");
	put_address(span_str(t->sender), &text);
	buf_str(&text, ">, to=<");
	put_address(recipient, &text);
	buf_printf(&text, ">, proto=%s, helo=<", t->esmtp ? "ESMTP" : "SMTP");
	put_printable(span_str(t->helo), &text);
	buf_char(&text, '>');
	if (!text.over)
		t->ops->log(t->arg, text.ptr);
	buf_clear(&text);
	say(t, t->refusal);
}

static void
rcpt(struct screen_talk *t, struct span args)
{
	char room[PATH_BYTES];
	size_t colon = span_find(args, ':');

	if (!t->has_sender)
		say(t, "503 5.5.1 Error: need MAIL command");
	else if (colon == args.len)
		say(t, "501 5.5.4 Syntax: RCPT TO:<address>");
	else
		refuse(t, address_of(span_skip(args, colon + 1), room));
}

static void
log_after(struct screen_talk *t, const char *what)
{
	char text[200];

	(void)snprintf(text, sizeof text, "%s without valid RCPT from %s", what, t->who);
	t->ops->log(t->arg, text);
}

static void
data(struct screen_talk *t, struct span args)
{
	struct span word;

	log_after(t, "DATA");
	if (next_word(&args, &word))
		finish(t, "501 5.5.4 Syntax: DATA");
	else
		finish(t, !t->has_sender ? "503 5.5.1 Error: need RCPT command" : "554 5.5.1 Error: no valid recipients");
}

static void
bdat(struct screen_talk *t, struct span args)
{
	struct span word;

	log_after(t, "BDAT");
	if ((t->discard & EHLO_CHUNKING) != 0)
		finish(t, "502 5.5.1 Error: command not implemented");
	else if (!next_word(&args, &word))
		finish(t, "501 5.5.4 Syntax: BDAT count [LAST]");
	else
		finish(t, !t->has_sender ? "554 5.5.1 Error: need MAIL command" : "554 5.5.1 Error: no valid recipients");
}

static void
rset(struct screen_talk *t, struct span args)
{
	(void)args;
	t->has_sender = false;
	say(t, "250 2.0.0 Ok");
}

static void
noop(struct screen_talk *t, struct span args)
{
	(void)args;
	say(t, "250 2.0.0 Ok");
}

static void
vrfy(struct screen_talk *t, struct span args)
{
	struct span word;

	if (!next_word(&args, &word))
		say(t, "501 5.5.4 Syntax: VRFY address");
	else
		say(t, t->config->disable_vrfy ? "502 5.5.1 VRFY command is disabled" : t->refusal);
}

static void
etrn(struct screen_talk *t, struct span args)
{
	struct span word;

	if (t->config->helo_required && !t->has_helo)
		say(t, "503 5.5.1 Error: send HELO/EHLO first");
	else
		say(t, next_word(&args, &word) ? "458 Unable to queue messages" : "500 Syntax: ETRN domain");
}

static void
quit(struct screen_talk *t, struct span args)
{
	(void)args;
	finish(t, "221 2.0.0 Bye");
}

static const struct talk_command {
	const char	*name;
	void		(*run)(struct screen_talk *, struct span args);	/* NULL: known, and not taken */
	bool		 before_tls;	/* where TLS is demanded */
} commands[] = {
	{ "HELO", helo, true }, { "EHLO", ehlo, true }, { "STARTTLS", starttls, true }, { "XCLIENT", NULL, false }, { "XFORWARD", NULL, false },
	{ "AUTH", NULL, false }, { "MAIL", mail, false }, { "RCPT", rcpt, false }, { "DATA", data, false }, { "BDAT", bdat, false },
	{ "RSET", rset, false }, { "NOOP", noop, true }, { "VRFY", vrfy, false }, { "ETRN", etrn, false }, { "QUIT", quit, true },
};

static const struct talk_command *
find(struct span word)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (span_caseeqs(word, commands[i].name))
			return &commands[i];
	return NULL;
}

/* -- a line ------------------------------------------------------------------------------------------------ */

/* False: the session is over. */
static bool
count(struct screen_talk *t, const struct talk_command *c, const char *before)
{
	char text[200];

	if (++t->commands <= t->config->command_limit || (c != NULL && c->run == quit))
		return true;
	(void)snprintf(text, sizeof text, "COMMAND COUNT LIMIT from %s after %s", t->who, before);
	t->ops->log(t->arg, text);
	finish_busy(t);
	return false;
}

static void
obey(struct screen_talk *t, struct span line, struct span more)
{
	struct span args = line, word = SPAN("");
	const char *before = t->where;

	if (next_word(&args, &word))
		args = span_skip(args, 1);
	const struct talk_command *c = find(word);
	if (c == NULL && !non_smtp(t, word, args))
		return;
	t->where = c == NULL ? "UNIMPLEMENTED" : c->name;
	if ((c == NULL || c->run != bdat) && !pipelining(t, word, more))
		return;
	unsigned reached = t->todo & ~t->skip;
	if (c != NULL && c->run == rcpt && reached != 0)
		t->ops->passed(t->arg, reached);
	if (!count(t, c, before))
		return;
	if (c == NULL || c->run == NULL)
		say(t, "502 5.5.2 Error: command not recognized");
	else if (t->tls_required && !t->tls_active && !c->before_tls)
		say(t, "530 5.7.0 Must issue a STARTTLS command first");
	else
		c->run(t, args);
}

static void
whole_line(struct screen_talk *t, struct span more)
{
	struct buf filtered = BUF_INIT(4096);
	struct span line = buf_view(&t->line);

	/* What follows a NUL is not seen, as Postfix does not see it. */
	line = span_head(line, span_find(line, '\0'));
	if (t->ops->filter != NULL && t->ops->filter(t->arg, line, &filtered))
		line = buf_view(&filtered);
	obey(t, line, more);
	buf_clear(&filtered);
	buf_reset(&t->line);
	t->cr = false;
}

void
screen_talk_run(struct screen_talk *t, struct span in)
{
	char text[200];

	for (size_t i = 0; i < in.len && t->state == TALK_GOES_ON; i++) {
		if (!t->cr && t->line.len >= t->config->line_limit) {
			(void)snprintf(text, sizeof text, "COMMAND LENGTH LIMIT from %s after %s", t->who, t->where);
			t->ops->log(t->arg, text);
			finish_busy(t);
			return;
		}
		buf_char(&t->line, in.ptr[i]);
		if (in.ptr[i] == '\n') {
			if (!t->cr && !bare_newline(t))
				return;
			t->line.len -= t->cr ? 2 : 1;
			whole_line(t, span_skip(in, i + 1));
		} else {
			t->cr = in.ptr[i] == '\r';
		}
	}
}
