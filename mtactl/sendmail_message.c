/*
 * The message that sendmail was given: its addresses, its text, its header.
 */
#include "mtactl/sendmail.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mtactl/display.h"

void
mail_clear(struct mail *m)
{
	arena_clear(&m->arena);
	free(m->rcpts);
	buf_clear(&m->content);
}

/* -- addresses ------------------------------------------------------------ */

static bool
add_recipient(struct mail *m, struct span address)
{
	if (m->rcpt_count == SENDMAIL_RCPT_MAX) {
		fprintf(stderr, "%s: more than %d recipients\n", m->program, SENDMAIL_RCPT_MAX);
		return false;
	}
	if (m->rcpt_count == m->rcpt_cap) {
		m->rcpt_cap = m->rcpt_cap == 0 ? 16 : m->rcpt_cap * 2;
		m->rcpts = mem_grow(m->rcpts, m->rcpt_cap, sizeof *m->rcpts);
	}
	struct span copy = arena_span(&m->arena, address);
	if (copy.ptr == NULL)
		return false;
	m->rcpts[m->rcpt_count++] = copy;
	return true;
}

static bool
bad_address(const struct mail *m, struct span text)
{
	tell_safe(m->program, "this is not an address: %.*s", SPAN_ARG(span_head(text, 200)));
	return false;
}

bool
mail_add_recipients(struct mail *m, struct span list)
{
	struct mailbox_list boxes = { .left = list };
	struct buf address = BUF_INIT(ADDRESS_MAX * 2);
	struct mailbox box;
	bool ok = true;

	while (ok && mailbox_next(&boxes, &box)) {
		buf_reset(&address);
		if (!mailbox_address(box.spec, &address) || address.len == 0)
			ok = bad_address(m, box.raw);
		else
			ok = add_recipient(m, buf_view(&address));
	}
	buf_clear(&address);
	return ok;
}

bool
mail_set_sender(struct mail *m, const char *text)
{
	struct span trimmed = span_trim(span_str(text));
	struct mailbox_list boxes = { .left = trimmed };
	struct buf address = BUF_INIT(ADDRESS_MAX * 2);
	struct mailbox box;
	bool ok = true;

	if (trimmed.len == 0 || span_eqs(trimmed, "<>"))
		m->sender = SPAN("");
	else if (!mailbox_next(&boxes, &box) || !mailbox_address(box.spec, &address) || address.over)
		ok = bad_address(m, trimmed);
	else
		m->sender = arena_span(&m->arena, buf_view(&address));
	m->sender_given = true;
	buf_clear(&address);
	return ok;
}

/* -- reading -------------------------------------------------------------- */

/* A mailbox file's "From " line is no header; mail programs pass it on. */
static bool
is_from_line(const char *line)
{
	return strncmp(line, "From ", 5) == 0 || strncmp(line, ">From ", 6) == 0;
}

int
mail_read(struct mail *m, FILE *in, size_t max)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool crlf = false, first = true;

	m->content = BUF_INIT(max + 1);
	while ((n = getline(&line, &cap, in)) > 0) {
		size_t len = (size_t)n;
		bool whole = line[len - 1] == '\n';
		if (first)
			crlf = whole && len >= 2 && line[len - 2] == '\r';
		if (crlf && whole && len >= 2 && line[len - 2] == '\r')
			line[--len - 1] = '\n';
		if (!m->dot_is_text && line[0] == '.' && (len == 1 || (len == 2 && line[1] == '\n')))
			break;
		if (m->content.len == 0 && is_from_line(line))
			continue;
		first = false;
		buf_put(&m->content, line, len);
		if (!whole)
			buf_char(&m->content, '\n');
		if (m->content.over)
			break;
	}
	bool failed = ferror(in) != 0;
	free(line);
	if (failed) {
		fprintf(stderr, "%s: cannot read the message\n", m->program);
		return EX_LATER;
	}
	if (!m->content.over)
		return EX_FINE;
	fprintf(stderr, "%s: the message is larger than message_size_limit (%zu bytes)\n", m->program, max);
	return EX_BAD_DATA;
}

/* -- the header ----------------------------------------------------------- */

static bool
is_bcc(struct span name)
{
	return span_caseeqs(name, "Bcc") || span_caseeqs(name, "Resent-Bcc");
}

static bool
is_recipient_header(struct span name, bool resent)
{
	if (resent)
		return span_caseeqs(name, "Resent-To") || span_caseeqs(name, "Resent-Cc")
		    || span_caseeqs(name, "Resent-Bcc");
	return span_caseeqs(name, "To") || span_caseeqs(name, "Cc") || span_caseeqs(name, "Bcc");
}

/* Of a message that is sent again, the Resent- recipients are meant, and no others. */
static bool
is_resent(struct span block)
{
	struct header h;

	while (header_next(&block, &h))
		if (is_recipient_header(h.name, true))
			return true;
	return false;
}

/* A header that cannot be made out in full gives what can: a mail program's mistake must not lose the whole message. */
static bool
take_recipients(struct mail *m, struct span block)
{
	bool resent = is_resent(block);
	struct header h;

	while (header_next(&block, &h))
		if (is_recipient_header(h.name, resent) && !mail_add_recipients(m, h.value))
			return false;
	return true;
}

static void
put_quoted_name(struct buf *out, const char *name)
{
	buf_char(out, '"');
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name < ' ')
			continue;
		if (*name == '"' || *name == '\\')
			buf_char(out, '\\');
		buf_char(out, *name);
	}
	buf_char(out, '"');
}

static void
put_from(const struct mail *m, const char *domain, struct buf *out)
{
	buf_str(out, "From: ");
	put_quoted_name(out, m->full_name);
	buf_str(out, " <");
	address_quote(out, m->sender.len > 0 ? m->sender : SPAN("MAILER-DAEMON"));
	if (address_domain(m->sender).len == 0)
		buf_printf(out, "@%s", domain);
	buf_str(out, ">\n");
}

/* Bcc goes, whoever asked for it: its readers are not for the others to see. */
static void
rewrite(struct mail *m, const char *domain, struct span block)
{
	struct buf out = BUF_INIT(m->content.max + 65536);
	struct span left = block, content = buf_view(&m->content);
	struct header h, from;

	/* Without a name to give, the daemon does this as well. */
	if (m->full_name != NULL && *m->full_name != '\0' && !header_find(block, "From", &from))
		put_from(m, domain, &out);
	while (header_next(&left, &h))
		if (!is_bcc(h.name))
			buf_span(&out, h.raw);
	struct span rest = span_skip(content, (size_t)(left.ptr - content.ptr));
	if (rest.len > 0 && *rest.ptr != '\n')
		buf_char(&out, '\n');	/* text right behind the header, or no header at all */
	if (rest.len == 0)
		buf_char(&out, '\n');
	buf_span(&out, rest);
	buf_clear(&m->content);
	m->content = out;
}

bool
mail_finish_header(struct mail *m, const char *domain)
{
	struct span content = m->content.len == 0 ? SPAN("") : buf_view(&m->content);
	struct span block = span_head(content, header_block_len(content));

	if (m->from_headers && !take_recipients(m, block))
		return false;
	if (m->content.ptr == NULL)
		buf_char(&m->content, '\n');
	block = span_head(buf_view(&m->content), header_block_len(buf_view(&m->content)));
	rewrite(m, domain, block);
	return !m->content.over;
}
