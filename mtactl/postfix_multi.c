/*
 * postmulti: -l lists the instances, -x runs a command for each, -p runs postfix for each; -i and -g choose, -R turns the order round. Making, importing and
 * changing instances (-e) is not built.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/instances.h"
#include "mtactl/postfix.h"

struct multi {
	struct postfix	*p;
	struct instances all;
	const char	*only, *group;	/* NULL: all */
	int		 action;	/* 'l', 'x', 'p'; 0: none yet */
	bool		 reverse, verbose;
};

static const char *
or_dash(const char *text)
{
	return *text != '\0' ? text : "-";
}

static bool
is_one_of(const char *verb, const char *words)
{
	struct span rest = span_str(words), word;

	while (span_word(&rest, " ", &word))
		if (span_eqs(word, verb))
			return true;
	return false;
}

static bool
is_chosen(const struct multi *m, const struct instance *i)
{
	if (m->only != NULL && i != instances_find(&m->all, m->only))
		return false;
	return m->group == NULL || (*i->group != '\0' && strcmp(i->group, m->group) == 0);
}

static void
set_environment(const struct instance *i)
{
	const struct view *v = conf_main(i->conf);
	const struct { const char *name, *value; } all[] = {
		{ "MAIL_CONFIG", i->dir }, { "config_directory", i->dir }, { "queue_directory", conf_str(v, P_queue_directory) },
		{ "data_directory", conf_str(v, P_data_directory) }, { "command_directory", conf_str(v, P_command_directory) },
		{ "daemon_directory", conf_str(v, P_daemon_directory) }, { "multi_instance_name", i->name },
		{ "multi_instance_group", i->group }, { "multi_instance_enable", i->enabled ? "yes" : "no" },
	};

	for (size_t n = 0; n < sizeof all / sizeof *all; n++)
		(void)setenv(all[n].name, all[n].value, 1);
}

/* True where it ended with 0. */
static bool
run(const struct multi *m, const struct instance *i, const char *file, char **argv)
{
	int status = 0;
	pid_t pid;

	if (m->verbose)
		fprintf(stderr, "%s: %s: %s\n", m->p->name, i->dir, argv[0]);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		set_environment(i);
		execvp(file, argv);
		(void)postfix_fatal(m->p->name, "%s: %s", argv[0], strerror(errno));
		_exit(127);
	}
	if (pid < 0) {
		(void)postfix_fatal(m->p->name, "fork: %s", strerror(errno));
		return false;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* "start" of one that is switched off only checks it; what needs it to run leaves it out. */
static bool
control(const struct multi *m, const struct instance *i, int argc, char **argv)
{
	const char *verb = argv[argc - 1];
	char **all = mem_array((size_t)argc + 4, sizeof *all);
	size_t n = 0;

	if (!i->enabled && is_one_of(verb, "reload flush")) {
		free(all);
		return true;
	}
	all[n++] = (char[]){ "postfix" };
	all[n++] = (char[]){ "-c" };
	all[n++] = i->dir;
	for (int a = 0; a + 1 < argc; a++)
		all[n++] = argv[a];
	all[n++] = !i->enabled && is_one_of(verb, "start start-fg") ? (char[]){ "check" } : argv[argc - 1];
	bool ok = run(m, i, "/proc/self/exe", all);
	free(all);
	return ok;
}

static bool
act(const struct multi *m, const struct instance *i, int argc, char **argv)
{
	switch (m->action) {
	case 'x':
		return run(m, i, argv[0], argv);
	case 'p':
		return control(m, i, argc, argv);
	default:
		printf("%-15s %-15s %-9s %s\n", or_dash(i->name), or_dash(i->group), i->enabled ? "y" : "n", i->dir);
		return true;
	}
}

static int
each(struct multi *m, int argc, char **argv)
{
	bool backwards = m->reverse != (m->action == 'p' && is_one_of(argv[argc - 1], "stop quick-stop abort drain")), ok = true;

	for (size_t n = 0; n < m->all.count; n++) {
		const struct instance *i = &m->all.list[backwards ? m->all.count - 1 - n : n];
		if (is_chosen(m, i))
			ok = act(m, i, argc, argv) && ok;
	}
	return ok ? 0 : 1;
}

static int
usage(const struct postfix *p)
{
	return postfix_fatal(p->name, "usage: %s [-aRv] [-g group] [-i name] -l | -p command | -x command", p->name);
}

/* False: it is said, and *status the exit status. */
static bool
take_options(struct multi *m, int argc, char **argv, int *status)
{
	int option;

	while ((option = getopt(argc, argv, "+ae:g:G:i:I:lpRvx")) != -1)
		switch (option) {
		case 'a':
			m->only = m->group = NULL;
			break;
		case 'g':
			m->group = optarg;
			break;
		case 'i':
			m->only = optarg;
			break;
		case 'l': case 'p': case 'x':
			if (m->action != 0) {
				*status = usage(m->p);
				return false;
			}
			m->action = option;
			break;
		case 'R':
			m->reverse = true;
			break;
		case 'v':
			m->verbose = true;
			break;
		case 'e': case 'G': case 'I':
			*status = postfix_not_yet(m->p->name, "-e: making and changing instances");
			return false;
		default:
			*status = usage(m->p);
			return false;
		}
	return true;
}

int
postmulti_main(struct postfix *p, int argc, char **argv)
{
	struct multi m = { .p = p };
	struct err err = { .kind = ERR_NONE };
	int status = 0;

	if (!take_options(&m, argc, argv, &status))
		return status;
	if (m.action == 0 || (optind == argc) != (m.action == 'l'))
		return usage(p);
	if (!instances_read(p->session.conf_dir, &m.all, &err))
		status = postfix_fatal(p->name, "%s", err.text);
	else if (m.only != NULL && m.action != 'l' && instances_find(&m.all, m.only) == NULL)
		status = postfix_fatal(p->name, "no matching instance: %s", m.only);
	else
		status = each(&m, argc - optind, argv + optind);
	instances_clear(&m.all);
	return status;
}
