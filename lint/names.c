/* Names of parameters, and what $ makes of them. */
#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lint/private.h"
#include "conf/private.h"

struct name_set {
	struct map	 names;		/* of struct setting: names that some value refers to */
};

static void
note(void *arg, struct span name)
{
	struct name_set *set = arg;
	if (name.len > 0 && name.len <= 256 && map_get(&set->names, name) == NULL)
		map_add(&set->names, setting_new(name, SPAN_NONE, 0));
}

static bool
word_in(const char *list, struct span name)
{
	struct span rest = span_str(list), word;
	while (span_word(&rest, CONF_LIST_SEPS, &word))
		if (span_eq(word, name))
			return true;
	return false;
}

/* "ldap:NAME" in some value makes NAME_server_host and the like a table's own. */
static bool
belongs_to_table(struct lint *l, struct span name)
{
	for (size_t i = 1; i < name.len; i++) {
		if (name.ptr[i] != '_')
			continue;
		const char *key = arena_printf(&l->arena, ":%.*s", SPAN_ARG(span_head(name, i)));
		for (size_t k = 0; k < l->setting_count; k++)
			if (l->settings[k].raw != NULL && strstr(l->settings[k].raw, key) != NULL)
				return true;
	}
	return false;
}

static bool
is_known(const struct lint *l, struct span name)
{
	const struct transport_param *row;
	enum param p;

	if (param_find(name, &p) || transport_param_split(l->conf, name, &row))
		return true;
	/* A service whose line is broken is still a service: its parameters have that name. */
	for (size_t at = 1; at < name.len; at++)
		if (name.ptr[at] == '_' && transport_param_find(span_skip(name, at)) != NULL &&
		    transport_of(l, span_head(name, at)) != NULL)
			return true;
	return false;
}

/* The same name but for case, "-", smtp and smtpd, singular and plural. */
static const char *
guess_form(struct span name)
{
	char text[80];
	enum param p;

	if (name.len == 0 || name.len > 64)
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		text[i] = name.ptr[i] == '-' ? '_' : (char)tolower((unsigned char)name.ptr[i]);
	size_t n = name.len;
	if (param_find(span_of(text, n), &p))
		return param_row(p)->name;
	text[n] = 's';
	if (param_find(span_of(text, n + 1), &p) || (text[n - 1] == 's' && param_find(span_of(text, n - 1), &p)))
		return param_row(p)->name;
	if (span_starts(name, "smtpd_")) {
		memmove(text + 4, text + 5, n - 5);
		return param_find(span_of(text, n - 1), &p) ? param_row(p)->name : NULL;
	}
	if (span_starts(name, "smtp_")) {
		memmove(text + 5, text + 4, n - 4);
		text[4] = 'd';
		return param_find(span_of(text, n + 1), &p) ? param_row(p)->name : NULL;
	}
	return NULL;
}

static void
check_name(struct lint *l, const struct lint_setting *s, const struct name_set *used)
{
	struct span svc = s->service != NULL ? s->service->field[0] : SPAN_NONE;

	if (is_known(l, s->name) || map_get(&used->names, s->name) != NULL ||
	    word_in(conf_str(l->main, P_smtpd_restriction_classes), s->name) || belongs_to_table(l, s->name))
		return;
	const char *near = param_nearest(s->name);
	if (near == NULL)
		near = guess_form(s->name);
	struct place p = at_span(s->logical, s->name);
	if (s->service != NULL)
		lint_find(l, LINT_M110, p, "%.*s: -o %.*s is no known parameter%s%s%s", SPAN_ARG(svc), SPAN_ARG(s->name),
		    near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
	else if (near != NULL)
		lint_find(l, LINT_P110, p, "%.*s is no known parameter and is not used; did you mean %s?", SPAN_ARG(s->name),
		    near);
	else
		lint_find(l, LINT_P111, p, "%.*s is no known parameter, and no value refers to it", SPAN_ARG(s->name));
}

static const char *
lookup(void *arg, struct span name)
{
	const struct lint *l = arg;
	const struct lint_setting *s = map_get(&l->last, name);

	return s != NULL ? s->raw : conf_raw(l->main, name);
}

struct reference {
	struct lint	*l;
	const struct lint_setting *s;
};

static void
check_reference(void *arg, struct span name)
{
	const struct reference *r = arg;
	struct lint *l = r->l;

	if (name.len == 0 || is_known(l, name) || map_get(&l->last, name) != NULL ||
	    (r->s->service != NULL && option_of(r->s->service, arena_str(&l->arena, name)) != NULL))
		return;
	for (size_t i = 0; i < l->service_count; i++)
		if (option_of(&l->services[i], arena_str(&l->arena, name)) != NULL)
			return;
	const char *near = param_nearest(name);
	lint_find(l, LINT_P112, at_word(r->s, name), "%.*s refers to $%.*s, which is set nowhere and counts as empty%s%s%s",
	    SPAN_ARG(r->s->name), SPAN_ARG(name), near != NULL ? "; did you mean $" : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
}

static void
check_expansion(struct lint *l, const struct lint_setting *s)
{
	struct reference r = { l, s };
	struct buf out = BUF_INIT(CONF_VALUE_MAX);
	struct err err = { ERR_NONE, "" };
	enum param p;

	if (!span_has(s->value, '$') || (param_find(s->name, &p) && value_is_raw(p)))
		return;
	if (!expand_names(s->value, check_reference, &r)) {
		expand_text(s->value, lookup, l, &out, &err);
		lint_find(l, LINT_P114, at_word(s, span_skip(s->value, span_find(s->value, '$'))), "%.*s: %s", SPAN_ARG(s->name),
		    err.kind == ERR_NONE ? "an expansion that cannot be read" : err.text);
	} else if (!expand_text(s->value, lookup, l, &out, &err)) {
		lint_find(l, LINT_P113, at_word(s, span_skip(s->value, span_find(s->value, '$'))), "%.*s: %s", SPAN_ARG(s->name),
		    err.text);
	}
	for (size_t i = 0; i + 1 < s->value.len; i++)
		if (s->value.ptr[i] == '$' && s->value.ptr[i + 1] == '$')
			i++;
		else if (s->value.ptr[i] == '$' && s->value.ptr[i + 1] == '(') {
			lint_find(l, LINT_P123, at_span(s->logical, span_of(s->value.ptr + i, 2)), "$(name) is the old form of ${name}");
			break;
		}
	buf_clear(&out);
}

/* Parameters whose default depends on compatibility_level: setting them is how one keeps a behaviour. */
static const char *const pinned[] = {
	"append_dot_mydomain", "compatibility_level", "mynetworks_style", "relay_domains", "smtputf8_enable", "smtpd_relay_restrictions",
	"smtpd_relay_before_recipient_restrictions", "respectful_logging", "smtpd_tls_fingerprint_digest",
	"smtp_tls_fingerprint_digest", "lmtp_tls_fingerprint_digest",
};

static void
check_default(struct lint *l, const struct lint_setting *s)
{
	enum param p;

	if (!s->counts || !param_find(s->name, &p) || p == P_myhostname || p == P_mydomain || p == P_mynetworks)
		return;
	for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++)
		if (span_eqs(s->name, pinned[i]))
			return;
	struct buf given = BUF_INIT(CONF_VALUE_MAX), usual = BUF_INIT(CONF_VALUE_MAX);
	bool ok = conf_expand(l->main, s->value, &given, NULL) &&
	    conf_expand(l->main, span_str(param_row(p)->def), &usual, NULL);
	if (ok && span_eq(span_trim(buf_view(&given)), span_trim(buf_view(&usual))))
		lint_find(l, LINT_P109, at_span(s->logical, s->name), "%.*s repeats the built-in default", SPAN_ARG(s->name));
	buf_clear(&given);
	buf_clear(&usual);
}

static void
check_read_only(struct lint *l, const struct lint_setting *s)
{
	if (span_eqs(s->name, "process_name") || span_eqs(s->name, "process_id") || span_eqs(s->name, "service_name"))
		lint_find(l, LINT_P121, at_span(s->logical, s->name), "%.*s is given by the program itself; this has no effect",
		    SPAN_ARG(s->name));
}

/* What mtad does not do (yet), in the words of conf's own warning. */
static void
check_supported(struct lint *l, const struct lint_setting *s)
{
	struct buf why = BUF_INIT(2048);

	if (conf_ineffective(l->main, s->name, s->value, &why))
		lint_find(l, LINT_P227, at_span(s->logical, s->name), "%s", why.ptr);
	buf_clear(&why);
}

static void
check_all(struct lint *l, const struct lint_setting *s, const struct name_set *used)
{
	check_name(l, s, used);
	check_expansion(l, s);
	check_read_only(l, s);
	check_supported(l, s);
}

void
lint_names(struct lint *l)
{
	struct name_set used = { MAP_INIT(setting_key) };

	for (size_t i = 0; i < l->setting_count; i++)
		expand_names(l->settings[i].value, note, &used);
	for (size_t i = 0; i < l->service_count; i++)
		for (size_t k = 0; k < l->services[i].option_count; k++)
			expand_names(l->services[i].options[k].value, note, &used);
	for (size_t i = 0; i < l->setting_count; i++) {
		check_all(l, &l->settings[i], &used);
		check_default(l, &l->settings[i]);
	}
	for (size_t i = 0; i < l->service_count; i++)
		for (size_t k = 0; l->services[i].counts && k < l->services[i].option_count; k++)
			check_all(l, &l->services[i].options[k], &used);
	settings_clear(&used.names);
}
