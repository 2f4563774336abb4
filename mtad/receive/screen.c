#include "receive/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "receive/screen_private.h"
#include "receive/session.h"
#include "receive/state.h"

#define EARLY		(SCREEN_BIT(SCREEN_GREET) | SCREEN_BIT(SCREEN_DNSBL))
#define BEFORE		"tests before SMTP handshake"

static int64_t
now_seconds(void)
{
	return clock_wall() / SECOND;
}

/* -- the end of the tests --------------------------------------------------------------------- */

static void
uncount(struct screened *s)
{
	if (s->counted && s->rx->counters.ipc != NULL)
		ipc_send_count_disconnect(s->rx->counters.ipc, &(struct ipc_count_disconnect){ .service = SPAN(SCREEN_PROGRAM),
		    .client = span_str(s->addr) }, -1);
	s->counted = false;
}

static void
let_go(struct screened *s)
{
	loop_io_watch(&s->io, 0);
	loop_timer_stop(&s->timer);
	loop_timer_stop(&s->lists);
	asks_drop(&s->rx->counters, s);
	uncount(s);
	dns_facts_drop(&s->dns);
	facts_free(s->facts);
	screened_talk_clear(s);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		s->rx->screened = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	s->rx->screened_count--;
	generation_unref(s->generation);
	free(s);
}

static void
part(struct screened *s, const char *reply)
{
	struct receive *rx = s->rx;
	struct settings *settings = s->settings;
	char scrap[4096];
	int fd = s->fd;

	rx->screen_refused++;
	/* What was not read would make the closing a reset, and the client might not see the reply. */
	for (int i = 0; i < 16 && recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0; i++)
		;
	if (reply != NULL)
		(void)send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	log_info(SCREEN_PROGRAM, "DISCONNECT %s", s->who);
	let_go(s);
	(void)close(fd);
	listeners_session_ended(rx, settings, true);
	receive_maybe_done(rx);
}

static void
hand_over(struct screened *s)
{
	struct receive *rx = s->rx;
	struct settings *settings = s->settings;
	struct generation *generation = generation_ref(s->generation);
	struct net_addr from = s->from, ours = s->ours;
	int fd = s->fd;

	rx->screen_passed++;
	let_go(s);
	session_accept(rx, settings, fd, &from, ours.len > 0 ? &ours : NULL);
	generation_unref(generation);
}

/* Tests that were off when the client came are no reason to call it new when they are on. */
static void
remember(struct screened *s)
{
	char text[SCREEN_RECORD_TEXT];

	for (int i = 0; i < SCREEN_TESTS; i++)
		if ((s->screen->enabled & SCREEN_BIT(i)) == 0 && s->record.until[i] == SCREEN_NEVER)
			s->record.until[i] = SCREEN_OFF;
	screen_record_print(&s->record, text);
	if (s->rx->counters.ipc != NULL)
		ipc_send_screen_passed(s->rx->counters.ipc, &(struct ipc_screen_passed){ .address = span_str(s->addr), .record = span_str(text) }, -1);
}

void
screened_conclude(struct screened *s, const char *reply)
{
	if (s->fail != 0 || s->denied)
		s->pass = 0;
	if (s->pass != 0 && (s->pass & s->todo) == s->todo)
		log_info(SCREEN_PROGRAM, "PASS %s %s", s->is_new ? "NEW" : "OLD", s->who);
	if (s->pass != 0)
		remember(s);
	if (s->no_forward)
		part(s, reply);
	else
		hand_over(s);
}

static void
drop(struct screened *s, const char *reply)
{
	char line[400];

	s->no_forward = true;
	(void)snprintf(line, sizeof line, "%s\r\n", reply);
	screened_conclude(s, line);
}

void
screened_enforce(struct screened *s, const char *reply)
{
	s->no_forward = true;
	(void)snprintf(s->refusal, sizeof s->refusal, "%s", reply);
}

static const char *
elapsed(const struct screened *s, char out[32])
{
	double t = (double)(clock_mono() - s->began) / 1e6;

	(void)snprintf(out, 32, t < 0.01 ? "0" : t < 10 ? "%.2g" : "%.0f", t);
	return out;
}

void
screened_hang_up(struct screened *s)
{
	char time[32];

	log_info(SCREEN_PROGRAM, "HANGUP after %s from %s in %s", elapsed(s, time), s->who, s->tests);
	s->no_forward = true;
	screened_conclude(s, NULL);
}

/* -- the end of the tests before the dialogue --------------------------------------------------- */

static void
passed(struct screened *s, enum screen_test t, int64_t ttl)
{
	s->pass |= SCREEN_BIT(t);
	s->record.until[t] = now_seconds() + ttl / SECOND;
}

static void
end_greet(struct screened *s)
{
	unsigned bit = SCREEN_BIT(SCREEN_GREET);

	if ((s->todo & bit) != 0 && ((s->fail | s->pass) & bit) == 0)
		passed(s, SCREEN_GREET, s->screen->ttl[SCREEN_GREET]);
	/* It is let in, and tested the next time. */
	if (s->screen->actions[SCREEN_GREET] == SCREEN_IGNORE)
		s->fail &= ~bit;
}

static int64_t
list_ttl(const struct screened *s)
{
	int64_t ttl = s->has_list_ttl ? (int64_t)s->list_ttl * SECOND : s->screen->dnsbl_least;

	if (ttl > s->screen->dnsbl_most)
		ttl = s->screen->dnsbl_most;
	return ttl < s->screen->dnsbl_least ? s->screen->dnsbl_least : ttl;
}

/* What its good name is worth: the other tests are taken to be passed, for as long. */
static void
vouched_for(struct screened *s, int64_t score)
{
	if (s->fail != 0 || s->denied || s->screen->allow_threshold >= 0 || score > s->screen->allow_threshold || score >= s->screen->threshold)
		return;
	int64_t until = s->record.until[SCREEN_DNSBL];
	for (int i = 0; i < SCREEN_TESTS; i++) {
		s->pass |= s->todo & SCREEN_BIT(i);
		if (s->record.until[i] < until)
			s->record.until[i] = until;
	}
}

/* False: the client is gone. */
static bool
end_lists(struct screened *s, int64_t score, const char *worst)
{
	enum screen_action action = s->screen->actions[SCREEN_DNSBL];
	char text[300];

	if (score < s->screen->threshold) {
		passed(s, SCREEN_DNSBL, list_ttl(s));
		vouched_for(s, score);
		return true;
	}
	log_info(SCREEN_PROGRAM, "DNSBL rank %lld for %s", (long long)score, s->who);
	if (action == SCREEN_IGNORE)
		return true;
	s->fail |= SCREEN_BIT(SCREEN_DNSBL);
	(void)snprintf(text, sizeof text, "%s 5.7.1 Service unavailable; client [%s] blocked using %.150s", action == SCREEN_DROP ? "521" : "550",
	    s->addr, worst == NULL ? "unknown" : worst);
	if (action == SCREEN_ENFORCE)
		screened_enforce(s, text);
	else
		drop(s, text);
	return action == SCREEN_ENFORCE;
}

static void
log_listed(struct span addr, const char *list, struct span as)
{
	log_info("dnsblog", "addr %.*s listed by domain %s as %.*s", SPAN_ARG(addr), list, SPAN_ARG(as));
}

static void
end_early(struct screened *s)
{
	const char *worst = NULL;
	int64_t score = 0;

	loop_io_watch(&s->io, 0);
	loop_timer_stop(&s->timer);
	loop_timer_stop(&s->lists);
	s->asking = false;
	end_greet(s);
	/* Lists that have not answered by now weigh nothing. */
	if ((s->todo & SCREEN_BIT(SCREEN_DNSBL)) != 0) {
		(void)screen_score(s->screen, span_str(s->addr), s->facts, &score, &worst);
		screen_listed(s->screen, span_str(s->addr), s->facts, log_listed);
		if (!end_lists(s, score, worst))
			return;
	}
	dns_facts_drop(&s->dns);
	if (s->no_forward || (s->todo & ~EARLY & ~s->pass) != 0)
		screened_talk(s);
	else
		screened_conclude(s, NULL);
}

static bool
early_done(const struct screened *s)
{
	return (s->done & EARLY) == (s->todo & EARLY);
}

/* -- DNS lists ---------------------------------------------------------------------------------- */

static void ask_lists(struct screened *);

static void
learnt(void *arg, uint64_t id, enum fact_state state, struct span value)
{
	struct screened *s = arg;
	uint32_t ttl;

	if (state != FACT_FAILED && dns_told_ttl(&ttl)) {
		s->list_ttl = s->has_list_ttl && s->list_ttl < ttl ? s->list_ttl : ttl;
		s->has_list_ttl = true;
	}
	(void)facts_answer(s->facts, id, state, value);
	/* Within the asking, ask_lists itself goes on. */
	if (s->asking && facts_open(s->facts) == 0)
		ask_lists(s);
}

/* From the timer, and not within the resolver's call: the client may be gone after it. */
static void
on_lists(void *arg)
{
	struct screened *s = arg;
	const char *worst;
	int64_t score;

	s->asking = false;
	s->done |= SCREEN_BIT(SCREEN_DNSBL);
	(void)screen_score(s->screen, span_str(s->addr), s->facts, &score, &worst);
	bool spared = s->fail == 0 && !s->denied && s->screen->allow_threshold < 0 && score <= s->screen->allow_threshold;
	if (spared || early_done(s))
		end_early(s);
}

static void
ask_lists(struct screened *s)
{
	const char *worst;
	int64_t score;
	struct fact_want w;
	unsigned rounds = 0;

	while (!screen_score(s->screen, span_str(s->addr), s->facts, &score, &worst)) {
		s->asking = false;
		while (facts_wanted(s->facts, &w))
			if (!dns_facts_fetch(s->rx->dns, &s->dns, &w, learnt, s))
				(void)facts_answer(s->facts, w.id, FACT_FAILED, SPAN_NONE);
		s->asking = true;
		if (facts_open(s->facts) > 0 || ++rounds > 3)
			return;
	}
	loop_timer_set(&s->lists, 0);
}

/* -- silence -------------------------------------------------------------------------------------- */

static void
spoke_early(struct screened *s, struct span bytes)
{
	struct buf seen = BUF_INIT(1024);
	char time[32];

	screen_talk_escape(bytes, &seen);
	log_info(SCREEN_PROGRAM, "PREGREET %zu after %s from %s: %s", bytes.len, elapsed(s, time), s->who, seen.ptr);
	buf_clear(&seen);
	s->fail |= SCREEN_BIT(SCREEN_GREET);
	s->done |= SCREEN_BIT(SCREEN_GREET);
	if (s->screen->actions[SCREEN_GREET] == SCREEN_DROP) {
		drop(s, "521 5.5.1 Protocol error");
		return;
	}
	if (s->screen->actions[SCREEN_GREET] == SCREEN_ENFORCE)
		screened_enforce(s, "550 5.5.1 Protocol error");
	if (early_done(s))
		end_early(s);
}

static void
on_early(void *arg, short what)
{
	struct screened *s = arg;
	char bytes[1024];
	ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_io_watch(&s->io, 0);
	if (n <= 0)
		screened_hang_up(s);
	else
		spoke_early(s, span_of(bytes, (size_t)n));
}

static void
on_timer(void *arg)
{
	struct screened *s = arg;

	end_early(s);
}

static void
begin_early(struct screened *s)
{
	s->began = clock_mono();
	s->tests = BEFORE;
	if ((s->todo & SCREEN_BIT(SCREEN_GREET)) != 0) {
		struct buf line = BUF_INIT(2048);
		buf_printf(&line, "220-%s\r\n", s->screen->banner);
		(void)send(s->fd, line.ptr, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		buf_clear(&line);
		loop_io_watch(&s->io, EV_READ);
	}
	loop_timer_set(&s->timer, s->screen->greet_wait);
	if ((s->todo & SCREEN_BIT(SCREEN_DNSBL)) != 0) {
		s->facts = facts_new();
		facts_reset(s->facts, clock_wall());
		loop_timer_set(&s->lists, s->screen->dnsbl_timeout);
		ask_lists(s);
	}
}

/* -- the beginning ----------------------------------------------------------------------------------- */

/* What is to be tested anew. */
static void
choose_tests(struct screened *s)
{
	int64_t now = now_seconds();

	if (!s->known || s->denied) {
		s->record = (struct screen_record){ .until = { SCREEN_NEVER } };
		s->is_new = true;
		s->todo = s->screen->enabled;
		return;
	}
	for (int i = 0; i < SCREEN_TESTS; i++) {
		s->is_new = s->is_new || s->record.until[i] == SCREEN_NEVER;
		if (now > s->record.until[i])
			s->todo |= s->screen->enabled & SCREEN_BIT(i);
	}
}

/* True where the list has settled what becomes of the client; it may be gone. */
static bool
decide_by_list(struct screened *s)
{
	enum screen_access access = screen_access(s->screen, span_str(s->addr));
	static const char reply[] = "521 5.3.2 Service currently unavailable";

	if (access == SCREEN_PERMIT) {
		log_info(SCREEN_PROGRAM, "%s %s", s->screen->respectful ? "ALLOWLISTED" : "WHITELISTED", s->who);
		screened_conclude(s, NULL);
		return true;
	}
	if (access != SCREEN_REJECT)
		return false;
	log_info(SCREEN_PROGRAM, "%s %s", s->screen->respectful ? "DENYLISTED" : "BLACKLISTED", s->who);
	if (s->screen->deny_action == SCREEN_DROP) {
		s->denied = true;
		drop(s, reply);
		return true;
	}
	if (s->screen->deny_action == SCREEN_ENFORCE) {
		s->denied = true;
		screened_enforce(s, "550 5.3.2 Service currently unavailable");
	}
	return false;
}

static void
busy(struct screened *s, const char *why, const char *reply)
{
	log_info(SCREEN_PROGRAM, "NOQUEUE: reject: CONNECT from %s: %s", s->who, why);
	s->denied = true;
	drop(s, reply);
}

static void
decide(struct screened *s)
{
	if (s->screen->client_limit > 0 && s->open > s->screen->client_limit) {
		busy(s, "too many connections", "421 4.7.0 Error: too many connections");
		return;
	}
	if (decide_by_list(s))
		return;
	choose_tests(s);
	if (s->known && !s->denied && s->todo == 0) {
		log_info(SCREEN_PROGRAM, "PASS OLD %s", s->who);
		screened_conclude(s, NULL);
		return;
	}
	if (!screen_interface(s->screen, span_str(s->our_addr))) {
		s->denied = s->no_forward = true;
		log_info(SCREEN_PROGRAM, "%s VETO %s", s->screen->respectful ? "ALLOWLIST" : "WHITELIST", s->who);
	}
	if (s->screen->pre_limit > 0 && s->rx->screened_count > s->screen->pre_limit)
		busy(s, "all screening ports busy", "421 4.3.2 All screening ports are busy");
	else if ((s->todo & EARLY) != 0)
		begin_early(s);
	else if (s->todo != 0 || s->no_forward)
		screened_talk(s);
	else
		screened_conclude(s, NULL);
}

/* -- what the state role knows ------------------------------------------------------------------------ */

static void
answered(struct screened *s)
{
	if (--s->waits == 0)
		decide(s);
}

static void
on_counted(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct screened *s = arg;

	(void)id;
	s->open = a->ok ? a->open : 0;
	answered(s);
}

static void
on_told(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct screened *s = arg;

	(void)id;
	s->known = a->ok && a->value.len > 0 && screen_record_parse(a->value, &s->record);
	answered(s);
}

/* Without the state role each client is new. */
static void
ask_state(struct screened *s)
{
	struct asks *asks = &s->rx->counters;

	if (asks->ipc == NULL) {
		decide(s);
		return;
	}
	s->waits = 2;
	s->counted = true;
	ipc_send_count_connect(asks->ipc, &(struct ipc_count_connect){ .request = asks_add(asks, on_counted, s, 0), .service = SPAN(SCREEN_PROGRAM),
	    .client = span_str(s->addr) }, -1);
	ipc_send_screen_ask(asks->ipc, &(struct ipc_screen_ask){ .request = asks_add(asks, on_told, s, 0), .address = span_str(s->addr) }, -1);
}

/* With nine tenths of the places taken, the times are those of stress. */
static const struct screen *
screen_of(struct receive *rx, struct settings *settings)
{
	const struct screen *usual = settings->screen;

	if (usual->pre_limit == 0 || rx->screened_count * 10 < (size_t)usual->pre_limit * 9)
		return usual;
	const struct screen *stressed = generation_stress(settings, &rx->scratch)->screen;
	return stressed != NULL ? stressed : usual;
}

static void
find_ours(struct screened *s, const struct net_addr *given)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	(void)snprintf(s->our_addr, sizeof s->our_addr, "unknown");
	if (given != NULL)
		s->ours = *given;
	else if (getsockname(s->fd, (struct sockaddr *)&ss, &len) < 0 || !net_addr_from((struct sockaddr *)&ss, &s->ours))
		s->ours.len = 0;
	if (s->ours.len > 0)
		net_addr_text(&s->ours, s->our_addr);
}

void
screen_client(struct receive *rx, struct settings *settings, int fd, const struct net_addr *client, const struct net_addr *server)
{
	struct screened *s;

	MEM_NEW(s);
	*s = (struct screened){ .rx = rx, .settings = settings, .generation = generation_ref(settings->generation), .screen = screen_of(rx, settings),
	    .from = *client, .fd = fd, .next = rx->screened, .began = clock_mono(), .tests = BEFORE };
	if (s->next != NULL)
		s->next->prev = s;
	rx->screened = s;
	rx->screened_count++;
	rx->screen_seen++;
	loop_io_init(&s->io, fd, on_early, s);
	loop_timer_init(&s->timer, on_timer, s);
	loop_timer_init(&s->lists, on_lists, s);
	net_addr_text(client, s->addr);
	(void)snprintf(s->who, sizeof s->who, "[%s]:%u", s->addr, net_addr_port(client));
	find_ours(s, server);
	log_info(SCREEN_PROGRAM, "CONNECT from %s to [%s]:%u", s->who, s->our_addr, s->ours.len > 0 ? (unsigned)net_addr_port(&s->ours) : 0u);
	ask_state(s);
}

void
screens_stop(struct receive *rx)
{
	while (rx->screened != NULL) {
		rx->screened->pass = 0;
		rx->screened->no_forward = true;
		screened_conclude(rx->screened, NULL);
	}
}
