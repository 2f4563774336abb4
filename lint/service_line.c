/* The lines of master.cf: their columns, their -o options, and lines that belong to another service than one thinks. */
#include "base/num.h"
#include "lint/private.h"

static const char *const types[] = { "inet", "unix", "unix-dgram", "fifo", "pass" };
static const char *const daemons[] = {
	"anvil", "bounce", "cleanup", "discard", "dnsblog", "error", "flush", "lmtp", "local", "nbdb_reindexd", "nqmgr", "oqmgr", "pickup", "pipe",
	"postlogd", "postscreen", "proxymap", "qmgr", "qmqpd", "scache", "showq", "smtp", "smtpd", "spawn", "tlsmgr", "tlsproxy",
	"trivial-rewrite", "verify", "virtual",
};

static bool
among(struct span word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eqs(word, list[i]))
			return true;
	return false;
}

static bool
is_type(struct span s)
{
	return among(s, types, sizeof types / sizeof *types);
}

static bool
is_flag(struct span s)
{
	return span_eqs(s, "y") || span_eqs(s, "n") || span_eqs(s, "-");
}

static bool
is_number(struct span s)
{
	uint32_t n;
	return span_eqs(s, "-") || (num_u32(s, &n) && n <= INT32_MAX);
}

static void
check_columns(struct lint *l, const struct lint_service *s)
{
	static const char *const columns[] = { "private", "unpriv", "chroot" };
	const struct logical *g = s->logical;
	struct span wakeup = s->field[5];

	if (s->fields < 8) {
		lint_find(l, LINT_M101, at_span(g, span_trim(g->text)), "%u columns; a service has eight: name type private unpriv chroot wakeup "
		    "maxproc command", s->fields);
		return;
	}
	if (!is_type(s->field[1]))
		lint_find(l, LINT_M102, at_span(g, s->field[1]), "\"%.*s\" is no type of service", SPAN_ARG(s->field[1]));
	for (int i = 0; i < 3; i++)
		if (!is_flag(s->field[2 + i]))
			lint_find(l, LINT_M103, at_span(g, s->field[2 + i]), "%s column: \"%.*s\" is none of y, n and -", columns[i],
			    SPAN_ARG(s->field[2 + i]));
	if (span_eqs(s->field[1], "inet") && (span_eqs(s->field[2], "y") || span_eqs(s->field[2], "-")))
		lint_find(l, LINT_M104, at_span(g, s->field[2]), "an inet service cannot be private");
	if (span_ends(wakeup, "?"))
		wakeup = span_head(wakeup, wakeup.len - 1);
	if (!is_number(wakeup))
		lint_find(l, LINT_M105, at_span(g, s->field[5]), "wakeup column: \"%.*s\" is no number", SPAN_ARG(s->field[5]));
	if (!is_number(s->field[6]))
		lint_find(l, LINT_M105, at_span(g, s->field[6]), "maxproc column: \"%.*s\" is no number", SPAN_ARG(s->field[6]));
	if (!among(s->field[7], daemons, sizeof daemons / sizeof *daemons))
		lint_find(l, LINT_M107, at_span(g, s->field[7]), "there is no daemon program \"%.*s\"", SPAN_ARG(s->field[7]));
	if (span_eqs(s->field[1], "fifo"))
		lint_find(l, LINT_M146, at_span(g, s->field[1]), "type fifo is obsolete");
}

static void
check_twice(struct lint *l, const struct lint_service *s)
{
	if (s->counts || s->fields < 2)
		return;
	for (size_t i = l->service_count; i-- > 0;) {
		const struct lint_service *o = &l->services[i];
		if (o->counts && o->fields >= 2 && span_eq(o->field[0], s->field[0]) && span_eq(o->field[1], s->field[1])) {
			lint_find(l, LINT_M106, at_span(s->logical, s->field[0]), "%.*s/%.*s is defined again in line %u; only that line counts",
			    SPAN_ARG(s->field[0]), SPAN_ARG(s->field[1]), o->logical->line);
			return;
		}
	}
}

/* A word as it stands; a group in {} is one, braces included. */
static bool
raw_word(struct span *rest, struct span *word)
{
	size_t depth = 0, n = 0;

	*rest = span_ltrim(*rest);
	if (!span_starts(*rest, "{"))
		return span_word(rest, LINT_BLANKS, word);
	for (n = 0; n < rest->len; n++) {
		if (rest->ptr[n] == '{')
			depth++;
		else if (rest->ptr[n] == '}' && --depth == 0)
			break;
	}
	*word = span_head(*rest, n + 1);
	*rest = span_skip(*rest, n + 1);
	return true;
}

static void
check_option(struct lint *l, const struct lint_service *s, struct span arg, struct span rest)
{
	struct span next = SPAN_NONE;
	bool foreign = span_eqs(s->field[7], "pipe") || span_eqs(s->field[7], "spawn");
	bool more = raw_word(&rest, &next);

	if (span_starts(arg, "{")) {
		if (!span_has(arg, '='))
			lint_find(l, LINT_M109, at_span(s->logical, arg), "-o without name=value");
		return;
	}
	if (!span_has(arg, '=')) {
		if (more && (span_starts(next, "=") || !span_starts(next, "-")))
			lint_find(l, LINT_M108, at_span(s->logical, arg), "the setting behind -o has blanks in it");
		else
			lint_find(l, LINT_M109, at_span(s->logical, arg), "-o %.*s has no value", SPAN_ARG(span_head(arg, 60)));
	} else if (more && !foreign && !span_starts(next, "-")) {
		lint_find(l, LINT_M108, at_span(s->logical, next), "\"%.*s\" is no part of the -o before it: a blank ends that",
		    SPAN_ARG(span_head(next, 60)));
	}
}

static void
check_options(struct lint *l, const struct lint_service *s)
{
	struct span rest = s->logical->text, word, arg;

	for (unsigned i = 0; i < 8; i++)
		if (!span_word(&rest, LINT_BLANKS, &word))
			return;
	while (raw_word(&rest, &word)) {
		if (!span_starts(word, "-")) {
			if (span_eqs(s->field[7], "pipe") || span_eqs(s->field[7], "spawn"))
				return;
			continue;
		}
		if (span_eqs(word, "-v") || span_eqs(word, "-D") || span_eqs(word, "-vv"))
			lint_find(l, LINT_M144, at_span(s->logical, word), "debugging (%.*s) is on for %.*s", SPAN_ARG(word),
			    SPAN_ARG(s->field[0]));
		if (!span_starts(word, "-o"))
			continue;
		arg = span_skip(word, 2);
		if (arg.len == 0 && !raw_word(&rest, &arg))
			lint_find(l, LINT_M109, at_span(s->logical, word), "-o without a setting");
		else
			check_option(l, s, arg, rest);
	}
}

static bool
reads(struct span command, struct span name)
{
	bool server = span_eqs(command, "smtpd") || span_eqs(command, "postscreen");
	bool client = span_eqs(command, "smtp") || span_eqs(command, "lmtp");

	if (span_ends(name, "_tls_session_cache_database"))
		return span_eqs(command, "tlsmgr");
	if (client && (span_starts(name, "smtpd_") || span_starts(name, "postscreen_")))
		return false;
	return !server || (!span_starts(name, "smtp_") && !span_starts(name, "lmtp_"));
}

static void
check_overrides(struct lint *l, const struct lint_service *s)
{
	for (size_t i = 0; s->counts && i < s->option_count; i++) {
		const struct lint_setting *o = &s->options[i];
		const char *above = conf_raw(l->main, o->name);
		struct place p = at_span(s->logical, o->name);
		if (!o->counts)
			lint_find(l, LINT_M153, p, "%.*s: -o %.*s is given again behind this; only the last one counts",
			    SPAN_ARG(s->field[0]), SPAN_ARG(o->name));
		enum param known;
		if (param_find(o->name, &known) && !reads(s->field[7], o->name))
			lint_find(l, LINT_M111, p, "%.*s (%.*s) does not read %.*s", SPAN_ARG(s->field[0]), SPAN_ARG(s->field[7]),
			    SPAN_ARG(o->name));
		else if (o->counts && above != NULL && span_eqs(o->value, above))
			lint_find(l, LINT_M154, p, "%.*s: -o %.*s repeats main.cf", SPAN_ARG(s->field[0]), SPAN_ARG(o->name));
	}
}

static unsigned
split(struct span line, struct span word[8])
{
	unsigned n = 0;

	while (n < 8 && span_word(&line, LINT_BLANKS, &word[n]))
		n++;
	return n;
}

static bool
is_header(struct span line)
{
	struct span w[8];
	return split(line, w) == 8 && is_type(w[1]) && is_flag(w[2]) && is_flag(w[3]) && is_flag(w[4]);
}

static struct span
owner_of(const struct lint *l, unsigned line)
{
	for (size_t i = l->service_count; i-- > 0;)
		if (l->services[i].logical->line < line)
			return l->services[i].field[0];
	return SPAN_NONE;
}

static void
check_indented(struct lint *l, const struct source *src)
{
	bool commented = false;		/* the nearest line above that begins something is a comment */

	for (unsigned i = 1; i <= src->line_count; i++) {
		struct span line = source_line(src, i), text = span_trim(line), body = text;
		if (text.len == 0)
			continue;
		while (span_starts(body, "#"))
			body = span_skip(body, 1);
		if (text.ptr[0] == '#') {
			if (is_header(body))
				commented = true;
			continue;
		}
		if (!span_has(SPAN(LINT_BLANKS), line.ptr[0])) {
			commented = false;
			continue;
		}
		struct span owner = owner_of(l, i);
		if (owner.len > 0 && is_header(text))
			lint_find(l, LINT_M113, at_line(src, i), "this service is indented, so it is an argument of %.*s", SPAN_ARG(owner));
		else if (owner.len > 0 && commented && span_starts(text, "-o"))
			lint_find(l, LINT_M112, at_line(src, i), "this -o stood under a service that is commented out; it applies to %.*s now",
			    SPAN_ARG(owner));
	}
}

void
lint_service_lines(struct lint *l)
{
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		check_columns(l, s);
		check_twice(l, s);
		if (s->fields == 8) {
			check_options(l, s);
			check_overrides(l, s);
		}
	}
	check_indented(l, &l->master_cf);
}
