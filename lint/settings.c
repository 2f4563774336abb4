/* Single settings that are wrong, outdated, or better not left on. */
#include "base/num.h"
#include "conf/expand.h"
#include "lint/private.h"

static const struct {
	const char	*old, *now;
} renamed[] = {
	{ "fallback_relay", "smtp_fallback_relay" }, { "authorized_verp_clients", "smtpd_authorized_verp_clients" },
	{ "postscreen_blacklist_action", "postscreen_denylist_action" },
	{ "postscreen_dnsbl_ttl", "postscreen_dnsbl_max_ttl" },
	{ "postscreen_dnsbl_whitelist_threshold", "postscreen_dnsbl_allowlist_threshold" },
	{ "postscreen_whitelist_interfaces", "postscreen_allowlist_interfaces" },
	{ "smtpd_client_connection_limit_exceptions", "smtpd_client_event_limit_exceptions" },
	{ "virtual_maps", "virtual_alias_maps" }, { "smtpd_sasl_application_name", "smtpd_sasl_path" },
	{ "tlsproxy_client_level", "tlsproxy_client_security_level" }, { "tlsproxy_client_policy", "tlsproxy_client_policy_maps" },
};

static const struct {
	const char	*old, *instead;
} deprecated[] = {
	{ "smtp_use_tls", "smtp_tls_security_level = may" }, { "smtpd_use_tls", "smtpd_tls_security_level = may" },
	{ "lmtp_use_tls", "lmtp_tls_security_level = may" }, { "smtp_enforce_tls", "smtp_tls_security_level = encrypt" },
	{ "smtpd_enforce_tls", "smtpd_tls_security_level = encrypt" }, { "lmtp_enforce_tls", "lmtp_tls_security_level = encrypt" },
	{ "smtp_tls_enforce_peername", "smtp_tls_security_level = verify" },
	{ "lmtp_tls_enforce_peername", "lmtp_tls_security_level = verify" },
	{ "smtp_tls_per_site", "smtp_tls_policy_maps" }, { "lmtp_tls_per_site", "lmtp_tls_policy_maps" },
	{ "disable_dns_lookups", "smtp_dns_support_level = disabled" },
};

static const char *const leave_alone[] = {
	"smtpd_tls_dh1024_param_file", "smtpd_tls_eecdh_grade", "smtp_cname_overrides_servername", "lmtp_cname_overrides_servername",
};

static void
check_age(struct lint *l, const struct lint_setting *s)
{
	struct place p = at_span(s->logical, s->name);

	for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
		if (span_eqs(s->name, renamed[i].old))
			lint_find(l, LINT_P224, p, "%s is the old name of %s", renamed[i].old, renamed[i].now);
	for (size_t i = 0; i < sizeof deprecated / sizeof *deprecated; i++)
		if (span_eqs(s->name, deprecated[i].old))
			lint_find(l, LINT_P225, p, "%s is deprecated; see %s", deprecated[i].old, deprecated[i].instead);
	for (size_t i = 0; i < sizeof leave_alone / sizeof *leave_alone; i++)
		if (span_eqs(s->name, leave_alone[i]))
			lint_find(l, LINT_P226, p, "%s is best left at its default; it will go away", leave_alone[i]);
}

static bool
is_level(struct span v)
{
	struct span rest = v, part;
	uint32_t n;
	int parts = 0;

	while (span_cut(&rest, '.', &part))
		if (++parts > 3 || !num_u32(part, &n))
			return false;
	return parts > 0;
}

static void
check_level(struct lint *l)
{
	struct span v = span_str(conf_str(l->main, P_compatibility_level));
	const char *ours = param_row(P_compatibility_level)->def;
	int low = 0, high = 0;

	if (!is_set(l, P_compatibility_level))
		return;
	struct place p = at_param(l, NULL, P_compatibility_level);
	if (!is_level(v) || !expand_level_cmp(v, span_str(ours), &high))
		lint_find(l, LINT_P223, p, "compatibility_level %.*s is no level; write N or N.N", SPAN_ARG(span_head(v, 40)));
	else if (high > 0)
		lint_find(l, LINT_P223, p, "compatibility_level %.*s is newer than this version, which knows levels up to %s",
		    SPAN_ARG(v), ours);
	else if (expand_level_cmp(v, SPAN("3.6"), &low) && low < 0)
		lint_find(l, LINT_P222, p, "compatibility_level %.*s keeps defaults from before 3.6 (relay control, chroot, appended domains)",
		    SPAN_ARG(v));
}

static void
check_log(struct lint *l)
{
	struct span file = span_str(conf_str(l->main, P_maillog_file)), rest, word;
	bool ours = param_row(P_maillog_file_prefixes)->standing == HONOURED;

	if (file.len == 0 || !is_set(l, P_maillog_file))
		return;
	rest = span_str(conf_str(l->main, P_maillog_file_prefixes));
	while (span_word(&rest, LINT_SEPS, &word))
		if (file.len >= word.len && span_eq(span_head(file, word.len), word))
			return;
	lint_find_as(l, LINT_P228, ours ? LINT_ERROR : LINT_INFO, at_param(l, NULL, P_maillog_file),
	    "maillog_file %.*s begins with none of maillog_file_prefixes (%s)%s", SPAN_ARG(file),
	    conf_str(l->main, P_maillog_file_prefixes), ours ? "" : "; Postfix would refuse it");
}

static void
check_noise(struct lint *l)
{
	static const enum param tls[] = { P_smtpd_tls_loglevel, P_smtp_tls_loglevel, P_lmtp_tls_loglevel };
	struct span rest, word;
	uint64_t n = 0;

	if (is_set(l, P_debug_peer_list) && conf_str(l->main, P_debug_peer_list)[0] != '\0')
		lint_find(l, LINT_P229, at_param(l, NULL, P_debug_peer_list), "sessions with %s are logged in every detail",
		    conf_str(l->main, P_debug_peer_list));
	for (size_t i = 0; i < sizeof tls / sizeof *tls; i++) {
		const struct lint_setting *s = setting_of(l, param_row(tls[i])->name);
		if (s != NULL && num_u64(s->value, &n) && n >= 2)
			lint_find(l, LINT_P230, at_param(l, NULL, tls[i]), "TLS log level %llu logs the details of each handshake",
			    (unsigned long long)n);
	}
	rest = span_str(conf_str(l->main, P_notify_classes));
	while (is_set(l, P_notify_classes) && span_word(&rest, LINT_SEPS, &word))
		if (span_caseeqs(word, "policy") || span_caseeqs(word, "protocol") || span_caseeqs(word, "bounce"))
			for (size_t i = 0; i < l->service_count; i++)
				if (runs(&l->services[i], "smtpd") && is_public(l, &l->services[i]))
					lint_find(l, LINT_P231, at_word_of(l, NULL, P_notify_classes, word),
					    "class %.*s: postmaster gets a message for each such event of a public server", SPAN_ARG(word));
}

/* What keeps mail in the queue without a word. */
static void
check_stopped(struct lint *l)
{
	if (is_set(l, P_defer_transports) && conf_str(l->main, P_defer_transports)[0] != '\0')
		lint_find(l, LINT_Q120, at_param(l, NULL, P_defer_transports), "mail for %s waits until somebody flushes the queue",
		    conf_str(l->main, P_defer_transports));
	if (is_set(l, P_master_service_disable) && conf_str(l->main, P_master_service_disable)[0] != '\0')
		lint_find(l, LINT_Q121, at_param(l, NULL, P_master_service_disable), "these services are switched off: %s",
		    conf_str(l->main, P_master_service_disable));
}

/* local(8) and virtual(8) refuse to deliver at all where a mailbox may hold less than a message. */
static void
check_sizes(struct lint *l)
{
	int64_t message = conf_int(l->main, P_message_size_limit), box = conf_int(l->main, P_mailbox_size_limit);
	int64_t mailbox = conf_int(l->main, P_virtual_mailbox_limit);
	bool any = message == 0;	/* no limit at all */

	if (box > 0 && (any || box < message) && conf_str(l->main, P_mydestination)[0] != '\0')
		lint_find(l, LINT_Q114, at_param(l, NULL, is_set(l, P_mailbox_size_limit) ? P_mailbox_size_limit :
		    P_message_size_limit), "mailbox_size_limit (%lld) is less than message_size_limit (%lld)", (long long)box,
		    (long long)message);
	struct span transport = span_str(conf_str(l->main, P_virtual_transport));
	if (mailbox > 0 && (any || mailbox < message) && conf_str(l->main, P_virtual_mailbox_domains)[0] != '\0' &&
	    (span_eqs(transport, "virtual") || span_starts(transport, "virtual:")))
		lint_find(l, LINT_Q115, at_param(l, NULL, is_set(l, P_virtual_mailbox_limit) ? P_virtual_mailbox_limit :
		    P_message_size_limit), "virtual_mailbox_limit (%lld) is less than message_size_limit (%lld)",
		    (long long)mailbox, (long long)message);
}

void
lint_settings(struct lint *l)
{
	for (size_t i = 0; i < l->setting_count; i++)
		if (l->settings[i].counts)
			check_age(l, &l->settings[i]);
	for (size_t i = 0; i < l->service_count; i++)
		for (size_t k = 0; l->services[i].counts && k < l->services[i].option_count; k++)
			check_age(l, &l->services[i].options[k]);
	check_level(l);
	check_log(l);
	check_noise(l);
	check_stopped(l);
	check_sizes(l);
}
