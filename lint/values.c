/* Values by the type of their parameter: yes and no, numbers, times, choices. */
#include "base/clock.h"
#include "base/near.h"
#include "base/num.h"
#include "conf/private.h"
#include "lint/private.h"

static void
check_bool(struct lint *l, const struct lint_setting *s, struct span v)
{
	static const char *const yes[] = { "true", "on", "1", "enabled", "enable", "y" };
	static const char *const no[] = { "false", "off", "0", "disabled", "disable", "n", "none" };
	const char *guess = "";

	if (span_caseeqs(v, "yes") || span_caseeqs(v, "no"))
		return;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		if (span_caseeqs(v, yes[i]))
			guess = "; write yes";
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		if (span_caseeqs(v, no[i]))
			guess = "; write no";
	lint_find(l, LINT_P201, at_word(s, v), "%.*s = %.*s: it is yes or no%s", SPAN_ARG(s->name),
	    SPAN_ARG(span_head(v, 40)), guess);
}

static void
out_of_range(struct lint *l, const struct lint_setting *s, const struct param_row *row, int64_t n, const char *unit)
{
	if (n < row->min)
		lint_find(l, LINT_P205, at_word(s, s->value), "%.*s = %lld%s is too little; the least is %lld%s",
		    SPAN_ARG(s->name), (long long)n, unit, (long long)row->min, unit);
	else if (row->max > 0 && n > row->max)
		lint_find(l, LINT_P205, at_word(s, s->value), "%.*s = %lld%s is too much; the most is %lld%s",
		    SPAN_ARG(s->name), (long long)n, unit, (long long)row->max, unit);
}

/* "50M" in bytes; 0: no such form. */
static uint64_t
with_suffix(struct span v)
{
	uint64_t n = 0, unit = 0;

	if (v.len > 1 && (span_ends(v, "B") || span_ends(v, "b")))
		v = span_head(v, v.len - 1);
	switch (v.len == 0 ? '\0' : v.ptr[v.len - 1]) {
	case 'k': case 'K': unit = 1024; break;
	case 'm': case 'M': unit = 1024 * 1024; break;
	case 'g': case 'G': unit = 1024 * 1024 * 1024; break;
	default: break;
	}
	if (unit == 0 || !num_u64(span_rtrim(span_head(v, v.len - 1)), &n) || n > (1u << 20))
		return 0;
	return n * unit;
}

static void
check_int(struct lint *l, const struct lint_setting *s, const struct param_row *row, struct span v)
{
	uint64_t full = with_suffix(v);
	int64_t n = 0;

	if (num_i64(v, &n))
		out_of_range(l, s, row, n, "");
	else if (full > 0)
		lint_find(l, LINT_P202, at_word(s, v), "%.*s = %.*s: digits alone; write %llu", SPAN_ARG(s->name),
		    SPAN_ARG(span_head(v, 40)), (unsigned long long)full);
	else
		lint_find(l, LINT_P202, at_word(s, v), "%.*s = %.*s: digits alone", SPAN_ARG(s->name),
		    SPAN_ARG(span_head(v, 40)));
}

static void
check_time(struct lint *l, const struct lint_setting *s, const struct param_row *row, struct span v)
{
	struct err err = { ERR_NONE, "" };
	char unit = value_unit(row);
	uint64_t n = 0;
	int64_t t = 0;

	if (!conf_parse_time(v, unit, &t, &err)) {
		lint_find(l, LINT_P203, at_word(s, v), "%.*s: %s", SPAN_ARG(s->name), err.text);
		return;
	}
	out_of_range(l, s, row, t / SECOND, "s");
	if (num_u64(v, &n) && ((unit == 'd' && n > 30) || (unit == 'h' && n > 72)))
		lint_find(l, LINT_P204, at_word(s, v), "%.*s = %llu means %llu %s, not seconds", SPAN_ARG(s->name),
		    (unsigned long long)n, (unsigned long long)n, unit == 'd' ? "days" : "hours");
}

/* Words that a parameter may hold; lists may hold several. */
static const struct choice {
	enum param	 param;
	bool		 list;
	const char	*words;
} choices[] = {
	{ P_smtp_tls_security_level, false, "none may encrypt dane dane-only fingerprint verify secure" },
	{ P_lmtp_tls_security_level, false, "none may encrypt dane dane-only fingerprint verify secure" },
	{ P_smtpd_tls_security_level, false, "none may encrypt" },
	{ P_milter_default_action, false, "accept reject tempfail quarantine shutdown" },
	{ P_mynetworks_style, false, "class subnet host" },
	{ P_inet_protocols, true, "all ipv4 ipv6" },
	{ P_smtp_dns_support_level, false, "disabled enabled dnssec" },
	{ P_smtp_host_lookup, true, "dns native" },
	{ P_lmtp_host_lookup, true, "dns native" },
	{ P_smtp_address_preference, false, "any ipv4 ipv6" },
	{ P_lmtp_address_preference, false, "any ipv4 ipv6" },
	{ P_unknown_address_tempfail_action, false, "defer_if_permit defer reject" },
	{ P_unknown_helo_hostname_tempfail_action, false, "defer_if_permit defer reject" },
	{ P_postscreen_greet_action, false, "ignore enforce drop" },
	{ P_postscreen_dnsbl_action, false, "ignore enforce drop" },
	{ P_postscreen_pipelining_action, false, "ignore enforce drop" },
	{ P_postscreen_bare_newline_action, false, "ignore enforce drop" },
	{ P_postscreen_non_smtp_command_action, false, "ignore enforce drop" },
};

static bool
word_in(const char *list, struct span word, bool caseless)
{
	struct span rest = span_str(list), one;
	while (span_word(&rest, " ", &one))
		if (caseless ? span_caseeq(one, word) : span_eq(one, word))
			return true;
	return false;
}

static const char *
nearest(struct lint *l, const char *list, struct span word)
{
	struct span rest = span_str(list), one, best = SPAN_NONE;
	size_t least = 3;

	while (span_word(&rest, " ", &one)) {
		size_t d = near_distance(word, one, least);
		if (d < least && d < one.len) {
			least = d;
			best = one;
		}
	}
	return best.len == 0 ? NULL : arena_str(&l->arena, best);
}

static void
check_choice(struct lint *l, const struct lint_setting *s, enum param p, struct span value)
{
	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
		const struct choice *c = &choices[i];
		struct span rest = value, word;
		unsigned n = 0;
		if (c->param != p)
			continue;
		while (span_word(&rest, LINT_SEPS, &word)) {
			n++;
			if (word_in(c->words, word, c->list || p == P_smtp_address_preference) && (c->list || n == 1))
				continue;
			const char *guess = nearest(l, c->words, word);
			lint_find(l, LINT_P206, at_word(s, word), "%.*s: \"%.*s\" is none of its choices%s%s%s", SPAN_ARG(s->name),
			    SPAN_ARG(span_head(word, 60)), guess ? "; did you mean " : ": ", guess ? guess : c->words,
			    guess ? "?" : "");
		}
	}
}

/*
 * What may not be empty. setgid_group and the paths of programs are left out: mtad reads none of them, and Postfix's template leaves them
 * to be filled in.
 */
static bool
needs_text(enum param p, const char *name)
{
	static const enum param some[] = {
		P_myhostname, P_mydomain, P_myorigin, P_mail_owner, P_queue_directory, P_daemon_directory, P_data_directory,
		P_mynetworks_style, P_inet_interfaces, P_syslog_name, P_default_transport, P_local_transport, P_relay_transport,
		P_virtual_transport, P_error_notice_recipient, P_bounce_notice_recipient, P_double_bounce_sender, P_default_privs,
	};
	for (size_t i = 0; i < sizeof some / sizeof *some; i++)
		if (some[i] == p)
			return true;
	return span_ends(span_str(name), "_service_name");
}

static void
check_typed(struct lint *l, const struct lint_setting *s, const struct param_row *row, struct span v)
{
	switch (row->type) {
	case PARAM_BOOL:
		check_bool(l, s, v);
		break;
	case PARAM_INT:
		check_int(l, s, row, v);
		break;
	case PARAM_TIME:
		check_time(l, s, row, v);
		break;
	case PARAM_STR:
		break;
	}
}

static void
check_value(struct lint *l, const struct lint_setting *s)
{
	const struct view *v = view_of(l, s->service);
	const struct transport_param *row;
	struct buf text = BUF_INIT(CONF_VALUE_MAX);
	enum param p;

	bool known = param_find(s->name, &p);
	if (!conf_expand(v, s->value, &text, NULL)) {
		buf_clear(&text);
		return;		/* P113 or P114 */
	}
	struct span value = span_trim(buf_view(&text));
	if (known && !value_is_raw(p)) {
		check_typed(l, s, param_row(p), value);
		check_choice(l, s, p, value);
		if (value.len == 0 && param_row(p)->type == PARAM_STR && needs_text(p, param_row(p)->name))
			lint_find(l, LINT_P207, at_span(s->logical, s->name), "%.*s must not be empty", SPAN_ARG(s->name));
		if (p == P_append_at_myorigin && span_caseeqs(value, "no"))
			lint_find(l, LINT_P236, at_word(s, s->value), "addresses without a domain work nowhere; this has to stay yes");
	} else if (!known && transport_param_split(l->conf, s->name, &row)) {
		struct param_row as = *param_row(row->fallback);
		as.min = as.max = 0;
		check_typed(l, s, &as, value);
	}
	buf_clear(&text);
}

void
lint_values(struct lint *l)
{
	for (size_t i = 0; i < l->setting_count; i++)
		if (l->settings[i].counts)
			check_value(l, &l->settings[i]);
	for (size_t i = 0; i < l->service_count; i++)
		for (size_t k = 0; l->services[i].counts && k < l->services[i].option_count; k++)
			check_value(l, &l->services[i].options[k]);
}
