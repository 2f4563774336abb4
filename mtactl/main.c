/*
 * mtactl: one command and out. By other names (argv[0], or as the first word) it is sendmail, mailq and the like.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "mtactl/instances.h"
#include "mtactl/repl.h"
#include "mtactl/session.h"

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct script {
	bool		 file;
	const char	*text;
};
struct options {
	enum color_mode	 color;
	struct span	*words;
	size_t		 count;
	const char	*instance;	/* -i */
	char		*chosen;	/* its directory */
	struct script	*scripts;	/* -e, -F, in their order */
	size_t		 script_count;
	int		 status;	/* where parsing ends it */
};

static bool
usage(struct options *o, const char *text, const char *arg)
{
	tell_safe("mtactl", "%s%s", text, arg);
	o->status = 64;
	return false;
}

static bool
add_override(struct session *s, struct options *o, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || equals == text)
		return usage(o, "-o takes name=value, not ", text);
	if (s->override_count == OVERRIDES_MAX)
		return usage(o, "more than 64 -o options", "");
	*equals = '\0';
	s->overrides[s->override_count++] = (struct conf_override){ text, equals + 1 };
	return true;
}

static bool
set_color(struct options *o, const char *text)
{
	if (strcmp(text, "auto") == 0)
		o->color = COLOR_AUTO;
	else if (strcmp(text, "always") == 0)
		o->color = COLOR_ALWAYS;
	else if (strcmp(text, "never") == 0)
		o->color = COLOR_NEVER;
	else
		return usage(o, "--color takes auto, always or never, not ", text);
	return true;
}

/* Options that every command has; they may stand before and behind its words. *taken: arguments used up. */
static bool
take_option(struct session *s, struct options *o, char **argv, int *taken)
{
	char *arg = argv[0];

	*taken = 1;
	if (strcmp(arg, "--json") == 0) {
		s->display.json = true;
	} else if (strcmp(arg, "--table") == 0) {
		s->display.tty = true;
	} else if (strcmp(arg, "--readonly") == 0) {
		s->readonly = true;
	} else if (strncmp(arg, "--color=", 8) == 0) {
		return set_color(o, arg + 8);
	} else if (arg[0] == '-' && (arg[1] == 'c' || arg[1] == 'i' || arg[1] == 'o' || (o->count == 0 && (arg[1] == 'e' || arg[1] == 'F')))) {
		char *value = arg[2] != '\0' ? arg + 2 : argv[1];
		if (value == NULL)
			return usage(o, arg, " needs a value");
		*taken = arg[2] != '\0' ? 1 : 2;
		if (arg[1] == 'o')
			return add_override(s, o, value);
		if (arg[1] == 'c')
			s->conf_dir = value;
		else if (arg[1] == 'i')
			o->instance = value;
		else
			o->scripts[o->script_count++] = (struct script){ arg[1] == 'F', value };
	} else {
		*taken = 0;
	}
	return true;
}

static bool
take_arguments(struct session *s, struct options *o, int argc, char **argv)
{
	bool plain = false;

	for (int i = 1; i < argc; ) {
		int taken = 0;
		if (strcmp(argv[i], "--") == 0)
			plain = true;
		if (!plain && !take_option(s, o, argv + i, &taken))
			return false;
		if (!plain && taken == 0 && o->count == 0 && argv[i][0] == '-' && strcmp(argv[i], "--help") != 0
		    && strcmp(argv[i], "--version") != 0)
			return usage(o, "there is no option ", argv[i]);
		if (taken == 0)
			o->words[o->count++] = span_str(argv[i++]);
		i += taken;
	}
	return true;
}

/* -i NAME: one of the instances that the directory names, itself or its multi_instance_directories. The directory lives to the end. */
static bool
choose_instance(struct session *s, struct options *o)
{
	struct err err = { .kind = ERR_NONE };

	if (o->instance == NULL)
		return true;
	char *dir = instance_dir(s->conf_dir, o->instance, &err);
	if (dir == NULL) {
		tell_safe("mtactl", "-i: %s", err.text);
		o->status = 78;
		return false;
	}
	o->chosen = dir;
	s->conf_dir = dir;
	return true;
}

static void
set_up_display(struct session *s, enum color_mode mode)
{
	struct display *d = &s->display;
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	bool terminal = isatty(STDOUT_FILENO) != 0;
	d->tty = d->tty || terminal;
	d->colored = terminal && (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	if (mode != COLOR_AUTO)
		d->colored = mode == COLOR_ALWAYS;
}

/* Up to the first that fails. */
static int
run_scripts(struct session *s, const struct options *o)
{
	int status = 0;

	for (size_t i = 0; i < o->script_count && status == 0; i++)
		status = o->scripts[i].file ? repl_run_file(s, o->scripts[i].text) : repl_run_text(s, o->scripts[i].text);
	return status;
}

static int
run(struct session *s, struct options *o)
{
	if (o->script_count > 0 && o->count > 0) {
		usage(o, "there is a command beside -e or -F: ", o->words[0].ptr);
		return o->status;
	}
	if (o->script_count > 0)
		return run_scripts(s, o);
	if (o->count == 0)
		return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? repl_run(s) : repl_run_file(s, "-");
	if (span_eqs(o->words[0], "--help")) {
		help_short(&s->display);
		display_flush(&s->display);
		return 0;
	}
	if (span_eqs(o->words[0], "--version")) {
		puts("mtactl " MTAD_VERSION);
		return 0;
	}
	return session_run(s, o->words, o->count);
}

static int
control_main(int argc, char **argv)
{
	const char *dir = getenv("MAIL_CONFIG");
	struct session s = { .name = "mtactl", .conf_dir = dir != NULL ? dir : MTAD_CONFIG_DIR };
	struct options o = { .words = mem_array((size_t)argc + 1, sizeof *o.words) };
	int status;

	o.scripts = mem_array((size_t)argc + 1, sizeof *o.scripts);
	if (take_arguments(&s, &o, argc, argv) && choose_instance(&s, &o)) {
		set_up_display(&s, o.color);
		status = run(&s, &o);
	} else {
		status = o.status;
	}
	session_clear(&s);
	free(o.chosen);
	free(o.words);
	free(o.scripts);
	return status;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 0 ? base_name(argv[0]) : "mtactl";

	if (argc > 1 && !is_other_name(name) && is_other_name(argv[1])) {
		argc--;
		argv++;
		name = argv[0];
	}
	if (is_other_name(name))
		return other_name_main(name, argc, argv);
	return control_main(argc, argv);
}
