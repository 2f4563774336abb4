/* Access tables: what is looked up, in access(5)'s order, and what comes of an entry. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mail/address.h"
#include "policy/action.h"
#include "policy/private.h"
#include "table/network.h"

/* -- what comes of it ------------------------------------------------------------------------ */

static void
effect(struct check *c, enum policy_effect what, struct span text)
{
	buf_char(&c->verdict->effects, (char)what);
	put_clean(&c->verdict->effects, text);
	buf_put(&c->verdict->effects, "", 1);
}

static void
log_triggered(struct check *c, const char *word, const char *verb, struct span text)
{
	struct buf line = BUF_INIT(8192);

	buf_char(&line, '<');
	put_clean(&line, c->name);
	buf_printf(&line, ">: %s %s%s", c->class, verb, verb[0] == '\0' || text.len == 0 ? "" : " ");
	put_clean(&line, text);
	policy_log_line(c, word, line.over ? "" : line.ptr);
	buf_clear(&line);
}

/* ETRN has no message; END-OF-MESSAGE's header block is complete. */
static bool
has_message(struct check *c, const char *source, enum access_action a)
{
	if (c->stage == POLICY_ETRN || c->stage == POLICY_VRFY) {
		policy_warn(c, "access table %s: action %s is unavailable in %s", source, access_action_name(a), "smtpd_etrn_restrictions");
		return false;
	}
	return true;
}

static bool
is_header(struct span text)
{
	size_t colon = span_find(text, ':');

	if (colon == 0 || colon == text.len)
		return false;
	for (size_t i = 0; i < colon; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
			return false;
	return true;
}

static void
prepend(struct check *c, const char *source, struct span value, struct span text)
{
	if (c->stage == POLICY_END_OF_DATA) {
		policy_warn(c, "access table %s: action PREPEND must be used before %s", source, "smtpd_end_of_data_restrictions");
	} else if (!is_header(text)) {
		policy_warn(c, "access table %s entry \"%.*s\" requires header: text", source, SPAN_ARG(value));
	} else {
		effect(c, POLICY_PREPEND, text);
		policy_note(c, "PREPEND %.*s", SPAN_ARG(text));
	}
}

/* FILTER, HOLD, REDIRECT, BCC, PREPEND: the message carries it, and the list goes on. */
static enum result
take_effect(struct check *c, const char *source, struct span value, const struct access *a)
{
	if (!has_message(c, source, a->action))
		return DUNNO;
	switch (a->action) {
	case ACCESS_FILTER:
		if (a->text.len == 0) {
			policy_warn(c, "access table %s entry \"%.*s\" has FILTER entry without value", source, SPAN_ARG(value));
			return DUNNO;
		}
		if (!span_has(a->text, ':')) {
			policy_warn(c, "access table %s entry \"%.*s\" requires transport:destination", source, SPAN_ARG(value));
			return DUNNO;
		}
		log_triggered(c, "filter", "triggers FILTER", a->text);
		effect(c, POLICY_FILTER, a->text);
		break;
	case ACCESS_HOLD:
		log_triggered(c, "hold", a->text.len == 0 ? "triggers HOLD action" : "", a->text);
		effect(c, POLICY_HOLD, a->text.len == 0 ? span_str(c->rule == NULL ? "" : c->rule->name) : a->text);
		break;
	case ACCESS_PREPEND:
		prepend(c, source, value, a->text);
		return DUNNO;
	default:
		if (!span_has(a->text, '@')) {
			policy_warn(c, "access table %s entry \"%.*s\" requires user@domain target", source, SPAN_ARG(value));
			return DUNNO;
		}
		log_triggered(c, a->action == ACCESS_BCC ? "bcc" : "redirect", a->action == ACCESS_BCC ? "triggers BCC" : "triggers REDIRECT", a->text);
		effect(c, a->action == ACCESS_BCC ? POLICY_BCC : POLICY_REDIRECT, a->text);
		break;
	}
	policy_note(c, "%s", access_action_name(a->action));
	return DUNNO;
}

static enum result
discard(struct check *c, const char *source, const struct access *a)
{
	if (!has_message(c, source, a->action))
		return DUNNO;
	log_triggered(c, "discard", a->text.len == 0 ? "triggers DISCARD action" : "", a->text);
	c->verdict->discard = true;
	policy_note(c, "DISCARD");
	return permit_for(c, "DISCARD", source);
}

/* "OK", or a number. */
static enum result
accept(struct check *c, const char *source, struct span value)
{
	struct span rest = value, word;
	char action[64];

	if (!span_word(&rest, " \t\r\n", &word))
		word = SPAN("OK");
	(void)snprintf(action, sizeof action, "%.*s", SPAN_ARG(word));
	return permit_for(c, action, source);
}

static enum result
tell(struct check *c, const char *word, struct span text)
{
	struct buf line = BUF_INIT(8192);

	put_clean(&line, text);
	if (line.ptr == NULL)
		buf_str(&line, "");
	policy_log_line(c, word, line.over ? "" : line.ptr);
	buf_clear(&line);
	return DUNNO;
}

static enum result
run_named(struct check *c, const char *source, struct span value)
{
	struct err err = { ERR_NONE, "" };
	const struct rules *rules = rules_for_result(c->policy, c->list, value, &err);

	if (rules == NULL) {
		policy_warn(c, "access table %s entry \"%.*s\": %s", source, SPAN_ARG(span_head(value, 200)), err.text);
		return refuse_configuration(c);
	}
	const struct restriction *was = c->rule;
	const struct rule *at = c->at;
	trace_named(c, at);
	enum result r = run_rules(c, rules);
	c->fact_told = true;
	if (r == DUNNO) {
		c->rule = was;
		c->at = at;
	}
	return r;
}

/*
 * x.1.y says what is wrong with which address: a table that serves for senders and recipients both means the one at hand. Behind its class; false: as it is.
 */
static bool
fitting(const struct check *c, const char *dsn, char out[8])
{
	static const char last[2][9] = { { '0', '1', '2', '3', '4', '5', '6', '3', '2' }, { '0', '7', '8', '7', '7', '0', '7', '7', '8' } };
	bool of_sender = strcmp(c->class, "Sender address") == 0, of_recipient = strcmp(c->class, "Recipient address") == 0;

	if (strncmp(dsn + 1, ".1.", 3) != 0)
		return false;
	bool known = dsn[4] >= '0' && dsn[4] <= '8' && dsn[5] == '\0';
	if (!of_sender && !of_recipient)
		(void)snprintf(out, 8, ".0.0");
	else
		(void)snprintf(out, 8, ".1.%c", known ? last[of_sender][dsn[4] - '0'] : '0');
	return true;
}

static void
fit_dsn(const struct check *c, struct access *a)
{
	char rest[8];

	if (a->dsn[0] != '\0' && fitting(c, a->dsn, rest))
		(void)snprintf(a->dsn + 1, sizeof a->dsn - 1, "%.4s", rest);
}

static enum result
refuse_with(struct check *c, int code, const struct access *a, const char *usual)
{
	struct span text = a->text.len > 0 ? a->text : span_str(usual);

	return refuse(c, code, a->dsn, "%s rejected: %.*s", c->class, SPAN_ARG(text));
}

static enum result
put_off(struct check *c, const struct access *a, bool if_permit)
{
	int code = (int)conf_int(c->policy->view, P_access_map_defer_code);
	struct span text = a->text.len > 0 ? a->text : SPAN("Service unavailable");

	if (if_permit)
		return defer_if_permit(c, PARAM_COUNT, code, a->dsn, "<%.*s>: %s rejected: %.*s", SPAN_ARG(c->name), c->class, SPAN_ARG(text));
	defer_if_reject(c, code, a->dsn, "<%.*s>: %s rejected: %.*s", SPAN_ARG(c->name), c->class, SPAN_ARG(text));
	return DUNNO;
}

enum result
access_result(struct check *c, const char *source, struct span key, struct span value)
{
	const struct view *v = c->policy->view;
	struct access a;

	policy_note(c, "%.*s: %.*s", SPAN_ARG(key), SPAN_ARG(span_head(value, 200)));
	access_parse(value, &a);
	fit_dsn(c, &a);
	switch (a.action) {
	case ACCESS_EMPTY:
		policy_warn(c, "access table %s entry %.*s has empty value", source, SPAN_ARG(key));
		return DUNNO;
	case ACCESS_DUNNO:
		return DUNNO;
	case ACCESS_OK:
		return accept(c, source, value);
	case ACCESS_REJECT:
		return refuse_with(c, (int)conf_int(v, P_access_map_reject_code), &a, "Access denied");
	case ACCESS_DEFER:
		return refuse_with(c, (int)conf_int(v, P_access_map_defer_code), &a, "Access denied");
	case ACCESS_CODE:
		return refuse_with(c, a.code, &a, "Access denied");
	case ACCESS_DEFER_IF_PERMIT:
	case ACCESS_DEFER_IF_REJECT:
		return put_off(c, &a, a.action == ACCESS_DEFER_IF_PERMIT);
	case ACCESS_DISCARD:
		return discard(c, source, &a);
	case ACCESS_INFO:
		return tell(c, "info", a.text);
	case ACCESS_WARN:
		return tell(c, "warn", a.text);
	case ACCESS_LIST:
		return run_named(c, source, value);
	default:
		return take_effect(c, source, value, &a);
	}
}

/* -- lookups ----------------------------------------------------------------------------------- */

/* The value stays put while what it says is done: that may ask the next table. */
static enum result
found_value(struct check *c, const struct table *t, struct span key, struct buf *value)
{
	struct buf own = *value;

	*value = BUF_INIT(65536);
	enum result r = access_result(c, table_name(t), key, buf_view(&own));
	buf_clear(value);
	*value = own;
	return r;
}

enum result
access_exact(struct check *c, const struct table *t, struct span key, bool part, bool *found)
{
	struct err err = { ERR_NONE, "" };

	buf_reset(&c->work);
	enum table_result got = part ? table_get_part(t, c->facts, key, &c->work, &err) : table_get(t, c->facts, key, &c->work, &err);
	switch (got) {
	case TABLE_FOUND:
		*found = true;
		return found_value(c, t, key, &c->work);
	case TABLE_PENDING:
		return PENDING;
	case TABLE_FAILED:
		policy_warn(c, "%s: lookup error for \"%.*s\": %s", table_name(t), SPAN_ARG(key), err.text);
		*found = true;
		return access_result(c, table_name(t), key, SPAN("451 4.3.5 Server configuration error"));
	case TABLE_ABSENT:
		policy_missed(c, key);
		break;
	}
	return DUNNO;
}

/* A name, then those above it: "example.com", or ".example.com" where parents are not meant. Not of addresses. */
static enum result
access_name(struct check *c, const struct table *t, struct span domain, bool part, bool *found)
{
	struct ip ip;
	enum result r = access_exact(c, t, domain, part, found);

	if (ip_parse(domain, &ip))
		return r;
	while (r == DUNNO && !*found) {
		size_t at = domain.len == 0 ? 0 : 1 + span_find(span_skip(domain, 1), '.');
		if (at >= domain.len)
			return DUNNO;
		domain = span_skip(domain, c->policy->access_parents ? at + 1 : at);
		if (domain.len == 0)
			return DUNNO;
		r = access_exact(c, t, domain, true, found);
	}
	return r;
}

enum result
access_domain(struct check *c, const struct table *t, struct span domain, bool *found)
{
	return access_name(c, t, domain, false, found);
}

/* The address, then its networks: one part less each time. */
enum result
access_address(struct check *c, const struct table *t, struct span address, bool *found)
{
	char delimiter = span_has(address, ':') ? ':' : '.';
	enum result r = access_exact(c, t, address, false, found);

	while (r == DUNNO && !*found) {
		size_t at = span_rfind(address, delimiter);
		if (at == address.len)
			return DUNNO;
		address = span_head(address, at);
		if (address.len > 0)
			r = access_exact(c, t, address, true, found);
	}
	return r;
}

static enum result
access_client(struct check *c, const struct table *t, struct span name, struct span address)
{
	bool found = false;
	enum result r = access_domain(c, t, name, &found);

	return r == DUNNO && !found ? access_address(c, t, address, &found) : r;
}

/* user+ext@domain, user@domain, the domain and those above it, user+ext@, user@. */
static enum result
access_mailbox(struct check *c, const struct table *t, struct span address)
{
	struct span local, domain, user, ext;
	struct buf key = BUF_INIT(4096);
	bool found = false, has_ext = false;
	enum result r = access_exact(c, t, address, false, &found);

	if (address_split(address, &local, &domain))
		has_ext = address_extension(local, conf_str(c->policy->view, P_recipient_delimiter), &user, &ext);
	if (r == DUNNO && !found && has_ext) {
		buf_printf(&key, "%.*s@%.*s", SPAN_ARG(user), SPAN_ARG(domain));
		r = access_exact(c, t, buf_view(&key), true, &found);
	}
	if (r == DUNNO && !found && domain.len > 0)
		r = access_name(c, t, domain, true, &found);
	for (int i = 0; i < 2 && r == DUNNO && !found && (i == 0 || has_ext); i++) {
		buf_reset(&key);
		buf_printf(&key, "%.*s@", SPAN_ARG(i == 0 ? local : user));
		r = access_exact(c, t, buf_view(&key), true, &found);
	}
	buf_clear(&key);
	return r;
}

/* A route of the sender's making left in the recipient: nothing is permitted for the sake of such an address. */
static enum result
not_suspicious(struct check *c, const struct route *r, enum result result)
{
	bool recipient = span_eqs(span_str(c->class), "Recipient address");

	return result == OK && recipient && r->routed && !c->policy->untrusted_routing ? DUNNO : result;
}

static enum result
access_mail(struct check *c, const struct table *t, struct span address, const char *class)
{
	struct route *route;
	bool found = false;

	if (address.len == 0) {
		struct naming empty = name_as(c, address, class);
		enum result r = access_exact(c, t, span_str(conf_str(c->policy->view, P_smtpd_null_access_lookup_key)), false, &found);
		name_back(c, empty);
		return r;
	}
	enum result r = resolve_address(c, address, &route);
	if (r != DUNNO)
		return r;
	struct naming was = name_as(c, address, class);
	bool routed = route->routed;
	struct route kept = { .routed = routed };
	r = access_mailbox(c, t, address);
	if (r == OK)
		r = not_suspicious(c, &kept, r);
	name_back(c, was);
	return r;
}

/* -- the restrictions -------------------------------------------------------------------------- */

enum result
check_client_access(struct check *c, struct span arg)
{
	struct naming was = name_as(c, buf_view(&c->client), "Client host");
	enum result r = access_client(c, c->at->table, c->session->client_name, c->session->client_addr);

	(void)arg;
	name_back(c, was);
	return r;
}

enum result
check_reverse_client_hostname_access(struct check *c, struct span arg)
{
	struct naming was = name_as(c, c->session->reverse_client_name, "Unverified Client host");
	enum result r = access_client(c, c->at->table, c->session->reverse_client_name, c->session->client_addr);

	(void)arg;
	name_back(c, was);
	return not_permit(c, c->session->reverse_client_name, r);
}

static enum result
by_name(struct check *c, struct span name, const char *class)
{
	bool found = false;

	if (name.len == 0)
		return DUNNO;
	struct naming was = name_as(c, name, class);
	enum result r = access_domain(c, c->at->table, name, &found);
	name_back(c, was);
	return r;
}

enum result
check_helo_access(struct check *c, struct span arg)
{
	(void)arg;
	return by_name(c, c->session->helo, "Helo command");
}

enum result
check_etrn_access(struct check *c, struct span arg)
{
	(void)arg;
	return by_name(c, c->session->etrn, "Etrn command");
}

enum result
check_sender_access(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_sender ? access_mail(c, c->at->table, c->session->sender, "Sender address") : DUNNO;
}

enum result
check_recipient_access(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->has_recipient ? access_mail(c, c->at->table, c->session->recipient, "Recipient address") : DUNNO;
}

enum result
check_sasl_access(struct check *c, struct span arg)
{
	(void)arg;
	return c->session->sasl_user.len > 0 ? access_mail(c, c->at->table, c->session->sasl_user, "SASL login name") : DUNNO;
}

/* What search_order may name. Postfix knows of names in certificates too, and then has no answer: anybody can write any name in one of his own. */
static const struct {
	const char	*name;
	size_t		 key;		/* of struct policy_tls */
} searches[] = {
	{ "cert_fingerprint", offsetof(struct policy_tls, ccert_fingerprint) }, { "pubkey_fingerprint", offsetof(struct policy_tls, ccert_pubkey_fingerprint) },
};

static struct span
certificate_key(const struct policy_tls *tls, struct span what)
{
	for (size_t i = 0; i < sizeof searches / sizeof *searches; i++)
		if (span_eqs(what, searches[i].name))
			return *(const struct span *)(const void *)((const char *)tls + searches[i].key);
	return SPAN_NONE;
}

bool
ccert_search_known(struct span what)
{
	for (size_t i = 0; i < sizeof searches / sizeof *searches; i++)
		if (span_eqs(what, searches[i].name))
			return true;
	return false;
}

enum result
check_ccert_access(struct check *c, struct span arg)
{
	struct span order = c->at->order != NULL ? span_str(c->at->order) : SPAN("cert_fingerprint pubkey_fingerprint"), word;
	const struct policy_tls *tls = &c->session->tls;
	const struct table *t = c->at->table;
	enum result r = DUNNO;
	bool found = false;

	(void)arg;
	while (r == DUNNO && !found && span_word(&order, "\t\r\n ,", &word)) {
		struct span key = certificate_key(tls, word);
		if (key.len == 0)
			continue;
		/* Whatever it was found by, it is told by the name in it. */
		struct naming was = name_as(c, tls->ccert_subject, "Client certificate");
		r = access_exact(c, t, key, false, &found);
		name_back(c, was);
	}
	return r;
}
