/*
 * DATA, its content, and the end of a message: RFC 5321 section 4.1.1.4. BDAT count [LAST]: RFC 3030.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

static bool
has_recipients(const struct smtp_server *s, const char **fault)
{
	if (s->rcpts > 0)
		return true;
	*fault = s->in_mail ? "554 5.5.1 Error: no valid recipients" : "503 5.5.1 Error: need RCPT command";
	return false;
}

void
server_data(struct smtp_server *s, const struct smtp_command *c)
{
	const char *fault;

	if (s->bdat != BDAT_NONE) {
		server_error(s, "503 5.5.1 Error: DATA after BDAT");
	} else if (!has_recipients(s, &fault)) {
		server_error(s, fault);
	} else if (server_no_args(s, c)) {
		s->ask = ASK_DATA;
		s->ops->data(s->arg, false);
	}
}

void
server_data_begin(struct smtp_server *s)
{
	s->content = (struct smtp_content){ 0 };
	s->too_big = false;
	s->phase = PHASE_DATA;
	server_reply(s, "354 End data with <CR><LF>.<CR><LF>");
}

/* Past the limit the rest is read and dropped. */
static void
check_size(struct smtp_server *s)
{
	if (s->too_big || s->config->message_size_limit == 0 || s->content.bytes <= s->config->message_size_limit)
		return;
	s->too_big = true;
	server_note(s, SMTP_NOTE_TOO_BIG, SPAN_NONE);
}

static void
hand_out(struct smtp_server *s, size_t n)
{
	check_size(s);
	s->ops->added(s->arg, s->too_big ? 0 : n);
}

size_t
server_data_input(struct smtp_server *s, struct span in)
{
	size_t filled;
	bool end;
	char *room = s->ops->room(s->arg, smtp_content_room(&s->content, in.len));
	size_t used = smtp_content_data(&s->content, in, room, &filled, &end);

	hand_out(s, filled);
	if (end)
		server_content_end(s, false);
	return used;
}

static const char *
content_fault(struct smtp_server *s)
{
	if (s->too_big)
		return "552 5.3.4 Error: message file too big";
	return NULL;
}

static void
show_content(struct smtp_server *s)
{
	char text[60];
	int n = snprintf(text, sizeof text, "message content, %llu bytes",
	    (unsigned long long)(s->content.bytes + s->content.lines));

	s->ops->said(s->arg, SAID_NOTE, span_of(text, (size_t)n));
}

void
server_content_end(struct smtp_server *s, bool bdat)
{
	struct smtp_end end = { s->content.bytes, s->content.bytes + s->content.lines, bdat };
	const char *fault = content_fault(s);

	if (s->shown)
		show_content(s);
	s->phase = PHASE_COMMAND;
	if (s->content.bare_lf && s->options.bare_lf >= SMTP_BARE_LF_REJECT) {
		server_note(s, SMTP_NOTE_BARE_LF, SPAN_NONE);
		if (s->options.bare_lf == SMTP_BARE_LF_REJECT) {
			server_reset(s);
			server_errorf(s, "%u 5.5.2 %s Error: bare <LF> received", s->config->bare_lf_code,
			    s->config->hostname);
			if (s->config->bare_lf_code == 521 || s->config->bare_lf_code == 421)
				server_close(s);
			return;
		}
	}
	if (fault != NULL) {
		server_reset(s);
		server_error(s, fault);
		return;
	}
	s->answers = s->config->lmtp ? s->rcpts : 1;
	s->ask = ASK_END;
	s->ops->end(s->arg, &end);
}

/* -- BDAT -- */

static bool
bdat_args(struct smtp_server *s, struct span args)
{
	struct span count, last;

	if (!span_word(&args, " \t", &count) || !num_u64(count, &s->chunk_size) || s->chunk_size > INT64_MAX)
		return false;
	s->last_chunk = span_word(&args, " \t", &last);
	return !s->last_chunk || (span_caseeqs(last, "LAST") && span_trim(args).len == 0);
}

/* The chunk's bytes come in any case; they are thrown away, then the reply is due. */
static void
skip_chunk(struct smtp_server *s, const char *reply)
{
	free(s->chunk_reply);
	s->chunk_reply = s->bdat == BDAT_FAILED ? NULL : mem_str(reply);
	s->bdat = BDAT_FAILED;
	server_bdat_begin(s);
}

void
server_bdat(struct smtp_server *s, const struct smtp_command *c, struct span line)
{
	const char *fault = NULL;

	if ((s->options.discard & EHLO_CHUNKING) != 0) {
		server_error(s, "521 5.5.1 Error: command not implemented");
		server_close(s);
		return;
	}
	if (!bdat_args(s, c->args)) {
		/* Nobody can tell where the next command begins. */
		server_note(s, SMTP_NOTE_BAD_BDAT, line);
		server_error(s, "521 5.5.4 Syntax: BDAT count [LAST]");
		server_close(s);
		return;
	}
	s->chunk_left = s->chunk_size;
	if (s->chunk_size == 0 && !s->last_chunk) {
		skip_chunk(s, "551 5.7.1 Null BDAT request");
	} else if (s->bdat == BDAT_FAILED || !has_recipients(s, &fault)) {
		skip_chunk(s, fault);
	} else if (s->config->message_size_limit > 0 && (s->too_big ||
	    s->chunk_size > s->config->message_size_limit - s->content.bytes)) {
		server_note(s, SMTP_NOTE_TOO_BIG, SPAN_NONE);
		skip_chunk(s, "552 5.3.4 Chunk exceeds message size limit");
	} else if (s->bdat == BDAT_GOOD) {
		server_bdat_begin(s);
	} else {
		s->content = (struct smtp_content){ 0 };
		s->ask = ASK_BDAT;
		s->ops->data(s->arg, true);
	}
}

static void
failed_chunk_end(struct smtp_server *s)
{
	if (s->chunk_reply != NULL)
		server_error(s, s->chunk_reply);
	else
		server_errorf(s, "551 5.0.0 Discarded %llu bytes after earlier error",
		    (unsigned long long)s->chunk_size);
	s->phase = PHASE_COMMAND;
	if (s->last_chunk)
		server_reset(s);
}

static void
chunk_end(struct smtp_server *s)
{
	size_t filled;

	if (s->bdat == BDAT_FAILED) {
		failed_chunk_end(s);
		return;
	}
	if (s->last_chunk) {
		smtp_content_last(&s->content, s->ops->room(s->arg, smtp_content_room(&s->content, 0)), &filled);
		hand_out(s, filled);
		server_content_end(s, true);
		return;
	}
	s->phase = PHASE_COMMAND;
	server_replyf(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)s->chunk_size);
	server_good(s);
}

void
server_bdat_begin(struct smtp_server *s)
{
	s->phase = PHASE_BDAT;
	if (s->bdat == BDAT_NONE)
		s->bdat = BDAT_GOOD;
	if (s->chunk_left == 0)
		chunk_end(s);
}

void
server_bdat_refuse(struct smtp_server *s, const char *reply)
{
	skip_chunk(s, reply);
}

size_t
server_bdat_input(struct smtp_server *s, struct span in)
{
	size_t n = in.len < s->chunk_left ? in.len : (size_t)s->chunk_left, filled;

	if (s->bdat == BDAT_GOOD) {
		char *room = s->ops->room(s->arg, smtp_content_room(&s->content, n));
		smtp_content_chunk(&s->content, span_head(in, n), room, &filled);
		hand_out(s, filled);
	}
	s->chunk_left -= n;
	if (s->chunk_left == 0)
		chunk_end(s);
	return n;
}
