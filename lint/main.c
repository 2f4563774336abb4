/* mtalint: the linter from the command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lint/lint.h"
#include "base/mem.h"
#include "base/version.h"

enum { EXIT_CLEAN = 0, EXIT_FINDINGS = 1, EXIT_UNREADABLE = 2, EXIT_BAD_USAGE = 64 };

struct args {
	struct lint_options options;
	enum lint_format format;
	bool		 colour, strict;
	struct conf_override *overrides;
	char		**texts;	/* what the overrides point into */
};

static const char usage[] =
"usage: mtalint [-c DIR] [-o NAME=VALUE] [--format=tty|gcc|json|quiet] [--color=auto|always|never] [--strict] [DIR]\n"
"       mtalint --explain CODE | --list | --manual | --version\n";

static int
bad_usage(void)
{
	fputs(usage, stderr);
	return EXIT_BAD_USAGE;
}

static int
put(struct buf *out)
{
	bool ok = !out->over && (out->len == 0 || fwrite(out->ptr, 1, out->len, stdout) == out->len);
	buf_clear(out);
	return ok && fflush(stdout) == 0 ? EXIT_CLEAN : 75;
}

static int
explain(const char *code)
{
	enum lint_code c;
	struct buf out = BUF_INIT(0);

	if (!lint_rule_find(span_str(code), &c)) {
		fprintf(stderr, "mtalint: there is no rule %s; mtalint --list shows them all\n", code);
		return EXIT_BAD_USAGE;
	}
	lint_explain(c, &out);
	return put(&out);
}

static bool
want_colour(const char *when, bool *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (strcmp(when, "always") == 0)
		*out = true;
	else if (strcmp(when, "never") == 0)
		*out = false;
	else if (strcmp(when, "auto") == 0)
		*out = isatty(STDOUT_FILENO) && (no == NULL || *no == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
	else
		return false;
	return true;
}

static bool
add_override(struct args *a, const char *text)
{
	size_t n = a->options.override_count;
	char *name = mem_str(text), *eq = strchr(name, '=');

	a->texts = mem_grow(a->texts, n + 1, sizeof *a->texts);
	a->overrides = mem_grow(a->overrides, n + 1, sizeof *a->overrides);
	a->texts[n] = name;
	a->options.override_count = n + 1;
	a->options.overrides = a->overrides;
	if (eq == NULL || strchr(text, '\n') != NULL) {
		a->overrides[n] = (struct conf_override){ "", "" };
		return false;
	}
	*eq = '\0';
	a->overrides[n] = (struct conf_override){ name, eq + 1 };
	return true;
}

/* Errors and warnings count; info and style are advice, and count only where --strict asks for it. */
static int
run(const struct args *a)
{
	struct lint_report r;
	struct buf out = BUF_INIT(0);
	bool readable = lint_run(&a->options, &r);
	size_t counted = r.of_level[LINT_ERROR] + r.of_level[LINT_WARNING];

	if (a->strict)
		counted = r.count;
	lint_print(&r, a->format, a->colour, &out);
	if (!readable)
		fprintf(stderr, "mtalint: %s has no main.cf or master.cf that can be read\n", a->options.dir);
	lint_report_clear(&r);
	int status = put(&out);
	return status != EXIT_CLEAN ? status : !readable ? EXIT_UNREADABLE : counted > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

enum { OPT_FORMAT = 256, OPT_COLOR, OPT_EXPLAIN, OPT_LIST, OPT_MANUAL, OPT_STRICT, OPT_VERSION, OPT_HELP };

static const struct option long_options[] = {
	{ "format", required_argument, NULL, OPT_FORMAT }, { "color", required_argument, NULL, OPT_COLOR },
	{ "explain", required_argument, NULL, OPT_EXPLAIN }, { "list", no_argument, NULL, OPT_LIST },
	{ "manual", no_argument, NULL, OPT_MANUAL }, { "strict", no_argument, NULL, OPT_STRICT },
	{ "version", no_argument, NULL, OPT_VERSION }, { "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* -1: go on and lint; else the exit status. */
static int
take(struct args *a, int c)
{
	struct buf out = BUF_INIT(0);

	switch (c) {
	case 'c':
		a->options.dir = optarg;
		return -1;
	case 'o':
		return add_override(a, optarg) ? -1 : bad_usage();
	case OPT_FORMAT:
		return lint_format_find(span_str(optarg), &a->format) ? -1 : bad_usage();
	case OPT_COLOR:
		return want_colour(optarg, &a->colour) ? -1 : bad_usage();
	case OPT_STRICT:
		a->strict = true;
		return -1;
	case OPT_EXPLAIN:
		return explain(optarg);
	case OPT_LIST:
		lint_list(&out);
		return put(&out);
	case OPT_MANUAL:
		lint_manual(&out);
		return put(&out);
	case OPT_VERSION:
		buf_str(&out, "mtalint " MTAD_VERSION "\n");
		return put(&out);
	case OPT_HELP:
		buf_str(&out, usage);
		return put(&out);
	default:
		return bad_usage();
	}
}

int
main(int argc, char **argv)
{
	const char *from_env = getenv("MAIL_CONFIG");
	struct args a = { .options = { .dir = from_env != NULL ? from_env : "/etc/mtad" } };
	int c, status = -1;

	a.format = isatty(STDOUT_FILENO) ? LINT_TTY : LINT_GCC;
	want_colour("auto", &a.colour);
	while (status < 0 && (c = getopt_long(argc, argv, "c:o:", long_options, NULL)) != -1)
		status = take(&a, c);
	if (status < 0 && argc - optind > 1)
		status = bad_usage();
	if (status < 0 && optind < argc)
		a.options.dir = argv[optind];
	if (status < 0)
		status = run(&a);
	for (size_t i = 0; i < a.options.override_count; i++)
		free(a.texts[i]);
	free(a.texts);
	free(a.overrides);
	return status;
}
