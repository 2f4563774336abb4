/*
 * All sessions of the process: those that wait for memory go on, and the end of the role is theirs.
 */
#include "receive/before_queue.h"
#include "receive/screen.h"
#include "receive/session.h"
#include "receive/state.h"

void
sessions_unpause(struct receive *rx)
{
	for (struct session *s = rx->sessions, *next; s != NULL && rx->paused > 0; s = next) {
		next = s->next;
		if (!s->paused || !intake_unblock(s->intake) || before_queue_blocked(s))
			continue;
		s->paused = false;
		rx->paused--;
		session_continue(s);
	}
}

void
sessions_stop(struct receive *rx, bool now)
{
	screens_stop(rx);
	sessions_proxied_stop(rx);
	for (struct session *s = rx->sessions, *next; s != NULL; s = next) {
		next = s->next;
		if (!now && !smtp_server_idle(s->server))
			continue;
		session_say_stopping(s);
		session_close_now(s);
	}
}
