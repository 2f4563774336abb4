/*
 * What the postmaster is told of a session that went wrong: its transcript, without credentials and content. It is kept only where
 * notify_classes has one of data, policy and protocol.
 */
#ifndef RECEIVE_SESSION_NOTICE_H
#define RECEIVE_SESSION_NOTICE_H

#include "base/span.h"
#include "smtp/transcript.h"

struct session;

enum trouble { TROUBLE_DATA = 1, TROUBLE_POLICY = 2, TROUBLE_PROTOCOL = 4, TROUBLE_RESOURCE = 8, TROUBLE_SOFTWARE = 16 };

/* Of notify_classes: those that a session can have. */
unsigned trouble_classes(struct span list);

/* Before the greeting: the dialogue is kept, where anybody wants it. */
void	session_record(struct session *);
void	session_record_said(struct session *, enum transcript_from, struct span line);
/* At EHLO and the end of a transaction: a long one is sent, or forgotten, and begins anew (smtpd_history_flush_threshold). */
void	session_record_flush(struct session *);
/* The session is over; reason: why it was cut short, or NULL. */
void	session_record_end(struct session *, const char *reason);

#endif
