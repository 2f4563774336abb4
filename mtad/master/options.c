#include "master/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/version.h"

#define DEFAULT_DIR	"/etc/mtad"

static const char usage[] =
	"usage: mtad [-t] [-f] [-u] [-v] [-c DIR] [-o name=value]...\n"
	"  -t  check the configuration and exit\n"
	"  -f  stay in the foreground, log to stderr (or maillog_file)\n"
	"  -u  run everything as the calling user\n"
	"  -v  log every start of a process\n"
	"  -c  configuration directory (default: MAIL_CONFIG, else " DEFAULT_DIR ")\n"
	"  -o  set a main.cf parameter for this run\n"
	"  -V  print the version and exit\n";

static bool
add_override(struct options *o, const char *text)
{
	const char *eq = strchr(text, '=');

	if (eq == NULL || eq == text) {
		fprintf(stderr, "mtad: -o %s: want name=value\n", text);
		return false;
	}
	struct span name = span_trim(span_of(text, (size_t)(eq - text)));
	struct span value = span_trim(span_str(eq + 1));
	o->overrides = mem_grow(o->overrides, o->override_count + 1, sizeof *o->overrides);
	o->overrides[o->override_count++] = (struct conf_override){ span_dup(name), span_dup(value) };
	return true;
}

/*
 * The daemon changes its directory later, so a relative path is settled now. Without the default directory the built-in configuration holds; one
 * that somebody named must be there.
 */
static char *
absolute(const char *dir)
{
	char *path = realpath(dir, NULL);

	if (path == NULL && strcmp(dir, DEFAULT_DIR) == 0)
		return mem_str(dir);
	if (path == NULL)
		fprintf(stderr, "mtad: configuration directory %s: %s\n", dir, strerror(errno));
	return path;
}

static bool
one_option(struct options *o, int c, const char **dir, int *status)
{
	*status = EX_USAGE;
	switch (c) {
	case 't':
		o->test = true;
		return true;
	case 'f':
		o->foreground = true;
		return true;
	case 'u':
		o->unprivileged = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	case 'c':
		*dir = optarg;
		return true;
	case 'o':
		return add_override(o, optarg);
	case 'V':
		puts("mtad " MTAD_VERSION);
		*status = 0;
		return false;
	case 'h':
		fputs(usage, stdout);
		*status = 0;
		return false;
	default:
		fputs(usage, stderr);
		return false;
	}
}

bool
options_parse(struct options *o, int argc, char **argv, int *status)
{
	const char *dir = getenv("MAIL_CONFIG");
	int c;

	*o = (struct options){ .unprivileged = geteuid() != 0 };
	if (dir == NULL || dir[0] == '\0')
		dir = DEFAULT_DIR;
	while ((c = getopt(argc, argv, "tfuvc:o:Vh")) != -1)
		if (!one_option(o, c, &dir, status))
			return false;
	if (optind < argc) {
		fprintf(stderr, "mtad: unexpected argument \"%s\"\n%s", argv[optind], usage);
		*status = EX_USAGE;
		return false;
	}
	o->dir = absolute(dir);
	*status = EX_CONFIG;
	return o->dir != NULL;
}
