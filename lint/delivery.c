/* Where mail goes: transports that are there, next hops that can be reached and understood. */
#include "base/near.h"
#include "base/num.h"
#include "lint/private.h"
#include "table/network.h"

static const char *
guess_transport(struct lint *l, struct span name)
{
	struct span best = SPAN_NONE;
	size_t least = 3;

	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (s->fields < 2 || span_eqs(s->field[1], "inet"))
			continue;
		size_t d = near_distance(name, s->field[0], least);
		if (d < least && d < s->field[0].len) {
			least = d;
			best = s->field[0];
		}
	}
	return best.len > 0 ? arena_str(&l->arena, best) : NULL;
}

static int
listening(struct lint *l, struct span host, struct span port, unsigned *number)
{
	bool here = is_loopback(host) || (span_starts(host, "::") && l->host->own_address(l->host->arg, host));
	struct ip ip;

	if (!here && ip_parse(host, &ip))
		here = l->host->own_address(l->host->arg, host);
	*number = port_of(l, port);
	int answer = here && *number != 0 ? l->host->listens(l->host->arg, *number, NULL) : -1;
	return answer;
}

/* What master.cf itself listens on is there once the daemon runs. */
static bool
own_port(const struct lint *l, unsigned port)
{
	struct span host, name;

	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (!s->counts || s->fields < 2 || !span_eqs(s->field[1], "inet"))
			continue;
		split_endpoint(s->field[0], &host, &name);
		if (port_of(l, name) == port)
			return true;
	}
	return false;
}

static void
check_listener(struct lint *l, const struct use *u, struct span endpoint)
{
	struct hop h = hop_parse(endpoint);
	unsigned port = 0;

	if (h.port.len == 0)
		h.port = SPAN("smtp");
	if (listening(l, h.host, h.port, &port) == 0 && !own_port(l, port))
		lint_find(l, LINT_Q131, u->place, "%s: nothing listens on %.*s port %u; mail waits", param_row(u->param)->name,
		    SPAN_ARG(h.host), port);
}

static void
check_socket(struct lint *l, const struct use *u, struct span path)
{
	struct lint_stat st;
	const char *full = path_in(l, conf_str(l->main, P_queue_directory), path);

	if (!l->host->stat(l->host->arg, full, true, &st) || st.type != 's')
		lint_find(l, LINT_Q132, u->place, "%s: there is no socket %s; mail for these mailboxes waits", param_row(u->param)->name,
		    full);
}

static bool
speaks_smtp(const struct lint_service *t)
{
	return t != NULL && t->fields == 8 && (span_eqs(t->field[7], "smtp") || span_eqs(t->field[7], "lmtp"));
}

/* Defaults count where there is mail for them. */
static bool
in_use(const struct lint *l, const struct use *u)
{
	if (is_set(l, u->param) || u->service != NULL)
		return true;
	return u->param == P_default_transport ||
	    (u->param == P_local_transport && conf_str(l->main, P_mydestination)[0] != '\0') ||
	    (u->param == P_relay_transport && conf_str(l->main, P_relay_domains)[0] != '\0') ||
	    (u->param == P_virtual_transport && conf_str(l->main, P_virtual_mailbox_domains)[0] != '\0');
}

static void
check_transport(struct lint *l, const struct use *u, void *arg)
{
	size_t colon = span_find(u->text, ':');
	struct span name = span_head(u->text, colon), hop = span_skip(u->text, colon + 1);
	const struct lint_service *t = transport_of(l, name);
	const char *guess = t == NULL ? guess_transport(l, name) : NULL;

	(void)arg;
	if (!in_use(l, u))
		return;
	if (name.len > 0 && t == NULL)
		lint_find(l, LINT_M145, u->place, "%s uses transport \"%.*s\", which master.cf has not%s%s%s", param_row(u->param)->name,
		    SPAN_ARG(name), guess ? "; did you mean " : "", guess ? guess : "", guess ? "?" : "");
	if (!speaks_smtp(t) || hop.len == 0)
		return;
	if (span_starts(hop, "unix:"))
		check_socket(l, u, span_skip(hop, 5));
	else
		check_listener(l, u, span_starts(hop, "inet:") ? span_skip(hop, 5) : hop);
}

static void
check_milters(struct lint *l, enum param p, const char *program)
{
	struct span rest = span_str(conf_str(l->main, p)), word;
	bool chrooted = false;

	for (size_t i = 0; i < l->service_count; i++)
		chrooted = chrooted || (runs(&l->services[i], program) && span_eqs(l->services[i].field[4], "y"));
	while (is_set(l, p) && span_word(&rest, "\t\r\n ,{}", &word)) {
		bool local = span_starts(word, "unix:") || span_starts(word, "local:");
		struct span path = span_skip(word, span_find(word, ':') + 1);
		struct lint_stat st;
		if (!local || path.len == 0)
			continue;
		const char *queue = conf_str(l->main, P_queue_directory);
		const char *full = chrooted && path.ptr[0] == '/' ? arena_printf(&l->arena, "%s%.*s", queue, SPAN_ARG(path)) :
		    path_in(l, queue, path);
		if (!l->host->stat(l->host->arg, full, true, &st))
			lint_find(l, LINT_Q133, at_word_of(l, NULL, p, word), "there is no milter socket %s%s; milter_default_action is %s", full,
			    chrooted ? " (inside the chroot)" : "", conf_str(l->main, P_milter_default_action));
	}
}

/* -- next hops --------------------------------------------------------------------------- */

static const struct view *
client_view(const struct lint *l, struct span transport)
{
	return view_of(l, transport_of(l, transport));
}

static void
check_hop(struct lint *l, enum param p, const struct view *v, struct span text)
{
	struct hop h = hop_parse(text);
	unsigned port = h.port.len == 0 ? 25 : port_of(l, h.port);

	if (port == 465 && !conf_bool(v, P_smtp_tls_wrappermode))
		lint_find(l, LINT_R142, at_word_of(l, NULL, p, text), "port 465 of %.*s wants TLS at once, and smtp_tls_wrappermode is no",
		    SPAN_ARG(h.host));
	struct ip ip;
	bool own = span_caseeqs(h.host, conf_str(l->main, P_myhostname)) || (ip_parse(h.host, &ip) &&
	    strstr(conf_addresses(l->conf), arena_printf(&l->arena, "%.*s", SPAN_ARG(h.host))) != NULL &&
	    l->host->own_address(l->host->arg, h.host));
	if (own && h.host.len > 0 && own_port(l, port) && !(p == P_relayhost && span_caseeqs(text, conf_str(l->main, P_myhostname))))
		lint_find(l, LINT_T131, at_word_of(l, NULL, p, text), "%.*s is this machine: mail comes back to itself", SPAN_ARG(text));
}

static void
check_hops(struct lint *l)
{
	static const enum param lists[] = { P_relayhost, P_smtp_fallback_relay };
	struct span rest, word;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		rest = span_str(conf_str(l->main, lists[i]));
		while (is_set(l, lists[i]) && span_word(&rest, LINT_SEPS, &word))
			check_hop(l, lists[i], client_view(l, SPAN("smtp")), word);
	}
}

static bool
is_mandatory(const char *level)
{
	return strcmp(level, "encrypt") == 0 || strcmp(level, "verify") == 0 || strcmp(level, "secure") == 0 ||
	    strcmp(level, "fingerprint") == 0 || strcmp(level, "dane-only") == 0;
}

static void
check_client_tls(struct lint *l)
{
	const char *level = conf_str(l->main, P_smtp_tls_security_level);
	bool direct = conf_str(l->main, P_relayhost)[0] == '\0';
	struct span transport = span_str(conf_str(l->main, P_default_transport));

	if (is_set(l, P_smtp_tls_security_level) && is_mandatory(level) && direct &&
	    (span_eqs(transport, "smtp") || span_eqs(transport, "smtp:")))
		lint_find(l, LINT_S119, at_param(l, NULL, P_smtp_tls_security_level), "%s for the whole Internet: mail to every server without it waits",
		    level);
	if (is_set(l, P_smtp_tls_wrappermode) && conf_bool(l->main, P_smtp_tls_wrappermode) && direct)
		lint_find(l, LINT_C123, at_param(l, NULL, P_smtp_tls_wrappermode), "every delivery begins with TLS at once, which no server on port 25 knows");
}

/* The service that talks to a filter on this machine, with what it inherits. */
static void
check_filter_client(struct lint *l)
{
	struct span filter = span_str(conf_str(l->main, P_content_filter));
	size_t colon = span_find(filter, ':');
	const struct lint_service *t = transport_of(l, span_head(filter, colon));
	struct hop h = hop_parse(span_skip(filter, colon + 1));

	if (filter.len == 0 || t == NULL || t->view == NULL || !span_eqs(t->field[7], "smtp") || !is_loopback(h.host))
		return;
	if (conf_bool(t->view, P_smtp_tls_wrappermode) && option_of(t, "smtp_tls_wrappermode") == NULL &&
	    conf_str(l->main, P_relayhost)[0] != '\0')
		lint_find(l, LINT_C123, at_param(l, NULL, P_smtp_tls_wrappermode), "the filter behind %.*s is spoken to in TLS too",
		    SPAN_ARG(t->field[0]));
	else if (is_mandatory(conf_str(t->view, P_smtp_tls_security_level)) && option_of(t, "smtp_tls_security_level") == NULL)
		lint_find(l, LINT_C124, at_span(t->logical, t->field[0]), "%.*s inherits smtp_tls_security_level = %s, which the filter on %.*s does not speak",
		    SPAN_ARG(t->field[0]), conf_str(t->view, P_smtp_tls_security_level), SPAN_ARG(h.host));
}

static void
check_sasl(struct lint *l)
{
	static const enum param server[] = { P_smtpd_sasl_security_options, P_smtpd_sasl_tls_security_options };

	if (conf_bool(l->main, P_smtp_sasl_auth_enable) && !is_set(l, P_smtp_sasl_security_options) &&
	    !is_set(l, P_smtp_sasl_tls_security_options))
		lint_find(l, LINT_A119, at_param(l, NULL, P_smtp_sasl_auth_enable), "plain-text logins are forbidden by default, and most servers offer no others");
	for (size_t i = 0; i < sizeof server / sizeof *server; i++)
		if (is_set(l, server[i]) && strstr(conf_str(l->main, server[i]), "noanonymous") == NULL)
			lint_find(l, LINT_A108, at_param(l, NULL, server[i]), "%s without noanonymous: an anonymous login counts as a login",
			    param_row(server[i])->name);
}

/* -- policy servers that master.cf runs ----------------------------------------------------- */

static void
check_policy_service(struct lint *l, const struct lint_service *s, enum param p, struct span name)
{
	const struct lint_service *t = transport_of(l, name);
	struct place at = at_word_of(l, s, p, name);
	struct lint_stat st;
	int64_t limit = 0;

	if (t == NULL) {
		const char *path = arena_printf(&l->arena, "%s/private/%.*s", conf_str(l->main, P_queue_directory), SPAN_ARG(name));
		if (!l->host->stat(l->host->arg, path, true, &st))
			lint_find(l, LINT_M147, at, "nothing listens on private/%.*s; every recipient is answered 451", SPAN_ARG(name));
		return;
	}
	if (!runs(t, "spawn") || t->service == NULL)
		return;
	const char *text = arena_str(&l->arena, name);
	if (conf_transport_time(l->conf, text, "_time_limit", &limit) && limit < INT64_C(3600) * 1000000)
		lint_find(l, LINT_M148, at_span(t->logical, t->field[0]), "%s is ended after %lld seconds, while smtpd still asks it", text,
		    (long long)(limit / 1000000));
	if (!span_eqs(t->field[6], "0"))
		lint_find(l, LINT_M149, at_span(t->logical, t->field[6]), "%s limits its processes; a busy server is refused", text);
}

static void
check_policies(struct lint *l, const struct lint_service *s, enum param p)
{
	struct span rest = span_str(conf_str(view_of(l, s), p)), word;

	while (span_word(&rest, "\t\r\n ,{}", &word))
		if (span_starts(word, "unix:private/"))
			check_policy_service(l, s, p, span_skip(word, strlen("unix:private/")));
}

static void
check_all_policies(struct lint *l)
{
	static const enum param lists[] = { P_smtpd_client_restrictions, P_smtpd_helo_restrictions, P_smtpd_sender_restrictions,
	    P_smtpd_relay_restrictions, P_smtpd_recipient_restrictions, P_smtpd_data_restrictions,
	    P_smtpd_end_of_data_restrictions };

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		if (is_set(l, lists[i]))
			check_policies(l, NULL, lists[i]);
		for (size_t k = 0; k < l->service_count; k++)
			if (l->services[k].counts && option_of(&l->services[k], param_row(lists[i])->name) != NULL)
				check_policies(l, &l->services[k], lists[i]);
	}
	if (is_set(l, P_maillog_file) && conf_str(l->main, P_maillog_file)[0] != '\0' && l->master_cf.readable &&
	    transport_of(l, SPAN("postlog")) == NULL)
		lint_find(l, LINT_M150, at_param(l, NULL, P_maillog_file), "Postfix needs the service postlog for this; mtad does without");
}

void
lint_delivery(struct lint *l)
{
	each_transport(l, check_transport, NULL);
	check_milters(l, P_smtpd_milters, "smtpd");
	check_milters(l, P_non_smtpd_milters, "cleanup");
	check_hops(l);
	check_client_tls(l);
	check_filter_client(l);
	check_sasl(l);
	check_all_policies(l);
}
