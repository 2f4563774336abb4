/* Services that run foreign programs: pipe and spawn. */
#include "lint/private.h"

/* What stands behind "NAME=" among the words before argv; NULL: it is not there. */
static bool
attribute(const struct lint_service *s, const char *name, struct span *value)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < s->word_count; i++) {
		struct span w = s->words[i];
		if (span_starts(w, name) && w.len > n && w.ptr[n] == '=') {
			*value = span_skip(w, n + 1);
			return true;
		}
		if (span_starts(w, "argv="))
			return false;
	}
	return false;
}

static size_t
argv_at(const struct lint_service *s)
{
	for (size_t i = 0; i < s->word_count; i++)
		if (span_starts(s->words[i], "argv="))
			return i;
	return s->word_count;
}

static void
check_user(struct lint *l, const struct lint_service *s, struct span user)
{
	struct span name = span_head(user, span_find(user, ':'));
	const char *text = arena_str(&l->arena, name);
	unsigned uid = 1, gid = 1;
	struct place p = at_span(s->logical, user);

	bool known = name.len > 0 && l->host->user(l->host->arg, text, &uid, &gid);
	if (span_eqs(name, "root") || span_eqs(name, conf_str(l->main, P_mail_owner)) || (known && (uid == 0 || gid == 0)))
		lint_find(l, LINT_M123, p, "%.*s: no program is run as %s", SPAN_ARG(s->field[0]), text);
	else if (!known && name.len > 0 && transport_used(l, s->field[0]))
		lint_find(l, LINT_M127, p, "%.*s: there is no account \"%s\"; every delivery waits", SPAN_ARG(s->field[0]), text);
}

static bool
is_macro(struct span name)
{
	static const char *const macros[] = { "nexthop", "recipient", "sender", "user", "domain", "extension", "mailbox", "size",
	    "queue_id", "client_address", "client_helo", "client_hostname", "client_port", "client_protocol",
	    "original_recipient", "sasl_method", "sasl_sender", "sasl_username", "envid" };
	for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
		if (span_eqs(name, macros[i]))
			return true;
	return false;
}

static void
check_macros(struct lint *l, const struct lint_service *s, struct span word)
{
	for (size_t i = 0; i + 1 < word.len; i++) {
		if (word.ptr[i] != '$')
			continue;
		if (word.ptr[i + 1] == '$') {
			i++;
			continue;
		}
		size_t from = i + 1 + (word.ptr[i + 1] == '{' || word.ptr[i + 1] == '('), to = from;
		while (to < word.len && (word.ptr[to] == '_' || (word.ptr[to] >= 'a' && word.ptr[to] <= 'z') ||
		    (word.ptr[to] >= 'A' && word.ptr[to] <= 'Z') || (word.ptr[to] >= '0' && word.ptr[to] <= '9')))
			to++;
		struct span name = span_of(word.ptr + from, to - from);
		if (name.len > 0 && !is_macro(name))
			lint_find(l, LINT_M124, at_span(s->logical, name), "%.*s: pipe has no macro \"%.*s\"", SPAN_ARG(s->field[0]),
			    SPAN_ARG(name));
	}
}

static bool
is_shell(struct span w)
{
	static const char *const words[] = { "|", "||", ">", ">>", "<", ";", "&&", "&", "2>&1" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (span_eqs(w, words[i]))
			return true;
	return span_starts(w, "\"") || span_starts(w, "'") || span_starts(w, "`");
}

static void
check_argv(struct lint *l, const struct lint_service *s)
{
	size_t first = argv_at(s);

	for (size_t i = first; i < s->word_count; i++) {
		struct span w = i == first ? span_skip(s->words[i], 5) : s->words[i];
		if (is_shell(w))
			lint_find(l, LINT_M126, at_span(s->logical, w), "%.*s: no shell runs; the program gets \"%.*s\" as it is",
			    SPAN_ARG(s->field[0]), SPAN_ARG(w));
		if (span_eqs(s->field[7], "pipe")) {
			check_macros(l, s, w);
			if (span_eqs(w, "-f$sender") || span_eqs(w, "-f${sender}"))
				lint_find(l, LINT_M129, at_span(s->logical, w), "%.*s: a bounce has an empty sender, and -f then takes the next word",
				    SPAN_ARG(s->field[0]));
		}
	}
}

static void
check_program(struct lint *l, const struct lint_service *s)
{
	size_t first = argv_at(s);
	struct lint_stat st;

	if (first == s->word_count || !transport_used(l, s->field[0]))
		return;
	struct span path = span_skip(s->words[first], 5);
	if (path.len == 0)
		return;
	if (path.ptr[0] != '/')
		lint_find(l, LINT_M128, at_span(s->logical, path), "%.*s: \"%.*s\" is no absolute path", SPAN_ARG(s->field[0]),
		    SPAN_ARG(path));
	else if (!l->host->stat(l->host->arg, arena_str(&l->arena, path), true, &st) || st.type != 'f' || (st.mode & 0111) == 0)
		lint_find(l, LINT_M128, at_span(s->logical, path), "%.*s: %.*s is no program that can be run", SPAN_ARG(s->field[0]),
		    SPAN_ARG(path));
}

static void
check_attributes(struct lint *l, const struct lint_service *s)
{
	static const char *const known[] = { "argv", "chroot", "directory", "eol", "flags", "null_sender", "size", "user" };
	size_t end = argv_at(s);

	for (size_t i = 0; i < end; i++) {
		struct span name = span_head(s->words[i], span_find(s->words[i], '='));
		bool ok = span_starts(name, "-");
		for (size_t k = 0; k < sizeof known / sizeof *known && !ok; k++)
			ok = span_eqs(name, known[k]);
		if (!ok)
			lint_find(l, LINT_M124, at_span(s->logical, name), "%.*s: pipe has no attribute \"%.*s\"", SPAN_ARG(s->field[0]),
			    SPAN_ARG(name));
	}
}

static void
check_flags(struct lint *l, const struct lint_service *s)
{
	struct span flags;
	int64_t limit = 1;
	bool single = false;

	if (!attribute(s, "flags", &flags))
		return;
	for (size_t i = 0; i < flags.len; i++) {
		if (!span_has(SPAN("BDFORXhqu.>"), flags.ptr[i]))
			lint_find(l, LINT_M124, at_span(s->logical, span_of(flags.ptr + i, 1)), "%.*s: pipe has no flag \"%c\"",
			    SPAN_ARG(s->field[0]), flags.ptr[i] > ' ' && flags.ptr[i] < 127 ? flags.ptr[i] : '?');
		single = single || flags.ptr[i] == 'D' || flags.ptr[i] == 'O';
	}
	const char *name = arena_str(&l->arena, s->field[0]);
	if (single && transport_used(l, s->field[0]) && s->service != NULL &&
	    conf_transport_int(l->conf, name, "_destination_recipient_limit", &limit) && limit != 1)
		lint_find(l, LINT_M125, at_span(s->logical, flags), "%s: flags D and O need one recipient a delivery; set "
		    "%s_destination_recipient_limit = 1", name, name);
}

void
lint_pipe(struct lint *l)
{
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		struct span user = SPAN_NONE;
		bool pipe = runs(s, "pipe");
		if (!pipe && !runs(s, "spawn"))
			continue;
		if (!attribute(s, "user", &user))
			lint_find(l, LINT_M122, at_span(s->logical, s->field[7]), "%.*s: user= is missing", SPAN_ARG(s->field[0]));
		else
			check_user(l, s, user);
		if (argv_at(s) == s->word_count)
			lint_find(l, LINT_M122, at_span(s->logical, s->field[7]), "%.*s: argv= is missing", SPAN_ARG(s->field[0]));
		if (pipe) {
			check_attributes(l, s);
			check_flags(l, s);
		}
		check_argv(l, s);
		check_program(l, s);
	}
}
