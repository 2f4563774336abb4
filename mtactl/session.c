#include "mtactl/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtactl/local.h"
#include "mtactl/present.h"

#define FLUSH_AT	((size_t)64 << 10)
#define STREAM_LOOK	200	/* ms after which Ctrl-C is seen */

void
session_say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	display_flush(&s->display);
	va_start(ap, fmt);
	vtell_safe(s->name, "", fmt, ap);
	va_end(ap);
}

void
session_clear(struct session *s)
{
	ctl_client_close(s->client);
	s->client = NULL;
	conf_unref(s->conf);
	s->conf = NULL;
	free(s->queue_directory);
	s->queue_directory = NULL;
	display_clear(&s->display);
}

/* -- the daemon's answers ------------------------------------------------- */

static const struct presenter *
presenter(const struct session *s, const struct request *req)
{
	return s->present != NULL ? s->present : presenter_of(req->command);
}

void
session_row(struct session *s, struct span row)
{
	struct display *d = &s->display;

	d->rows++;
	if (s->take != NULL) {
		s->take(s->take_arg, row);
		return;
	}
	if (s->quiet)
		return;
	if (d->json) {
		buf_span(&d->out, row);
		buf_char(&d->out, '\n');
	} else {
		presenter(s, d->request)->row(d, row);
	}
	if (d->out.len > FLUSH_AT)
		display_flush(d);
}

static volatile sig_atomic_t interrupted;
static bool streaming;		/* the request under way */

static void
on_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

/* What goes on until somebody ends it: Ctrl-C is how. */
static bool
is_stream(const struct request *req)
{
	struct span follow;

	return req->command == CMD_trace || (req->command == CMD_log && request_get(req, "follow", &follow));
}

/* A stream shows what there is before it waits for more. */
static void
next_reply(struct session *s, struct ctl_reply *r, struct err *err)
{
	if (!streaming) {
		ctl_client_next(s->client, -1, r, err);
		return;
	}
	do {
		ctl_client_next(s->client, s->display.out.len > 0 ? 0 : STREAM_LOOK, r, err);
		if (r->kind == REPLY_WAIT)
			display_flush(&s->display);
	} while (r->kind == REPLY_WAIT && !interrupted && !s->display.failed);
}

/* Rows up to the end of the request; its status. */
static int
take_replies(struct session *s, int64_t id)
{
	for (;;) {
		struct err err = { .kind = ERR_NONE };
		struct ctl_reply r;

		next_reply(s, &r, &err);
		if (interrupted) {
			ctl_client_close(s->client);
			s->client = NULL;
			return 0;
		}
		if (r.kind == REPLY_LOST) {
			session_say(s, "%s", err.text);
			ctl_client_close(s->client);
			s->client = NULL;
			return 75;
		}
		if (r.id != id && r.id != -1)
			continue;
		if (r.kind == REPLY_DONE) {
			if (r.error.len > 0)
				session_say(s, "%.*s", SPAN_ARG(r.error));
			return r.status;
		}
		session_row(s, r.row);
		if (s->display.failed)
			return 75;
	}
}

/* Connects where it is not yet. Status 0, or 69 with nothing said where the daemon is down; else said. */
static int
reach(struct session *s)
{
	struct err err = { .kind = ERR_NONE };
	struct buf path = BUF_INIT(4096);
	bool down;

	if (s->client != NULL)
		return 0;
	session_path(s, "ctl", &path);
	s->client = ctl_client_open(path.ptr, &down, &err);
	buf_clear(&path);
	if (s->client != NULL)
		return 0;
	if (down)
		return 69;
	session_say(s, "%s", err.text);
	return err.kind == ERR_SYS ? 77 : 75;
}

static int
ask_daemon(struct session *s, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	int64_t id;

	if (!ctl_client_send(s->client, req, s->readonly, &id, &err)) {
		session_say(s, "%s", err.text);
		return 75;
	}
	streaming = is_stream(req);
	if (streaming)
		signal(SIGINT, on_interrupt);
	return take_replies(s, id);
}

int
session_reach(struct session *s)
{
	session_locate(s);
	return reach(s);
}

int
session_ask(struct session *s, const struct span *words, size_t n, void (*take)(void *, struct span), void *arg)
{
	struct err err = { .kind = ERR_NONE };
	struct request req;
	int status = 64;

	if (!request_parse(&req, words, n, &err)) {
		session_say(s, "%s", err.text);
	} else {
		s->take = take;
		s->take_arg = arg;
		status = session_reach(s);
		status = status == 69 ? files_run(s, &req) : status == 0 ? ask_daemon(s, &req) : status;
		s->take = NULL;
	}
	request_clear(&req);
	return status;
}

static void
begin_display(struct session *s, const struct request *req, const struct presenter *p)
{
	struct display *d = &s->display;

	d->request = req;
	d->now = clock_wall() / SECOND;
	d->rows = d->messages = d->bytes = 0;
	d->bad = 0;
	d->trash_time = s->conf == NULL ? 0 : conf_time(conf_main(s->conf), P_mtad_trash_time) / SECOND;
	d->short_ids = s->conf == NULL || !conf_bool(conf_main(s->conf), P_enable_long_queue_ids);
	d->first_id[0] = '\0';
	d->action = (struct display_action){ .number = 0 };
	memset(d->tallies, 0, sizeof d->tallies);
	if (!d->json && p->begin != NULL)
		p->begin(d);
}

static bool
may_select(const struct request *req)
{
	struct grammar g = { .left = span_str(command_row(req->command)->grammar) };

	while (grammar_next(&g))
		if (g.place == PLACE_SELECTOR)
			return true;
	return false;
}

static int
end_display(struct session *s, const struct presenter *p, int status)
{
	struct display *d = &s->display;
	struct buf note = BUF_INIT(0);

	if (!d->json && p->end != NULL)
		p->end(d, &note, &status);
	/* A selector that picks nothing is an answer too, and scripts ask for it. An empty queue without one is no failure. */
	struct span selector;
	if (status <= 1 && d->rows == 0 && may_select(d->request)) {
		bool selected = request_get(d->request, "selector", &selector);
		if (selected && note.len == 0)
			buf_str(&note, "nothing matches");
		status = selected ? 1 : 0;
	}
	display_flush(d);
	if (note.len > 0 && !s->quiet)
		tell_safe(NULL, "%.*s", SPAN_ARG(buf_view(&note)));
	buf_clear(&note);
	if (!d->failed)
		return status;
	fprintf(stderr, "%s: cannot write the output\n", s->name);
	return 75;
}

/* The usual reason why nothing answers is that another directory was meant. */
static bool
has_directory(struct session *s)
{
	if (access(s->conf_dir, F_OK) == 0)
		return true;
	session_say(s, "there is no configuration at %s: %s", s->conf_dir, strerror(errno));
	return false;
}

static int
run_files(struct session *s, const struct request *req)
{
	if (!has_directory(s))
		return 69;
	if (command_row(req->command)->where & OR_FILES) {
		session_say(s, "mtad is not running: read from its files");
		return files_run(s, req);
	}
	session_say(s, "mtad is not running (nothing answers on %s/ctl; configuration %s)", s->queue_directory, s->conf_dir);
	return 69;
}

static int
run_asked(struct session *s, const struct request *req)
{
	const struct presenter *p = presenter(s, req);
	int status;

	s->hush = req->command == CMD_reload;
	session_locate(s);
	status = reach(s);
	if (status != 0 && status != 69)
		return status;
	begin_display(s, req, p);
	status = status == 69 ? run_files(s, req) : ask_daemon(s, req);
	return end_display(s, p, status);
}

/* It asks by itself, and tells what it wrote as rows. */
static int
run_export(struct session *s, const struct request *req)
{
	begin_display(s, req, presenter(s, req));
	return export_run(s, req);
}

typedef int local_fn(struct session *, const struct request *);

static local_fn *const locals[COMMAND_COUNT] = {
	[CMD_map_ls] = map_run, [CMD_map_query] = map_run, [CMD_map_get] = map_run, [CMD_map_dump] = map_run, [CMD_map_check] = map_check_run,
	[CMD_map_put] = map_change_run, [CMD_map_del] = map_change_run, [CMD_map_edit] = map_change_run,
	[CMD_map_types] = map_build_run, [CMD_map_build] = map_build_run,
	[CMD_map_diff] = map_change_run, [CMD_map_undo] = map_change_run,
	[CMD_config_get] = config_get_run, [CMD_config_explain] = config_get_run,
	[CMD_config_set] = config_change_run, [CMD_config_unset] = config_change_run, [CMD_config_undo] = config_change_run,
	[CMD_config_comment] = config_change_run, [CMD_config_check] = config_support_run, [CMD_config_diff] = config_support_run,
	[CMD_config_support] = config_support_run,
	[CMD_sasl_passwd] = sasl_run, [CMD_sasl_ls] = sasl_run, [CMD_sasl_del] = sasl_run,
	[CMD_route] = route_run, [CMD_simulate] = simulate_run, [CMD_lint] = lint_command_run, [CMD_tls_probe] = tls_probe_run,
};

static int
run_local(struct session *s, const struct request *req)
{
	if (locals[req->command] != NULL) {
		begin_display(s, req, presenter(s, req));
		return end_display(s, presenter(s, req), locals[req->command](s, req));
	}
	if (req->command == CMD_help)
		return help_run(s, req);
	if (req->command == CMD_queue_export)
		return run_export(s, req);
	session_locate(s);
	return spool_run(s, req);
}

int
session_run(struct session *s, const struct span *words, size_t n)
{
	struct err err = { .kind = ERR_NONE };
	struct request req;
	int status;

	if (!request_parse(&req, words, n, &err)) {
		session_say(s, "%s", err.text);
		status = 64;
	} else if (command_row(req.command)->where & LOCAL) {
		status = run_local(s, &req);
	} else {
		status = run_asked(s, &req);
	}
	display_flush(&s->display);
	request_clear(&req);
	return status;
}
