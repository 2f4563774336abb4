/*
 * Transcripts of sessions that went wrong, to the postmaster, as notify_classes asks for them.
 */
#include "receive/session_notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "receive/session.h"
#include "receive/state.h"

#define RECORD_MAX	((size_t)64 << 10)

static const struct { const char *name; unsigned class; } names[] = {
	{ "data", TROUBLE_DATA }, { "policy", TROUBLE_POLICY }, { "protocol", TROUBLE_PROTOCOL }, { "resource", TROUBLE_RESOURCE },
	{ "software", TROUBLE_SOFTWARE },
};

unsigned
trouble_classes(struct span list)
{
	struct span word;
	unsigned classes = 0;

	while (span_word(&list, "\t\r\n ,", &word))
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (span_caseeqs(word, names[i].name))
				classes |= names[i].class;
	return classes;
}

/* By the beginning of the reply; what is no row's is the site's policy. */
static unsigned
class_of(struct span reply)
{
	static const struct { const char *reply; unsigned class; } rows[] = {
		{ "500", TROUBLE_PROTOCOL }, { "501", TROUBLE_PROTOCOL }, { "502", TROUBLE_PROTOCOL }, { "503", TROUBLE_PROTOCOL },
		{ "504", TROUBLE_PROTOCOL }, { "521", TROUBLE_PROTOCOL }, { "555", TROUBLE_PROTOCOL }, { "421 4.4.2", TROUBLE_PROTOCOL },
		{ "421 4.7.0", TROUBLE_PROTOCOL }, { "554 5.5.1", TROUBLE_PROTOCOL },
		{ "452", TROUBLE_RESOURCE }, { "552 5.3.4", TROUBLE_POLICY }, { "451 4.3.0", TROUBLE_SOFTWARE }, { "451 4.3.5", TROUBLE_SOFTWARE },
		{ "550 5.6", TROUBLE_DATA }, { "554 5.6", TROUBLE_DATA }, { "554 5.4.0", TROUBLE_DATA }, { "550 5.7.1 disallowed", TROUBLE_DATA },
	};

	if (reply.len < 3 || (reply.ptr[0] != '4' && reply.ptr[0] != '5'))
		return 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (span_starts(reply, rows[i].reply))
			return rows[i].class;
	return TROUBLE_POLICY;
}

void
session_record(struct session *s)
{
	if (s->uid >= 0 || (s->settings->notify & (TROUBLE_DATA | TROUBLE_POLICY | TROUBLE_PROTOCOL)) == 0)
		return;
	MEM_NEW(s->transcript.record);
	*s->transcript.record = BUF_INIT(RECORD_MAX);
}

void
session_record_said(struct session *s, enum transcript_from from, struct span line)
{
	if (s->transcript.record == NULL || from == SAID_NOTE)
		return;
	s->recorded++;
	if (from == SAID_BY_MTAD)
		s->trouble |= class_of(line);
}

static void
made(void *arg, struct intake *in, const char *reply)
{
	(void)arg;
	(void)in;
	if (reply != NULL)
		log_warning("smtpd", "the transcript of a session cannot be sent: %s", reply);
}

static void
tell(struct session *s, const char *reason)
{
	struct generation *g = s->generation;
	const struct buf *record = s->transcript.record;
	struct intake_source src = { .uid = -1, .flags = ENVELOPE_INTERNAL, .unchecked = !g->check_notify, .rewrite_local = true };
	struct buf text = BUF_INIT(2 * RECORD_MAX);
	char client[CLIENT_TEXT];

	struct intake *in = intake_new(s->rx, &g->bounce, &src);
	intake_sender(in, g->double_bounce_sender);
	intake_recipient(in, span_str(s->settings->notice_recipient), NOTIFY_DEFAULT, SPAN_NONE);
	buf_printf(&text, "From: MAILER-DAEMON@%.*s (Mail Delivery System)\nTo: %s (Postmaster)\nSubject: %.*s SMTP server: errors from %s\n\n",
	    SPAN_ARG(in->settings->hostname), s->settings->notice_recipient, SPAN_ARG(in->settings->mail_name), session_client(s, client));
	buf_str(&text, "Transcript of session follows.\n\n");
	buf_span(&text, buf_view(record));
	buf_str(&text, record->over ? " ...\n\n" : "\n");
	if (reason != NULL)
		buf_printf(&text, "Session aborted, reason: %s\n", reason);
	buf_str(&text, "\nFor other details, see the local mail logfile\n");
	memcpy(intake_room(in, text.len), text.ptr, text.len);
	intake_added(in, text.len);
	intake_finish(in, made, NULL);
	buf_clear(&text);
}

void
session_record_end(struct session *s, const char *reason)
{
	if (s->transcript.record == NULL)
		return;
	if ((s->trouble & s->settings->notify) != 0 && s->transcript.record->len > 0)
		tell(s, reason);
	buf_clear(s->transcript.record);
	free(s->transcript.record);
	s->transcript.record = NULL;
	s->trouble = 0;
}

void
session_record_flush(struct session *s)
{
	if (s->transcript.record == NULL || s->recorded <= s->settings->history_lines)
		return;
	s->recorded = 0;
	session_record_end(s, NULL);
	session_record(s);
}
