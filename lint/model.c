/* Settings and services as they stand in the files, and the configuration that mtad makes of the sound ones. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "lint/private.h"
#include "net/addr.h"

#define SERVICES_MAX	1000	/* as conf has it */
#define ROUNDS_MAX	12

static struct span
setting_name(const void *item)
{
	return ((const struct lint_setting *)item)->name;
}

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '$' || s.ptr[i] == '{' || (unsigned char)s.ptr[i] <= ' ')
			return false;
	return s.len > 0 && s.len <= 256;
}

static void
read_settings(struct lint *l)
{
	struct source *s = &l->main_cf;

	l->settings = mem_array(s->count + 1, sizeof *l->settings);
	l->last = MAP_INIT(setting_name);
	for (size_t i = 0; i < s->count; i++) {
		const struct logical *g = &s->logicals[i];
		size_t eq = span_find(g->text, '=');
		struct span name = span_rtrim(span_head(g->text, eq));
		if (eq == g->text.len || !is_name(name) || span_has(g->text, '\0'))
			continue;
		struct lint_setting *n = &l->settings[l->setting_count++];
		*n = (struct lint_setting){ .logical = g, .name = name, .counts = true };
		n->value = span_trim(span_skip(g->text, eq + 1));
		n->raw = arena_str(&l->arena, n->value);
		struct lint_setting *before = map_del(&l->last, name);
		if (before != NULL)
			before->counts = false;
		map_add(&l->last, n);
	}
}

/* A word, or what stands in {}, as master.cf has its arguments. */
static bool
take_word(struct span *rest, struct span *word)
{
	*rest = span_ltrim(*rest);
	if (rest->len == 0)
		return false;
	if (rest->ptr[0] != '{')
		return span_word(rest, LINT_BLANKS, word);
	size_t depth = 0;
	for (size_t i = 0; i < rest->len; i++) {
		if (rest->ptr[i] == '{')
			depth++;
		else if (rest->ptr[i] == '}' && --depth == 0) {
			*word = span_trim(span_of(rest->ptr + 1, i - 1));
			*rest = span_skip(*rest, i + 1);
			return true;
		}
	}
	*word = span_rtrim(span_skip(*rest, 1));
	*rest = SPAN_NONE;
	return true;
}

static void
add_option(struct lint *l, struct lint_service *s, struct span text)
{
	size_t eq = span_find(text, '=');
	struct lint_setting *o;

	if (eq == text.len || !is_name(span_trim(span_head(text, eq))))
		return;
	s->options = mem_grow(s->options, s->option_count + 1, sizeof *s->options);
	o = &s->options[s->option_count++];
	*o = (struct lint_setting){ .logical = s->logical, .name = span_trim(span_head(text, eq)),
	    .value = span_trim(span_skip(text, eq + 1)), .counts = true };
	o->raw = arena_str(&l->arena, o->value);
}

static void
read_words(struct lint *l, struct lint_service *s, struct span rest)
{
	struct span word, value;
	bool options = true;

	while (take_word(&rest, &word)) {
		if (options && span_starts(word, "-o")) {
			value = span_skip(word, 2);
			if (value.len > 0 || take_word(&rest, &value))
				add_option(l, s, value);
			continue;
		}
		if (!span_starts(word, "-"))
			options = false;
		s->words = mem_grow(s->words, s->word_count + 1, sizeof *s->words);
		s->words[s->word_count++] = word;
	}
	/* Of two settings of one name the later one counts. */
	for (size_t i = 0; i < s->option_count; i++) {
		s->options[i].service = s;
		for (size_t k = i + 1; k < s->option_count; k++)
			if (span_eq(s->options[i].name, s->options[k].name))
				s->options[i].counts = false;
	}
}

static void
read_services(struct lint *l)
{
	struct source *src = &l->master_cf;
	size_t n = src->count < SERVICES_MAX ? src->count : SERVICES_MAX;

	l->services = mem_array(n + 1, sizeof *l->services);
	for (size_t i = 0; i < n; i++) {
		struct lint_service *s = &l->services[l->service_count++];
		struct span rest = src->logicals[i].text;
		s->logical = &src->logicals[i];
		s->counts = true;
		while (s->fields < 8 && span_word(&rest, LINT_BLANKS, &s->field[s->fields]))
			s->fields++;
		if (s->fields == 8)
			read_words(l, s, rest);
		for (size_t k = 0; k < i; k++)
			if (s->fields >= 2 && l->services[k].fields >= 2 && span_eq(s->field[0], l->services[k].field[0]) &&
			    span_eq(s->field[1], l->services[k].field[1]))
				l->services[k].counts = false;
	}
}

void
model_read(struct lint *l)
{
	read_settings(l);
	read_services(l);
}

void
model_clear(struct lint *l)
{
	conf_unref(l->conf);
	map_clear(&l->last);
	for (size_t i = 0; i < l->service_count; i++) {
		free(l->services[i].options);
		free(l->services[i].words);
	}
	free(l->services);
	free(l->settings);
}

/* One line each, so that a problem's line says whose it is: line i + 1 is item i. */
static void
put_main(const struct lint *l, struct span more, struct buf *out)
{
	for (size_t i = 0; i < l->setting_count; i++) {
		const struct lint_setting *s = &l->settings[i];
		if (s->counts && !s->dropped) {
			buf_printf(out, "%.*s = ", SPAN_ARG(s->name));
			buf_span(out, s->value);
		}
		buf_char(out, '\n');
	}
	for (size_t i = 0; i < l->options->override_count; i++)
		buf_printf(out, "%s = %s\n", l->options->overrides[i].name, l->options->overrides[i].value);
	buf_span(out, more);
}

static void
put_master(const struct lint *l, struct buf *out)
{
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (s->counts && !s->dropped && s->fields == 8)
			buf_span(out, s->logical->text);
		buf_char(out, '\n');
	}
}

/* Marks the lines that have errors. False where that helps no more. */
static bool
drop_bad(struct lint *l, const struct conf_problems *p)
{
	bool any = false;

	for (size_t i = 0; i < p->count; i++) {
		unsigned line = p->items[i].line;
		if (p->items[i].level != PROBLEM_ERROR || p->items[i].file == NULL || line == 0)
			continue;
		bool master = span_ends(span_str(p->items[i].file), "master.cf");
		bool *dropped = master && line <= l->service_count ? &l->services[line - 1].dropped :
		    !master && line <= l->setting_count ? &l->settings[line - 1].dropped : NULL;
		if (dropped != NULL && !*dropped)
			any = *dropped = true;
	}
	return any;
}

/* A copy that is taken apart by parsers may hold NUL and the like: conf says so, and the line is dropped. */
static struct conf *
make_conf(struct lint *l, struct span more, bool may_drop)
{
	struct conf *c = NULL;

	for (int round = 0; c == NULL && round < ROUNDS_MAX; round++) {
		struct buf main_cf = BUF_INIT(0), master_cf = BUF_INIT(0);
		struct conf_problems problems = { NULL, 0, 0 };
		put_main(l, more, &main_cf);
		put_master(l, &master_cf);
		c = conf_parse(l->options->dir, buf_view(&main_cf), buf_view(&master_cf), &problems);
		bool again = c == NULL && may_drop && drop_bad(l, &problems);
		conf_problems_clear(&problems);
		buf_clear(&main_cf);
		buf_clear(&master_cf);
		if (!again)
			break;
	}
	return c;
}

struct conf *
model_conf_with(struct lint *l, struct span more)
{
	return make_conf(l, more, false);
}

void
model_conf(struct lint *l)
{
	struct conf_problems none = { NULL, 0, 0 };

	l->conf = make_conf(l, SPAN_NONE, true);
	if (l->conf == NULL)
		l->conf = conf_parse(l->options->dir, SPAN_NONE, SPAN_NONE, &none);
	conf_problems_clear(&none);
	if (l->conf == NULL)
		return;
	l->main = conf_main(l->conf);
	for (size_t i = 0; i < conf_service_count(l->conf); i++) {
		const struct service *s = conf_service(l->conf, i);
		if (s->line == 0 || s->line > l->service_count)
			continue;
		l->services[s->line - 1].service = s;
		l->services[s->line - 1].view = conf_view(l->conf, s);
	}
}

const struct lint_setting *
setting_of(const struct lint *l, const char *name)
{
	return map_get(&l->last, span_str(name));
}

bool
is_set(const struct lint *l, enum param p)
{
	return setting_of(l, param_row(p)->name) != NULL;
}

const struct lint_setting *
option_of(const struct lint_service *s, const char *name)
{
	for (size_t i = 0; s != NULL && i < s->option_count; i++)
		if (s->options[i].counts && span_eqs(s->options[i].name, name))
			return &s->options[i];
	return NULL;
}

static const struct lint_setting *
where_set(const struct lint *l, const struct lint_service *s, enum param p)
{
	const struct lint_setting *o = option_of(s, param_row(p)->name);
	return o != NULL ? o : setting_of(l, param_row(p)->name);
}

struct place
at_word(const struct lint_setting *s, struct span word)
{
	for (size_t i = 0; word.len > 0 && i + word.len <= s->value.len; i++)
		if (memcmp(s->value.ptr + i, word.ptr, word.len) == 0)
			return at_span(s->logical, span_of(s->value.ptr + i, word.len));
	return at_span(s->logical, s->value.len > 0 ? s->value : s->name);
}

struct place
at_word_of(const struct lint *l, const struct lint_service *s, enum param p, struct span word)
{
	const struct lint_setting *n = where_set(l, s, p);
	if (n != NULL)
		return at_word(n, word);
	return s != NULL ? at_span(s->logical, s->field[0]) : at_file(&l->main_cf);
}

struct place
at_param(const struct lint *l, const struct lint_service *s, enum param p)
{
	return at_word_of(l, s, p, SPAN_NONE);
}

const struct lint_service *
transport_of(const struct lint *l, struct span name)
{
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (s->counts && s->fields >= 2 && span_eq(s->field[0], name) && !span_eqs(s->field[1], "inet"))
			return s;
	}
	return NULL;
}

bool
runs(const struct lint_service *s, const char *command)
{
	return s->counts && s->fields == 8 && span_eqs(s->field[7], command);
}

const struct view *
view_of(const struct lint *l, const struct lint_service *s)
{
	return s != NULL && s->view != NULL ? s->view : l->main;
}

unsigned
port_of(const struct lint *l, struct span name)
{
	uint32_t n = 0;
	uint16_t port = 0;
	char text[64];

	if (num_u32(name, &n))
		return n < 65536 ? n : 0;
	if (name.len == 0 || name.len >= sizeof text)
		return 0;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	if (!net_port_named(name, conf_str(l->main, P_known_tcp_ports), &port) && l->host->port(l->host->arg, text, &n))
		return n;
	return port;
}

void
split_endpoint(struct span text, struct span *host, struct span *port)
{
	size_t colon = span_rfind(text, ':');

	if (span_starts(text, "[") && span_find(text, ']') < text.len) {
		size_t end = span_find(text, ']');
		*host = span_of(text.ptr + 1, end - 1);
		*port = span_skip(text, end + 1);
		*port = span_starts(*port, ":") ? span_skip(*port, 1) : SPAN_NONE;
		return;
	}
	*host = colon == text.len ? SPAN_NONE : span_head(text, colon);
	*port = colon == text.len ? text : span_skip(text, colon + 1);
}

bool
is_loopback(struct span host)
{
	return span_starts(host, "127.") || span_eqs(host, "::1") || span_caseeqs(host, "localhost") ||
	    span_caseeqs(host, "localhost.localdomain") || span_caseeqs(host, "ip6-localhost");
}

bool
is_public(const struct lint *l, const struct lint_service *s)
{
	struct span host, port, rest, word;

	if (s->fields < 2 || !span_eqs(s->field[1], "inet"))
		return false;
	split_endpoint(s->field[0], &host, &port);
	if (host.len > 0)
		return !is_loopback(host);
	rest = span_str(conf_str(view_of(l, s), P_inet_interfaces));
	while (span_word(&rest, LINT_SEPS, &word))
		if (!span_caseeqs(word, "loopback-only") && !is_loopback(word) && !span_eqs(word, "[::1]"))
			return true;
	return false;
}

char *
path_in(struct lint *l, const char *dir, struct span path)
{
	if (span_starts(path, "/"))
		return arena_str(&l->arena, path);
	return arena_printf(&l->arena, "%s/%.*s", dir, SPAN_ARG(path));
}
