/* Where main.cf and the -o of services name transports, next hops and tables. */
#include "lint/private.h"

static const enum param transports[] = {
	P_default_transport, P_relay_transport, P_local_transport, P_virtual_transport, P_mailbox_transport,
	P_fallback_transport, P_error_service_name, P_content_filter, P_address_verify_default_transport,
	P_address_verify_local_transport, P_address_verify_relay_transport, P_address_verify_virtual_transport,
};

static void
call(struct lint *l, const struct lint_service *s, enum param p, const char *value, struct span text, use_fn *fn, void *arg)
{
	struct use u = { s, p, text, at_word_of(l, s, p, text) };

	(void)value;
	fn(l, &u, arg);
}

/* main.cf's value where it is set or has an effect by default, and each -o. */
static void
each_value(struct lint *l, enum param p, bool defaults, void (*fn)(struct lint *, const struct lint_service *, enum param,
    const char *, use_fn *, void *), use_fn *use, void *arg)
{
	if (defaults || is_set(l, p))
		fn(l, NULL, p, conf_str(l->main, p), use, arg);
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (s->counts && s->view != NULL && option_of(s, param_row(p)->name) != NULL)
			fn(l, s, p, conf_str(s->view, p), use, arg);
	}
}

static void
one_transport(struct lint *l, const struct lint_service *s, enum param p, const char *value, use_fn *fn, void *arg)
{
	struct span text = span_trim(span_str(value));

	if (text.len > 0)
		call(l, s, p, value, text, fn, arg);
}

void
each_transport(struct lint *l, use_fn *fn, void *arg)
{
	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
		each_value(l, transports[i], true, one_transport, fn, arg);
}

bool
is_table_param(enum param p)
{
	struct span name = span_str(param_row(p)->name);

	return span_ends(name, "_maps") || span_ends(name, "_map") || span_ends(name, "_checks") ||
	    p == P_alias_database || p == P_smtpd_sender_login_maps;
}

/* The next word of a list of tables: a group in {} stays whole. */
static bool
table_part(struct span *rest, struct span *word)
{
	size_t start = 0, end, depth = 0;

	while (start < rest->len && span_has(SPAN(LINT_SEPS), rest->ptr[start]))
		start++;
	for (end = start; end < rest->len && (depth > 0 || !span_has(SPAN(LINT_SEPS), rest->ptr[end])); end++)
		depth = rest->ptr[end] == '{' ? depth + 1 : rest->ptr[end] == '}' && depth > 0 ? depth - 1 : depth;
	*word = span_of(rest->ptr + start, end - start);
	*rest = span_skip(*rest, end);
	return word->len > 0;
}

static void
list_of_tables(struct lint *l, const struct lint_service *s, enum param p, const char *value, use_fn *fn, void *arg)
{
	struct span rest = span_str(value), word;

	while (table_part(&rest, &word))
		call(l, s, p, value, word, fn, arg);
}

/* "2001:db8::/32", whose first part looks like a type. */
static bool
is_ipv6(struct span s)
{
	unsigned colons = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (!span_has(SPAN("0123456789abcdefABCDEF:./!"), s.ptr[i]))
			return false;
		colons += s.ptr[i] == ':';
	}
	return colons >= 2;
}

/* Lists in which a table may stand among other things: words with a type, or behind check_*_access. */
static void
tables_among(struct lint *l, const struct lint_service *s, enum param p, const char *value, use_fn *fn, void *arg)
{
	struct span rest = span_str(value), word;
	bool argument = false;

	while (table_part(&rest, &word)) {
		size_t colon = span_find(word, ':');
		bool access = span_starts(word, "check_") && span_ends(word, "_access");
		bool type = colon > 0 && colon < word.len && !is_ipv6(word) && !span_has(span_head(word, colon), '/') &&
		    !span_has(span_head(word, colon), '[') && !span_has(span_head(word, colon), '.') &&
		    !span_starts(span_skip(word, colon + 1), ":") && span_find(word, '{') >= colon;
		if (!access && (argument || (type && !span_starts(word, "unix:") && !span_starts(word, "inet:"))))
			call(l, s, p, value, word, fn, arg);
		argument = access;
	}
}

static bool
is_mixed_list(enum param p)
{
	struct span name = span_str(param_row(p)->name);

	return span_ends(name, "_restrictions") || span_ends(name, "_domains") || span_ends(name, "_networks") ||
	    span_ends(name, "_hosts") || span_ends(name, "_exceptions") || span_ends(name, "_exclusions") ||
	    span_ends(name, "_clientcerts") || p == P_mynetworks || p == P_mydestination || p == P_local_header_rewrite_clients;
}

void
each_table(struct lint *l, use_fn *fn, void *arg)
{
	for (int i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		if (param_row(p)->type != PARAM_STR)
			continue;
		if (is_table_param(p))
			each_value(l, p, false, list_of_tables, fn, arg);
		else if (is_mixed_list(p))
			each_value(l, p, false, tables_among, fn, arg);
	}
}

struct hop
hop_parse(struct span text)
{
	struct hop h = { .transport = SPAN_NONE };
	struct span host, port;

	h.bracketed = span_starts(text, "[");
	if (h.bracketed) {
		split_endpoint(text, &h.host, &h.port);
		return h;
	}
	size_t colon = span_find(text, ':');
	host = span_head(text, colon);
	port = colon < text.len ? span_skip(text, colon + 1) : SPAN_NONE;
	h.host = host;
	h.port = port;
	return h;
}

struct search {
	struct span	 name;
	bool		 found;
};

static void
is_that(struct lint *l, const struct use *u, void *arg)
{
	struct search *x = arg;

	(void)l;
	x->found = x->found || span_eq(span_head(u->text, span_find(u->text, ':')), x->name);
}

static bool
entry_is_that(struct lint *l, const struct table_entry *e, void *arg)
{
	struct search *x = arg;

	(void)l;
	x->found = x->found || span_eq(span_head(e->value, span_find(e->value, ':')), x->name);
	return !x->found;
}

static void
table_is_that(struct lint *l, const struct use *u, void *arg)
{
	if (u->param == P_transport_maps || u->param == P_sender_dependent_default_transport_maps ||
	    u->param == P_mailbox_transport_maps || u->param == P_fallback_transport_maps)
		each_entry(l, u->text, u->place, entry_is_that, arg);
}

bool
transport_used(struct lint *l, struct span name)
{
	struct search x = { name, false };

	each_transport(l, is_that, &x);
	if (!x.found)
		each_table(l, table_is_that, &x);
	return x.found;
}
