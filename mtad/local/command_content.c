/* The message as a program reads it: headers before it, lines with another end, "." and ">" before some. */
#include <errno.h>
#include <unistd.h>

#include "local/command.h"
#include "mail/address.h"
#include "mail/date.h"

#define PIECE	((size_t)32 << 10)

struct content {
	const struct command *command;
	int	(*put)(void *, struct span);
	void	*arg;
	struct buf out;
	struct buf start;	/* of a line, as long as it may become "From " */
	bool	 mid_line;
	bool	 refused;
};

static void
flush(struct content *c)
{
	if (!c->refused && c->out.len > 0 && c->put(c->arg, buf_view(&c->out)) != 0)
		c->refused = true;
	buf_reset(&c->out);
}

static void
line_end(struct content *c)
{
	buf_span(&c->out, c->command->eol);
	c->mid_line = false;
}

/* What was held back of a line's start is decided. */
static void
begin_line(struct content *c)
{
	struct span s = buf_view(&c->start);

	if ((c->command->flags & COMMAND_QUOTE_FROM) && span_eqs(s, "From "))
		buf_char(&c->out, '>');
	if ((c->command->flags & COMMAND_DOT) && span_starts(s, "."))
		buf_char(&c->out, '.');
	buf_span(&c->out, s);
	buf_reset(&c->start);
	c->mid_line = true;
}

static void
put_text(struct content *c, struct span s)
{
	while (s.len > 0 && !c->refused) {
		if (!c->mid_line && c->start.len < 5 && s.ptr[0] != '\n' && "From "[c->start.len] == s.ptr[0]) {
			buf_char(&c->start, s.ptr[0]);
			s = span_skip(s, 1);
			continue;
		}
		if (!c->mid_line && c->start.len == 0 && s.ptr[0] == '.') {
			buf_char(&c->start, '.');
			s = span_skip(s, 1);
		}
		if (!c->mid_line)
			begin_line(c);
		size_t end = span_find(s, '\n');
		buf_span(&c->out, span_head(s, end));
		if (end < s.len)
			line_end(c);
		s = span_skip(s, end + 1);
		if (c->out.len >= PIECE)
			flush(c);
	}
}

static void
put_header(struct content *c, const char *name, struct span address, const char *open, const char *close)
{
	buf_str(&c->out, name);
	buf_str(&c->out, open);
	address_quote(&c->out, address);
	buf_str(&c->out, close);
	line_end(c);
}

static void
put_top(struct content *c, const struct job *job)
{
	unsigned flags = c->command->flags;
	char date[DATE_TEXT];

	if (flags & COMMAND_FROM) {
		date_mbox(job->now, date);
		buf_str(&c->out, "From ");
		if (job->sender.len > 0)
			address_quote(&c->out, job->sender);
		else
			buf_str(&c->out, "MAILER-DAEMON");
		buf_printf(&c->out, "  %s", date);
		line_end(c);
	}
	if (flags & COMMAND_RETURN_PATH)
		put_header(c, "Return-Path: ", job->sender, "<", ">");
	if ((flags & COMMAND_ORIGINAL_TO) && job->original.len > 0)
		put_header(c, "X-Original-To: ", job->original, "", "");
	if (flags & COMMAND_DELIVERED_TO)
		put_header(c, "Delivered-To: ", job->delivered, "", "");
}

static bool
put_spill(struct content *c, int fd, uint64_t length)
{
	char piece[PIECE];
	uint64_t at = 0;

	while (at < length && !c->refused) {
		size_t want = length - at < PIECE ? (size_t)(length - at) : PIECE;
		ssize_t n = pread(fd, piece, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		put_text(c, span_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	return true;
}

bool
command_content(const struct job *job, const struct command *command, const struct message *m, int (*put)(void *, struct span),
    void *arg)
{
	struct content c = { .command = command, .put = put, .arg = arg, .out = BUF_INIT(8 * PIECE), .start = BUF_INIT(16) };

	put_top(&c, job);
	put_text(&c, m->header);
	put_text(&c, m->body);
	bool whole = m->spill_length == 0 || put_spill(&c, job->spill_fd, m->spill_length);
	if (c.start.len > 0)
		begin_line(&c);
	if (c.mid_line)
		line_end(&c);
	if (command->flags & COMMAND_BLANK)
		line_end(&c);
	flush(&c);
	buf_clear(&c.out);
	buf_clear(&c.start);
	return whole;
}
