#include "smtp/client_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mail/address.h"
#include "mail/dsn.h"

void
client_show_out(struct smtp_client *c, size_t from)
{
	struct span left = span_skip(buf_view(&c->out), from), line;

	while (c->said != NULL && !c->out.over && left.len > 0 && span_cut(&left, '\n', &line))
		c->said(c->said_arg, SAID_BY_MTAD, span_rtrim(line));
}

void
client_send_line(struct smtp_client *c, const char *command)
{
	size_t from = c->out.len;

	buf_str(&c->out, command);
	client_show_out(c, from);
}

void
client_send_hello(struct smtp_client *c)
{
	const char *verb = c->options->lmtp ? "LHLO" : c->helo ? "HELO" : "EHLO";
	size_t from = c->out.len;

	buf_str(&c->out, verb);
	buf_char(&c->out, ' ');
	buf_str(&c->out, c->options->helo_name);
	buf_str(&c->out, "\r\n");
	client_show_out(c, from);
}

/* Bytes that can stand in no address become "?": they must not end the command. */
static void
clean(struct buf *to, size_t from)
{
	for (size_t i = from; i < to->len; i++)
		if ((unsigned char)to->ptr[i] < ' ' || to->ptr[i] == 0x7f)
			to->ptr[i] = '?';
}

static void
put_address(struct smtp_client *c, struct span address)
{
	size_t from = c->out.len;

	buf_char(&c->out, '<');
	if (c->options->quote)
		address_quote(&c->out, address);
	else
		buf_span(&c->out, address);
	clean(&c->out, from);
	buf_char(&c->out, '>');
}

void
client_send_mail(struct smtp_client *c)
{
	const struct client_mail *m = c->mail;
	size_t start = c->out.len;

	buf_str(&c->out, "MAIL FROM:");
	put_address(c, m->sender);
	if ((c->caps & EHLO_SIZE) && !m->converted)
		buf_printf(&c->out, " SIZE=%" PRIu64, m->size);
	if (m->eightbit && (c->caps & EHLO_8BITMIME))
		buf_str(&c->out, " BODY=8BITMIME");
	if (m->utf8)
		buf_str(&c->out, " SMTPUTF8");
	if ((c->caps & EHLO_AUTH) && c->options->login->tell)
		buf_str(&c->out, " AUTH=<>");
	if (c->caps & EHLO_DSN) {
		if (m->envid.len > 0) {
			buf_str(&c->out, " ENVID=");
			xtext_encode(&c->out, m->envid);
		}
		if (m->ret_full || m->ret_hdrs)
			buf_str(&c->out, m->ret_full ? " RET=FULL" : " RET=HDRS");
	}
	buf_str(&c->out, "\r\n");
	client_show_out(c, start);
}

/* What the sender named, else the recipient as it was given first. */
static void
put_original(struct smtp_client *c, const struct client_rcpt *rcpt)
{
	struct span given = rcpt->original.len > 0 ? rcpt->original : rcpt->address;
	struct buf made = BUF_INIT(4096);
	size_t from = c->out.len;

	if (rcpt->orcpt.len == 0) {
		if (!c->mail->name_original || given.len == 0)
			return;
		buf_str(&made, c->mail->utf8 && !span_is_ascii(given) ? "utf-8;" : "rfc822;");
		address_quote(&made, given);
	}
	buf_str(&c->out, " ORCPT=");
	dsn_orcpt_put(&c->out, rcpt->orcpt.len > 0 ? rcpt->orcpt : buf_view(&made));
	clean(&c->out, from);
	buf_clear(&made);
}

void
client_send_rcpt(struct smtp_client *c, const struct client_rcpt *rcpt)
{
	size_t start = c->out.len;

	buf_str(&c->out, "RCPT TO:");
	put_address(c, rcpt->wire.ptr != NULL ? rcpt->wire : rcpt->address);
	if (c->caps & EHLO_DSN) {
		put_original(c, rcpt);
		if (rcpt->notify != NOTIFY_DEFAULT) {
			buf_str(&c->out, " NOTIFY=");
			dsn_notify_put(&c->out, rcpt->notify);
		}
	}
	buf_str(&c->out, "\r\n");
	client_show_out(c, start);
}

/* CRLF line ends, stuffed dots, long lines broken with CRLF and a space as Postfix does. */
static void
encode(struct smtp_client *c, struct span s)
{
	size_t limit = c->options->line_limit == 0 ? SIZE_MAX : c->options->line_limit < 12 ? 12 :
	    c->options->line_limit;
	/* The worst: every byte a line of its own; and a break adds three bytes to twelve. */
	char *start = buf_room(&c->out, 2 * s.len + s.len / 2 + 16), *o = start;
	const char *p = s.ptr, *end = s.ptr + s.len;

	if (start == NULL)
		return;
	while (p < end) {
		if (c->line_start && *p == '.')
			*o++ = '.';
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((newline == NULL ? end : newline) - p);
		if (n > limit - c->column) {
			n = limit - c->column;
			memcpy(o, p, n);
			memcpy(o + n, "\r\n ", 3);
			o += n + 3;
			p += n;
			c->column = 1;
			c->line_start = false;
			c->broken = true;
			continue;
		}
		memcpy(o, p, n);
		o += n;
		p += n;
		c->column += n;
		c->line_start = c->line_start && n == 0;
		if (newline != NULL) {
			*o++ = '\r';
			*o++ = '\n';
			p++;
			c->column = 0;
			c->line_start = true;
		}
	}
	buf_added(&c->out, (size_t)(o - start));
	c->content_bytes += (size_t)(o - start);
}

static bool
send_more(struct smtp_client *c, bool *failed)
{
	static char chunk[32 << 10];	/* one loop a process, and used within this call only */
	struct client_content *content = &c->mail->content;
	long n = content->more == NULL ? 0 : content->more(content->arg, chunk, sizeof chunk);

	if (n < 0)
		*failed = true;
	if (n <= 0)
		return false;
	encode(c, span_of(chunk, (size_t)n));
	return true;
}

static void
show_content(struct smtp_client *c)
{
	char text[60];

	if (c->said == NULL)
		return;
	int n = snprintf(text, sizeof text, "message content, %" PRIu64 " bytes", c->content_bytes);
	c->said(c->said_arg, SAID_NOTE, span_of(text, (size_t)n));
}

bool
client_send_content(struct smtp_client *c, bool *failed)
{
	struct client_content *content = &c->mail->content;

	*failed = false;
	while (c->out.len < CLIENT_CHUNK) {
		if (c->part < 2) {
			struct span rest = span_skip(content->parts[c->part], c->part_at);
			struct span piece = span_head(rest, CLIENT_CHUNK);
			if (piece.len > 0)
				encode(c, piece);
			c->part_at += piece.len;
			if (piece.len == rest.len) {
				c->part++;
				c->part_at = 0;
			}
			continue;
		}
		if (send_more(c, failed))
			continue;
		if (*failed)
			return false;
		if (!c->line_start)
			buf_str(&c->out, "\r\n");
		show_content(c);
		c->dot_due = c->pix && (c->options->pix & PIX_DELAY_DOTCRLF);
		if (!c->dot_due)
			client_send_line(c, ".\r\n");
		return true;
	}
	return false;
}
