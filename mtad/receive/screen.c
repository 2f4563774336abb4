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
#include "net/dns_fact.h"
#include "policy/screen.h"
#include "receive/session.h"
#include "receive/state.h"

#define PROGRAM		"postscreen"
#define WHO		(NET_ADDR_TEXT + 16)
#define SEEN		100		/* of what a client says too early */
#define CACHE_MAX	200000

struct screened {
	struct screened	*prev, *next;
	struct receive	*rx;
	struct settings	*settings;
	struct generation *generation;
	const struct screen *screen;
	struct loop_io	 io;
	struct loop_timer timer;
	struct facts	*facts;
	struct dns_facts *dns;
	struct net_addr	 from;
	int		 fd;
	int64_t		 began;		/* monotonic */
	char		 addr[NET_ADDR_TEXT];
	char		 who[WHO];	/* "[192.0.2.1]:4711" */
	bool		 greeting;	/* it has to keep silent */
	bool		 asking;	/* lists are asked */
	bool		 test_greet, test_lists, failed;
	char		 refusal[300];	/* of each recipient; empty: none */
};

/* -- what passed ---------------------------------------------------------------------------- */

struct passed {
	char		 addr[NET_ADDR_TEXT];
	int64_t		 greet, lists;	/* wall: until when each test holds; 0: it was not made */
};

static struct span
passed_key(const void *item)
{
	return span_str(((const struct passed *)item)->addr);
}

static struct map cache = { .key = passed_key };

static void
forget_old(int64_t now)
{
	size_t at = 0, n = 0;
	struct passed *p, **old = mem_array(cache.count + 1, sizeof *old);

	while ((p = map_next(&cache, &at)) != NULL)
		if (p->greet <= now && p->lists <= now)
			old[n++] = p;
	while (n > 0) {
		p = old[--n];
		(void)map_del(&cache, span_str(p->addr));
		free(p);
	}
	free(old);
}

static void
remember(const struct screened *s)
{
	int64_t now = clock_wall();
	struct passed *p = map_get(&cache, span_str(s->addr));

	if (p == NULL) {
		if (cache.count >= CACHE_MAX)
			forget_old(now);
		if (cache.count >= CACHE_MAX)
			return;
		MEM_NEW(p);
		memcpy(p->addr, s->addr, sizeof p->addr);
		map_add(&cache, p);
	}
	if (s->test_greet)
		p->greet = now + s->screen->greet_ttl;
	if (s->test_lists)
		p->lists = now + s->screen->dnsbl_ttl;
}

/* -- the end of the tests --------------------------------------------------------------------- */

static void
let_go(struct screened *s)
{
	loop_io_watch(&s->io, 0);
	loop_timer_stop(&s->timer);
	dns_facts_drop(&s->dns);
	facts_free(s->facts);
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
hang_up(struct screened *s, const char *reply)
{
	struct receive *rx = s->rx;
	struct settings *settings = s->settings;
	char scrap[4096];

	/* What was not read would make the closing a reset, and the client might not see the reply. */
	for (int i = 0; i < 16 && recv(s->fd, scrap, sizeof scrap, 0) > 0; i++)
		;
	if (reply != NULL)
		(void)send(s->fd, reply, strlen(reply), MSG_NOSIGNAL);
	log_info(PROGRAM, "DISCONNECT %s", s->who);
	(void)close(s->fd);
	let_go(s);
	listeners_session_ended(rx, settings, true);
	receive_maybe_done(rx);
}

static void
hand_over(struct screened *s)
{
	struct receive *rx = s->rx;
	struct settings *settings = s->settings;
	struct generation *generation = generation_ref(s->generation);
	struct net_addr from = s->from;
	char refusal[sizeof s->refusal];
	int fd = s->fd;

	memcpy(refusal, s->refusal, sizeof refusal);
	let_go(s);
	rx->screen_refusal = *refusal == '\0' ? NULL : refusal;
	session_accept(rx, settings, fd, &from, NULL);
	rx->screen_refusal = NULL;
	generation_unref(generation);
}

/* What a failed test means. False: the client is gone. */
static bool
fail(struct screened *s, enum screen_action action, const char *text)
{
	char reply[400];

	s->failed = true;
	if (action == SCREEN_DROP) {
		(void)snprintf(reply, sizeof reply, "521 %s\r\n", text);
		hang_up(s, reply);
		return false;
	}
	if (action == SCREEN_ENFORCE && *s->refusal == '\0')
		(void)snprintf(s->refusal, sizeof s->refusal, "550 %s", text);
	return true;
}

static void
finish(struct screened *s)
{
	if (!s->failed) {
		remember(s);
		log_info(PROGRAM, "PASS NEW %s", s->who);
	}
	hand_over(s);
}

/* -- DNS lists ---------------------------------------------------------------------------------- */

static void ask_lists(struct screened *);

static void
learnt(void *arg, uint64_t id, enum fact_state state, struct span value)
{
	struct screened *s = arg;

	(void)facts_answer(s->facts, id, state, value);
	/* Within the asking, ask_lists itself goes on. */
	if (!s->asking || facts_open(s->facts) > 0)
		return;
	ask_lists(s);
}

/* False: the client is gone. */
static bool
judge(struct screened *s, int64_t score, const char *worst)
{
	char text[250];

	s->asking = false;
	if (s->screen->allow_threshold < 0 && score <= s->screen->allow_threshold) {
		/* Good enough to be spared the rest. */
		s->greeting = false;
		return true;
	}
	if (score < s->screen->threshold)
		return true;
	log_info(PROGRAM, "DNSBL rank %lld for %s", (long long)score, s->who);
	(void)snprintf(text, sizeof text, "5.7.1 Service unavailable; client [%s] blocked using %.150s", s->addr, worst == NULL ? "unknown" : worst);
	return fail(s, s->screen->dnsbl_action, text);
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
	if (judge(s, score, worst) && !s->greeting)
		finish(s);
}

/* -- silence -------------------------------------------------------------------------------------- */

static const char *
elapsed(const struct screened *s, char out[32])
{
	double t = (double)(clock_mono() - s->began) / 1e6;

	(void)snprintf(out, 32, t < 0.01 ? "0" : t < 10 ? "%.2g" : "%.0f", t);
	return out;
}

static void
escape(const char *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\r' || bytes[i] == '\n') {
			*out++ = '\\';
			*out++ = bytes[i] == '\r' ? 'r' : 'n';
		} else {
			*out++ = bytes[i] < ' ' || bytes[i] > '~' ? '?' : bytes[i];
		}
	}
	*out = '\0';
}

static void
on_io(void *arg, short what)
{
	struct screened *s = arg;
	char bytes[1024], seen[2 * SEEN + 1], time[32];
	ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_PEEK);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		log_info(PROGRAM, "HANGUP after %s from %s in tests before SMTP handshake", elapsed(s, time), s->who);
		hang_up(s, NULL);
		return;
	}
	loop_io_watch(&s->io, 0);
	if (!s->test_greet || !s->greeting)
		return;
	escape(bytes, (size_t)n < SEEN ? (size_t)n : SEEN, seen);
	log_info(PROGRAM, "PREGREET %zd after %s from %s: %s", n, elapsed(s, time), s->who, seen);
	(void)fail(s, s->screen->greet_action, "5.5.1 Protocol error");
}

static void
on_timer(void *arg)
{
	struct screened *s = arg;
	int64_t left = s->screen->dnsbl_timeout - (clock_mono() - s->began);

	s->greeting = false;
	if (s->asking && left > 0) {
		loop_timer_set(&s->timer, left);
		return;
	}
	/* Lists that have not answered by now weigh nothing, and are asked again the next time. */
	if (s->asking)
		s->test_lists = false;
	s->asking = false;
	finish(s);
}

/* -- the beginning ----------------------------------------------------------------------------------- */

static void
begin_tests(struct screened *s)
{
	char line[1100];

	s->began = clock_mono();
	s->greeting = s->test_greet;
	loop_io_watch(&s->io, EV_READ);
	loop_timer_set(&s->timer, s->greeting ? s->screen->greet_wait : s->screen->dnsbl_timeout);
	if (s->greeting && *s->screen->banner != '\0') {
		int n = snprintf(line, sizeof line, "220-%.1000s\r\n", s->screen->banner);
		(void)send(s->fd, line, (size_t)n, MSG_NOSIGNAL);
	}
	if (s->test_lists) {
		s->facts = facts_new();
		facts_reset(s->facts, clock_wall());
		ask_lists(s);
	}
}

/* What is to be tested anew. */
static void
choose_tests(struct screened *s)
{
	const struct passed *p = map_get(&cache, span_str(s->addr));
	int64_t now = clock_wall();

	s->test_greet = s->screen->greet_wait > 0 && (p == NULL || p->greet <= now);
	s->test_lists = s->screen->site_count > 0 && (p == NULL || p->lists <= now);
}

static void
decide(struct screened *s)
{
	enum screen_access access = screen_access(s->screen, span_str(s->addr));

	if (access == SCREEN_PERMIT) {
		log_info(PROGRAM, "ALLOWLISTED %s", s->who);
		hand_over(s);
		return;
	}
	if (access == SCREEN_REJECT) {
		log_info(PROGRAM, "DENYLISTED %s", s->who);
		if (!fail(s, s->screen->deny_action, "5.3.2 Service currently unavailable"))
			return;
	}
	choose_tests(s);
	if (s->test_greet || s->test_lists) {
		begin_tests(s);
		return;
	}
	if (!s->failed)
		log_info(PROGRAM, "PASS OLD %s", s->who);
	hand_over(s);
}

void
screen_client(struct receive *rx, struct settings *settings, int fd, const struct net_addr *client)
{
	struct screened *s;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct net_addr ours = { .len = 0 };
	char text[NET_ADDR_TEXT] = "unknown";

	MEM_NEW(s);
	*s = (struct screened){ .rx = rx, .settings = settings, .generation = generation_ref(settings->generation), .screen = settings->screen,
	    .from = *client, .fd = fd, .next = rx->screened };
	if (s->next != NULL)
		s->next->prev = s;
	rx->screened = s;
	rx->screened_count++;
	loop_io_init(&s->io, fd, on_io, s);
	loop_timer_init(&s->timer, on_timer, s);
	net_addr_text(client, s->addr);
	(void)snprintf(s->who, sizeof s->who, "[%s]:%u", s->addr, net_addr_port(client));
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 && net_addr_from((struct sockaddr *)&ss, &ours))
		net_addr_text(&ours, text);
	log_info(PROGRAM, "CONNECT from %s to [%s]:%u", s->who, text, ours.len > 0 ? (unsigned)net_addr_port(&ours) : 0u);
	if (s->screen->pre_limit > 0 && rx->screened_count > s->screen->pre_limit) {
		log_info(PROGRAM, "NOQUEUE: reject: CONNECT from %s: all screening ports busy", s->who);
		hang_up(s, "421 4.3.2 All screening ports are busy\r\n");
		return;
	}
	decide(s);
}

void
screens_stop(struct receive *rx)
{
	while (rx->screened != NULL)
		hang_up(rx->screened, NULL);
}
