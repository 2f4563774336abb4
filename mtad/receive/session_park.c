/*
 * Sessions whose clients keep them waiting. A seat (base/seats.h) is for work: where somebody wants one, those that have none to do are without theirs
 * until their client says something whole. Nothing else happens to them: so a thousand clients that say a byte now and then keep nobody out, and a good
 * one on a slow line loses nothing. Only where a process has as many sessions as it can have do the idlest of them end.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "receive/session.h"
#include "receive/state.h"

#define LOOK		(SECOND / 10)	/* how often it is seen that another process wants seats */
#define FRESH		(SECOND / 2)	/* it does if it said so that lately: its listener says it again */
#define CROWD_MIN	(2 * SECOND)	/* a session that is to end for another has waited longer than that */
#define CROWD_BATCH	64		/* end at once: the list is long then */
#define CROWD_FEW	100		/* a service that has no more keeps them */

void
session_progress(struct session *s)
{
	s->progress = clock_mono();
	if (s->seated)
		return;
	s->seated = true;
	listeners_seat_take(s->settings);
}

/* What waits for a verdict does so for our sake, but for the client's name: who says what it is may be slow on purpose. */
static bool
keeps_waiting(const struct session *s)
{
	return s->uid < 0 && (s->decision == DECIDE_CONNECT || s->out_at < s->out.len || smtp_server_waits(s->server) != SMTP_WAITS_VERDICT);
}

bool
sessions_park(struct receive *rx, int64_t now)
{
	bool some = false;

	for (struct session *s = rx->sessions; s != NULL; s = s->next) {
		if (!s->seated || !s->settings->parks || !keeps_waiting(s) || now - seats_wanted_at(s->settings->seats) > FRESH)
			continue;
		s->seated = false;
		listeners_seat_give(s->settings);
		some = true;
	}
	return some;
}

static void
on_look(void *arg)
{
	struct receive *rx = arg;
	int64_t now = clock_mono();

	if (rx->sessions == NULL)
		return;
	if (now - seats_any_wanted_at(rx->seats) <= FRESH)
		(void)sessions_park(rx, now);
	loop_timer_set(&rx->park, LOOK);
}

void
sessions_park_begin(struct receive *rx)
{
	if (rx->park.made && rx->sessions->next != NULL)
		return;
	if (!rx->park.made)
		loop_timer_init(&rx->park, on_look, rx);
	loop_timer_set(&rx->park, LOOK);
}

/* -- no room at all -- */

static void
crowd_out(struct session *s)
{
	char reply[300];

	session_lost(s, "crowded out");
	snprintf(reply, sizeof reply, "421 4.3.2 %.200s Error: too many connections, and this one idle", s->settings->smtp.hostname);
	smtp_server_bye(s->server, reply);
	session_close_now(s);
}

static int64_t
idle_time(const struct session *s, int64_t now)
{
	return keeps_waiting(s) && s->settings->sessions > CROWD_FEW ? now - s->progress : 0;
}

bool
sessions_crowd_out(struct receive *rx, int64_t now)
{
	int64_t longest = 0;
	unsigned n = 0;

	for (struct session *s = rx->sessions; s != NULL; s = s->next)
		longest = idle_time(s, now) > longest ? idle_time(s, now) : longest;
	for (struct session *s = rx->sessions, *next; longest > CROWD_MIN && s != NULL && n < CROWD_BATCH; s = next) {
		next = s->next;
		if (idle_time(s, now) < longest - longest / 4)
			continue;
		crowd_out(s);
		n++;
	}
	return n > 0;
}
