/*
 * simulate client=IP[,NAME] ...: what the daemon would answer to such a session, restriction by restriction, by its own functions and with the configuration as
 * it is on disk. Nothing is sent, stored or counted; policy servers are asked only where --ask says so.
 */
#include "mtactl/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "ctl/jsonl.h"
#include "mtactl/local.h"
#include "net/addr.h"
#include "table/table.h"

/* -- the client's name, as the receive role finds it ------------------------------------------------- */

static void
reverse_name(const struct net_addr *a, struct buf *out)
{
	const unsigned char *b = a->sa.sa_family == AF_INET6 ? a->in6.sin6_addr.s6_addr : (const unsigned char *)&a->in.sin_addr;

	if (a->sa.sa_family != AF_INET6) {
		buf_printf(out, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		buf_printf(out, "%x.%x.", b[i] & 15u, b[i] >> 4);
	buf_str(out, "ip6.arpa");
}

static bool
has_address(struct span lines, const struct net_addr *addr)
{
	struct net_addr a;
	struct span line;

	while (span_cut(&lines, '\n', &line))
		if (net_addr_parse(line, 0, &a) && net_addr_same_host(&a, addr))
			return true;
	return false;
}

static enum policy_name_status
status_of(enum fact_state state)
{
	return state == FACT_FAILED ? POLICY_NAME_TEMP : POLICY_NAME_NONE;
}

static void
find_name(struct simulation *m)
{
	struct policy_session *c = &m->client;
	struct buf query = BUF_INIT(1024), forward = BUF_INIT(65536);
	struct net_addr addr;

	c->client_name = c->reverse_client_name = SPAN("unknown");
	if (net_addr_parse(c->client_addr, 0, &addr) && (span_eqs(c->client_addr, "127.0.0.1") || span_eqs(c->client_addr, "::1"))) {
		c->client_name = c->reverse_client_name = SPAN("localhost");
		return;
	}
	reverse_name(&addr, &query);
	enum fact_state found = asker_dns(&m->asker, "PTR", query.ptr, &m->reverse);
	c->client_name_status = c->reverse_client_name_status = status_of(found);
	if (found == FACT_KNOWN) {
		buf_cut(&m->reverse, span_find(buf_view(&m->reverse), '\n'));
		c->reverse_client_name = buf_view(&m->reverse);
		c->reverse_client_name_status = POLICY_NAME_OK;
		found = asker_dns(&m->asker, addr.sa.sa_family == AF_INET6 ? "AAAA" : "A", m->reverse.ptr, &forward);
		c->client_name_status = found == FACT_FAILED ? POLICY_NAME_TEMP : POLICY_NAME_FORGED;
		if (found == FACT_KNOWN && has_address(buf_view(&forward), &addr)) {
			c->client_name_status = POLICY_NAME_OK;
			c->client_name = c->reverse_client_name;
		}
	}
	buf_clear(&query);
	buf_clear(&forward);
}

/* -- the dialogue -------------------------------------------------------------------------------------- */

/* False where the client was refused: it would go no further. */
static bool
step(struct simulation *m, enum policy_stage stage, const char *command)
{
	facts_reset(m->asker.facts, clock_wall());
	steps_cut(&m->steps, 0);
	while (policy_check(m->policy, stage, &m->client, m->asker.facts, &m->verdict, &m->steps.trace) == POLICY_PENDING) {
		asker_answer(&m->asker);
		steps_cut(&m->steps, 0);
	}
	simulate_rows(m, stage, command);
	if (m->verdict.action != POLICY_REFUSE)
		return true;
	m->status = 1;
	return false;
}

static bool
recipients(struct simulation *m)
{
	struct span rest = buf_view(&m->rcpts), each;
	struct policy_session *c = &m->client;
	unsigned good = 0;

	while (span_cut(&rest, '\n', &each)) {
		struct buf address = BUF_INIT(4096), command = BUF_INIT(4096);
		if (each.len > 0) {
			buf_span(&address, each);
			c->recipient = buf_view(&address);
			c->has_recipient = true;
			c->recipients = good;
			buf_printf(&command, "RCPT TO:<%.*s>", SPAN_ARG(each));
			good += step(m, POLICY_RECIPIENT, command.ptr);
		}
		buf_clear(&address);
		buf_clear(&command);
	}
	c->recipients = good;
	if (good != 1)
		c->recipient = SPAN_NONE;
	c->has_recipient = good == 1;
	return good > 0;
}

/* The data stages name a recipient only where there is one. */
static void
content(struct simulation *m)
{
	struct span rest = buf_view(&m->rcpts), only;

	(void)span_cut(&rest, '\n', &only);
	if (m->client.has_recipient)
		m->client.recipient = only;
	if (step(m, POLICY_DATA, "DATA"))
		(void)step(m, POLICY_END_OF_DATA, "END-OF-MESSAGE");
}

/* What the dialogue itself asks of a client, before any restriction. */
static bool
may_begin(struct simulation *m, const char *command)
{
	const struct view *v = m->view;

	if (strcmp(conf_str(v, P_smtpd_tls_security_level), "encrypt") == 0 && m->client.tls.protocol.len == 0)
		simulate_own_reply(m, command, "530 5.7.0 Must issue a STARTTLS command first", "smtpd_tls_security_level");
	else if (conf_bool(v, P_smtpd_helo_required) && m->client.helo.len == 0)
		simulate_own_reply(m, command, "503 5.5.1 Error: send HELO/EHLO first", "smtpd_helo_required");
	else
		return true;
	m->status = 1;
	return false;
}

static void
talk(struct simulation *m)
{
	struct policy_session *c = &m->client;
	struct buf command = BUF_INIT(4096);

	c->protocol = SPAN("SMTP");
	if (!step(m, POLICY_CLIENT, "CONNECT"))
		return;
	c->esmtp = true;
	buf_printf(&command, "EHLO %.*s", SPAN_ARG(c->helo));
	if (c->helo.len > 0 && !step(m, POLICY_HELO, command.ptr)) {
		buf_clear(&command);
		return;
	}
	c->protocol = SPAN("ESMTP");
	if (c->has_sender) {
		buf_reset(&command);
		buf_printf(&command, "MAIL FROM:<%.*s>", SPAN_ARG(c->sender));
		if (may_begin(m, command.ptr) && step(m, POLICY_SENDER, command.ptr) && m->rcpts.len > 0 && recipients(m))
			content(m);
	}
	buf_clear(&command);
}

/* -- the command ------------------------------------------------------------------------------------------ */

/* The smtpd line that --service names, or the first. */
static const struct view *
view_of(struct simulation *m, const struct request *req)
{
	const struct conf *c = m->session->conf;
	struct span name;

	if (!request_get(req, "service", &name))
		return conf_program(c, "smtpd");
	for (size_t i = 0; i < conf_service_count(c); i++) {
		const struct service *s = conf_service(c, i);
		if (strcmp(s->command, "smtpd") == 0 && span_eqs(name, s->name))
			return conf_view(c, s);
	}
	session_say(m->session, "master.cf has no smtpd service \"%.*s\"", SPAN_ARG(name));
	return NULL;
}

static bool
open_all(struct simulation *m, const struct request *req)
{
	const struct view *view = m->view = view_of(m, req);
	struct err err = { .kind = ERR_NONE };

	if (view == NULL)
		return false;
	m->router = router_new(m->session->conf, &err);
	if (m->router != NULL)
		m->policy = policy_new(view, m->router, &err);
	if (m->policy == NULL) {
		m->status = local_fail(m->session, &err);
		return false;
	}
	m->asker = (struct asker){ .session = m->session, .policy = m->policy, .facts = facts_new(), .dns = local_dns(m->session),
	    .ask_servers = local_flag(req, "ask") };
	return true;
}

static void
run(struct simulation *m)
{
	if (!m->has_name)
		find_name(m);
	buf_printf(&m->name, "%.*s[%.*s]", SPAN_ARG(m->client.client_name), SPAN_ARG(m->client.client_addr));
	m->status = 0;
	if (m->client.sasl_user.len > 0 && !conf_bool(m->view, P_smtpd_sasl_auth_enable)) {
		session_say(m->session, "auth= is left out: this service takes no logins (smtpd_sasl_auth_enable = no); --service names another one");
		m->client.sasl_user = m->client.sasl_method = SPAN_NONE;
	}
	talk(m);
	if (m->asker.not_asked)
		session_say(m->session, "policy servers were not asked and count as saying DUNNO; --ask asks them");
	if (m->asker.slept > 0)
		session_say(m->session, "the client would be made to wait for %u s", m->asker.slept);
	if (m->asker.unanswered)
		session_say(m->session, "some of it depends on what only the daemon asks, which counts as failed here");
}

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	struct simulation *m = arg;

	session_say(m->session, "warning: %s, line %u: %s", path, line, text);
}

static void
told(void *arg, const struct table *t, struct span key, unsigned line, struct span value)
{
	struct simulation *m = arg;

	steps_told(&m->steps, t, key, line, value);
}

int
simulate_run(struct session *s, const struct request *req)
{
	struct simulation m = { .session = s, .status = 78, .rcpts = BUF_INIT(65536), .name = BUF_INIT(4096), .reverse = BUF_INIT(4096),
	    .steps.trace = BUF_INIT((size_t)1 << 20) };
	const struct table_env env = { .warn = warn, .told = told, .arg = &m, .blocks = true };
	struct span words = SPAN_NONE;

	m.client.client_port = SPAN("0");
	m.client.server_addr = SPAN("127.0.0.1");
	m.client.instance = SPAN("simulate");
	m.verdict.text = BUF_INIT(0);
	table_use(&env);
	(void)request_get(req, "text", &words);
	if (!simulate_words(&m, words))
		m.status = 64;
	else if (session_configure(s) && open_all(&m, req))
		run(&m);
	policy_verdict_clear(&m.verdict);
	dns_facts_drop(&m.asker.under_way);
	facts_free(m.asker.facts);
	policy_free(m.policy);
	router_free(m.router);
	dns_free(m.asker.dns);
	steps_clear(&m.steps);
	buf_clear(&m.name);
	buf_clear(&m.reverse);
	buf_clear(&m.rcpts);
	table_use(&(struct table_env){ .open = NULL });
	return m.status;
}
