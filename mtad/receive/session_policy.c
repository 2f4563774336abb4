/*
 * Who may do what: the policy's decision for a session, and fetching the facts that it asks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "receive/policy_client.h"
#include "receive/session.h"
#include "receive/session_filter.h"
#include "receive/session_xclient.h"
#include "receive/state.h"

#define SLEEP_MAX	300		/* seconds */
#define REPLY_MAX	1000
#define STEPS_MAX	((size_t)256 << 10)	/* of a decision that somebody looks at */

static enum policy_stage
stage_of(enum session_decision d)
{
	static const enum policy_stage stages[] = {
		[DECIDE_CONNECT] = POLICY_CLIENT, [DECIDE_HELO] = POLICY_HELO, [DECIDE_MAIL] = POLICY_SENDER,
		[DECIDE_RCPT] = POLICY_RECIPIENT, [DECIDE_DATA] = POLICY_DATA, [DECIDE_END] = POLICY_END_OF_DATA,
		[DECIDE_VRFY] = POLICY_VRFY, [DECIDE_ETRN] = POLICY_ETRN,
	};

	return stages[d];
}

/* Text that policy servers tell transactions by. */
static struct span
instance_of(struct session *s)
{
	static uint64_t count;

	if (s->instance[0] == '\0')
		(void)snprintf(s->instance, sizeof s->instance, "%x.%llx.%llx", (unsigned)getpid(), (unsigned long long)clock_wall(),
		    (unsigned long long)++count);
	return span_str(s->instance);
}

static void
client_of(struct session *s, struct policy_session *p, char port[8])
{
	(void)snprintf(port, 8, "%u", s->port);
	p->client_port = span_str(port);
	p->reverse_client_name = span_str(s->reverse_name == NULL ? "unknown" : s->reverse_name);
	p->client_name_status = s->name_status;
	p->reverse_client_name_status = s->reverse_status;
	p->recipients = s->server == NULL ? 0 : smtp_server_recipients(s->server);
	p->size = s->decision == DECIDE_END ? s->end.bytes : s->size;
	p->instance = instance_of(s);
	if (s->intake != NULL && s->intake->envelope.id.usec != 0)
		p->queue_id = span_str(qid_text(s->intake->envelope.id, s->qid_text));
	p->server_port = span_str(s->server_port);
}

static void
facts_of(struct session *s, struct policy_session *p)
{
	bool rcpt = s->decision == DECIDE_RCPT || s->decision == DECIDE_VRFY;

	*p = (struct policy_session){
		.client_name = span_str(s->name), .client_addr = span_str(s->addr),
		.server_addr = span_str(s->server_addr), .helo = span_str(s->helo),
		.protocol = s->esmtp ? SPAN("ESMTP") : SPAN("SMTP"), .sender = span_str(s->sender),
		.has_sender = s->sender != NULL, .has_recipient = rcpt, .pipelined = s->pipelined, .esmtp = s->esmtp,
		.sasl_sender = span_str(s->sasl_sender),
	};
	/* XCLIENT's LOGIN counts where users may log in. */
	if (s->settings->sasl != NULL) {
		p->sasl_method = span_str(s->sasl_method);
		p->sasl_user = span_str(s->sasl_user);
	}
	client_of(s, p, s->port_text);
	/* Before its greeting is taken a client is not known to speak more. */
	if (s->decision == DECIDE_HELO)
		p->protocol = SPAN("SMTP");
	session_tls_facts(s, &p->tls);
	if (s->decision == DECIDE_ETRN)
		p->etrn = span_str(s->etrn);
	if (rcpt)
		p->recipient = span_str(s->rcpt.address);
	else if (s->intake != NULL && s->intake->envelope.recipient_count == 1) {
		p->recipient = s->intake->first_recipient;
		p->has_recipient = s->decision == DECIDE_DATA || s->decision == DECIDE_END;
	}
}

/* -- the verdict -- */

static const char *
queue_id(const struct session *s, char out[QID_TEXT])
{
	if (s->intake == NULL || s->intake->envelope.id.usec == 0)
		return "NOQUEUE";
	return qid_text(s->intake->envelope.id, out);
}

static void
log_lines(struct session *s, const struct policy_verdict *v)
{
	struct span rest = v->log.len > 0 ? buf_view(&v->log) : SPAN_NONE, line;
	char id[QID_TEXT];

	while (span_cut(&rest, '\n', &line))
		log_info(session_program(s), "%s: %.*s", queue_id(s, id), SPAN_ARG(line));
	rest = v->warnings.len > 0 ? buf_view(&v->warnings) : SPAN_NONE;
	while (span_cut(&rest, '\n', &line))
		log_warning(session_program(s), "%.*s", SPAN_ARG(line));
}

/* Of a decision before MAIL it is for the message to come: Postfix keeps it the whole session; here those lists are asked at RCPT. */
static void
apply_effects(struct session *s, const struct policy_verdict *v)
{
	struct span left = buf_view(&v->effects), text;
	enum policy_effect what;

	log_lines(s, v);
	while (s->intake != NULL && policy_effect_next(&left, &what, &text)) {
		if (s->before_queue != NULL && what != POLICY_PREPEND) {
			log_warning(session_program(s), "with smtpd_proxy_filter specified, actions other than PREPEND, OK, REJECT and DISCARD are unavailable");
			continue;
		}
		switch (what) {
		case POLICY_PREPEND:
			intake_prepend(s->intake, text);
			break;
		case POLICY_REDIRECT:
			intake_redirect(s->intake, text);
			break;
		case POLICY_BCC:
			intake_copy(s->intake, text);
			break;
		case POLICY_FILTER:
			intake_filter(s->intake, text);
			break;
		case POLICY_HOLD:
			intake_hold(s->intake, text);
			break;
		}
	}
	if (v->action == POLICY_DISCARD || v->discard)
		s->discard = true;
}

static void
decided(struct session *s, const struct policy_session *p)
{
	struct policy_verdict *v = &s->rx->verdict;
	struct buf *text = &s->rx->text;
	char id[QID_TEXT], reply[REPLY_MAX];

	apply_effects(s, v);
	if (v->action != POLICY_REFUSE) {
		session_decided(s, NULL);
		return;
	}
	buf_reset(text);
	policy_log_reject(p, stage_of(s->decision), v, text);
	log_info(session_program(s), "%s: %.*s", queue_id(s, id), SPAN_ARG(buf_view(text)));
	snprintf(reply, sizeof reply, "%d %s %s", v->code, v->dsn, v->reply);
	session_decided(s, reply);
}

/* -- facts -- */

static void decide(struct session *);

static void
learnt(struct session *s)
{
	if (facts_open(s->facts) > 0)
		return;
	decide(s);
	session_continue(s);
}

static void
looked_up(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct session *s = arg;

	if (s->facts != NULL && ask_learnt(s->facts, id, a))
		learnt(s);
}

static void
dns_learnt(void *arg, uint64_t id, enum fact_state state, struct span value)
{
	struct session *s = arg;

	if (s->facts != NULL && facts_answer(s->facts, id, state, value) && !s->fetching)
		learnt(s);
}

static void
policy_learnt(void *arg, uint64_t id, enum fact_state state, struct span value)
{
	struct session *s = arg;

	s->policy = NULL;
	if (s->facts != NULL && facts_answer(s->facts, id, state, value))
		learnt(s);
}

/* Restrictions are asked one after the other, so there is one question at a time. */
static bool
begin_policy(struct session *s, const struct fact_want *w)
{
	const struct policy_server *server = policy_server(s->settings->policy, w->source);

	if (server == NULL || s->policy != NULL)
		return false;
	s->policy = policy_ask(server, w->key, policy_learnt, s, w->id);
	return true;
}

/* What is known of an address: a digit, and the text. */
static void
verified(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct session *s = arg;
	struct buf value = BUF_INIT(4096);

	if (s->facts == NULL)
		return;
	buf_char(&value, (char)('0' + a->status % 10));
	buf_span(&value, a->value);
	bool known = facts_answer(s->facts, id, a->ok ? FACT_KNOWN : FACT_FAILED, a->ok ? buf_view(&value) : SPAN("no answer"));
	buf_clear(&value);
	if (known)
		learnt(s);
}

static bool
begin_verify(struct session *s, const struct fact_want *w)
{
	if (!span_eqs(w->source, "verify"))
		return false;
	/* The state process is being started: that is no reason to say that verification failed. */
	if (s->rx->counters.ipc == NULL) {
		(void)facts_answer(s->facts, w->id, FACT_KNOWN, SPAN("3Address verification in progress"));
		return true;
	}
	ipc_send_verify_ask(s->rx->counters.ipc, &(struct ipc_verify_ask){ .request = asks_add(&s->rx->counters, verified, s, w->id),
	    .address = w->key }, -1);
	return true;
}

static void
slept(void *arg)
{
	struct session *s = arg;

	free(s->sleep);
	s->sleep = NULL;
	if (s->facts != NULL && facts_answer(s->facts, s->sleep_id, FACT_ABSENT, SPAN_NONE))
		learnt(s);
}

static bool
begin_sleep(struct session *s, const struct fact_want *w)
{
	uint32_t seconds;

	if (s->sleep != NULL || !num_u32(w->key, &seconds))
		return false;
	MEM_NEW(s->sleep);
	s->sleep_id = w->id;
	loop_timer_init(s->sleep, slept, s);
	loop_timer_set(s->sleep, (seconds > SLEEP_MAX ? SLEEP_MAX : seconds) * SECOND);
	return true;
}

/* True where at least one will be answered later. */
static bool
fetch(struct session *s)
{
	struct fact_want w;

	s->fetching = true;
	while (facts_wanted(s->facts, &w)) {
		if ((span_eqs(w.source, "sleep") && begin_sleep(s, &w)) || begin_verify(s, &w) || begin_policy(s, &w))
			continue;
		if (!dns_facts_fetch(s->rx->dns, &s->dns, &w, dns_learnt, s))
			(void)asks_lookup(&s->rx->lookups, s->facts, &w, looked_up, s);
	}
	s->fetching = false;
	return facts_open(s->facts) > 0;
}

static void
give_facts_back(struct session *s)
{
	if (s->facts == NULL)
		return;
	if (s->rx->facts == NULL)
		s->rx->facts = s->facts;
	else
		facts_free(s->facts);
	s->facts = NULL;
}

/* With somebody looking at the session, what decided is shown. */
static enum policy_status
check(struct session *s, const struct policy_session *p)
{
	struct buf steps = BUF_INIT(STEPS_MAX);
	bool shown = transcript_on(&s->transcript);
	enum policy_status status = policy_check(s->settings->policy, stage_of(s->decision), p, s->facts, &s->rx->verdict, shown ? &steps : NULL);

	if (shown && status == POLICY_DONE)
		session_steps(s, buf_view(&steps));
	buf_clear(&steps);
	return status;
}

/* Until it is done, or waits for facts. Facts that fail at once may lead to further questions, a bounded number. */
static void
decide(struct session *s)
{
	struct policy_session p;

	facts_of(s, &p);
	for (int n = 0; n < FACTS_MAX; n++) {
		if (check(s, &p) == POLICY_DONE) {
			give_facts_back(s);
			decided(s, &p);
			return;
		}
		if (fetch(s))
			return;
	}
	give_facts_back(s);
	session_decided(s, "451 4.3.0 Error: too many lookups");
}

void
session_decide(struct session *s, enum session_decision what)
{
	struct receive *rx = s->rx;

	s->decision = what;
	if (s->settings->policy == NULL) {
		session_decided(s, NULL);
		return;
	}
	s->facts = rx->facts != NULL ? rx->facts : facts_new();
	rx->facts = NULL;
	facts_reset(s->facts, clock_wall());
	decide(s);
}

void
session_decision_drop(struct session *s)
{
	s->decision = DECIDE_NOTHING;
	asks_drop(&s->rx->lookups, s);
	asks_drop(&s->rx->counters, s);
	dns_facts_drop(&s->dns);
	policy_ask_drop(s->policy);
	s->policy = NULL;
	if (s->sleep != NULL) {
		loop_timer_stop(s->sleep);
		free(s->sleep);
		s->sleep = NULL;
	}
	give_facts_back(s);
}

const char *
session_footer(struct session *s, const char *reply)
{
	struct policy_session p;

	if (!s->settings->has_footer || s->settings->policy == NULL)
		return NULL;
	const char *said = session_refusal(s, reply);
	facts_of(s, &p);
	buf_reset(&s->rx->text);
	if (policy_footer(s->settings->policy, &p, said, &s->rx->text))
		return s->rx->text.ptr;
	return said == reply ? NULL : said;
}

/* -- connections -- */

static void
too_many(struct session *s, uint32_t n, bool rate)
{
	char reply[400];

	log_warning(session_program(s), "Connection %s limit exceeded: %u from %s[%s] for service %.*s", rate ? "rate" : "concurrency",
	    n, s->name, s->addr, SPAN_ARG(s->settings->intake.service));
	snprintf(reply, sizeof reply, "421 4.7.0 %.200s Error: too many connections from %s", s->settings->smtp.hostname,
	    s->addr);
	session_decided(s, reply);
}

static void
counted(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct session *s = arg;
	const struct settings *set = s->settings;

	(void)id;
	if (a->ok && set->connection_count_limit > 0 && a->open > set->connection_count_limit)
		too_many(s, a->open, false);
	else if (a->ok && set->connection_rate_limit > 0 && a->rate > set->connection_rate_limit)
		too_many(s, a->rate, true);
	else
		session_decide(s, DECIDE_CONNECT);
	session_continue(s);
}

bool
session_rate_exempt(struct session *s)
{
	struct policy_session p;

	facts_of(s, &p);
	return policy_rate_exempt(s->settings->policy, &p);
}

static void
connect_counted(struct session *s)
{
	const struct settings *set = s->settings;
	char client[RATE_CLIENT];

	s->decision = DECIDE_CONNECT;
	if (set->policy == NULL || (set->connection_count_limit == 0 && set->connection_rate_limit == 0) ||
	    s->rx->counters.ipc == NULL || session_rate_exempt(s)) {
		session_decide(s, DECIDE_CONNECT);
		return;
	}
	s->counted = true;
	ipc_send_count_connect(s->rx->counters.ipc, &(struct ipc_count_connect){
	    .request = asks_add(&s->rx->counters, counted, s, 0), .service = set->intake.service,
	    .client = span_str(rate_client(&set->rates, s->addr, client)) }, -1);
}

/* What depends on who the client is. */
void
session_renamed(struct session *s)
{
	struct policy_session p;
	char client[CLIENT_TEXT];

	facts_of(s, &p);
	s->rewrite_local = policy_rewrite_local(s->settings->policy, &p);
	if (s->settings->bare_lf >= SMTP_BARE_LF_REJECT && policy_newline_exempt(s->settings->policy, &p))
		smtp_server_bare_lf(s->server, SMTP_BARE_LF_NORMALIZE);
	if (!conf_bool(s->settings->view, P_smtpd_delay_reject))
		smtp_server_client(s->server, session_client(s, client));
}

static void
named(struct session *s)
{
	char client[CLIENT_TEXT];

	log_info(session_program(s), "connect from %s", session_client(s, client));
	session_renamed(s);
	session_x_begin(s);
	if (s->settings->tls->wrapper)
		session_tls_wrap(s, connect_counted);
	else
		connect_counted(s);
}

void
session_connect(struct session *s)
{
	s->decision = DECIDE_CONNECT;
	if (s->settings->policy == NULL)
		connect_counted(s);
	else
		session_find_name(s, named);
}
