#include "receive/session_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "policy/sasl_exchange.h"
#include "receive/auth_link.h"
#include "receive/state.h"

#define REPLY_MAX	512
#define NAME_MAX	100		/* of what a client says, in a line of the log */
#define USER_MAX	512
#define CHALLENGE_MAX	65536
#define BINDING_MAX	1024

/* What is known of the connection, and the memory of it. */
struct channel {
	struct sasl_channel known;
	struct buf	 exporter, unique;
};

struct session_auth {
	struct session	*session;
	char		*mechanism;	/* as the client wrote it */
	struct auth_request *request;	/* Dovecot */
	struct sasl_exchange *exchange;	/* ours */
	struct channel	 channel;
	struct facts	*facts;
	char		*response;	/* while facts are awaited */
	bool		 answered;	/* by the client: its line waits for a verdict */
	const char	*lost;		/* the server went away while the client was thinking */
};

/* -- what is offered ---------------------------------------------------------------------- */

static bool
is_tls(const struct session *s)
{
	return smtp_server_is_secure(s->server);
}

static struct span
binding(const struct session *s, enum tls_binding type, struct buf *out)
{
	return tls_channel_binding(s->tls->tls, type, out) && !out->over ? buf_view(out) : SPAN_NONE;
}

static void
channel_of(const struct session *s, struct channel *c)
{
	*c = (struct channel){ .known.tls = is_tls(s), .exporter = BUF_INIT(BINDING_MAX), .unique = BUF_INIT(BINDING_MAX) };
	if (!c->known.tls || s->tls == NULL)
		return;
	c->known.exporter = binding(s, TLS_BINDING_EXPORTER, &c->exporter);
	c->known.unique = binding(s, TLS_BINDING_UNIQUE, &c->unique);
	if (s->tls->trusted)
		c->known.certificate = span_str(s->tls->names.subject_cn);
}

static void
channel_clear(struct channel *c)
{
	buf_clear(&c->exporter);
	buf_clear(&c->unique);
}

static bool
is_enabled(const struct session *s)
{
	return s->settings->sasl != NULL && s->uid < 0 && (is_tls(s) || !s->settings->tls->auth_only);
}

void
session_auth_begin(struct session *s)
{
	session_auth_drop(s);
	free(s->sasl_user);
	free(s->sasl_method);
	s->sasl_user = s->sasl_method = NULL;
	smtp_server_offer_auth(s->server, is_enabled(s), SPAN_NONE);
}

static void
put_name(struct buf *b, const char *name)
{
	if (b->len > 0)
		buf_char(b, ' ');
	buf_str(b, name);
}

static void
list_ours(const struct session *s, struct buf *b)
{
	const struct sasl_mechanism *m;
	struct channel channel;

	channel_of(s, &channel);
	for (size_t i = 0; (m = sasl_mechanism(i)) != NULL; i++)
		if (sasl_mechanism_fits(m, &channel.known) && sasl_may(s->settings->sasl, span_str(m->name), m->properties, channel.known.tls))
			put_name(b, m->name);
	channel_clear(&channel);
}

/* The two lists of properties are one. */
_Static_assert((int)DOVECOT_PLAINTEXT == (int)SASL_PLAINTEXT && (int)DOVECOT_ACTIVE == (int)SASL_ACTIVE &&
    (int)DOVECOT_DICTIONARY == (int)SASL_DICTIONARY && (int)DOVECOT_ANONYMOUS == (int)SASL_ANONYMOUS &&
    (int)DOVECOT_FORWARD_SECRECY == (int)SASL_FORWARD_SECRECY && (int)DOVECOT_MUTUAL_AUTH == (int)SASL_MUTUAL_AUTH &&
    (int)DOVECOT_PRIVATE == (int)SASL_PRIVATE, "the properties of mechanisms differ");

static void
list_dovecot(const struct session *s, const struct dovecot_auth *d, struct buf *b)
{
	for (size_t i = 0; i < d->mechanism_count; i++)
		if (sasl_may(s->settings->sasl, span_str(d->mechanisms[i].name), d->mechanisms[i].properties, is_tls(s)))
			put_name(b, d->mechanisms[i].name);
}

bool
session_auth_offer(struct session *s)
{
	const struct sasl *sasl = s->settings->sasl;
	struct buf list = BUF_INIT(DOVECOT_MECHANISMS * (DOVECOT_MECHANISM_NAME + 1));

	if (!is_enabled(s)) {
		smtp_server_offer_auth(s->server, false, SPAN_NONE);
		return true;
	}
	if (sasl_hidden_from(sasl, span_str(s->name), span_str(s->addr))) {
		smtp_server_offer_auth(s->server, true, SPAN_NONE);
		return true;
	}
	if (sasl_type(sasl) == SASL_GSASL) {
		list_ours(s, &list);
	} else {
		struct auth_link *link = auth_link_get(sasl_path(sasl));
		if (!auth_link_settled(link)) {
			s->auth_waits = true;
			return false;
		}
		list_dovecot(s, auth_link_server(link), &list);
	}
	smtp_server_offer_auth(s->server, true, buf_view(&list));
	buf_clear(&list);
	return true;
}

/* Whether a server is there is known now. */
static void
on_settled(void *arg)
{
	struct receive *rx = arg;

	for (struct session *s = rx->sessions, *next; s != NULL; s = next) {
		next = s->next;
		if (!s->auth_waits || s->dead || !session_auth_offer(s))
			continue;
		s->auth_waits = false;
		smtp_server_answer(s->server, NULL);
		session_continue(s);
	}
}

void
sessions_auth_prepare(struct receive *rx)
{
	auth_link_on_settled(on_settled, rx);
	for (size_t i = 0; i < rx->now->service_count; i++) {
		const struct sasl *sasl = rx->now->services[i].sasl;
		if (sasl != NULL && sasl_type(sasl) == SASL_DOVECOT)
			(void)auth_link_get(sasl_path(sasl));
	}
}

/* -- an exchange -------------------------------------------------------------------------- */

static void
forget_response(struct session_auth *a)
{
	if (a->response != NULL)
		explicit_bzero(a->response, strlen(a->response));
	free(a->response);
	a->response = NULL;
}

void
session_auth_drop(struct session *s)
{
	struct session_auth *a = s->auth;

	if (a == NULL)
		return;
	s->auth = NULL;
	auth_request_drop(a->request);
	sasl_exchange_free(a->exchange);
	if (a->facts != NULL)
		asks_drop(&s->rx->lookups, a);
	facts_free(a->facts);
	forget_response(a);
	channel_clear(&a->channel);
	free(a->mechanism);
	free(a);
}

void
session_auth_aborted(struct session *s)
{
	char client[CLIENT_TEXT];

	if (s->auth != NULL)
		log_warning(session_program(s), "%s: SASL %.*s authentication aborted", session_client(s, client),
		    SPAN_ARG(span_head(span_str(s->auth->mechanism), NAME_MAX)));
	session_auth_drop(s);
}

/* As it may stand in a line of the log and in a header. */
static char *
printable(struct span name)
{
	char *text = span_dup(span_head(name, USER_MAX));

	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}

static void
refuse(struct session *s, bool temporary, const char *reason, const char *user)
{
	char client[CLIENT_TEXT], reply[REPLY_MAX];
	char *safe = printable(reason == NULL || *reason == '\0' ? SPAN("(reason unavailable)") : span_str(reason));

	log_warning(session_program(s), "%s: SASL %.*s authentication failed: %s, sasl_username=%.100s", session_client(s, client),
	    SPAN_ARG(span_head(span_str(s->auth->mechanism), NAME_MAX)), safe, user == NULL ? "(unavailable)" : user);
	(void)snprintf(reply, sizeof reply, "%s: %.400s", temporary ? "454 4.7.0 Temporary authentication failure" :
	    "535 5.7.8 Error: authentication failed", safe);
	free(safe);
	session_auth_drop(s);
	smtp_server_answer(s->server, reply);
}

static void
succeed(struct session *s, struct span user)
{
	s->sasl_user = printable(user);
	s->sasl_method = printable(span_str(s->auth->mechanism));
	session_auth_drop(s);
	smtp_server_answer(s->server, NULL);
}

/* -- Dovecot -------------------------------------------------------------------------------- */

static void
act_on(struct session *s, const struct dovecot_reply *r)
{
	struct buf reason = BUF_INIT(REPLY_MAX);
	char *user = r->user.ptr == NULL ? NULL : printable(r->user);

	if (r->answer == DOVECOT_CONT) {
		smtp_server_challenge(s->server, r->data);
	} else if (r->answer == DOVECOT_OK && r->user.len > 0) {
		succeed(s, r->user);
	} else if (r->answer == DOVECOT_OK) {
		refuse(s, true, "the authentication server names no user", NULL);
	} else {
		buf_span(&reason, span_head(r->reason, REPLY_MAX / 2));
		refuse(s, r->temporary, reason.ptr, user);
	}
	free(user);
	buf_clear(&reason);
}

static void
on_reply(void *arg, const struct dovecot_reply *r, const char *error)
{
	struct session_auth *a = arg;
	struct session *s = a->session;

	if (r == NULL || r->answer != DOVECOT_CONT)
		a->request = NULL;
	/* The client has the word: it is told when it has spoken. */
	if (!a->answered) {
		a->lost = "Connection lost to authentication server";
		return;
	}
	a->answered = false;
	if (r == NULL)
		refuse(s, true, error, NULL);
	else
		act_on(s, r);
	session_continue(s);
}

static bool
is_base64(struct span text)
{
	struct buf scrap = BUF_INIT(65536);
	bool ok = base64_decode(&scrap, text);

	if (scrap.ptr != NULL)
		explicit_bzero(scrap.ptr, scrap.cap);
	buf_clear(&scrap);
	return ok;
}

static void
ask_dovecot(struct session *s, struct span response)
{
	const struct sasl *sasl = s->settings->sasl;
	struct auth_link *link = auth_link_get(sasl_path(sasl));
	const struct dovecot_mechanism *m = dovecot_auth_mechanism(auth_link_server(link), span_str(s->auth->mechanism));
	struct dovecot_request q = { .service = span_str(sasl_service(sasl)), .local_addr = span_str(s->server_addr),
	    .remote_addr = span_str(s->addr), .response = response, .secured = is_tls(s) };

	/* A server that was never there has no list to look at. */
	if (m != NULL && sasl_may(sasl, span_str(m->name), m->properties, is_tls(s)))
		q.mechanism = span_str(m->name);
	else if (auth_link_server(link)->mechanism_count > 0) {
		refuse(s, false, "Invalid authentication mechanism", NULL);
		return;
	} else {
		refuse(s, true, "Can't connect to authentication server", NULL);
		return;
	}
	/* "=" is an empty one; Dovecot knows that too. */
	if (response.ptr != NULL && !span_eqs(response, "=") && !is_base64(response)) {
		refuse(s, false, "Invalid base64 data in initial response", NULL);
		return;
	}
	s->auth->answered = true;
	s->auth->request = auth_link_ask(link, &q, on_reply, s->auth);
	if (s->auth->request == NULL)
		refuse(s, true, "too many clients authenticate at once", NULL);
}

/* -- mtad's own ------------------------------------------------------------------------------- */

static void run_exchange(struct session_auth *);

static void
looked_up(void *arg, uint64_t id, const struct ask_answer *answer)
{
	struct session_auth *a = arg;
	struct session *s = a->session;

	if (!ask_learnt(a->facts, id, answer) || facts_open(a->facts) > 0)
		return;
	run_exchange(a);
	session_continue(s);
}

/* True where at least one fact will be known later. */
static bool
fetch(struct session_auth *a)
{
	struct fact_want w;
	bool later = false;

	while (facts_wanted(a->facts, &w))
		if (asks_lookup(&a->session->rx->lookups, a->facts, &w, looked_up, a))
			later = true;
	return later;
}

static void
run_exchange(struct session_auth *a)
{
	struct session *s = a->session;
	struct buf out = BUF_INIT(CHALLENGE_MAX);
	enum sasl_status status;
	char *user = NULL;

	/* Facts that fail at once may lead to more questions, a few. */
	do {
		buf_reset(&out);
		status = sasl_exchange_step(a->exchange, span_str(a->response), a->facts, &out);
	} while (status == SASL_PENDING && !fetch(a) && !facts_over(a->facts));
	if (status == SASL_PENDING && !facts_over(a->facts)) {
		buf_clear(&out);
		return;
	}
	forget_response(a);
	if (sasl_exchange_user(a->exchange) != NULL)
		user = printable(span_str(sasl_exchange_user(a->exchange)));
	if (status == SASL_MORE)
		smtp_server_challenge(s->server, buf_view(&out));
	else if (status == SASL_DONE)
		succeed(s, span_str(user));
	else
		refuse(s, status != SASL_FAILED, out.ptr, user);
	free(user);
	buf_clear(&out);
}

/* Each response has facts of its own: tables may have changed between two. */
static void
step(struct session_auth *a, struct span response)
{
	if (a->facts == NULL)
		a->facts = facts_new();
	facts_reset(a->facts, clock_wall());
	forget_response(a);
	/* One with NULs is as wrong as this. */
	a->response = response.ptr == NULL ? NULL : span_dup(span_has(response, '\0') ? SPAN("!") : response);
	run_exchange(a);
}

/* -- events ------------------------------------------------------------------------------------ */

static struct session_auth *
auth_new(struct session *s, struct span mechanism)
{
	struct session_auth *a;

	MEM_NEW(a);
	a->session = s;
	a->mechanism = printable(mechanism);
	channel_of(s, &a->channel);
	return a;
}

static void
first(struct session *s, struct span mechanism, struct span response)
{
	if (sasl_type(s->settings->sasl) == SASL_DOVECOT) {
		ask_dovecot(s, response);
		return;
	}
	s->auth->exchange = sasl_exchange_new(s->settings->sasl, mechanism, &s->auth->channel.known);
	if (s->auth->exchange == NULL)
		refuse(s, false, "Invalid authentication mechanism", NULL);
	else
		step(s->auth, response);
}

static void
auth_counted(struct session *s, const char *reply)
{
	struct session_auth *a = s->auth;
	char *response = a->response;

	a->response = NULL;
	if (reply != NULL) {
		session_auth_drop(s);
		smtp_server_answer(s->server, reply);
	} else {
		first(s, span_str(a->mechanism), response == NULL ? SPAN_NONE : span_str(response));
	}
	free(response);
}

void
session_auth_first(void *arg, struct span mechanism, struct span response)
{
	struct session *s = arg;

	session_auth_drop(s);
	s->auth = auth_new(s, mechanism);
	if (response.ptr != NULL)
		s->auth->response = span_dup(response);
	session_rates(s, RATE_AUTH, auth_counted);
}

static void
continue_dovecot(struct session *s, struct span response)
{
	if (s->auth->request == NULL) {
		refuse(s, true, s->auth->lost, NULL);
	} else if (!is_base64(response) || !auth_request_continue(s->auth->request, response)) {
		refuse(s, false, "Invalid base64 data in continued response", NULL);
	} else {
		s->auth->answered = true;
	}
}

void
session_auth_more(void *arg, struct span response)
{
	struct session *s = arg;

	if (s->auth->exchange != NULL)
		step(s->auth, response);
	else
		continue_dovecot(s, response);
}

void
session_auth_sender(struct session *s, struct span sender)
{
	free(s->sasl_sender);
	s->sasl_sender = sender.len > 0 ? printable(sender) : NULL;
}
