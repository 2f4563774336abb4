/* The dialogue with a client under test: the socket and TLS below smtp/screen_talk.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls_server.h"
#include "policy/policy.h"
#include "receive/generation.h"
#include "receive/screen_private.h"
#include "receive/state.h"

#define READ_ONCE	4096	/* as Postfix reads: what is there at once is what "several commands at once" means */

static const enum screen_test tests[TALK_TESTS] = {
	[TALK_PIPELINING] = SCREEN_PIPELINING, [TALK_NON_SMTP] = SCREEN_NON_SMTP, [TALK_BARE_NEWLINE] = SCREEN_BARE_NEWLINE,
};

/* -- what the dialogue finds --------------------------------------------------------------------------- */

static void
on_log(void *arg, const char *text)
{
	(void)arg;
	log_info(SCREEN_PROGRAM, "%s", text);
}

static void
on_failed(void *arg, enum screen_talk_test which, enum screen_talk_action action)
{
	struct screened *s = arg;
	enum screen_test t = tests[which];

	s->pass &= ~SCREEN_BIT(t);
	s->record.until[t] = SCREEN_OFF;
	if (action != TALK_IGNORE) {
		s->fail |= SCREEN_BIT(t);
		return;
	}
	/* Nobody minds; it is tested again before long. */
	s->pass |= SCREEN_BIT(t);
	s->record.until[t] = (clock_wall() + s->screen->least_ttl) / SECOND;
}

static void
on_passed(void *arg, unsigned which)
{
	struct screened *s = arg;

	for (int i = 0; i < TALK_TESTS; i++) {
		enum screen_test t = tests[i];
		if ((which & 1u << i) == 0 || ((s->pass | s->fail) & SCREEN_BIT(t)) != 0)
			continue;
		s->pass |= SCREEN_BIT(t);
		s->record.until[t] = (clock_wall() + s->screen->ttl[t]) / SECOND;
	}
}

static bool
on_filter(void *arg, struct span line, struct buf *out)
{
	const struct screened *s = arg;

	if (!screen_filter(s->screen, line, out))
		return false;
	log_info(SCREEN_PROGRAM, "%s: replacing command \"%.*s\" with \"%.100s\"", s->who, SPAN_ARG(span_head(line, 100)), out->ptr);
	return true;
}

static const char *
on_footer(void *arg, const char *reply)
{
	struct screened *s = arg;
	const struct policy_footer f = { s->screen->view, &s->screen->footers, s->screen->footer, NULL };
	char port[8];

	if (*f.text == '\0' && f.maps->count == 0)
		return NULL;
	(void)snprintf(port, sizeof port, "%u", net_addr_port(&s->from));
	struct policy_session p = { .client_name = SPAN("unknown"), .client_addr = span_str(s->addr), .client_port = span_str(port),
	    .reverse_client_name = SPAN("unknown"), .helo = span_str(s->talk->helo), .server_addr = span_str(s->our_addr),
	    .has_sender = s->talk->has_sender, .sender = span_str(s->talk->sender) };
	buf_clear(&s->footer);
	s->footer = BUF_INIT(16384);
	return policy_footer_by(&f, &p, reply, &s->footer) ? s->footer.ptr : NULL;
}

static const struct screen_talk_ops ops = { .log = on_log, .failed = on_failed, .passed = on_passed, .footer = on_footer };
static const struct screen_talk_ops ops_filtered = { .log = on_log, .failed = on_failed, .passed = on_passed, .footer = on_footer,
	.filter = on_filter };

/* -- bytes ------------------------------------------------------------------------------------------------ */

/* A client that does not take the few bytes of a reply is none. */
static bool
flush(struct screened *s)
{
	size_t at = 0;

	while (at < s->out.len && !s->out.over) {
		ssize_t n = s->tls != NULL ? tls_send(s->tls, s->out.ptr + at, s->out.len - at) :
		    send(s->fd, s->out.ptr + at, s->out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	bool all = at == s->out.len && !s->out.over;
	buf_reset(&s->out);
	return all;
}

static void
wait_for_input(struct screened *s)
{
	loop_io_watch(&s->io, s->tls != NULL && tls_pending(s->tls) ? EV_READ | EV_WRITE : EV_READ);
}

static void
wait_for_client(struct screened *s)
{
	loop_timer_set(&s->timer, s->screen->command_time);
	wait_for_input(s);
}

/* -- TLS -------------------------------------------------------------------------------------------------- */

static void
tls_failed(struct screened *s, const char *why)
{
	log_info("tlsproxy", "TLS handshake failed for service=smtpd peer=%s", s->who);
	if (strcmp(why, "lost connection") != 0)
		log_warning("tlsproxy", "TLS library problem: %s", why);
	screened_hang_up(s);
}

static void
tls_done(struct screened *s)
{
	struct buf text = BUF_INIT(2048);

	s->shaking = false;
	if (s->settings->tls->loglevel >= 1) {
		tls_describe(s->tls, &text);
		log_info("tlsproxy", "%s TLS connection established from %s: %s", tls_peer_count(s->tls) > 0 ? "Untrusted" : "Anonymous", s->who, text.ptr);
	}
	buf_clear(&text);
	screen_talk_secured(s->talk);
	wait_for_client(s);
}

static void
tls_go_on(struct screened *s)
{
	struct err err = { ERR_NONE, "" };

	switch (tls_handshake(s->tls, &err)) {
	case TLS_AGAIN:
		loop_io_watch(&s->io, tls_wants(s->tls));
		return;
	case TLS_FAILED:
		tls_failed(s, err.text);
		return;
	case TLS_DONE:
		tls_done(s);
	}
}

static void
tls_begin(struct screened *s)
{
	const struct tls_server *set = s->settings->tls;
	const struct tls_options o = { .server = true, .creds = set->creds, .priority = set->priority, .ask = set->ask,
	    .ticket_key = set->ticket_lifetime > 0 && s->generation->has_ticket_key ? s->generation->ticket_key : NULL,
	    .ticket_lifetime = set->ticket_lifetime, .by_name = tls_server_by_name, .arg = s->settings->tls };
	struct err err = { ERR_NONE, "" };

	log_info("tlsproxy", "CONNECT from %s", s->who);
	s->tls = tls_new(s->fd, &o, &err);
	if (s->tls == NULL) {
		tls_failed(s, err.text);
		return;
	}
	s->shaking = true;
	loop_timer_set(&s->timer, conf_time(s->screen->view, P_postscreen_starttls_timeout));
	tls_go_on(s);
}

/* -- events ------------------------------------------------------------------------------------------------ */

static void
go_on(struct screened *s)
{
	enum screen_talk_state state = s->talk->state;

	if (!flush(s))
		screened_hang_up(s);
	else if (state == TALK_OVER)
		screened_conclude(s, NULL);
	else if (state == TALK_TLS)
		tls_begin(s);
	else
		wait_for_client(s);
}

static void
on_io(void *arg, short what)
{
	struct screened *s = arg;
	char bytes[READ_ONCE];

	(void)what;
	if (s->shaking) {
		tls_go_on(s);
		return;
	}
	ssize_t n = s->tls != NULL ? tls_recv(s->tls, bytes, sizeof bytes) : recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		loop_io_watch(&s->io, EV_READ);
		return;
	}
	if (n <= 0) {
		screened_hang_up(s);
		return;
	}
	size_t lines = s->talk->commands;
	screen_talk_run(s->talk, span_of(bytes, (size_t)n));
	/* The whole of a command has to come within its time. */
	if (s->talk->state == TALK_GOES_ON && s->talk->commands == lines && s->out.len == 0)
		wait_for_input(s);
	else
		go_on(s);
}

static void
on_timer(void *arg)
{
	struct screened *s = arg;

	if (s->shaking) {
		tls_failed(s, "lost connection");
		return;
	}
	screen_talk_late(s->talk);
	go_on(s);
}

void
screened_talk(struct screened *s)
{
	struct screen_talk *t;
	const struct screen *c = s->screen;

	s->began = clock_mono();
	s->tests = "tests after SMTP handshake";
	/* Whoever is here anyway is looked at more closely than was asked for. */
	s->todo |= SCREEN_BIT(SCREEN_PIPELINING) | SCREEN_BIT(SCREEN_NON_SMTP);
	s->no_forward = true;
	MEM_NEW(t);
	s->out = BUF_INIT(1 << 20);
	*t = (struct screen_talk){ .config = &c->talk, .ops = c->filter != NULL ? &ops_filtered : &ops, .arg = s, .who = s->who, .out = &s->out,
	    .no_greeting = (s->fail & SCREEN_BIT(SCREEN_GREET)) != 0, .discard = screen_discard(c, span_str(s->addr)), .tls = c->tls != SCREEN_TLS_NONE,
	    .tls_broken = !s->settings->tls->usable, .tls_required = c->tls == SCREEN_TLS_ENCRYPT };
	(void)snprintf(t->refusal, sizeof t->refusal, "%s", *s->refusal != '\0' ? s->refusal : TALK_REFUSAL);
	for (int i = 0; i < TALK_TESTS; i++)
		if ((s->todo & SCREEN_BIT(tests[i])) != 0 && (s->pass & SCREEN_BIT(tests[i])) == 0)
			t->todo |= 1u << i;
	s->talk = t;
	loop_io_init(&s->io, s->fd, on_io, s);
	loop_timer_init(&s->timer, on_timer, s);
	screen_talk_begin(t);
	go_on(s);
}

void
screened_talk_clear(struct screened *s)
{
	if (s->tls != NULL && !s->shaking)
		tls_bye(s->tls);
	tls_free(s->tls);
	if (s->talk != NULL)
		screen_talk_clear(s->talk);
	free(s->talk);
	buf_clear(&s->out);
	buf_clear(&s->footer);
}
