/*
 * cat: the content of a message, read from its segment and spill file and sent as JSON strings, piece by piece, as
 * the client takes them.
 */
#include "control/private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/base64.h"
#include "ctl/jsonl.h"

#define PIECE	((size_t)32 << 10)

struct content {
	struct message	 message;
	struct span	 header, body;	/* what is left of them, in message */
	int		 spill;		/* -1: the body is in the record */
	uint64_t	 spill_at, spill_end;
};

/* -- segments ------------------------------------------------------------- */

void
segments_open(struct control *ctl, const struct ipc_segment_open *m, int fd)
{
	struct reader_segment *s;

	segments_close(ctl, m->segment);
	MEM_NEW(s);
	s->number = m->segment;
	s->nonce = m->nonce;
	s->fd = fd;
	s->next = ctl->segments;
	ctl->segments = s;
}

void
segments_close(struct control *ctl, uint32_t number)
{
	for (struct reader_segment **at = &ctl->segments; *at != NULL; at = &(*at)->next) {
		struct reader_segment *s = *at;
		if (s->number != number)
			continue;
		*at = s->next;
		close(s->fd);
		free(s);
		return;
	}
}

void
segments_clear(struct control *ctl)
{
	while (ctl->segments != NULL)
		segments_close(ctl, ctl->segments->number);
}

static const struct reader_segment *
find_segment(const struct control *ctl, uint32_t number)
{
	for (const struct reader_segment *s = ctl->segments; s != NULL; s = s->next)
		if (s->number == number)
			return s;
	return NULL;
}

/* -- pieces --------------------------------------------------------------- */

/* How much of the start of the span is UTF-8 without NUL; a sequence that is cut at the end is left for the next piece. */
static size_t
text_length(struct span s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t n = s.ptr[at] == '\0' ? 0 : utf8_length(span_skip(s, at));
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/* Sends one row: text as far as it is text, else the rest in base64. Returns how many bytes it took. */
static size_t
put_piece(struct ask *a, const char *key, const char *key64, struct span bytes)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	size_t n = text_length(bytes);

	jsonl_object(&j, NULL);
	if (n == bytes.len || n + 4 > bytes.len ? n > 0 : n >= 256) {
		jsonl_str(&j, key, span_head(bytes, n));
	} else {
		struct buf text = BUF_INIT(0);
		n = bytes.len;
		base64_encode(&text, bytes);
		jsonl_str(&j, key64, buf_view(&text));
		buf_clear(&text);
	}
	jsonl_end_object(&j);
	reply_row(a, buf_view(&row));
	buf_clear(&row);
	return n;
}

static void
fill_from_memory(struct ask *a, const char *key, const char *key64, struct span *left)
{
	while (left->len > 0 && client_waiting(a->client) < OUT_HIGH) {
		size_t n = put_piece(a, key, key64, span_head(*left, PIECE));
		*left = span_skip(*left, n);
	}
}

static bool
fill_from_spill(struct ask *a)
{
	struct content *k = a->content;
	char bytes[PIECE];

	while (k->spill_at < k->spill_end && client_waiting(a->client) < OUT_HIGH) {
		size_t want = k->spill_end - k->spill_at < PIECE ? (size_t)(k->spill_end - k->spill_at) : PIECE;
		ssize_t n = pread(k->spill, bytes, want, (off_t)k->spill_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		k->spill_at += put_piece(a, "body", "body64", span_of(bytes, (size_t)n));
	}
	return true;
}

void
content_fill(struct ask *a)
{
	struct content *k = a->content;

	fill_from_memory(a, "header", "header64", &k->header);
	if (k->header.len == 0)
		fill_from_memory(a, "body", "body64", &k->body);
	if (k->header.len == 0 && k->body.len == 0 && !fill_from_spill(a)) {
		reply_done(a, 65, "the spill file with the body ends too soon or cannot be read");
		return;
	}
	client_wake(a->client);
	if (k->header.len == 0 && k->body.len == 0 && k->spill_at == k->spill_end)
		reply_done(a, 0, NULL);
}

/* -- beginning and end ---------------------------------------------------- */

static void
put_envelope(struct ask *a, struct span header)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_raw(&j, "envelope", header);
	jsonl_end_object(&j);
	reply_row(a, buf_view(&row));
	buf_clear(&row);
}

static bool
read_message(struct ask *a, const struct ipc_answer_content *m, struct err *err)
{
	const struct reader_segment *s = find_segment(a->client->control, m->segment);
	struct content *k = a->content;
	struct loc loc = { m->segment, (uint32_t)(m->offset / SPOOL_BLOCK), m->length };

	if (s == NULL) {
		err_set(err, ERR_SYS, "its segment %u was not opened", m->segment);
		return false;
	}
	return message_read(s->fd, s->nonce, loc, &k->message, err);
}

void
content_begin(struct ask *a, const struct ipc_answer_content *m, int spill_fd)
{
	struct err err = { .kind = ERR_NONE };
	struct content *k;

	MEM_NEW(k);
	k->spill = spill_fd;
	a->content = k;
	if (!read_message(a, m, &err)) {
		reply_done(a, 65, err.text);
		return;
	}
	if (a->want_header)
		k->header = k->message.header;
	if (a->want_body)
		k->body = k->message.body;
	if (a->want_body && k->message.spill_length > 0) {
		k->spill_end = k->message.spill_length;
		if (spill_fd < 0) {
			reply_done(a, 65, "the spill file with the body is not there");
			return;
		}
	}
	if (m->header.len > 0)
		put_envelope(a, m->header);
	content_fill(a);
}

void
content_free(struct content *k)
{
	if (k == NULL)
		return;
	message_clear(&k->message);
	if (k->spill >= 0)
		close(k->spill);
	free(k);
}
