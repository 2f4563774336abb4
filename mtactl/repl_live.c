/*
 * Asks the daemon for what completes a word. It must never hold up who types: what has not come within 300 ms is not waited for.
 */
#include <ctype.h>

#include "base/clock.h"
#include "mtactl/present.h"
#include "mtactl/repl.h"

#define LIVE_TIME	(300 * SECOND / 1000)

typedef void row_fn(struct candidates *, struct span row);

static void
add_id(struct candidates *c, struct span row)
{
	struct buf id = BUF_INIT(256), hint = BUF_INIT(1024);
	struct queue_row q;
	struct jsonl_walk w;
	struct rcpt_row rcpt;

	queue_row_read(row, &q);
	jsonl_text(q.id, &id);
	jsonl_text(q.sender, &hint);
	if (hint.len == 0)
		buf_str(&hint, "<>");
	w = (struct jsonl_walk){ .left = SPAN_NONE };
	if (jsonl_walk_array(&w, q.recipients) && rcpt_row_next(&w, &rcpt)) {
		buf_str(&hint, " -> ");
		jsonl_text(rcpt.address, &hint);
		if (rcpt.reason.len > 2) {
			buf_str(&hint, "  ");
			jsonl_text(rcpt.reason, &hint);
		}
	}
	candidate_add(c, buf_view(&id), buf_view(&hint));
	buf_clear(&id);
	buf_clear(&hint);
}

static void
add_value(struct candidates *c, struct span row)
{
	struct buf text = BUF_INIT(1024), hint = BUF_INIT(64);
	struct span value, messages;
	int64_t n;

	if (jsonl_find(row, "value", &value) && jsonl_text(value, &text)) {
		if (jsonl_find(row, "messages", &messages) && jsonl_int(messages, &n))
			buf_printf(&hint, "%lld message%s", (long long)n, n == 1 ? "" : "s");
		candidate_add(c, buf_view(&text), buf_view(&hint));
	}
	buf_clear(&text);
	buf_clear(&hint);
}

static void
drop_client(struct session *s)
{
	ctl_client_close(s->client);
	s->client = NULL;
}

/* A request that is not answered to its end leaves replies on the way: the connection is given up then, and a new one made. */
static void
take_rows(struct session *s, int64_t id, row_fn *fn, struct candidates *c)
{
	int64_t end = clock_mono() + LIVE_TIME;
	size_t before = c->count;

	for (;;) {
		struct err err = { .kind = ERR_NONE };
		struct ctl_reply reply;
		int64_t left = end - clock_mono();
		if (left < 0 || c->count - before >= LIVE_MAX || c->count == CANDIDATES)
			break;
		ctl_client_next(s->client, (int)(left / 1000), &reply, &err);
		if (reply.kind == REPLY_DONE && reply.id == id)
			return;
		if (reply.kind == REPLY_ROW && reply.id == id)
			fn(c, reply.row);
		else if (reply.kind != REPLY_ROW && reply.kind != REPLY_DONE)
			break;
	}
	drop_client(s);
}

static void
ask(struct repl *r, const struct span *words, size_t n, row_fn *fn, struct candidates *c)
{
	struct session *s = r->session;
	struct err err = { .kind = ERR_NONE };
	struct request req;
	bool down;
	int64_t id;

	if (s->client == NULL)
		s->client = ctl_client_open_within(r->path, (int)(LIVE_TIME / 1000), &down, &err);
	if (s->client != NULL && request_parse(&req, words, n, &err)) {
		if (ctl_client_send(s->client, &req, true, &id, &err))
			take_rows(s, id, fn, c);
		else
			drop_client(s);
		request_clear(&req);
	}
}

/* FIELD ~ "^prefix"; false where the prefix has something else than letters, digits, and what hosts and addresses are made of. */
static bool
put_selector(struct buf *out, const char *field, struct span prefix)
{
	buf_printf(out, "%s ~ \"^", field);
	for (size_t i = 0; i < prefix.len; i++) {
		char c = prefix.ptr[i];
		if (!isalnum((unsigned char)c) && strchr("-_@.", c) == NULL)
			return false;
		if (c == '.')
			buf_str(out, "[.]");
		else
			buf_char(out, c);
	}
	buf_char(out, '"');
	return prefix.len > 0;
}

void
repl_live_values(void *arg, const char *field, struct candidates *c)
{
	struct repl *r = arg;
	struct buf selector = BUF_INIT(4096);
	struct span words[8];
	size_t n = 0;
	bool ids = strcmp(field, "id") == 0;

	if (repl_local_values(r, span_str(field), c))
		return;

	words[n++] = SPAN("queue");
	words[n++] = ids ? SPAN("ls") : SPAN("count");
	words[n++] = ids ? SPAN("--limit") : SPAN("--by");
	words[n++] = ids ? SPAN("50") : span_str(field);
	if (put_selector(&selector, field, c->prefix))
		words[n++] = buf_view(&selector);
	ask(r, words, n, ids ? add_id : add_value, c);
	buf_clear(&selector);
}
