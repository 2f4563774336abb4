/* What Postfix asks of each service: its columns by the program that it runs, and which services there have to be. */
#include "base/num.h"
#include "conf/expand.h"
#include "lint/private.h"

enum { ONE = 1, NONE = 2, WAKES = 4, ROOT = 8, UNJAILED = 16, PUBLIC = 32, PRIVATE = 64 };

/* By the command; `name` where the service's name counts as well. */
static const struct demand {
	const char	*command, *name;
	unsigned	 flags;
} demands[] = {
	{ "qmgr", NULL, ONE | WAKES | PUBLIC }, { "oqmgr", NULL, ONE | WAKES | PUBLIC }, { "pickup", NULL, ONE | WAKES | PUBLIC },
	{ "tlsmgr", NULL, ONE | PRIVATE }, { "verify", NULL, ONE | PRIVATE }, { "anvil", NULL, ONE | PRIVATE },
	{ "scache", NULL, ONE | PRIVATE }, { "postscreen", NULL, ONE }, { "postlogd", NULL, ONE | UNJAILED | PUBLIC },
	{ "proxymap", "proxywrite", ONE | UNJAILED | PRIVATE }, { "proxymap", "proxymap", UNJAILED | PRIVATE },
	{ "cleanup", "cleanup", NONE | PUBLIC }, { "cleanup", NULL, NONE }, { "bounce", NULL, NONE | PRIVATE },
	{ "flush", NULL, NONE | WAKES | PUBLIC }, { "dnsblog", NULL, NONE }, { "tlsproxy", NULL, NONE },
	{ "local", NULL, ROOT | UNJAILED | PRIVATE }, { "virtual", NULL, ROOT | UNJAILED | PRIVATE },
	{ "pipe", NULL, ROOT | UNJAILED }, { "spawn", NULL, ROOT | UNJAILED }, { "showq", NULL, PUBLIC },
	{ "trivial-rewrite", NULL, PRIVATE }, { "smtp", NULL, PRIVATE }, { "lmtp", NULL, PRIVATE }, { "error", NULL, PRIVATE },
};

static const struct demand *
demand_of(const struct lint_service *s)
{
	for (size_t i = 0; i < sizeof demands / sizeof *demands; i++)
		if (span_eqs(s->field[7], demands[i].command) &&
		    (demands[i].name == NULL || span_eqs(s->field[0], demands[i].name)))
			return &demands[i];
	return NULL;
}

static bool
is_zero(struct span wakeup)
{
	uint32_t n = 1;

	if (span_ends(wakeup, "?"))
		wakeup = span_head(wakeup, wakeup.len - 1);
	return span_eqs(wakeup, "-") || (num_u32(wakeup, &n) && n == 0);
}

static void
check_process_limit(struct lint *l, const struct lint_service *s, unsigned flags)
{
	struct place p = at_span(s->logical, s->field[6]);
	uint32_t n = UINT32_MAX;
	bool number = num_u32(s->field[6], &n);

	if (!number && !span_eqs(s->field[6], "-"))
		return;
	if ((flags & ONE) != 0 && n != 1)
		lint_find(l, LINT_M115, p, "%.*s runs as one process", SPAN_ARG(s->field[0]));
	if ((flags & NONE) != 0 && n != 0)
		lint_find(l, LINT_M116, p, "%.*s has no limit of processes", SPAN_ARG(s->field[0]));
}

static void
check_demands(struct lint *l, const struct lint_service *s)
{
	const struct demand *d = demand_of(s);
	struct span name = s->field[0];
	int old = 1;

	if (span_eqs(s->field[4], "-") && expand_level_cmp(span_str(conf_str(l->main, P_compatibility_level)), SPAN("1"), &old) &&
	    old < 0)
		lint_find(l, LINT_M120, at_span(s->logical, s->field[4]), "%.*s is chrooted only because of the old default",
		    SPAN_ARG(name));
	if (d == NULL)
		return;
	check_process_limit(l, s, d->flags);
	if ((d->flags & WAKES) != 0 && is_zero(s->field[5]))
		lint_find(l, LINT_M117, at_span(s->logical, s->field[5]), "%.*s has no wake-up time: nothing starts its work",
		    SPAN_ARG(name));
	if ((d->flags & ROOT) != 0 && (span_eqs(s->field[3], "y") || span_eqs(s->field[3], "-")))
		lint_find(l, LINT_M118, at_span(s->logical, s->field[3]), "%.*s has to switch users and needs rights for that",
		    SPAN_ARG(name));
	if ((d->flags & UNJAILED) != 0 && span_eqs(s->field[4], "y"))
		lint_find(l, LINT_M119, at_span(s->logical, s->field[4]), "%.*s cannot work chrooted", SPAN_ARG(name));
	if ((d->flags & PUBLIC) != 0 && (span_eqs(s->field[2], "y") || span_eqs(s->field[2], "-")))
		lint_find(l, LINT_M121, at_span(s->logical, s->field[2]), "%.*s has to be public (private = n): others look for it in public/",
		    SPAN_ARG(name));
	if ((d->flags & PRIVATE) != 0 && span_eqs(s->field[2], "n") && !span_eqs(s->field[1], "inet"))
		lint_find(l, LINT_M121, at_span(s->logical, s->field[2]), "%.*s has to be private (y or -): others look for it in private/",
		    SPAN_ARG(name));
}

static bool
uses_tls(const struct lint *l)
{
	static const enum param levels[] = { P_smtp_tls_security_level, P_smtpd_tls_security_level, P_lmtp_tls_security_level };
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		struct span v = span_str(conf_str(l->main, levels[i]));
		if (v.len > 0 && !span_eqs(v, "none"))
			return true;
	}
	return false;
}

/* mtad has all of this within itself; only Postfix needs the lines. */
static void
check_missing(struct lint *l)
{
	static const char *const required[] = { "pickup", "cleanup", "qmgr", "rewrite", "bounce", "defer", "trace", "proxymap", "smtp",
	    "error", "retry", "local", "showq", "anvil", "scache", "flush", "discard" };
	struct buf missing = BUF_INIT(1024);

	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		if (transport_of(l, span_str(required[i])) == NULL)
			buf_printf(&missing, " %s", required[i]);
	if (uses_tls(l) && transport_of(l, SPAN("tlsmgr")) == NULL)
		buf_str(&missing, " tlsmgr");
	if (missing.len > 0)
		lint_find(l, LINT_M114, at_file(&l->master_cf), "services that Postfix needs and mtad does without are missing:%s",
		    missing.ptr);
	buf_clear(&missing);
}

void
lint_services(struct lint *l)
{
	for (size_t i = 0; i < l->service_count; i++)
		if (l->services[i].counts && l->services[i].fields == 8)
			check_demands(l, &l->services[i]);
	if (l->master_cf.readable)
		check_missing(l);
}
