/* Restrictions by what the session is: TLS, who logged in and whose address that is, several recipients of a notice. */
#include "policy/private.h"
#include "table/network.h"

enum result
check_plaintext_session(struct check *c, struct span arg)
{
	(void)arg;
	policy_note_tls(c);
	if (c->session->tls.protocol.len > 0)
		return DUNNO;
	return refuse_text(c, (int)conf_int(c->policy->view, P_plaintext_reject_code), "4.7.1", "Session encryption is required");
}

enum result
check_permit_naked_ip_address(struct check *c, struct span arg)
{
	struct ip ip;

	(void)arg;
	policy_warn(c, "restriction %s is deprecated. Use %s or %s instead", c->rule->name, "permit_mynetworks", "permit_sasl_authenticated");
	return ip_parse(c->session->helo, &ip) ? permit(c) : DUNNO;
}

/* A notice has one recipient. At RCPT the accepted ones stand before this one. */
enum result
check_multi_recipient_bounce(struct check *c, struct span arg)
{
	const struct policy_session *s = c->session;
	unsigned allowed = c->stage == POLICY_DATA || c->stage == POLICY_END_OF_DATA ? 1 : 0;

	(void)arg;
	policy_note(c, "%s sender, %u recipients so far", s->sender.len > 0 ? "not an empty" : "an empty", s->recipients);
	if (!s->has_sender || s->sender.len > 0 || s->recipients <= allowed)
		return DUNNO;
	return refuse_class(c, (int)conf_int(c->policy->view, P_multi_recipient_bounce_reject_code), "5.5.3", "Multi-recipient bounce");
}

/* -- client certificates ------------------------------------------------------------------------ */

enum result
check_permit_tls_all_clientcerts(struct check *c, struct span arg)
{
	(void)arg;
	policy_note_tls(c);
	return c->session->tls.trusted ? permit_client(c) : DUNNO;
}

enum result
check_permit_tls_clientcerts(struct check *c, struct span arg)
{
	const struct policy_tls *tls = &c->session->tls;
	const struct span keys[] = { tls->ccert_fingerprint, tls->ccert_pubkey_fingerprint };
	struct err err = { ERR_NONE, "" };

	(void)arg;
	if (keys[0].len == 0)
		policy_note_tls(c);
	for (size_t i = 0; i < 2; i++) {
		if (keys[i].len == 0)
			continue;
		buf_reset(&c->work);
		switch (tables_get(&c->policy->client_certs, c->facts, keys[i], &c->work, &err)) {
		case TABLE_FOUND:
			policy_note(c, "%.*s is in relay_clientcerts", SPAN_ARG(keys[i]));
			return permit_client(c);
		case TABLE_PENDING:
			return PENDING;
		case TABLE_FAILED:
			policy_warn(c, "relay_clientcerts: lookup error for fingerprint '%.*s', pkey fingerprint %.*s", SPAN_ARG(keys[0]), SPAN_ARG(keys[1]));
			return refuse_lookup(c, keys[i], err.text);
		case TABLE_ABSENT:
			policy_missed(c, keys[i]);
			break;
		}
	}
	return DUNNO;
}

/* -- who may use which sender -------------------------------------------------------------------- */

enum owner { OWNER_NONE, OWNER_SAME, OWNER_OTHER, OWNER_STOP };

static enum owner
ask_owner(struct check *c, enum result *stop)
{
	struct route *route;
	struct err err = { ERR_NONE, "" };
	struct span rest, word;

	if ((*stop = resolve_sender(c, &route)) != DUNNO)
		return OWNER_STOP;
	buf_reset(&c->work);
	switch (tables_get_address(&c->policy->sender_logins, c->facts, route->recipient,
	    conf_str(c->policy->view, P_recipient_delimiter), route->class == ROUTE_LOCAL, &c->work, &err)) {
	case TABLE_PENDING:
		*stop = PENDING;
		return OWNER_STOP;
	case TABLE_FAILED:
		*stop = refuse_lookup(c, c->session->sender, err.text);
		return OWNER_STOP;
	case TABLE_ABSENT:
		policy_note(c, "smtpd_sender_login_maps has no %.*s", SPAN_ARG(route->recipient));
		return OWNER_NONE;
	case TABLE_FOUND:
		break;
	}
	policy_note(c, "smtpd_sender_login_maps: %.*s belongs to %.*s", SPAN_ARG(route->recipient), SPAN_ARG(buf_view(&c->work)));
	policy_note_login(c);
	rest = buf_view(&c->work);
	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_caseeq(word, c->session->sasl_user))
			return OWNER_SAME;
	return OWNER_OTHER;
}

static bool
concerns(struct check *c, bool logged_in)
{
	const struct policy_session *s = c->session;

	if (!c->policy->sasl)
		policy_note(c, "smtpd_sasl_auth_enable is off");
	else if (!s->has_sender || s->sender.len == 0)
		policy_note(c, "no sender");
	else if ((s->sasl_user.len > 0) != logged_in)
		policy_note_login(c);
	return c->policy->sasl && s->has_sender && s->sender.len > 0 && (s->sasl_user.len > 0) == logged_in;
}

static enum result
mismatch(struct check *c, const char *text, struct span user)
{
	struct naming was = name_as(c, c->session->sender, "Sender address");
	enum result r = refuse(c, 553, "5.7.1", "Sender address rejected: %s%.*s", text, SPAN_ARG(user));

	name_back(c, was);
	return r;
}

static enum result
logged_in(struct check *c, bool unowned_is_good)
{
	enum result stop;

	if (!concerns(c, true))
		return DUNNO;
	switch (ask_owner(c, &stop)) {
	case OWNER_STOP:
		return stop;
	case OWNER_SAME:
		return DUNNO;
	case OWNER_NONE:
		if (unowned_is_good)
			return DUNNO;
		break;
	case OWNER_OTHER:
		break;
	}
	return mismatch(c, "not owned by user ", c->session->sasl_user);
}

static enum result
not_logged_in(struct check *c)
{
	enum result stop;

	if (!concerns(c, false))
		return DUNNO;
	switch (ask_owner(c, &stop)) {
	case OWNER_STOP:
		return stop;
	case OWNER_NONE:
		return DUNNO;
	default:
		return mismatch(c, "not logged in", SPAN_NONE);
	}
}

enum result
check_authenticated_sender_login_mismatch(struct check *c, struct span arg)
{
	(void)arg;
	return logged_in(c, false);
}

enum result
check_known_sender_login_mismatch(struct check *c, struct span arg)
{
	(void)arg;
	return logged_in(c, true);
}

enum result
check_unauthenticated_sender_login_mismatch(struct check *c, struct span arg)
{
	(void)arg;
	return not_logged_in(c);
}

enum result
check_sender_login_mismatch(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->sasl_user.len > 0 ? logged_in(c, false) : not_logged_in(c);
}
