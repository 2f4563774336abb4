/*
 * watch: a command's output on a cleared screen, again and again. It is gathered first and shown whole, so that nothing flickers, and cut
 * to the screen.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtactl/repl.h"
#include "mtactl/repl_line.h"

#define GATHER_MAX	((size_t)1 << 20)	/* more than any screen shows */

static void
gather(int fd, struct buf *out)
{
	char bytes[16384];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) != 0) {
		if (n > 0 && out->len < GATHER_MAX)
			buf_put(out, bytes, (size_t)n);
		else if (n < 0 && errno != EINTR)
			break;
	}
}

static int
run_once(struct repl *r, const struct repl_line *line, struct buf *out)
{
	int ends[2];

	buf_reset(out);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		session_say(r->session, "cannot make a pipe: %s", strerror(errno));
		return 75;
	}
	pid_t pid = repl_spawn(r, line->words, line->count, ends[1], ends[1]);
	close(ends[1]);
	if (pid > 0)
		gather(ends[0], out);
	close(ends[0]);
	return pid < 0 ? 75 : repl_wait(pid);
}

static bool
has_cursor(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

static unsigned
screen_rows(void)
{
	struct winsize size = { .ws_row = 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 4)
		return 24;
	return size.ws_row;
}

static void
put_title(const struct repl_line *line, struct buf *out)
{
	time_t now = (time_t)(clock_wall() / SECOND);
	struct tm tm;
	char text[16] = "";

	if (localtime_r(&now, &tm) != NULL)
		strftime(text, sizeof text, "%H:%M:%S", &tm);
	buf_printf(out, "%s  every %us:", text, line->watch);
	for (size_t i = 0; i < line->count; i++) {
		buf_char(out, ' ');
		safe_text(out, line->words[i], false);
	}
	buf_str(out, "  (Ctrl-C ends)");
}

/* Line by line over what stands there; long lines are cut by the terminal (no wrapping for that time). */
static void
put_screen(struct span body, struct span title, struct buf *out)
{
	unsigned left = screen_rows() - 3;
	struct span line;

	buf_str(out, "\033[?7l\033[H");
	buf_span(out, title);
	buf_str(out, "\033[K\r\n\033[K\r\n");
	while (body.len > 0 && left > 0 && span_cut(&body, '\n', &line)) {
		buf_span(out, line);
		buf_str(out, "\033[K\r\n");
		left--;
	}
	buf_str(out, "\033[0m\033[J");
	if (body.len > 0)
		buf_str(out, "...");
	buf_str(out, "\033[?7h");
}

static void
show(const struct repl_line *line, struct span body)
{
	struct buf title = BUF_INIT(0), out = BUF_INIT(0);

	put_title(line, &title);
	if (has_cursor())
		put_screen(body, buf_view(&title), &out);
	else
		buf_printf(&out, "-- %s\n%.*s", title.ptr, SPAN_ARG(body));
	fwrite(out.ptr, 1, out.len, stdout);
	fflush(stdout);
	buf_clear(&title);
	buf_clear(&out);
}

/* False where a signal ended it. */
static bool
pause_for(struct repl *r, unsigned seconds)
{
	struct timespec time = { .tv_sec = seconds };

	while (ppoll(NULL, 0, &time, r->interactive ? &r->open : NULL) < 0) {
		if (errno != EINTR || repl_terminated())
			return false;
		if (repl_take_interrupt())
			return false;
		if (repl_take_resize())
			return true;
	}
	return true;
}

int
repl_watch(struct repl *r, const struct repl_line *line)
{
	struct buf out = BUF_INIT(GATHER_MAX * 2);
	int status;

	if (has_cursor())
		fputs("\033[2J", stdout);
	do {
		status = run_once(r, line, &out);
		if (status == 128 + SIGINT)
			break;
		show(line, buf_view(&out));
	} while (status != 64 && pause_for(r, line->watch));
	if (has_cursor())
		fputs("\033[0m\r\n", stdout);
	buf_clear(&out);
	/* Ctrl-C is how it is meant to end. */
	r->interrupted = status != 64;
	return status == 64 ? 64 : 0;
}
