/*
 * postconf: parameters as main.cf and the catalogue have them.
 */
#include "mtactl/postfix_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "net/tls_library.h"
#include "table/table.h"

#define USAGE	"usage: postconf [-b [template_file]] [-c config_dir] [-C class,...] [-d (parameter defaults)] [-e (edit)] [-f (fold lines)] [-F (master.cf fields)] " \
	"[-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] [-n (non-default parameters)] " \
	"[-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf parameters)] [-t [template_file]] [-v (verbose)] " \
	"[-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]"

void
postconf_words(struct buf *out, struct span value)
{
	struct span word;

	for (bool first = true; span_word(&value, " \t\r\n\f\v", &word); first = false) {
		if (!first)
			buf_char(out, ' ');
		buf_span(out, word);
	}
}

/* Words of the text in lines of 80 at most, the later ones indented. What stands in *out already is on the first. */
static void
put_folded(struct buf *out, struct span value)
{
	struct span word;
	size_t start = 0;
	bool first = out->len == 0;

	while (span_word(&value, " \t\r\n\f\v", &word)) {
		if (!first && out->len - start + 1 + word.len > 80) {
			buf_char(out, '\n');
			start = out->len;
			buf_str(out, "    ");
		} else if (!first) {
			buf_char(out, ' ');
		}
		buf_span(out, word);
		first = false;
	}
}

void
postconf_put(const struct postconf *c, struct span name, struct span value)
{
	struct display *d = &c->postfix->session.display;
	struct buf line = BUF_INIT(0);

	if (!c->no_name)
		buf_span(&line, name);
	if (!c->no_name && !c->no_value)
		buf_str(&line, " =");
	if (!c->no_value && c->fold) {
		put_folded(&line, value);
	} else if (!c->no_value) {
		struct buf words = BUF_INIT(0);
		postconf_words(&words, value);
		if (!c->no_name && words.len > 0)
			buf_char(&line, ' ');
		buf_span(&line, buf_view(&words));
		buf_clear(&words);
	}
	if (d->tty)
		safe_text(&d->out, buf_view(&line), c->fold);
	else
		buf_span(&d->out, buf_view(&line));
	buf_char(&d->out, '\n');
	buf_clear(&line);
}

/* -- values ---------------------------------------------------------------- */

/* What holds where nothing is set; false where the name is not known. */
static bool
default_of(const struct postconf *c, struct span name, struct buf *value)
{
	enum param known;

	if (postconf_transport(c, name, value))
		return true;
	if (!param_find(name, &known))
		return false;
	if (c->defaults != NULL)
		buf_str(value, conf_raw(conf_main(c->defaults), name));
	else
		buf_str(value, param_row(known)->def);
	return true;
}

bool
postconf_raw(const struct postconf *c, struct span name, struct buf *value)
{
	const struct setting_text *s = c->only_defaults ? NULL : postconf_find(c, name);
	enum param known;

	if (s == NULL)
		return !c->only_set && default_of(c, name, value);
	if (!s->used && !param_find(name, &known))
		return false;
	buf_str(value, s->value);
	return true;
}

struct expansion {
	struct postconf	 of;		/* with all values, whatever is shown */
	struct buf	*texts;		/* keeps what lookups gave until the end */
	size_t		 count;
};

static const char *
look_up(void *arg, struct span name)
{
	struct expansion *e = arg;
	const struct setting_text *s = e->of.only_defaults ? NULL : postconf_find(&e->of, name);
	struct buf value = BUF_INIT(0);

	if (s != NULL)
		return s->value;
	buf_str(&value, "");
	if (!default_of(&e->of, name, &value)) {
		buf_clear(&value);
		return NULL;
	}
	e->texts = mem_grow(e->texts, e->count + 1, sizeof *e->texts);
	e->texts[e->count++] = value;
	return value.ptr;
}

bool
postconf_expand(const struct postconf *c, struct span raw, struct buf *out, struct err *err)
{
	struct expansion e = { .of = *c };
	bool ok = expand_text(raw, look_up, &e, out, err);

	for (size_t i = 0; i < e.count; i++)
		buf_clear(&e.texts[i]);
	free(e.texts);
	return ok;
}

static void
show(const struct postconf *c, struct span name, struct span raw)
{
	struct err err = { .kind = ERR_NONE };
	struct buf text = BUF_INIT((size_t)1 << 20);
	enum param known;

	bool raw_one = param_find(name, &known) && value_is_raw(known);
	if (c->expand && !raw_one && postconf_expand(c, raw, &text, &err))
		postconf_put(c, name, buf_view(&text));
	else
		postconf_put(c, name, raw);
	if (err.text[0] != '\0')
		postfix_warn(c->postfix->name, "%.*s: %s", SPAN_ARG(name), err.text);
	buf_clear(&text);
}

static void
show_named(const struct postconf *c, const char *name)
{
	struct buf value = BUF_INIT(0);
	enum param known;

	buf_str(&value, "");
	if (postconf_raw(c, span_str(name), &value))
		show(c, span_str(name), buf_view(&value));
	else if (!c->only_set || !(param_find(span_str(name), &known) || postconf_find(c, span_str(name)) != NULL))
		postfix_warn(c->postfix->name, "%s: unknown parameter", name);
	buf_clear(&value);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t
postconf_names(const struct postconf *c, const char ***names)
{
	size_t n = 0, kept = 0;

	*names = mem_array(PARAM_COUNT + c->count, sizeof(char *));
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		(*names)[n++] = param_row((enum param)i)->name;
	for (size_t i = 0; i < c->count && !c->only_defaults; i++)
		(*names)[n++] = c->settings[i].name;
	qsort(*names, n, sizeof **names, by_name);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp((*names)[i], (*names)[kept - 1]) != 0)
			(*names)[kept++] = (*names)[i];
	return kept;
}

static bool
in_class(const struct postconf *c, struct span name)
{
	struct buf unused = BUF_INIT(0);
	enum param known;

	unsigned own = postconf_transport(c, name, &unused) ? CLASS_SERVICE : param_find(name, &known) ? CLASS_BUILTIN : CLASS_USER;
	buf_clear(&unused);
	return c->classes == 0 || (c->classes & own);
}

static void
show_all(const struct postconf *c)
{
	const char **names;
	size_t n = postconf_names(c, &names);

	for (size_t i = 0; i < n; i++) {
		struct buf value = BUF_INIT(0);
		buf_str(&value, "");
		if (in_class(c, span_str(names[i])) && postconf_raw(c, span_str(names[i]), &value))
			show(c, span_str(names[i]), buf_view(&value));
		buf_clear(&value);
	}
	free(names);
}

/* -- warnings -------------------------------------------------------------- */

static void
warn_unused(const struct postconf *c, bool main_too)
{
	const char *dir = c->postfix->session.conf_dir;
	enum param known;

	for (size_t i = 0; main_too && i < c->count; i++)
		if (!c->settings[i].used)
			postfix_warn(c->postfix->name, "%s/main.cf: unused parameter: %s=%s", dir, c->settings[i].name, c->settings[i].value);
	for (size_t i = 0; i < c->service_count; i++)
		for (size_t k = 0; k < c->services[i].count; k++) {
			const struct master_setting *s = &c->services[i].settings[k];
			struct buf unused = BUF_INIT(0);
			const struct setting_text *same = postconf_find(c, span_str(s->name));
			if (!param_find(span_str(s->name), &known) && !postconf_transport(c, span_str(s->name), &unused) &&
			    (same == NULL || !same->used))
				postfix_warn(c->postfix->name, "%s/master.cf: unused parameter: %s=%s", dir, s->name, s->value);
			buf_clear(&unused);
		}
}

static void
show_map_types(const struct postconf *c)
{
	static const char *const types[] = { "btree", "cdb", "cidr", "environ", "fail", "hash", "inline", "internal", "ldap", "lmdb",
		"memcache", "mysql", "nis", "pcre", "pgsql", "pipemap", "proxy", "randmap", "regexp", "sdbm", "socketmap", "sqlite", "static",
		"tcp", "texthash", "unionmap", "unix" };

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], "proxy") == 0 || table_type_known(span_str(types[i])))
			put(&c->postfix->session.display, "%s\n", types[i]);
}

/* -- the command ----------------------------------------------------------- */

static int
add_override(struct postconf *c, const char *text)
{
	struct span all = span_str(text);
	size_t equals = span_find(all, '=');
	struct span name = span_trim(span_head(all, equals));

	if (equals == all.len || name.len == 0)
		return postfix_fatal(c->postfix->name, "-o %s: it takes name=value", text);
	c->settings = mem_grow(c->settings, c->count + 1, sizeof *c->settings);
	c->settings[c->count++] = (struct setting_text){ span_dup(name), span_dup(span_trim(span_skip(all, equals + 1))), false };
	return 0;
}

/* What the letters ask for. */
struct wish {
	char		 seen[32];	/* each once */
	int		 mode;		/* p; M P F; a A b l m t T */
	int		 what;		/* e X #; 0: show */
};

static bool
saw(const struct wish *w, char letter)
{
	return strchr(w->seen, letter) != NULL;
}

static int
take_classes(struct postconf *c, const char *text)
{
	static const struct { const char *name; unsigned classes; } known[] = { { "builtin", CLASS_BUILTIN }, { "service", CLASS_SERVICE },
		{ "user", CLASS_USER }, { "all", CLASS_BUILTIN | CLASS_SERVICE | CLASS_USER } };
	struct span left = span_str(text), word;

	while (span_word(&left, ", \t", &word)) {
		size_t i = 0;
		while (i < sizeof known / sizeof known[0] && !span_eqs(word, known[i].name))
			i++;
		if (i == sizeof known / sizeof known[0])
			return postfix_fatal(c->postfix->name, "unknown -C option value \"%.*s\" in \"%s\"", SPAN_ARG(word), text);
		c->classes |= known[i].classes;
	}
	return 0;
}

/* 0, or the status to end with. */
static int
take_option(struct postconf *c, int option, struct wish *w)
{
	size_t n = strlen(w->seen);

	if (option == '?')
		return postfix_fatal(c->postfix->name, USAGE);
	if (!saw(w, (char)option) && n + 1 < sizeof w->seen)
		w->seen[n] = (char)option;
	if (option == 'T')
		c->tls_what = optarg;
	c->only_defaults = c->only_defaults || option == 'd';
	c->fold = c->fold || option == 'f';
	c->no_name = c->no_name || option == 'h';
	c->no_value = c->no_value || option == 'H';
	c->only_set = c->only_set || option == 'n';
	c->expand = c->expand || option == 'x';
	if (option == 'c')
		c->postfix->session.conf_dir = optarg;
	else if (option == 'C')
		return take_classes(c, optarg);
	else if (option == 'o')
		return add_override(c, optarg);
	else if (option == 'e' || option == 'X' || option == '#')
		w->what = option;
	else if (strchr("aAbFlmMpPtT", option) != NULL)
		w->mode = option;
	return 0;
}

/* Letters that go not together; the first pair of a set that was seen is named. */
static int
check_together(const struct postconf *c, const struct wish *w)
{
	static const char *const one_of[] = { "aAbFlmMpPtT", "#eX", "dn", "hH", "de", "dX", "d#", "en", "nX", "n#", "eh", "hX", "h#", "eH", "HX", "H#",
		"ex", "xX", "x#", "eo", "oX", "o#" };
	static const struct { const char *mode, *but; } never[] = { { "M", "dnC" }, { "F", "dnCX#" }, { "P", "dnC#" }, { "aAblmtT", "deEnXC#o" } };

	for (size_t i = 0; i < sizeof one_of / sizeof one_of[0]; i++)
		for (const char *a = one_of[i]; *a != '\0'; a++)
			for (const char *b = a + 1; *b != '\0'; b++)
				if (saw(w, *a) && saw(w, *b))
					return postfix_fatal(c->postfix->name, "specify one of -%c -%c", *a, *b);
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		for (const char *b = never[i].but; strchr(never[i].mode, w->mode) != NULL && *b != '\0'; b++)
			if (saw(w, *b))
				return postfix_fatal(c->postfix->name, "with option -%c, do not specify -%c", w->mode, *b);
	return 0;
}

static int
show_tls(const struct postconf *c)
{
	struct display *d = &c->postfix->session.display;
	const char *what = c->tls_what;

	if (strcmp(what, "compile-version") == 0)
		put(d, "%s\n", tls_library_built());
	else if (strcmp(what, "run-version") == 0)
		put(d, "GnuTLS %s\n", tls_library_running());
	else if (strcmp(what, "public-key-algorithms") == 0)
		for (unsigned i = 0; tls_library_key(i) != NULL; i++)
			put(d, "%s\n", tls_library_key(i));
	else
		return postfix_fatal(c->postfix->name, "unknown mode: -T %s; it knows compile-version, run-version and public-key-algorithms", what);
	return 0;
}

/* What Postfix was built with, here: what mtad has. */
static int
show_built_in(const struct postconf *c, int mode)
{
	switch (mode) {
	case 'm':
		show_map_types(c);
		return 0;
	case 'l':
		put(&c->postfix->session.display, "fcntl\ndotlock\n");
		return 0;
	case 'a':
		put(&c->postfix->session.display, "dovecot\ngsasl\n");
		return 0;
	case 'A':
		put(&c->postfix->session.display, "gsasl\n");
		return 0;
	case 'T':
		return show_tls(c);
	default:
		panic("postconf: option %c is not of those", mode);
	}
}

static int
show_conf(struct postconf *c, int mode, char *const *names, size_t n)
{
	c->of_master = mode != 'p';
	int status = postconf_read(c);

	if (status != 0)
		return status;
	if (mode != 'p')
		status = postconf_master(c, mode, names, n);
	for (size_t i = 0; mode == 'p' && i < n; i++)
		show_named(c, names[i]);
	if (mode == 'p' && n == 0)
		show_all(c);
	display_flush(&c->postfix->session.display);
	if (!c->only_defaults)
		warn_unused(c, mode == 'p');
	return status;
}

/* "name=value"; among what is asked of master.cf only where a request stands before the "=". */
static bool
is_edit(int mode, const char *arg)
{
	return mode == 'p' || strchr("=", arg[0]) == NULL;
}

static int
run(struct postconf *c, struct wish *w, char *const *names, size_t n)
{
	int status = check_together(c, w);

	if (status != 0)
		return status;
	if (w->mode == 'b' || w->mode == 't')
		return postconf_notices(c, w->mode, n > 0 ? names[0] : NULL);
	if (strchr("aAlmT", w->mode) != NULL)
		return show_built_in(c, w->mode);
	/* A value is an edit, with or without -e. */
	for (size_t i = 0; i < n && w->what != 'e'; i++)
		if (strchr(names[i], '=') != NULL && (w->what != 0 || is_edit(w->mode, names[i]))) {
			w->what = 'e';
			strcat(w->seen, "e");
			status = check_together(c, w);
		}
	if (status != 0)
		return status;
	return w->what != 0 ? postconf_change(c, w->mode, w->what, names, n) : show_conf(c, w->mode, names, n);
}

int
postconf_main(struct postfix *p, int argc, char **argv)
{
	struct postconf c = { .postfix = p };
	struct wish w = { .mode = 'p' };
	int option, status = 0;

	while (status == 0 && (option = getopt(argc, argv, "aAbc:C:deEfFhHlmMno:pPtT:vxX#")) != -1)
		status = take_option(&c, option, &w);
	if (status == 0)
		status = run(&c, &w, argv + optind, (size_t)(argc - optind));
	postconf_clear(&c);
	return status;
}
