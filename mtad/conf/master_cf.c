#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/private.h"

#define BLANKS	" \t\r\n\f\v"

/* Where a line is being read, for what is said about it. */
struct place {
	const char	*file;
	unsigned	 line;
	struct conf_problems *problems;
	bool		 failed;
};

static void __attribute__((format(printf, 2, 3)))
wrong(struct place *at, const char *fmt, ...)
{
	struct buf text = BUF_INIT(2048);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	conf_problem_add(at->problems, PROBLEM_ERROR, at->file, at->line, "%s",
	    text.over || text.ptr == NULL ? "a line that cannot be read" : text.ptr);
	buf_clear(&text);
	at->failed = true;
}

/* y, n or - for the default. */
static bool
yes_no(struct place *at, struct span word, const char *column, bool normally)
{
	if (span_eqs(word, "-"))
		return normally;
	if (!span_eqs(word, "y") && !span_eqs(word, "n"))
		wrong(at, "%s column: \"%.*s\" is none of y, n and -", column,
		    SPAN_ARG(span_head(word, 40)));
	return span_eqs(word, "y");
}

/* A number, or - for the default. */
static int64_t
number(struct place *at, struct span word, const char *column, int64_t normally)
{
	uint32_t n = 0;

	if (span_eqs(word, "-"))
		return normally;
	if (!num_u32(word, &n) || n > INT32_MAX)
		wrong(at, "%s column: \"%.*s\" is neither a number nor -", column,
		    SPAN_ARG(span_head(word, 40)));
	return n;
}

static bool
take_type(struct span word, enum service_type *type)
{
	static const struct { const char *name; enum service_type type; } types[] = {
		{ "inet", SERVICE_INET }, { "unix", SERVICE_UNIX }, { "unix-dgram", SERVICE_UNIX },
		{ "fifo", SERVICE_FIFO }, { "pass", SERVICE_PASS },
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (span_eqs(word, types[i].name)) {
			*type = types[i].type;
			return true;
		}
	return false;
}

/* A word, or {several words} as one, without the braces. */
static bool
take_arg(struct place *at, struct span *rest, struct span *arg)
{
	*rest = span_ltrim(*rest);
	if (rest->len == 0)
		return false;
	if (rest->ptr[0] != '{')
		return span_word(rest, BLANKS, arg);
	size_t depth = 0;
	for (size_t i = 0; i < rest->len; i++) {
		if (rest->ptr[i] == '{')
			depth++;
		else if (rest->ptr[i] == '}' && --depth == 0) {
			*arg = span_trim(span_of(rest->ptr + 1, i - 1));
			*rest = span_skip(*rest, i + 1);
			return true;
		}
	}
	wrong(at, "a { without its } in the arguments");
	*rest = SPAN_NONE;
	return false;
}

static void
take_override(struct place *at, struct map *overrides, struct span text)
{
	size_t eq = span_find(text, '=');
	struct span name = span_trim(span_head(text, eq));

	if (eq == text.len || name.len == 0 || name.len > 256) {
		wrong(at, "-o %.*s: write -o name=value, or -o { name = value with spaces }",
		    SPAN_ARG(span_head(text, 60)));
		return;
	}
	setting_free(map_del(overrides, name));
	map_add(overrides, setting_new(name, span_trim(span_skip(text, eq + 1)), at->line));
}

static void
add_word(struct line *l, size_t *count, struct span word)
{
	l->words = mem_grow(l->words, *count + 2, sizeof *l->words);
	l->words[(*count)++] = span_dup(word);
	l->words[*count] = NULL;
}

/* Options come first, as getopt reads them; what follows the first other word belongs to the program (pipe's argv=...). */
static void
take_args(struct place *at, struct line *l, struct span rest, size_t *words)
{
	struct span arg, value;
	bool options = true;

	while (take_arg(at, &rest, &arg)) {
		if (options && span_starts(arg, "-o")) {
			value = span_skip(arg, 2);
			if (value.len == 0 && !take_arg(at, &rest, &value)) {
				wrong(at, "-o without a setting behind it; write -o name=value");
				return;
			}
			take_override(at, &l->view.overrides, value);
			continue;
		}
		if (!span_starts(arg, "-"))
			options = false;
		add_word(l, words, arg);
	}
}

static void
check_name(struct place *at, const struct service *s)
{
	struct span name = span_str(s->name);
	struct span port = name;

	if (s->type == SERVICE_INET && span_has(name, ':'))
		port = span_skip(name, span_rfind(name, ':') + 1);
	if (port.len == 0)
		wrong(at, "\"%s\" has no port; write host:port, or a port alone", s->name);
	if (s->type != SERVICE_INET && span_has(name, '/'))
		wrong(at, "\"%s\": the name of a service has no slash", s->name);
}

/* Postfix's programs. What each does here is a matter of the roles; a name that is none is a slip. */
static const char *const programs[] = {
	"anvil", "bounce", "cleanup", "discard", "dnsblog", "error", "flush", "lmtp", "local", "nbdb_reindexd", "nqmgr", "oqmgr",
	"pickup", "pipe", "postlogd", "postscreen", "proxymap", "qmgr", "qmqpd", "scache", "showq", "smtp", "smtpd", "spawn",
	"tlsmgr", "tlsproxy", "trivial-rewrite", "verify", "virtual",
};

static void
check_command(struct place *at, struct span command)
{
	struct buf known = BUF_INIT(1024);

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		if (span_eqs(command, programs[i])) {
			buf_clear(&known);
			return;
		}
		buf_printf(&known, "%s%s", i == 0 ? "" : " ", programs[i]);
	}
	wrong(at, "command column: \"%.*s\" is no program that is known; there are: %s", SPAN_ARG(span_head(command, 60)),
	    known.ptr);
	buf_clear(&known);
}

/* The wakeup column: seconds, perhaps with a ? behind it. */
static int64_t
take_wakeup(struct place *at, struct span word)
{
	if (span_ends(word, "?"))
		word = span_head(word, word.len - 1);
	return number(at, word, "wakeup", 0) * SECOND;
}

static void
take_columns(struct place *at, struct line *l, const struct span word[8])
{
	struct service *s = &l->service;
	struct span command = word[7];

	if (!take_type(word[1], &s->type))
		wrong(at, "\"%.*s\" is no type of service; write inet, unix, unix-dgram, fifo or pass",
		    SPAN_ARG(span_head(word[1], 40)));
	s->private_ = yes_no(at, word[2], "private", true);
	s->unprivileged = yes_no(at, word[3], "unpriv", true);
	s->chroot = yes_no(at, word[4], "chroot", false);
	s->wakeup = take_wakeup(at, word[5]);
	s->maxproc = (int)number(at, word[6], "maxproc", -1);
	if (span_has(command, '/'))
		wrong(at, "command column: write the name of a program, without a path");
	else
		check_command(at, command);
	if (!at->failed)
		check_name(at, s);
}

void
line_free(struct line *l)
{
	settings_clear(&l->view.overrides);
	for (size_t i = 0; l->words != NULL && l->words[i] != NULL; i++)
		free(l->words[i]);
	free(l->words);
	free(l);
}

static struct line *
take_line(struct place *at, struct span text)
{
	struct span rest = text, word[8];
	struct line *l;
	size_t words = 0;

	for (int i = 0; i < 8; i++)
		if (!span_word(&rest, BLANKS, &word[i])) {
			wrong(at, "%d columns; write the eight: name type private unpriv chroot wakeup "
			    "maxproc command", i);
			return NULL;
		}
	MEM_NEW(l);
	l->view.overrides = MAP_INIT(setting_key);
	add_word(l, &words, word[0]);
	add_word(l, &words, word[7]);
	l->service.name = l->words[0];
	l->service.line = at->line;
	take_columns(at, l, word);
	take_args(at, l, rest, &words);
	l->service.command = l->words[1];
	l->service.argv = l->words + 2;
	return l;
}

static struct line **
same_service(const struct conf *c, const struct service *s)
{
	for (size_t i = 0; i < c->line_count; i++) {
		const struct service *o = &c->lines[i]->service;
		if (o->type == s->type && span_eq(span_str(o->name), span_str(s->name)))
			return &c->lines[i];
	}
	return NULL;
}

#define LINES_MAX	1000

/* Of two lines for one service the last counts, as in Postfix. */
static void
add_line(struct conf *c, struct line *l, struct place *at)
{
	struct line **old = same_service(c, &l->service);

	l->view.conf = c;
	l->view.service = &l->service;
	if (old != NULL) {
		conf_problem_add(at->problems, PROBLEM_WARNING, at->file, at->line,
		    "the service \"%s\" stands in line %u too; this line counts; remove one of them",
		    l->service.name, (*old)->service.line);
		l->service.index = (*old)->service.index;
		line_free(*old);
		*old = l;
		return;
	}
	if (c->line_count >= LINES_MAX)
		wrong(at, "more than %d services", LINES_MAX);
	l->service.index = (unsigned)c->line_count;
	c->lines = mem_grow(c->lines, c->line_count + 1, sizeof(struct line *));
	c->lines[c->line_count++] = l;
}

void
master_cf_parse(struct conf *c, struct span text, const char *file, struct conf_problems *problems)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(CONF_TEXT_MAX) };
	struct span one;
	unsigned line = 0;

	while (c->line_count <= LINES_MAX && conf_lines_next(&lines, &one, &line)) {
		struct place at = { file, line, problems, false };
		if (one.ptr[0] == ' ' || one.ptr[0] == '\t') {
			wrong(&at, "the first service begins with a blank; begin it at the margin");
			continue;
		}
		if (span_has(one, '\0')) {
			wrong(&at, "a NUL byte; the file should be text");
			continue;
		}
		struct line *l = take_line(&at, one);
		if (l != NULL)
			add_line(c, l, &at);
	}
	buf_clear(&lines.text);
}
