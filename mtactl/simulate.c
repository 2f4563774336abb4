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

struct simulation {
	struct session	*session;
	struct router	*router;
	struct policy	*policy;
	struct asker	 asker;
	struct policy_session client;
	struct policy_verdict verdict;
	struct buf	 trace, name, reverse, port;
	struct span	 recipients;	/* the words rcpt=, one blank between */
	struct buf	 rcpts;
	bool		 has_name;
	int		 status;
};

/* -- what is asked ----------------------------------------------------------------------------- */

static bool
set_client(struct simulation *m, struct span value)
{
	size_t comma = span_find(value, ',');
	struct net_addr a;

	m->client.client_addr = span_head(value, comma);
	if (!net_addr_parse(m->client.client_addr, 0, &a)) {
		session_say(m->session, "client=%.*s: an address is needed (client=192.0.2.1 or client=192.0.2.1,host.example)", SPAN_ARG(value));
		return false;
	}
	m->has_name = comma < value.len;
	if (m->has_name)
		m->client.client_name = m->client.reverse_client_name = span_skip(value, comma + 1);
	return true;
}

static bool
set_word(struct simulation *m, struct span key, struct span value)
{
	struct policy_session *c = &m->client;
	uint64_t size;
	const struct { const char *key; struct span *to; } texts[] = {
		{ "helo", &c->helo }, { "auth", &c->sasl_user }, { "ccert", &c->tls.ccert_fingerprint }, { "server", &c->server_addr },
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (span_eqs(key, texts[i].key)) {
			*texts[i].to = value;
			return true;
		}
	if (span_eqs(key, "client"))
		return set_client(m, value);
	if (span_eqs(key, "from")) {
		c->sender = span_eqs(value, "<>") ? SPAN_NONE : value;
		c->has_sender = true;
		return true;
	}
	if (span_eqs(key, "rcpt")) {
		buf_span(&m->rcpts, value);
		buf_char(&m->rcpts, '\n');
		return true;
	}
	if (span_eqs(key, "tls")) {
		c->tls.protocol = span_eqs(value, "yes") ? SPAN("TLSv1.3") : span_eqs(value, "no") ? SPAN_NONE : value;
		return true;
	}
	if (span_eqs(key, "size") && num_u64(value, &size)) {
		c->size = size;
		return true;
	}
	session_say(m->session, "\"%.*s=%.*s\": known are client=IP[,NAME] helo= from= rcpt= auth= tls= ccert= size= server=", SPAN_ARG(key), SPAN_ARG(value));
	return false;
}

static bool
read_words(struct simulation *m, struct span words)
{
	struct span word;

	while (span_word(&words, " ", &word)) {
		size_t at = span_find(word, '=');
		if (!set_word(m, span_head(word, at), span_skip(word, at + 1)))
			return false;
	}
	if (m->client.client_addr.len > 0)
		return true;
	session_say(m->session, "a client is needed: client=IP or client=IP,NAME");
	return false;
}

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

/* -- rows --------------------------------------------------------------------------------------------- */

static void
put_rule(struct simulation *m, const char *command, struct span line, const struct buf *before)
{
	struct buf row = BUF_INIT(0), fact = BUF_INIT(65536);
	struct jsonl j = { .out = &row };
	struct span list, rule, result;

	(void)span_cut(&line, '\t', &list);
	(void)span_cut(&line, '\t', &rule);
	(void)span_cut(&line, '\t', &result);
	buf_span(&fact, buf_view(before));
	if (before->len > 0 && line.len > 0)
		buf_str(&fact, "; ");
	buf_span(&fact, line);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "command", span_str(command));
	jsonl_str(&j, "list", list);
	jsonl_str(&j, "restriction", rule);
	jsonl_str(&j, "result", result);
	if (fact.len > 0)
		jsonl_str(&j, "fact", buf_view(&fact));
	jsonl_end_object(&j);
	session_row(m->session, buf_view(&row));
	buf_clear(&row);
	buf_clear(&fact);
}

/* Lines without tabs are routing's, which a restriction asked: they stand before that one. */
static void
put_rules(struct simulation *m, const char *command)
{
	struct span rest = m->trace.len > 0 ? buf_view(&m->trace) : SPAN_NONE, line;
	struct buf before = BUF_INIT(65536);

	while (span_cut(&rest, '\n', &line)) {
		if (span_has(line, '\t')) {
			put_rule(m, command, line, &before);
			buf_reset(&before);
		} else if (line.len > 0) {
			if (before.len > 0)
				buf_str(&before, "; ");
			buf_span(&before, line);
		}
	}
	buf_clear(&before);
}

static void
put_lines(struct jsonl *j, const char *key, const struct buf *lines)
{
	struct span rest = lines->len > 0 ? buf_view(lines) : SPAN_NONE, line;

	if (lines->len == 0)
		return;
	jsonl_array(j, key);
	while (span_cut(&rest, '\n', &line))
		jsonl_str(j, NULL, line);
	jsonl_end_array(j);
}

static void
put_effects(struct jsonl *j, const struct policy_verdict *v)
{
	static const char *const names[] = { [POLICY_PREPEND] = "PREPEND", [POLICY_REDIRECT] = "REDIRECT", [POLICY_BCC] = "BCC",
		[POLICY_FILTER] = "FILTER", [POLICY_HOLD] = "HOLD" };
	struct span left = buf_view(&v->effects), text;
	enum policy_effect what;

	if (left.len == 0)
		return;
	jsonl_array(j, "effects");
	while (policy_effect_next(&left, &what, &text)) {
		struct buf one = BUF_INIT(65536);
		buf_printf(&one, "%s %.*s", names[what], SPAN_ARG(text));
		jsonl_str(j, NULL, buf_view(&one));
		buf_clear(&one);
	}
	jsonl_end_array(j);
}

static const char *
usual_reply(enum policy_stage stage)
{
	switch (stage) {
	case POLICY_CLIENT:
		return "220";
	case POLICY_HELO:
		return "250";
	case POLICY_SENDER:
		return "250 2.1.0 Ok";
	case POLICY_RECIPIENT:
		return "250 2.1.5 Ok";
	case POLICY_DATA:
		return "354 End data with <CR><LF>.<CR><LF>";
	default:
		return "250 2.0.0 Ok: queued";
	}
}

/* What the client would see. */
static void
put_reply(struct simulation *m, enum policy_stage stage, const char *command)
{
	struct buf row = BUF_INIT(0), reply = BUF_INIT(65536), footed = BUF_INIT(65536);
	struct jsonl j = { .out = &row };
	const struct policy_verdict *v = &m->verdict;
	bool refused = v->action == POLICY_REFUSE;

	if (refused)
		buf_printf(&reply, "%d %s %s", v->code, v->dsn, v->reply);
	else
		buf_str(&reply, usual_reply(stage));
	jsonl_object(&j, NULL);
	jsonl_str(&j, "command", span_str(command));
	if (stage == POLICY_CLIENT) {
		jsonl_str(&j, "client", buf_view(&m->name));
		jsonl_str(&j, "reverse_client_name", m->client.reverse_client_name);
	}
	jsonl_bool(&j, "accepted", !refused);
	jsonl_str(&j, "reply", refused && policy_footer(m->policy, &m->client, reply.ptr, &footed) ? buf_view(&footed) : buf_view(&reply));
	if (refused && v->restriction[0] != '\0')
		jsonl_str(&j, "decided_by", span_str(v->restriction));
	if (v->discard)
		jsonl_bool(&j, "discard", true);
	put_effects(&j, v);
	put_lines(&j, "log", &v->log);
	put_lines(&j, "warnings", &v->warnings);
	jsonl_end_object(&j);
	session_row(m->session, buf_view(&row));
	buf_clear(&row);
	buf_clear(&reply);
	buf_clear(&footed);
}

/* -- the dialogue -------------------------------------------------------------------------------------- */

/* False where the client was refused: it would go no further. */
static bool
step(struct simulation *m, enum policy_stage stage, const char *command)
{
	facts_reset(m->asker.facts, clock_wall());
	buf_reset(&m->trace);
	while (policy_check(m->policy, stage, &m->client, m->asker.facts, &m->verdict, &m->trace) == POLICY_PENDING) {
		asker_answer(&m->asker);
		buf_reset(&m->trace);
	}
	put_rules(m, command);
	put_reply(m, stage, command);
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

static void
talk(struct simulation *m)
{
	struct policy_session *c = &m->client;
	struct buf command = BUF_INIT(4096);

	c->protocol = SPAN("SMTP");
	if (!step(m, POLICY_CLIENT, "CONNECT"))
		return;
	c->esmtp = true;
	if (c->helo.len > 0 && !step(m, POLICY_HELO, "EHLO"))
		return;
	c->protocol = SPAN("ESMTP");
	if (c->has_sender) {
		buf_printf(&command, "MAIL FROM:<%.*s>", SPAN_ARG(c->sender));
		if (step(m, POLICY_SENDER, command.ptr) && m->rcpts.len > 0 && recipients(m))
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
	const struct view *view = view_of(m, req);
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
	session_say(arg, "warning: %s, line %u: %s", path, line, text);
}

int
simulate_run(struct session *s, const struct request *req)
{
	const struct table_env env = { .warn = warn, .arg = s, .blocks = true };
	struct simulation m = { .session = s, .status = 78, .rcpts = BUF_INIT(65536), .name = BUF_INIT(4096), .reverse = BUF_INIT(4096),
	    .trace = BUF_INIT((size_t)1 << 20) };
	struct span words = SPAN_NONE;

	m.client.client_port = SPAN("0");
	m.client.server_addr = SPAN("127.0.0.1");
	m.client.instance = SPAN("simulate");
	m.verdict.text = BUF_INIT(0);
	table_use(&env);
	(void)request_get(req, "text", &words);
	if (!read_words(&m, words))
		m.status = 64;
	else if (session_configure(s) && open_all(&m, req))
		run(&m);
	policy_verdict_clear(&m.verdict);
	dns_facts_drop(&m.asker.under_way);
	facts_free(m.asker.facts);
	policy_free(m.policy);
	router_free(m.router);
	dns_free(m.asker.dns);
	buf_clear(&m.trace);
	buf_clear(&m.name);
	buf_clear(&m.reverse);
	buf_clear(&m.rcpts);
	return m.status;
}
