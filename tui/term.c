#include "tui/term.h"
#include "tui/nc.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE_TIME	25	/* ms in which the rest of a function key has to follow its ESC */

static struct {
	bool		 open, headless, color, utf8, have_modes;
	SCREEN		*screen;
	FILE		*in, *out;
	struct termios	 modes;		/* as we found them */
	char		 leave[128];	/* what puts the screen back, ready for a signal handler */
	size_t		 leave_len;
	int		 wake[2];
} term = { .wake = { -1, -1 } };

static volatile sig_atomic_t resized, end_signal;

/* -- signals -------------------------------------------------------------- */

static void
wake(void)
{
	int saved = errno;
	ssize_t n = write(term.wake[1], "", 1);

	(void)n;	/* full: it will wake up as it is */
	errno = saved;
}

static void
on_winch(int signo)
{
	(void)signo;
	resized = 1;
	wake();
}

static void
on_end(int signo)
{
	end_signal = signo;
	wake();
}

/* Only what a handler may call: no curses. */
static void
put_back(void)
{
	size_t done = 0;

	while (done < term.leave_len) {
		ssize_t n = write(STDOUT_FILENO, term.leave + done, term.leave_len - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (term.have_modes)
		tcsetattr(STDIN_FILENO, TCSANOW, &term.modes);
}

static void
on_crash(int signo)
{
	put_back();
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
catch_signal(int signo, void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler };

	sigemptyset(&act.sa_mask);
	if (handler == on_crash)
		act.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
	sigaction(signo, &act, NULL);
}

static void
catch_signals(void)
{
	static const int ends[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		catch_signal(ends[i], on_end);
	if (!term.headless) {
		catch_signal(SIGWINCH, on_winch);
		for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
			catch_signal(crashes[i], on_crash);
	}
	catch_signal(SIGPIPE, SIG_IGN);
}

static void
last_words(const char *level, const char *text)
{
	term_close();
	fprintf(stderr, "mtatui: %s: %s\n", level, text);
}

/* -- opening -------------------------------------------------------------- */

static void
add_leave(const char *name)
{
	char cap[8];
	snprintf(cap, sizeof cap, "%s", name);
	const char *s = tigetstr(cap);
	size_t n = s == NULL || s == (char *)-1 ? 0 : strlen(s);

	if (n == 0 || term.leave_len + n > sizeof term.leave)
		return;
	memcpy(term.leave + term.leave_len, s, n);
	term.leave_len += n;
}

static SCREEN *
try_term(const char *name)
{
	return name == NULL || *name == '\0' ? NULL : newterm(name, term.out, term.in);
}

/* A terminal that terminfo does not know speaks, these days, what xterm speaks. */
static bool
find_screen(struct err *err)
{
	const char *name = getenv("TERM");

	if (name != NULL && strcmp(name, "dumb") == 0 && !term.headless) {
		err_set(err, ERR_PERM, "the terminal is \"dumb\": it cannot place the cursor (set TERM, or use mtactl)");
		return false;
	}
	term.screen = try_term(name);
	if (term.screen == NULL || tigetstr("cup") == NULL)
		term.screen = try_term("xterm-256color");
	if (term.screen == NULL)
		term.screen = try_term("xterm");
	if (term.screen == NULL)
		term.screen = try_term("vt100");
	if (term.screen != NULL)
		return true;
	err_set(err, ERR_SYS, "the terminal \"%s\" is not known here, and no other description is there", name == NULL ? "" : name);
	return false;
}

static bool
open_files(struct err *err)
{
	if (!term.headless && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		err_set(err, ERR_PERM, "this is no terminal (mtactl is the tool for pipes; --script runs without a terminal)");
		return false;
	}
	term.in = term.headless ? fopen("/dev/null", "re") : stdin;
	term.out = term.headless ? fopen("/dev/null", "we") : stdout;
	if (term.in == NULL || term.out == NULL || pipe2(term.wake, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_sys(err, "cannot open the terminal");
		return false;
	}
	term.have_modes = !term.headless && tcgetattr(STDIN_FILENO, &term.modes) == 0;
	return true;
}

static void
set_modes(void)
{
	const char *no_color = getenv("NO_COLOR");

	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_TIME);
	curs_set(0);
	term.color = has_colors() && (no_color == NULL || *no_color == '\0');
	if (term.color) {
		start_color();
		use_default_colors();
	}
	static const char *const leave[] = { "sgr0", "rmkx", "cnorm", "rmcup" };
	for (size_t i = 0; i < sizeof leave / sizeof leave[0] && !term.headless; i++)
		add_leave(leave[i]);
}

bool
term_open(bool headless, struct term_size size, struct err *err)
{
	setlocale(LC_ALL, "");
	term.headless = headless;
	term.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!open_files(err) || !find_screen(err))
		return false;
	set_modes();
	term.open = true;
	catch_signals();
	err_last_words = last_words;
	if (headless)
		resizeterm(size.rows, size.cols);
	return true;
}

void
term_close(void)
{
	if (!term.open)
		return;
	term.open = false;
	endwin();
	delscreen(term.screen);
	term.screen = NULL;
}

/* -- afterwards ----------------------------------------------------------- */

bool
term_color(void)
{
	return term.color;
}

bool
term_utf8(void)
{
	return term.utf8;
}

void
term_resize(struct term_size size)
{
	struct winsize ws;

	if (!term.headless && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0 && ws.ws_col > 0)
		size = (struct term_size){ .cols = ws.ws_col, .rows = ws.ws_row };
	if (size.rows > 0 && size.cols > 0)
		resizeterm(size.rows, size.cols);
}

unsigned
term_signals(void)
{
	char drain[64];
	unsigned told = 0;

	while (read(term.wake[0], drain, sizeof drain) > 0)
		;
	if (resized)
		told |= TERM_WINCH;
	resized = 0;
	if (end_signal != 0)
		told |= TERM_END;
	return told;
}

int
term_signal_fd(void)
{
	return term.wake[0];
}

int
term_input_fd(void)
{
	return term.headless ? -1 : STDIN_FILENO;
}

int
term_end_signal(void)
{
	return end_signal;
}

void
term_lend(void)
{
	if (!term.headless)
		endwin();
}

void
term_take_back(void)
{
	if (term.headless)
		return;
	term_resize((struct term_size){ 0, 0 });
	clearok(curscr, TRUE);
	refresh();
}

void
term_suspend(void)
{
	if (term.headless)
		return;
	term_lend();
	raise(SIGSTOP);
	term_take_back();
}
