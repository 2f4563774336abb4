/*
 * Sessions as operators see them: whose dialogue is shown, and the list of all.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "ctl/jsonl.h"
#include "receive/session.h"
#include "receive/session_notice.h"
#include "receive/state.h"

#define SLICE		100	/* rows a message; the next ones are asked for */

static void
match(struct session *s)
{
	struct transcript_peer who = { .name = span_str(s->name), .addr = span_str(s->addr),
		.list = s->settings->debug_peers, .level = s->settings->debug_level };

	transcript_match(&s->rx->transcripts, &s->transcript, &who);
}

void
session_look(struct session *s)
{
	if (!transcript_stale(&s->rx->transcripts, &s->transcript))
		return;
	match(s);
	smtp_server_show(s->server, transcript_on(&s->transcript) || s->transcript.record != NULL);
}

void
session_said(void *arg, enum transcript_from from, struct span line)
{
	struct session *s = arg;
	char client[CLIENT_TEXT];

	transcript_say(&s->rx->transcripts, &s->transcript, session_program(s), session_client(s, client), from, line);
	session_record_said(s, from, line);
}

void
session_note(struct session *s, const char *text)
{
	if (transcript_on(&s->transcript))
		session_said(s, SAID_NOTE, span_str(text));
}

/* "reject_rbl_client bl.example refuses: A 2.0.0.127.bl.example: 127.0.0.4 (smtpd_client_restrictions)"; how an address is routed is no step of these. */
void
session_steps(struct session *s, struct span trace)
{
	struct buf text = BUF_INIT(8192);
	struct span line, list, rule, result;

	while (trace.len > 0 && span_cut(&trace, '\n', &line)) {
		if (!span_cut(&line, '\t', &list) || !span_cut(&line, '\t', &rule) || !span_cut(&line, '\t', &result) || span_eqs(result, "-"))
			continue;
		bool permits = span_eqs(result, "permit"), noted = span_eqs(result, "noted");
		buf_reset(&text);
		buf_printf(&text, "%.*s %s: %.*s (%.*s)", SPAN_ARG(rule), permits ? "permits" : noted ? "noted" : "refuses", SPAN_ARG(line), SPAN_ARG(list));
		session_note(s, text.over ? "a restriction with a long fact" : text.ptr);
	}
	buf_clear(&text);
}

/* -- the list --------------------------------------------------------------- */

static void
put_message(struct jsonl *j, const struct session *s)
{
	char id[QID_TEXT];

	if (s->sender != NULL)
		jsonl_str(j, "sender", span_str(s->sender));
	jsonl_i64(j, "recipients", smtp_server_recipients(s->server));
	if (s->intake != NULL && s->intake->envelope.id.usec != 0)
		jsonl_str(j, "queue_id", span_str(qid_text(s->intake->envelope.id, id)));
}

static void
put_row(struct session *s, struct buf *out)
{
	char name[TRANSCRIPT_NAME], client[CLIENT_TEXT];
	struct jsonl j = { .out = out };
	int64_t now = clock_mono();

	if (transcript_stale(&s->rx->transcripts, &s->transcript))
		session_look(s);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "session", span_str(transcript_name(&s->transcript, name)));
	jsonl_str(&j, "direction", SPAN("in"));
	jsonl_str(&j, "service", span_str(session_program(s)));
	jsonl_str(&j, "peer", span_str(session_client(s, client)));
	if (s->uid < 0)
		jsonl_i64(&j, "port", s->port);
	jsonl_str(&j, "state", span_str(smtp_server_stage(s->server)));
	if (s->helo != NULL)
		jsonl_str(&j, "helo", span_str(s->helo));
	put_message(&j, s);
	jsonl_i64(&j, "since", (clock_wall() - (now - s->transcript.began)) / SECOND);
	jsonl_i64(&j, "idle", (now - s->active) / SECOND);
	jsonl_i64(&j, "bytes", (int64_t)s->bytes);
	jsonl_i64(&j, "debug", s->transcript.debug);
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

/* The newest first; the next slice begins below the number that was the last. */
void
sessions_rows(struct receive *rx, struct ipc *ipc, const struct ipc_rows_ask *m)
{
	struct ipc_rows answer = { .request = m->request };
	struct buf rows = BUF_INIT(0);
	unsigned n = 0;

	for (struct session *s = span_eqs(m->what, "sessions") ? rx->sessions : NULL; s != NULL; s = s->next) {
		if (m->from != 0 && s->transcript.number >= m->from)
			continue;
		if (n == SLICE)
			break;
		put_row(s, &rows);
		answer.next = ++n == SLICE ? s->transcript.number : 0;
	}
	answer.rows = buf_view(&rows);
	ipc_send_rows(ipc, &answer, -1);
	buf_clear(&rows);
}
