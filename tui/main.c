/*
 * mtatui: the console.
 */
#include "tui/nc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"
#include "mtactl/session.h"
#include "tui/console.h"
#include "tui/script.h"
#include "tui/term.h"

struct options {
	const char	*script;
	struct term_size size;
};

static const char usage_text[] =
    "mtatui: the console of mtad\n"
    "  -c DIR              the configuration directory (also MAIL_CONFIG)\n"
    "  -o NAME=VALUE       a setting over main.cf's\n"
    "  --readonly          change nothing\n"
    "  --script FILE       keys from a file, without a terminal\n"
    "  --size COLSxROWS    with --script: the screen's size (80x24)\n"
    "Keys: ? for help, q to go back. The manual: mtatui(1).\n";

static bool
wrong(const char *text, const char *arg)
{
	fprintf(stderr, "mtatui: %s%s\n", text, arg);
	return false;
}

static bool
add_override(struct session *s, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || equals == text)
		return wrong("-o takes name=value, not ", text);
	if (s->override_count == OVERRIDES_MAX)
		return wrong("more than 64 -o options", "");
	*equals = '\0';
	s->overrides[s->override_count++] = (struct conf_override){ text, equals + 1 };
	return true;
}

/* The value of an option: behind it, or the next argument. */
static char *
value_of(char **argv, int *i, size_t len)
{
	char *arg = argv[*i];

	if (arg[len] != '\0')
		return arg + len + (arg[len] == '=' ? 1 : 0);
	if (argv[*i + 1] == NULL)
		return NULL;
	return argv[++*i];
}

static bool
take_options(struct session *s, struct options *o, int argc, char **argv)
{
	static const struct { const char *name; int what; } names[] = {
		{ "--script", 's' }, { "--size", 'z' }, { "-c", 'c' }, { "-o", 'o' },
	};

	for (int i = 1; i < argc; i++) {
		char *arg = argv[i], *value = NULL;
		int what = strcmp(arg, "--readonly") == 0 ? 'r' : 0;
		for (size_t n = 0; what == 0 && n < sizeof names / sizeof names[0]; n++) {
			if (strncmp(arg, names[n].name, strlen(names[n].name)) != 0)
				continue;
			what = names[n].what;
			value = value_of(argv, &i, strlen(names[n].name));
			if (value == NULL)
				return wrong(arg, " needs a value");
		}
		if (what == 'r')
			s->readonly = true;
		else if (what == 's')
			o->script = value;
		else if (what == 'c')
			s->conf_dir = value;
		else if (what == 'o' ? !add_override(s, value) : what == 0)
			return what == 'o' ? false : wrong("there is no option ", arg);
		else if (what == 'z' && !script_size(span_str(value), &o->size))
			return wrong("--size takes COLSxROWS, not ", value);
	}
	return true;
}

/* -- the loop ------------------------------------------------------------- */

static void
read_keys(struct console *con)
{
	for (int i = 0; i < 256 && !con->quit; i++) {	/* what was pasted must not starve the rest */
		wint_t c;
		int r = get_wch(&c);
		if (r == ERR)
			return;
		if (r == KEY_CODE_YES && c == KEY_RESIZE)
			con->redraw = true;
		else
			console_key(con, r == KEY_CODE_YES ? FN((int)c) : (int)c);
	}
}

/* Milliseconds until then, at least 0, at most a second. */
static int
time_left(int64_t when)
{
	int64_t left = when - clock_mono();

	return left <= 0 ? 0 : left > SECOND ? 1000 : (int)(left / 1000) + 1;
}

static void
take_signals(struct console *con)
{
	unsigned told = term_signals();

	if (told & TERM_WINCH) {
		term_resize((struct term_size){ 0, 0 });
		con->redraw = true;
	}
	if (told & TERM_END)
		con->quit = true;
}

/* One round. When the terminal has gone, that is the end. */
static void
wait_for_something(struct console *con, int64_t due, bool script)
{
	struct pollfd p[3] = {
		{ .fd = term_signal_fd(), .events = POLLIN }, { .fd = term_input_fd(), .events = POLLIN },
		{ .fd = link_fd(con->link), .events = POLLIN },
	};
	int timeout = time_left(due);

	if (script && timeout > 20)
		timeout = 20;
	if (poll(p, 3, timeout) < 0 && errno != EINTR)
		con->quit = true;
	take_signals(con);
	if (p[1].revents & (POLLHUP | POLLERR | POLLNVAL))
		con->quit = true;
	if (p[1].revents & POLLIN)
		read_keys(con);
	if (p[2].revents != 0)
		link_read(con->link);
}

static int
run(struct console *con, struct script *script)
{
	struct err err = { .kind = ERR_NONE };
	int status = 0;

	while (!con->quit) {
		int64_t due = console_tick(con, clock_mono());
		if (script != NULL && !script_run(script, con, clock_mono(), &err)) {
			status = err.kind == ERR_PERM ? 64 : 1;
			break;
		}
		if (con->redraw)
			console_draw(con);
		if (!con->quit)
			wait_for_something(con, due, script != NULL);
	}
	term_close();
	if (status != 0)
		fprintf(stderr, "mtatui: %s\n", err.text);
	return status;
}

static int
console_main(struct session *s, struct options *o)
{
	struct console con = {
		.conf_dir = s->conf_dir, .readonly = s->readonly, .overrides = s->overrides, .override_count = s->override_count,
	};
	struct script script = { .line = 0 };
	struct buf path = BUF_INIT(4096);
	struct err err = { .kind = ERR_NONE };
	int status = 75;

	session_locate(s);
	session_path(s, "ctl", &path);
	con.instance = s->conf != NULL ? conf_str(conf_main(s->conf), P_myhostname) : s->conf_dir;
	if ((o->script != NULL && !script_load(&script, o->script, &err)) || !term_open(o->script != NULL, o->size, &err)) {
		fprintf(stderr, "mtatui: %s\n", err.text);
	} else {
		struct link *link = link_new(path.ptr, s->readonly);
		paint_init(term_color(), term_utf8());
		console_init(&con, link);
		status = run(&con, o->script != NULL ? &script : NULL);
		console_clear(&con);
		link_free(link);
	}
	script_clear(&script);
	buf_clear(&path);
	return status;
}

int
main(int argc, char **argv)
{
	const char *dir = getenv("MAIL_CONFIG");
	struct session s = { .name = "mtatui", .conf_dir = dir != NULL ? dir : MTAD_CONFIG_DIR, .hush = true };
	struct options o = { .size = { 80, 24 } };
	int status = 64;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("mtatui " MTAD_VERSION);
		return 0;
	}
	if (take_options(&s, &o, argc, argv))
		status = console_main(&s, &o);
	conf_unref(s.conf);
	free(s.queue_directory);
	int signo = term_end_signal();
	if (signo != 0) {	/* who sent it sees that it worked */
		signal(signo, SIG_DFL);
		raise(signo);
	}
	return status;
}
