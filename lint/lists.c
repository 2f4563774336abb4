/* Lists of networks, names and tables: the form of their items. */
#include "lint/private.h"
#include "table/network.h"

/* Lists of addresses and networks, among names and tables. */
static const enum param networks[] = {
	P_mynetworks, P_smtpd_authorized_xclient_hosts, P_smtpd_authorized_xforward_hosts, P_debug_peer_list,
	P_smtpd_client_event_limit_exceptions, P_smtpd_forbid_bare_newline_exclusions, P_proxy_interfaces,
	P_qmqpd_authorized_clients, P_smtpd_sasl_exceptions_networks,
};

/* Lists in which "/file" stands for its content. */
static const enum param with_files[] = {
	P_mydestination, P_mynetworks, P_relay_domains, P_virtual_alias_domains, P_virtual_mailbox_domains,
	P_smtpd_authorized_xclient_hosts, P_smtpd_authorized_xforward_hosts, P_debug_peer_list, P_fast_flush_domains,
	P_smtpd_client_event_limit_exceptions, P_smtpd_forbid_bare_newline_exclusions, P_inet_interfaces, P_proxy_interfaces,
};

static unsigned
colons(struct span s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == ':';
	return n;
}

static bool
is_address_like(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!span_has(SPAN("0123456789abcdefABCDEF:./[]"), s.ptr[i]))
			return false;
	return s.len > 0 && (colons(s) >= 2 || (s.ptr[0] >= '0' && s.ptr[0] <= '9' && span_has(s, '.')));
}

static void
check_network(struct lint *l, enum param p, struct span word)
{
	struct span item = span_starts(word, "!") ? span_skip(word, 1) : word;
	struct network n;
	struct err err = { ERR_NONE, "" };
	struct place at = at_word_of(l, NULL, p, word);

	if (!is_address_like(item))
		return;
	if (colons(item) >= 2 && !span_starts(item, "[")) {
		size_t slash = span_find(item, '/');
		lint_find(l, LINT_P221, at, "%.*s would be taken for a table; write [%.*s]%.*s", SPAN_ARG(item),
		    SPAN_ARG(span_head(item, slash)), SPAN_ARG(span_skip(item, slash)));
	} else if (!network_parse(item, &n, &err)) {
		lint_find(l, LINT_P220, at, "%s: %s", param_row(p)->name, err.text);
	}
}

static void
check_networks(struct lint *l, enum param p)
{
	struct span rest, word;

	if (!is_set(l, p))
		return;
	rest = span_str(conf_str(l->main, p));
	/* What conf could not use is looked at as it stands. */
	const struct lint_setting *s = setting_of(l, param_row(p)->name);
	if (s->dropped)
		rest = s->value;
	while (span_word(&rest, LINT_SEPS, &word))
		check_network(l, p, word);
}

static void
check_file_items(struct lint *l, enum param p)
{
	const struct lint_setting *s = setting_of(l, param_row(p)->name);
	struct span rest, word;
	struct lint_stat st;

	if (s == NULL)
		return;
	rest = s->dropped ? s->value : span_str(conf_str(l->main, p));
	while (span_word(&rest, LINT_SEPS, &word)) {
		struct span path = span_starts(word, "!") ? span_skip(word, 1) : word;
		if (span_starts(path, "/") && !l->host->stat(l->host->arg, arena_str(&l->arena, path), true, &st))
			lint_find(l, LINT_P235, at_word(s, word), "%s names %.*s, which is not there", param_row(p)->name, SPAN_ARG(path));
	}
}

static bool
is_typed(struct span text)
{
	size_t colon = span_find(text, ':');

	return colon > 0 && colon < text.len && span_find(text, '/') > colon && span_find(text, '{') > colon;
}

static void
check_table(struct lint *l, const struct use *u, void *arg)
{
	struct span name = span_skip(u->text, span_find(u->text, ':') + 1), file = name;

	(void)arg;
	if (!is_typed(u->text)) {
		lint_find(l, LINT_P233, u->place, "%s: \"%.*s\" has no table type; write %s:%.*s", param_row(u->param)->name,
		    SPAN_ARG(span_head(u->text, 80)), "texthash", SPAN_ARG(span_head(u->text, 80)));
		return;
	}
	if (span_starts(u->text, "proxy:"))
		file = span_skip(name, span_find(name, ':') + 1);
	struct span type = span_head(u->text, span_find(u->text, ':'));
	static const char *const no_files[] = { "static", "inline", "unix", "fail", "tcp", "socketmap", "environ", "randmap",
	    "unionmap", "pipemap", "internal", "nis", "nisplus", "netinfo", "ldap", "mysql", "pgsql", "sqlite", "memcache" };
	if (span_eqs(type, "proxy"))
		type = span_head(name, span_find(name, ':'));
	for (size_t i = 0; i < sizeof no_files / sizeof *no_files; i++)
		if (span_eqs(type, no_files[i]))
			return;
	if (!span_starts(file, "/") && !span_starts(file, "{"))
		lint_find(l, LINT_P234, u->place, "%.*s is a relative path, and programs run in the queue directory", SPAN_ARG(file));
}

static void
check_certificates(struct lint *l)
{
	for (int i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		struct span name = span_str(param_row(p)->name);
		if (!is_set(l, p) || param_row(p)->type != PARAM_STR || span_find(name, 't') == name.len ||
		    !(span_ends(name, "_cert_file") || span_ends(name, "_key_file") || span_ends(name, "_CAfile") ||
		    span_ends(name, "_dcert_file") || span_ends(name, "_eccert_file") || span_ends(name, "_eckey_file")))
			continue;
		struct span v = span_str(conf_str(l->main, p));
		if (v.len > 0 && v.ptr[0] != '/' && !span_eqs(v, "none") && v.ptr[0] != '$')
			lint_find(l, LINT_P234, at_param(l, NULL, p), "%.*s is a relative path, and programs run in the queue directory",
			    SPAN_ARG(v));
	}
}

void
lint_lists(struct lint *l)
{
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
		check_networks(l, networks[i]);
	for (size_t i = 0; i < sizeof with_files / sizeof *with_files; i++)
		check_file_items(l, with_files[i]);
	each_table(l, check_table, NULL);
	check_certificates(l);
}
