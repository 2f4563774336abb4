/*
 * Postfix's command names: which is which, and the way to the daemon.
 */
#include "mtactl/postfix.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"

#define QUEUE_ID_MAX	100

int
postfix_fatal(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fflush(stdout);
	vtell_safe(name, "fatal: ", fmt, ap);
	va_end(ap);
	return POSTFIX_FATAL;
}

void
postfix_warn(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fflush(stdout);
	vtell_safe(name, "warning: ", fmt, ap);
	va_end(ap);
}

int
postfix_not_yet(const char *name, const char *what)
{
	fprintf(stderr, "%s: %s is not in this version of mtad yet; see \"mtactl help\"\n", name, what);
	return POSTFIX_NOT_YET;
}

bool
postfix_is_queue_id(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!isalnum((unsigned char)id.ptr[i]) && id.ptr[i] != '_')
			return false;
	return id.len > 0 && id.len <= QUEUE_ID_MAX;
}

/* -- asking ---------------------------------------------------------------- */

/* Rows of the files come through the session, whose display is in the struct. */
static void
on_row(struct display *d, struct span row)
{
	char *at = (char *)d - offsetof(struct postfix, session.display);
	struct postfix *p = (void *)at;

	if (p->row != NULL)
		p->row(p, row);
}

static const struct presenter present_row = { NULL, on_row, NULL };

static int
lost(struct session *s, const struct err *err, struct buf *error)
{
	buf_str(error, err->text);
	ctl_client_close(s->client);
	s->client = NULL;
	return 75;
}

static int
take_replies(struct session *s, int64_t id, struct buf *error)
{
	for (;;) {
		struct err err = { .kind = ERR_NONE };
		struct ctl_reply r;

		ctl_client_next(s->client, -1, &r, &err);
		if (r.kind == REPLY_LOST)
			return lost(s, &err, error);
		if (r.id != id && r.id != -1)
			continue;
		if (r.kind == REPLY_DONE) {
			buf_span(error, r.error);
			return r.status;
		}
		session_row(s, r.row);
		if (s->display.failed)
			return lost(s, &(struct err){ ERR_SYS, "cannot write the output" }, error);
	}
}

static int
reach(struct session *s, struct buf *error)
{
	struct err err = { .kind = ERR_NONE };
	struct buf path = BUF_INIT(4096);
	bool down = false;

	session_locate(s);
	session_path(s, "ctl", &path);
	if (s->client == NULL)
		s->client = ctl_client_open(path.ptr, &down, &err);
	buf_clear(&path);
	if (s->client != NULL)
		return 0;
	if (down)
		return POSTFIX_DOWN;
	buf_str(error, err.text);
	return err.kind == ERR_SYS ? 77 : 75;
}

static int
ask(struct session *s, const struct request *req, struct buf *error)
{
	struct err err = { .kind = ERR_NONE };
	int64_t id;
	int status = reach(s, error);

	if (status == POSTFIX_DOWN && command_row(req->command)->where & OR_FILES)
		return files_run(s, req);
	if (status != 0)
		return status;
	if (!ctl_client_send(s->client, req, false, &id, &err))
		return lost(s, &err, error);
	return take_replies(s, id, error);
}

int
postfix_ask(struct postfix *p, const struct span *words, size_t n, struct buf *error)
{
	struct session *s = &p->session;
	struct err err = { .kind = ERR_NONE };
	struct request req;
	int status = 64;

	if (request_parse(&req, words, n, &err)) {
		s->display.request = &req;
		s->display.now = clock_wall() / SECOND;
		s->present = &present_row;
		status = ask(s, &req, error);
		s->present = NULL;
		s->display.request = NULL;
	} else {
		buf_str(error, err.text);
	}
	request_clear(&req);
	return status;
}

int
postfix_show(struct postfix *p, const char *command, const struct presenter *present)
{
	struct span words[3], left = span_str(command);
	size_t n = 0;

	while (n < 3 && span_word(&left, " ", &words[n]))
		n++;
	p->session.present = present;
	int status = session_run(&p->session, words, n);
	p->session.present = NULL;
	return status;
}

/* -- names ----------------------------------------------------------------- */

static int
mailq_main(struct postfix *p, int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-C") == 0)
		p->session.conf_dir = argv[2];
	return postfix_show(p, "queue ls", &present_mailq);
}

static const struct {
	const char	*name;
	int		(*run)(struct postfix *, int argc, char **argv);
} names[] = {
	{ "mailq", mailq_main }, { "newaliases", newaliases_main }, { "postalias", postmap_main }, { "postcat", postcat_main },
	{ "postconf", postconf_main }, { "postfix", postfix_control_main }, { "postmap", postmap_main },
	{ "postmulti", postmulti_main }, { "postqueue", postqueue_main }, { "postsuper", postsuper_main },
};

int
postfix_main(const char *name, int argc, char **argv)
{
	const char *dir = getenv("MAIL_CONFIG");
	struct postfix p = { .name = name,
		.session = { .name = name, .conf_dir = dir != NULL ? dir : MTAD_CONFIG_DIR } };
	int status = POSTFIX_NOT_YET;

	opterr = 0;
	optind = 0;	/* anew: the REPL comes here more than once */
	p.session.display.tty = isatty(STDOUT_FILENO) != 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i].name) == 0)
			status = names[i].run(&p, argc, argv);
	display_flush(&p.session.display);
	session_clear(&p.session);
	return status;
}
