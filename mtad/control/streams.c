/*
 * Requests that go on until they are cancelled: trace, and log --follow. What they show comes from other roles, which send it only while
 * somebody looks: each is told with `watch`. A client that reads slowly misses lines and hears how many; nobody waits for it.
 */
#include "control/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/pack.h"
#include "base/role.h"
#include "ctl/jsonl.h"
#include "ctl/selector.h"
#include "smtp/transcript.h"

/* Of what a role sends, that much. */
#define SESSION_MAX	48
#define PEER_MAX	600
#define TEXT_MAX	1200

struct stream {
	bool		 is_trace;
	uint8_t		 bit;		/* trace: of the mask */
	uint32_t	 since;		/* trace: the serial from which on the bit means this one */
	char		*pattern;	/* trace; "" is every session */
	struct selector	*selector;	/* log; NULL: every line */
	uint64_t	 left;		/* rows still to come; 0: no limit */
	uint64_t	 lost;
};

/* -- telling the roles -------------------------------------------------------- */

static void
tell_one(struct control *ctl, struct ipc *ipc)
{
	struct ipc_watch m = { .serial = ctl->serial };
	struct buf tracers = BUF_INIT(0);

	for (struct ask *a = ctl->asks; a != NULL; a = a->next) {
		if (a->stream == NULL)
			continue;
		if (!a->stream->is_trace) {
			m.lines = 1;
			continue;
		}
		pack_u8(&tracers, a->stream->bit);
		pack_span(&tracers, span_str(a->stream->pattern));
	}
	m.tracers = buf_view(&tracers);
	ipc_send_watch(ipc, &m, -1);
	buf_clear(&tracers);
}

static void
tell_all(void *arg)
{
	struct control *ctl = arg;

	ctl->serial++;
	tell_one(ctl, role_master());
	for (unsigned i = 0; i < ctl->peer_count; i++)
		tell_one(ctl, ctl->peers[i]);
}

/* Once for all that changes in this round; the serial that it will have is ctl->serial + 1. */
static void
tell(struct control *ctl)
{
	ctl->tell.fn = tell_all;
	ctl->tell.arg = ctl;
	loop_defer(&ctl->tell);
}

void
streams_greet(struct control *ctl, struct ipc *ipc)
{
	tell_one(ctl, ipc);
}

/* -- beginning and end --------------------------------------------------------- */

static unsigned
count_streams(const struct client *c)
{
	unsigned n = 0;

	for (const struct ask *a = c->control->asks; a != NULL; a = a->next)
		n += a->client == c && a->stream != NULL;
	return n;
}

/* False, answered, where the client has too many. */
static bool
stream_new(struct ask *a, const struct request *req, const char *limit)
{
	struct span text;
	uint32_t n = 0;

	if (count_streams(a->client) >= STREAMS_MAX) {
		reply_done(a, 75, "this connection has 8 traces and logs under way already");
		return false;
	}
	MEM_NEW(a->stream);
	if (request_get(req, limit, &text) && num_u32(text, &n))
		a->stream->left = n;
	return true;
}

static bool
bit_taken(const struct control *ctl, uint8_t bit)
{
	for (const struct ask *a = ctl->asks; a != NULL; a = a->next)
		if (a->stream != NULL && a->stream->is_trace && a->stream->bit == bit)
			return true;
	return false;
}

/* "in-0-17" is a session's name, and no pattern. */
static bool
pattern_good(struct control *ctl, struct span pattern, struct err *err)
{
	struct match_list *list = pattern.len == 0 ? NULL : transcript_pattern(ctl->conf, pattern, err);

	match_list_free(list);
	return pattern.len == 0 || list != NULL;
}

void
trace_begin(struct ask *a, const struct request *req)
{
	struct control *ctl = a->client->control;
	struct err err = { .kind = ERR_NONE };
	struct span pattern = SPAN("");
	uint8_t bit = 0;

	(void)request_get(req, "peer", &pattern);
	if (!pattern_good(ctl, pattern, &err)) {
		reply_done(a, 64, err.text);
		return;
	}
	while (bit < TRACES_MAX && bit_taken(ctl, bit))
		bit++;
	if (bit == TRACES_MAX) {
		reply_done(a, 75, "there are 64 traces under way already");
		return;
	}
	if (!stream_new(a, req, "count"))
		return;
	a->stream->is_trace = true;
	a->stream->bit = bit;
	a->stream->since = ctl->serial + 1;
	a->stream->pattern = span_dup(pattern);
	tell(ctl);
}

static void
show_kept(struct ask *a, const struct selector *sel, uint32_t limit)
{
	struct control *ctl = a->client->control;
	uint64_t first = ctl->kept_count > LOG_KEPT ? ctl->kept_count - LOG_KEPT : 0, matching = 0;
	struct buf row = BUF_INIT(0);

	for (int pass = 0; pass < 2; pass++) {
		uint64_t skip = pass == 1 && limit > 0 && matching > limit ? matching - limit : 0, seen = 0;
		for (uint64_t i = first; i < ctl->kept_count; i++) {
			const struct log_entry *e = &ctl->kept[i % LOG_KEPT].entry;
			if (sel != NULL && !log_matches(sel, ctl->mail, e))
				continue;
			matching += pass == 0;
			if (pass == 0 || seen++ < skip)
				continue;
			buf_reset(&row);
			log_row(e, &row);
			reply_row(a, buf_view(&row));
		}
	}
	buf_clear(&row);
	reply_done(a, sel != NULL && matching == 0 ? 1 : 0, NULL);
}

void
log_begin(struct ask *a, const struct request *req)
{
	struct control *ctl = a->client->control;
	struct err err = { .kind = ERR_NONE };
	struct span text;
	struct selector *sel = NULL;
	uint32_t limit = 0;

	if (request_get(req, "selector", &text) && (sel = selector_new_in(SELECTOR_LOG, text, &err)) == NULL) {
		reply_done(a, 64, err.text);
		return;
	}
	if (!request_get(req, "follow", &text)) {
		if (request_get(req, "limit", &text))
			(void)num_u32(text, &limit);
		show_kept(a, sel, limit);
		selector_free(sel);
		return;
	}
	if (!stream_new(a, req, "limit")) {
		selector_free(sel);
		return;
	}
	a->stream->selector = sel;
	if (sel != NULL && ctl->selecting++ == 0)
		ctl->mail = mail_known_new();
	tell(ctl);
}

void
stream_free(struct ask *a)
{
	struct control *ctl = a->client->control;
	struct stream *s = a->stream;

	if (s == NULL)
		return;
	a->stream = NULL;
	if (s->selector != NULL && --ctl->selecting == 0) {
		mail_known_free(ctl->mail);
		ctl->mail = NULL;
	}
	selector_free(s->selector);
	free(s->pattern);
	free(s);
	tell(ctl);
}

static void
put_lost(struct ask *a)
{
	char row[48];

	if (a->stream->lost == 0)
		return;
	int n = snprintf(row, sizeof row, "{\"lost\":%llu}", (unsigned long long)a->stream->lost);
	a->stream->lost = 0;
	reply_row(a, span_of(row, (size_t)n));
	client_wake(a->client);
}

static void
stream_end(struct ask *a)
{
	put_lost(a);
	reply_done(a, 0, NULL);
}

void
streams_end(struct client *c)
{
	struct ask *next;

	for (struct ask *a = c->control->asks; a != NULL; a = next) {
		next = a->next;
		if (a->client == c && a->stream != NULL)
			stream_end(a);
	}
}

void
stream_cancel(struct client *c, int64_t of, int64_t id)
{
	struct ask *a = c->control->asks;

	while (a != NULL && (a->client != c || a->id != of))
		a = a->next;
	if (a == NULL) {
		reply_plain(c, id, 1, "there is no such request under way");
	} else if (a->stream == NULL) {
		reply_plain(c, id, 64, "only trace and log --follow can be cancelled; others end by themselves");
	} else {
		stream_end(a);
		reply_plain(c, id, 0, NULL);
	}
}

/* -- rows ---------------------------------------------------------------------- */

void
stream_resume(struct ask *a)
{
	put_lost(a);
}

/* The ask may be over after this. */
static void
put_row(struct ask *a, struct span row)
{
	struct stream *s = a->stream;

	if (client_waiting(a->client) >= STREAM_HIGH) {
		s->lost++;
		return;
	}
	put_lost(a);
	reply_row(a, row);
	client_wake(a->client);
	if (s->left > 0 && --s->left == 0)
		reply_done(a, 0, NULL);
}

void
streams_lost(struct control *ctl, bool trace, uint32_t lines)
{
	for (struct ask *a = ctl->asks; a != NULL; a = a->next)
		if (a->stream != NULL && a->stream->is_trace == trace)
			a->stream->lost += lines;
}

bool
streams_follow(const struct control *ctl)
{
	for (const struct ask *a = ctl->asks; a != NULL; a = a->next)
		if (a->stream != NULL && !a->stream->is_trace)
			return true;
	return false;
}

void
stream_log(struct control *ctl, const struct log_entry *e)
{
	struct buf row = BUF_INIT(0);
	struct ask *next;

	if (ctl->mail != NULL)
		mail_known_learn(ctl->mail, e);
	for (struct ask *a = ctl->asks; a != NULL; a = next) {
		next = a->next;
		if (a->stream == NULL || a->stream->is_trace)
			continue;
		if (a->stream->selector != NULL && !log_matches(a->stream->selector, ctl->mail, e))
			continue;
		if (row.len == 0)
			log_row(e, &row);
		put_row(a, buf_view(&row));
	}
	buf_clear(&row);
}

static void
trace_row(const struct ipc_trace_line *m, struct buf *out)
{
	static const char *const from[] = { [SAID_BY_PEER] = "peer", [SAID_BY_MTAD] = "mtad", [SAID_NOTE] = "note" };
	int64_t time = m->time < 0 ? 0 : m->time, elapsed = m->elapsed < 0 ? 0 : m->elapsed;
	struct jsonl j = { .out = out };
	char number[48];

	jsonl_object(&j, NULL);
	snprintf(number, sizeof number, "%lld.%06lld", (long long)(time / SECOND), (long long)(time % SECOND));
	jsonl_raw(&j, "time", span_str(number));
	jsonl_str(&j, "session", span_head(m->session, SESSION_MAX));
	jsonl_str(&j, "direction", span_starts(m->session, "in") ? SPAN("in") : SPAN("out"));
	jsonl_str(&j, "peer", span_head(m->peer, PEER_MAX));
	jsonl_str(&j, "from", span_str(from[m->from <= SAID_NOTE ? m->from : SAID_NOTE]));
	jsonl_str(&j, "text", span_head(m->text, TEXT_MAX));
	snprintf(number, sizeof number, "%lld.%06lld", (long long)(elapsed / SECOND), (long long)(elapsed % SECOND));
	jsonl_raw(&j, "elapsed", span_str(number));
	jsonl_end_object(&j);
}

void
stream_trace(struct control *ctl, const struct ipc_trace_line *m)
{
	struct buf row = BUF_INIT(0);
	struct ask *next;

	if (m->lost > 0)
		streams_lost(ctl, true, m->lost);
	for (struct ask *a = ctl->asks; a != NULL; a = next) {
		struct stream *s = a->stream;
		next = a->next;
		/* A line that was made before this trace began may carry the bit of one that had it then. */
		if (s == NULL || !s->is_trace || !(m->tracers >> s->bit & 1) || (int32_t)(m->serial - s->since) < 0)
			continue;
		if (row.len == 0)
			trace_row(m, &row);
		put_row(a, buf_view(&row));
	}
	buf_clear(&row);
}
