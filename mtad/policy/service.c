/* check_policy_service: what is asked, and what is done with the answer. The asking itself is an effectful fact. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/private.h"

static void
put(struct buf *out, const char *name, struct span value)
{
	buf_printf(out, "%s=", name);
	/* A value is a line: what would end it is not part of any. */
	for (size_t i = 0; i < value.len; i++)
		buf_char(out, value.ptr[i] == '\n' || value.ptr[i] == '\r' || value.ptr[i] == '\0' ? '?' : value.ptr[i]);
	buf_char(out, '\n');
}

static void
put_number(struct buf *out, const char *name, unsigned long long n)
{
	buf_printf(out, "%s=%llu\n", name, n);
}

static void
put_client(const struct policy_session *s, struct buf *out)
{
	put(out, "client_address", s->client_addr);
	put(out, "client_name", s->client_name);
	put(out, "client_port", s->client_port);
	put(out, "reverse_client_name", s->reverse_client_name);
	put(out, "server_address", s->server_addr);
	put(out, "server_port", s->server_port);
	put(out, "helo_name", s->helo);
}

static void
put_identity(const struct policy_session *s, struct buf *out)
{
	put(out, "sasl_method", s->sasl_method);
	put(out, "sasl_username", s->sasl_user);
	put(out, "sasl_sender", s->sasl_sender);
	put(out, "ccert_subject", s->tls.ccert_subject);
	put(out, "ccert_issuer", s->tls.ccert_issuer);
	put(out, "ccert_fingerprint", s->tls.ccert_fingerprint);
	put(out, "ccert_pubkey_fingerprint", s->tls.ccert_pubkey_fingerprint);
	put(out, "encryption_protocol", s->tls.protocol);
	put(out, "encryption_cipher", s->tls.cipher);
	put_number(out, "encryption_keysize", s->tls.keysize);
}

static void
put_request(const struct check *c, const struct policy_server *server, struct buf *out)
{
	const struct policy_session *s = c->session;
	bool counted = c->stage == POLICY_DATA || c->stage == POLICY_END_OF_DATA;

	put(out, "request", SPAN("smtpd_access_policy"));
	put(out, "protocol_state", span_str(stage_where(s, c->stage)));
	put(out, "protocol_name", s->protocol);
	put_client(s, out);
	put(out, "sender", s->sender);
	put(out, "recipient", s->recipient);
	put_number(out, "recipient_count", counted ? s->recipients : 0);
	put(out, "queue_id", s->queue_id);
	put(out, "instance", s->instance);
	put_number(out, "size", s->size);
	put(out, "etrn_domain", s->etrn);
	put(out, "stress", span_str(conf_raw(c->policy->view, SPAN("stress"))));
	put_identity(s, out);
	put(out, "policy_context", span_str(server->context));
	buf_char(out, '\n');
}

/* An answer may name restrictions; `server` is what its warnings call it. */
static enum result
act(struct check *c, const struct policy_server *server, struct span action)
{
	char *kept = span_dup(action);
	enum result r = access_result(c, server->where, SPAN("policy query"), span_str(kept));

	free(kept);
	return r;
}

enum result
check_policy_service(struct check *c, struct span arg)
{
	const struct policy_server *server = c->at->server;
	struct buf request = BUF_INIT(65536);
	struct span value = SPAN_NONE;
	char source[32];

	(void)arg;
	put_request(c, server, &request);
	(void)snprintf(source, sizeof source, "policy:%u", server->number);
	enum fact_state state = request.over ? FACT_FAILED : facts_get(c->facts, FACT_PLACE(c->stage, ++c->effects), span_str(source),
	    buf_view(&request), &value);
	buf_clear(&request);
	switch (state) {
	case FACT_PENDING:
		return PENDING;
	case FACT_KNOWN:
		return act(c, server, value);
	default:
		policy_warn(c, "problem talking to server %s: %.*s", server->where, SPAN_ARG(value));
		policy_note(c, "no answer: %.*s", SPAN_ARG(value));
		return act(c, server, span_str(server->default_action));
	}
}
