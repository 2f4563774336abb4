/* Who this machine says it is: host and domain names, addresses, origin. */
#include "lint/private.h"
#include "table/network.h"

static bool
is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool
is_host_name(struct span s)
{
	struct span rest = s, label;
	struct ip ip;

	if (s.len == 0 || s.len > 255 || ip_parse(s, &ip))
		return false;
	bool digits = true;
	while (span_cut(&rest, '.', &label)) {
		if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			if (!is_label_byte(label.ptr[i]))
				return false;
			digits = digits && label.ptr[i] >= '0' && label.ptr[i] <= '9';
		}
	}
	return !digits;
}

static bool
is_private_name(struct span s)
{
	static const char *const ends[] = { ".localdomain", ".local", ".lan", ".internal", ".home" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (s.len >= strlen(ends[i]) && span_caseeqs(span_skip(s, s.len - strlen(ends[i])), ends[i]))
			return true;
	return span_caseeqs(s, "localhost") || !span_has(s, '.');
}

static struct span
value_of(const struct lint *l, enum param p)
{
	return span_str(conf_str(l->main, p));
}

static bool
check_name_form(struct lint *l, enum param p)
{
	struct span v = value_of(l, p);

	if (!is_set(l, p) || v.len == 0 || v.ptr[0] == '/' || is_host_name(v))
		return true;
	lint_find(l, LINT_P208, at_param(l, NULL, p), "%s = %.*s is no host name", param_row(p)->name,
	    SPAN_ARG(span_head(v, 80)));
	return false;
}

static void
check_host(struct lint *l)
{
	struct span host = value_of(l, P_myhostname), domain = value_of(l, P_mydomain);
	bool direct = value_of(l, P_relayhost).len == 0;

	if (!check_name_form(l, P_myhostname) || !check_name_form(l, P_mydomain))
		return;
	if (is_set(l, P_myhostname) && host.len > 0 && host.ptr[0] != '/' &&
	    (span_has(host, '_') || (direct && is_private_name(host))))
		lint_find(l, LINT_P209, at_param(l, NULL, P_myhostname),
		    "%.*s is no public, fully qualified name; other servers see it in HELO, and many refuse it", SPAN_ARG(host));
	bool inside = span_caseeq(host, domain) || (host.len > domain.len + 1 && host.ptr[host.len - domain.len - 1] == '.' &&
	    span_caseeq(span_skip(host, host.len - domain.len), domain));
	if (is_set(l, P_mydomain) && domain.len > 0 && !inside && host.len > 0 && host.ptr[0] != '/')
		lint_find_as(l, LINT_P210, is_set(l, P_myhostname) ? LINT_WARNING : LINT_INFO, at_param(l, NULL, P_mydomain),
		    "myhostname %.*s is not inside mydomain %.*s", SPAN_ARG(host), SPAN_ARG(domain));
	size_t dot = span_find(host, '.');
	if (!is_set(l, P_mydomain) && is_set(l, P_myhostname) && dot < host.len && !span_has(span_skip(host, dot + 1), '.') &&
	    !is_private_name(host))
		lint_find(l, LINT_P211, at_param(l, NULL, P_myhostname), "mydomain is then %.*s, a top-level domain",
		    SPAN_ARG(span_skip(host, dot + 1)));
}

static void
check_origin(struct lint *l)
{
	struct span v = value_of(l, P_myorigin), rest = v, word;
	unsigned words = 0;

	if (!is_set(l, P_myorigin) || v.len == 0)
		return;
	while (span_word(&rest, LINT_SEPS, &word))
		words++;
	if (words > 1)
		lint_find(l, LINT_P212, at_param(l, NULL, P_myorigin), "myorigin is one domain");
	else if (v.ptr[0] != '/' && is_private_name(v) && value_of(l, P_relayhost).len == 0)
		lint_find(l, LINT_P214, at_param(l, NULL, P_myorigin), "mail leaves as user@%.*s, which nobody can answer to",
		    SPAN_ARG(v));
}

/* Debian's Postfix takes the name from a file; nobody else does, and neither does mtad. */
static void
check_paths(struct lint *l)
{
	static const enum param names[] = { P_myhostname, P_mydomain, P_myorigin };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct span v = value_of(l, names[i]);
		if (is_set(l, names[i]) && span_starts(v, "/"))
			lint_find(l, LINT_P213, at_param(l, NULL, names[i]), "%s is a path: only Debian's Postfix reads the name from a file",
			    param_row(names[i])->name);
	}
}

static void
check_banner(struct lint *l)
{
	const struct lint_setting *s = setting_of(l, "smtpd_banner");
	struct span v, host = value_of(l, P_myhostname);

	if (s == NULL)
		return;
	v = value_of(l, P_smtpd_banner);
	if (!span_casestarts(v, conf_str(l->main, P_myhostname)) || (v.len > host.len && v.ptr[host.len] != ' '))
		lint_find(l, LINT_P217, at_span(s->logical, s->value.len > 0 ? s->value : s->name),
		    "the greeting has to begin with the host's name");
	struct place p = at_word(s, SPAN("mail_version"));
	if (strstr(s->raw, "mail_version") != NULL)
		lint_find(l, LINT_P232, p, "the greeting tells everybody the version");
}

static void
check_interfaces(struct lint *l)
{
	struct span rest = value_of(l, P_inet_interfaces), word;
	unsigned keywords = 0, others = 0;
	struct ip ip;

	if (!is_set(l, P_inet_interfaces))
		return;
	while (span_word(&rest, LINT_SEPS, &word)) {
		struct place p = at_word_of(l, NULL, P_inet_interfaces, word);
		if (span_caseeqs(word, "all") || span_caseeqs(word, "loopback-only")) {
			keywords++;
			continue;
		}
		others++;
		struct span address = word;
		if (span_starts(word, "[") && span_ends(word, "]"))
			address = span_of(word.ptr + 1, word.len - 2);
		if (ip_parse(address, &ip)) {
			if (!l->host->own_address(l->host->arg, address))
				lint_find(l, LINT_P219, p, "no interface of this machine has the address %.*s", SPAN_ARG(address));
		} else if (!is_host_name(word) || (!span_caseeqs(word, "localhost") && !span_has(word, '.') &&
		    !l->host->resolves(l->host->arg, arena_str(&l->arena, word)))) {
			lint_find(l, LINT_P218, p, "inet_interfaces: %.*s is neither a keyword, an address nor a name that is known here",
			    SPAN_ARG(word));
		}
	}
	if (keywords > 0 && others + keywords > 1)
		lint_find(l, LINT_P218, at_param(l, NULL, P_inet_interfaces), "inet_interfaces: all and loopback-only stand alone");
}

void
lint_identity(struct lint *l)
{
	struct span relay = value_of(l, P_relayhost);

	check_host(l);
	check_origin(l);
	check_paths(l);
	check_banner(l);
	check_interfaces(l);
	if (is_set(l, P_relayhost) && relay.len > 0 && span_caseeq(relay, value_of(l, P_myhostname)))
		lint_find(l, LINT_P216, at_param(l, NULL, P_relayhost), "relayhost is this machine itself");
}
