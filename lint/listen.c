/* Services that listen: ports, submission, postscreen, and the way back from a content filter. */
#include "lint/private.h"

static unsigned
port_at(const struct lint *l, const struct lint_service *s)
{
	struct span host, port;

	split_endpoint(s->field[0], &host, &port);
	return port_of(l, port);
}

static bool
is_inet(const struct lint_service *s)
{
	return s->counts && s->fields == 8 && span_eqs(s->field[1], "inet");
}

static bool
is_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

static void
check_port(struct lint *l, const struct lint_service *s)
{
	struct span host, port;

	split_endpoint(s->field[0], &host, &port);
	if (port.len > 0 && !is_digits(port) && port_of(l, port) == 0)
		lint_find(l, LINT_M130, at_span(s->logical, port), "the port name \"%.*s\" is not known on this machine", SPAN_ARG(port));
	else if (is_digits(port) && port_of(l, port) == 0)
		lint_find(l, LINT_M130, at_span(s->logical, port), "%.*s is no port", SPAN_ARG(port));
}

static void
check_same_port(struct lint *l, size_t at)
{
	const struct lint_service *s = &l->services[at];
	struct span host, other, port;
	unsigned n = port_at(l, s);

	split_endpoint(s->field[0], &host, &port);
	for (size_t i = 0; i < at; i++) {
		const struct lint_service *o = &l->services[i];
		if (!is_inet(o) || n == 0 || port_at(l, o) != n || span_eq(o->field[0], s->field[0]))
			continue;
		split_endpoint(o->field[0], &other, &port);
		if (host.len == 0 || other.len == 0 || span_caseeq(host, other))
			lint_find(l, LINT_M131, at_span(s->logical, s->field[0]), "%.*s and %.*s (line %u) want the same port %u",
			    SPAN_ARG(s->field[0]), SPAN_ARG(o->field[0]), o->logical->line, n);
	}
}

static bool
list_has(const char *list, const char *word)
{
	struct span rest = span_str(list), one;
	while (span_word(&rest, LINT_SEPS, &one))
		if (span_eqs(one, word))
			return true;
	return false;
}

static void
check_submission_lists(struct lint *l, const struct lint_service *s)
{
	static const enum param closing[] = { P_smtpd_client_restrictions, P_smtpd_relay_restrictions, P_smtpd_recipient_restrictions };
	static const enum param inherited[] = { P_smtpd_client_restrictions, P_smtpd_helo_restrictions, P_smtpd_sender_restrictions,
	    P_smtpd_recipient_restrictions };
	struct span rest, word;
	bool closed = false;

	for (size_t i = 0; i < sizeof closing / sizeof *closing; i++)
		closed = closed || list_has(conf_str(s->view, closing[i]), "reject");
	if (!closed)
		lint_find(l, LINT_M136, at_span(s->logical, s->field[0]), "%.*s also takes mail of clients that did not log in, for local users",
		    SPAN_ARG(s->field[0]));
	for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++) {
		if (option_of(s, param_row(inherited[i])->name) != NULL)
			continue;
		rest = span_str(conf_str(s->view, inherited[i]));
		while (span_word(&rest, LINT_SEPS, &word) && !span_eqs(word, "permit_sasl_authenticated")) {
			if (!span_eqs(word, "reject_rbl_client") && !span_eqs(word, "reject_unknown_client_hostname") &&
			    !span_eqs(word, "reject_unknown_reverse_client_hostname") &&
			    !(span_starts(word, "reject_") && span_ends(word, "_helo_hostname")))
				continue;
			lint_find(l, LINT_M137, at_span(s->logical, s->field[0]), "%.*s judges its users by %.*s of main.cf's %s",
			    SPAN_ARG(s->field[0]), SPAN_ARG(word), param_row(inherited[i])->name);
			break;
		}
	}
}

static void
check_submission(struct lint *l, const struct lint_service *s)
{
	unsigned port = port_at(l, s);
	struct place p = at_span(s->logical, s->field[0]);
	bool wrapped = conf_bool(s->view, P_smtpd_tls_wrappermode), auth = conf_bool(s->view, P_smtpd_sasl_auth_enable);

	if (port == 465 && !wrapped)
		lint_find(l, LINT_M132, p, "clients of port 465 begin TLS at once, but %.*s speaks first, in the clear", SPAN_ARG(s->field[0]));
	if ((port == 25 || port == 587) && wrapped)
		lint_find(l, LINT_M133, p, "%.*s waits for TLS at once, but clients of port %u use STARTTLS", SPAN_ARG(s->field[0]), port);
	if (port != 465 && port != 587)
		return;
	if (!auth)
		lint_find(l, LINT_M134, p, "%.*s has no login", SPAN_ARG(s->field[0]));
	else if (!wrapped && port == 587 && !conf_bool(s->view, P_smtpd_tls_auth_only) &&
	    !span_eqs(span_str(conf_str(s->view, P_smtpd_tls_security_level)), "encrypt"))
		lint_find(l, LINT_M135, p, "%.*s takes passwords without encryption", SPAN_ARG(s->field[0]));
	check_submission_lists(l, s);
}

static void
check_postscreen(struct lint *l, const struct lint_service *s)
{
	struct place p = at_span(s->logical, s->field[7]);
	const struct lint_service *server = transport_of(l, span_str(conf_str(l->main, P_smtpd_service_name)));
	unsigned port = port_at(l, s);

	if (server == NULL || !span_eqs(server->field[1], "pass"))
		lint_find(l, LINT_M138, p, "postscreen hands its clients to a service \"%s\" of type pass, which is not there",
		    conf_str(l->main, P_smtpd_service_name));
	if (conf_str(l->main, P_postscreen_dnsbl_sites)[0] != '\0' && transport_of(l, SPAN("dnsblog")) == NULL)
		lint_find(l, LINT_M139, p, "postscreen_dnsbl_sites needs the service dnsblog");
	const char *level = conf_str(l->main, P_smtpd_tls_security_level);
	if (level[0] != '\0' && strcmp(level, "none") != 0 && transport_of(l, SPAN("tlsproxy")) == NULL)
		lint_find(l, LINT_M139, p, "TLS behind postscreen needs the service tlsproxy");
	if (port == 465 || port == 587)
		lint_find(l, LINT_M140, p, "postscreen is no service for users who submit mail");
}

/* An smtpd on a high port with its own rules: mail comes back from a filter there. */
static bool
is_way_back(const struct lint *l, const struct lint_service *s)
{
	const struct lint_setting *o = option_of(s, "smtpd_recipient_restrictions");

	if (!runs(s, "smtpd") || !is_inet(s) || port_at(l, s) < 1024)
		return false;
	return option_of(s, "content_filter") != NULL || option_of(s, "receive_override_options") != NULL ||
	    (o != NULL && span_has(o->value, ',') && strstr(o->raw, "permit_mynetworks") != NULL && span_ends(o->value, "reject"));
}

static void
check_way_back(struct lint *l, const struct lint_service *s, const char *filter)
{
	struct span name = span_head(span_str(filter), span_find(span_str(filter), ':'));
	const struct lint_service *t = transport_of(l, name);

	if (is_public(l, s))
		lint_find(l, LINT_M141, at_span(s->logical, s->field[0]), "%.*s takes mail back from a filter, and from everybody else too",
		    SPAN_ARG(s->field[0]));
	if (filter[0] == '\0')
		return;
	if (conf_str(s->view, P_content_filter)[0] != '\0')
		lint_find(l, LINT_M142, at_span(s->logical, s->field[0]), "mail that comes back through %.*s goes to the filter again, for ever",
		    SPAN_ARG(s->field[0]));
	if (t != NULL && t->service != NULL && s->service->maxproc > 0 &&
	    (t->service->maxproc == 0 || t->service->maxproc > s->service->maxproc))
		lint_find(l, LINT_M143, at_span(s->logical, s->field[6]), "%.*s allows %d processes, but the filter sends with %d",
		    SPAN_ARG(s->field[0]), s->service->maxproc, t->service->maxproc);
}

static bool
maps_addresses(const struct lint_service *s)
{
	return !list_has(conf_str(s->view, P_receive_override_options), "no_address_mappings");
}

static void
check_mappings(struct lint *l, const struct lint_service *back)
{
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (s == back || !runs(s, "smtpd") || !is_inet(s) || s->view == NULL || conf_str(s->view, P_content_filter)[0] == '\0')
			continue;
		if (maps_addresses(s) == maps_addresses(back))
			lint_find(l, LINT_M151, at_span(back->logical, back->field[0]), "aliases are applied %s around the filter: by %.*s and %.*s",
			    maps_addresses(s) ? "twice" : "by neither", SPAN_ARG(s->field[0]), SPAN_ARG(back->field[0]));
	}
}

static const char *
filter_in_use(const struct lint *l)
{
	const char *main_filter = conf_str(l->main, P_content_filter);

	if (main_filter[0] != '\0')
		return main_filter;
	for (size_t i = 0; i < l->service_count; i++)
		if (l->services[i].counts && l->services[i].view != NULL && conf_str(l->services[i].view, P_content_filter)[0] != '\0')
			return conf_str(l->services[i].view, P_content_filter);
	return "";
}

static void
check_port_25(struct lint *l)
{
	bool public_mail = false;

	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		unsigned port = is_inet(s) ? port_at(l, s) : 0;
		if ((runs(s, "smtpd") || runs(s, "postscreen")) && port != 0 && port != 465 && port != 587)
			return;
	}
	struct span rest = span_str(conf_str(l->main, P_inet_interfaces)), word;
	while (span_word(&rest, LINT_SEPS, &word))
		public_mail = public_mail || (!span_caseeqs(word, "loopback-only") && !is_loopback(word));
	if (public_mail && l->service_count > 0 && is_set(l, P_mydestination))
		lint_find(l, LINT_M152, at_file(&l->master_cf), "nothing listens for mail: there is no smtpd but for submission");
}

void
lint_listen(struct lint *l)
{
	const char *filter = filter_in_use(l);

	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (!is_inet(s))
			continue;
		check_port(l, s);
		check_same_port(l, i);
		if (s->view == NULL)
			continue;
		if (runs(s, "smtpd"))
			check_submission(l, s);
		if (runs(s, "postscreen"))
			check_postscreen(l, s);
		if (is_way_back(l, s)) {
			check_way_back(l, s, filter);
			if (filter[0] != '\0')
				check_mappings(l, s);
		}
	}
	check_port_25(l);
}
