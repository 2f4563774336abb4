/*
 * Postfix's command names. In this version: the queue's listing and flush; what is not there yet says so.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "mtactl/session.h"

static int
not_yet(const char *name, const char *what)
{
	fprintf(stderr, "%s: %s is not in this version of mtad yet; see \"mtactl help\"\n", name, what);
	return 69;
}

static int
run(struct session *s, const char *command, const char *selector)
{
	struct span words[3];
	size_t n = 0;

	for (struct span left = span_str(command), word; span_word(&left, " ", &word); )
		words[n++] = word;
	if (selector != NULL)
		words[n++] = span_str(selector);
	return session_run(s, words, n);
}

/* Postfix's postqueue ends with 0 also where nothing was there to flush. */
static int
flush(struct session *s, const char *selector)
{
	s->quiet = true;
	int status = run(s, "flush", selector);
	return status == 1 ? 0 : status;
}

static int
flush_site(struct session *s, const char *site)
{
	struct buf text = BUF_INIT(1024);

	buf_printf(&text, "@%s", site);
	int status = flush(s, text.ptr);
	buf_clear(&text);
	return status;
}

static int
usage(void)
{
	fputs("usage: postqueue [-c DIR] -f | -i QUEUE_ID | -j | -p | -s SITE\n", stderr);
	return 64;
}

static int
postqueue(struct session *s, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		switch (option) {
		case 'c':
			s->conf_dir = optarg;
			break;
		case 'f':
			return flush(s, NULL);
		case 'i':
			return flush(s, optarg);
		case 's':
			return flush_site(s, optarg);
		case 'j':
			s->display.json = true;
			return run(s, "queue ls", NULL);
		case 'p':
			s->mailq = true;
			return run(s, "queue ls", NULL);
		case 'v':
			break;
		default:
			return usage();
		}
	}
	return usage();
}

int
postfix_main(const char *name, int argc, char **argv)
{
	const char *dir = getenv("MAIL_CONFIG");
	struct session s = { .name = name, .conf_dir = dir != NULL ? dir : MTAD_CONFIG_DIR };
	int status;

	if (strcmp(name, "mailq") == 0) {
		if (argc > 2 && strcmp(argv[1], "-C") == 0)
			s.conf_dir = argv[2];
		s.mailq = true;
		status = run(&s, "queue ls", NULL);
	} else if (strcmp(name, "postqueue") == 0) {
		status = postqueue(&s, argc, argv);
	} else if (strcmp(name, "newaliases") == 0) {
		return not_yet(name, "rebuilding alias tables");
	} else {
		return not_yet(name, name);
	}
	session_clear(&s);
	return status;
}
