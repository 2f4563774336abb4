/*
 * The loop of the interactive controller: keys by readline's callbacks, and the control socket beside them, so that the user hears at once when the
 * daemon goes or is back.
 */
#include "mtactl/repl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <readline/readline.h>

#include "base/mem.h"
#include "mtactl/repl_read.h"

#define CONNECT_TIME	300	/* ms; nobody types that long without noticing */

/* readline's line callback takes no argument. */
static char *typed;
static bool typed_any;

struct state {
	struct repl	 repl;
	bool		 up;		/* as the prompt says */
	char		 host[256];
	uint8_t		 rights;
	struct buf	 prompt;
};

static void
take_line(char *line)
{
	typed = line;
	typed_any = true;
	rl_callback_handler_remove();
}

/* -- the daemon ----------------------------------------------------------- */

/* The daemon says nothing unasked: what can be read is the end, or something that nobody waits for any more. */
static bool
is_lost(const struct ctl_client *c)
{
	struct pollfd p = { .fd = ctl_client_fd(c), .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* What the connection is now. */
static bool
look(struct state *st)
{
	struct session *s = st->repl.session;
	struct err err = { .kind = ERR_NONE };
	bool down;

	if (s->client != NULL && is_lost(s->client)) {
		ctl_client_close(s->client);
		s->client = NULL;
	}
	if (s->client == NULL) {
		s->client = ctl_client_open_within(st->repl.path, CONNECT_TIME, &down, &err);
		if (s->client == NULL)
			return false;
		st->rights = ctl_client_rights(s->client);
		if (*ctl_client_host(s->client) != '\0')
			snprintf(st->host, sizeof st->host, "%s", ctl_client_host(s->client));
	}
	return true;
}

static void
make_prompt(struct state *st)
{
	bool readonly = st->repl.session->readonly || (st->up && !(st->rights & (CTL_FLUSH | CTL_ADMINISTER)));

	buf_reset(&st->prompt);
	buf_str(&st->prompt, st->host);
	if (!st->up)
		buf_str(&st->prompt, readonly ? " (not running, read-only)" : " (not running)");
	else if (readonly)
		buf_str(&st->prompt, " (read-only)");
	buf_str(&st->prompt, "> ");
}

static void
put_notice(const struct state *st)
{
	puts(st->up ? "-- mtad is running again"
	    : "-- mtad has gone; queue ls, queue show, cat and why read its files meanwhile");
}

/* With a line being typed: it stands where it stood, below the notice. */
static void
notice_change(struct state *st)
{
	bool up = look(st);

	if (up == st->up)
		return;
	st->up = up;
	make_prompt(st);
	rl_clear_visible_line();
	put_notice(st);
	rl_set_prompt(st->prompt.ptr);
	rl_on_new_line();
	rl_redisplay();
}

/* -- lines ---------------------------------------------------------------- */

static void
start_line(struct state *st)
{
	bool up = look(st);

	if (up != st->up) {
		st->up = up;
		put_notice(st);
	}
	make_prompt(st);
	rl_callback_handler_install(st->prompt.ptr, take_line);
}

/* Several at once where a paste had them. */
static void
run_lines(struct repl *r, const char *text)
{
	struct span left = span_str(text), one;

	while (!r->leave && span_cut(&left, '\n', &one)) {
		char *line = span_dup(one);
		if (one.len > 0) {
			repl_history_add(line);
			repl_exec(r, one);
		}
		free(line);
		if (r->interrupted)
			return;
	}
}

/* What came for the command that just ended is not for the next line. */
static void
drop_interrupt(const struct repl *r)
{
	struct timespec now = { .tv_sec = 0 };

	while (ppoll(NULL, 0, &now, &r->open) < 0 && errno == EINTR)
		continue;
	if (repl_take_interrupt())
		putchar('\n');
	repl_take_resize();
}

static void
run_typed(struct state *st)
{
	char *text = typed;

	typed = NULL;
	typed_any = false;
	if (text == NULL) {		/* Ctrl-D */
		putchar('\n');
		st->repl.leave = true;
		return;
	}
	run_lines(&st->repl, text);
	free(text);
	drop_interrupt(&st->repl);
	rl_resize_terminal();
	if (!st->repl.leave && !repl_terminated())
		start_line(st);
}

static void
cancel_line(const struct state *st)
{
	puts("^C");
	rl_callback_sigcleanup();
	rl_free_line_state();
	rl_replace_line("", 1);
	rl_set_prompt(st->prompt.ptr);
	rl_on_new_line();
	rl_redisplay();
}

/* -- the loop ------------------------------------------------------------- */

static void
turn(struct state *st)
{
	struct session *s = st->repl.session;
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	struct timespec second = { .tv_sec = 1 };

	if (s->client != NULL)
		p[1].fd = ctl_client_fd(s->client);
	int n = ppoll(p, 2, s->client != NULL ? NULL : &second, &st->repl.open);
	if (repl_take_interrupt())
		cancel_line(st);
	if (repl_take_resize())
		rl_resize_terminal();
	if (n < 0)
		return;
	if (p[0].revents != 0) {
		rl_callback_read_char();
		if (typed_any) {
			run_typed(st);
			return;
		}
	}
	if (p[1].revents != 0 || n == 0)
		notice_change(st);
}

static void
begin(struct state *st, struct buf *path)
{
	struct session *s = st->repl.session;

	session_locate(s);
	session_path(s, "ctl", path);
	st->repl.path = path->ptr;
	if (s->conf != NULL)
		snprintf(st->host, sizeof st->host, "%s", conf_str(conf_main(s->conf), P_myhostname));
	repl_signals_init(&st->repl);
	repl_read_init(&st->repl);
	repl_history_load();
	puts("mtactl: help lists the commands, ? and Tab show what can come next, Ctrl-D leaves.");
	st->up = look(st);
	start_line(st);
}

int
repl_run(struct session *s)
{
	struct state st = { .repl = { .session = s, .interactive = true }, .host = "mtad" };
	struct buf path = BUF_INIT(4096);

	begin(&st, &path);
	while (!st.repl.leave && !repl_terminated())
		turn(&st);
	rl_callback_handler_remove();
	buf_clear(&st.prompt);
	buf_clear(&path);
	return 0;
}
