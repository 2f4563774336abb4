#include "conf/notice_text.h"

#include <idn2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "conf/expand.h"
#include "conf/private.h"

#define EXCESSIVE	1000	/* nobody wants to read so many hours */
#define EXPANDED_MAX	((size_t)128 * 1024)

static const struct { const char *name; enum param param; } times[] = {
	{ "delay_warning_time_", P_delay_warning_time },
	{ "maximal_queue_lifetime_", P_maximal_queue_lifetime },
};

static const struct { const char *name; int64_t length; } units[] = {
	{ "seconds", SECOND }, { "minutes", MINUTE }, { "hours", HOUR }, { "days", DAY }, { "weeks", 7 * DAY },
};

struct expansion {
	const struct view *view;
	struct arena	 arena;		/* what lookups gave */
	enum template_kind kind;
	unsigned	 line;
	bool		 bad;
	char		 unknown[80];	/* the last name for which there was nothing */
	notice_template_fault *fault;
	void		*arg;
};

static void __attribute__((format(printf, 2, 3)))
wrong(struct expansion *x, const char *fmt, ...)
{
	struct buf text = BUF_INIT(1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	x->fault(x->arg, x->line, text.ptr == NULL ? fmt : text.ptr);
	buf_clear(&text);
}

/* NULL: no time with a unit. */
static const char *
time_text(struct expansion *x, struct span name)
{
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		struct span suffix = span_skip(name, strlen(times[i].name));
		if (!span_starts(name, times[i].name))
			continue;
		for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
			int64_t value = conf_time(x->view, times[i].param), n = value / units[u].length;
			if (!span_eqs(suffix, units[u].name))
				continue;
			if (n == 0 && value > 0 && x->line > 0)
				wrong(x, "zero result in %s template for $%.*s: take a smaller unit than %s", template_name(x->kind), SPAN_ARG(name),
				    units[u].name);
			if (n >= EXCESSIVE && x->line > 0)
				wrong(x, "excessive result \"%lld\" in %s template for $%.*s: take a larger unit than %s", (long long)n, template_name(x->kind),
				    SPAN_ARG(name), units[u].name);
			return arena_printf(&x->arena, "%lld", (long long)n);
		}
		wrong(x, "unrecognized suffix \"%.*s\" in parameter \"%.*s\" of %s template", SPAN_ARG(span_head(suffix, 40)),
		    SPAN_ARG(span_head(name, 80)), template_name(x->kind));
		x->bad = true;
		return "";
	}
	return NULL;
}

/* A name of xn--labels as people write it, where the text may have UTF-8. */
static const char *
readable(struct expansion *x, const char *name)
{
	char *text = NULL;

	if (name == NULL || strstr(name, "xn--") == NULL || !conf_bool(x->view, P_smtputf8_enable) ||
	    idn2_to_unicode_8z8z(name, &text, 0) != IDN2_OK)
		return name;
	const char *kept = arena_str(&x->arena, span_str(text));
	idn2_free(text);
	return kept;
}

static const char *
look_up(void *arg, struct span name)
{
	struct expansion *x = arg;
	const char *text = time_text(x, name);

	if (text != NULL)
		return text;
	text = conf_raw(x->view, name);
	if (text == NULL)
		snprintf(x->unknown, sizeof x->unknown, "%.*s", SPAN_ARG(name));
	return span_eqs(name, "myhostname") || span_eqs(name, "mydomain") ? readable(x, text) : text;
}

static bool
expand(struct expansion *x, struct notice_texts *t)
{
	struct notice_template *one = &t->templates.of[x->kind];
	struct buf *out = &t->expanded[x->kind];
	struct err err = { .kind = ERR_NONE };

	*out = BUF_INIT(EXPANDED_MAX);
	x->line = one->line;
	bool undefined = false;
	if (!expand_defined(one->text, look_up, x, out, &undefined, &err) || out->over) {
		wrong(x, "bad $name syntax in %s template: %s", template_name(x->kind), out->over ? "the text gets too long" : err.text);
		x->bad = true;
	} else if (undefined) {
		wrong(x, "undefined $name in %s template: $%s", template_name(x->kind), x->unknown);
		x->bad = true;
	}
	if (!x->bad && out->len > 0 && out->ptr[out->len - 1] != '\n')
		buf_char(out, '\n');
	return !x->bad;
}

static bool
expand_all(struct notice_texts *t, const struct view *view, notice_template_fault *fault, void *arg)
{
	struct expansion x = { .view = view, .arena = ARENA_INIT(EXPANDED_MAX), .fault = fault, .arg = arg };
	struct notice_templates own;
	bool good = true;

	notice_templates_own(&own, strcmp(conf_str(view, P_header_from_format), "obsolete") == 0);
	for (size_t i = 0; i < TEMPLATES; i++) {
		x.kind = (enum template_kind)i;
		x.bad = false;
		if (expand(&x, t))
			continue;
		good = false;
		x.bad = false;
		buf_clear(&t->expanded[i]);
		t->templates.of[i] = own.of[i];
		(void)expand(&x, t);
	}
	arena_clear(&x.arena);
	return good;
}

bool
notice_texts_of(struct notice_texts *t, const struct view *view, struct span file, notice_template_fault *fault, void *arg)
{
	*t = (struct notice_texts){ .expanded = { BUF_INIT(0) } };
	notice_templates_own(&t->templates, strcmp(conf_str(view, P_header_from_format), "obsolete") == 0);
	bool good = notice_templates_parse(&t->templates, file, fault, arg);
	return expand_all(t, view, fault, arg) && good;
}

void
notice_texts_make(struct notice_texts *t, const struct view *view, notice_template_fault *fault, void *arg)
{
	struct span path = span_trim(span_str(conf_str(view, P_bounce_template_file))), file = SPAN_NONE;

	if (path.len > 0 && !conf_file(view_conf(view), path, &file))
		fault(arg, 0, "it was not read; notices have the texts that are built in");
	(void)notice_texts_of(t, view, file, fault, arg);
}

void
notice_texts_clear(struct notice_texts *t)
{
	for (size_t i = 0; i < TEMPLATES; i++)
		buf_clear(&t->expanded[i]);
}

struct check {
	struct conf_problems *problems;
	const char	*path;
};

static void
told(void *arg, unsigned line, const char *text)
{
	struct check *c = arg;

	conf_problem_add(c->problems, PROBLEM_WARNING, c->path, line, "%s", text);
}

/* Whoever names a file hears of it; our own texts alone can have a zero at most, which is no fault of the site's. */
void
notice_texts_check(const struct conf *conf, struct conf_problems *problems)
{
	const struct view *view = conf_program(conf, "bounce");
	struct check c = { problems, conf_str(view, P_bounce_template_file) };
	struct notice_texts t;

	if (*c.path == '\0')
		return;
	notice_texts_make(&t, view, told, &c);
	notice_texts_clear(&t);
}
