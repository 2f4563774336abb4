#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES	4096	/* more is cut: a log line is for people and pflogsumm */
#define GATHER		65536

static struct {
	enum log_sink	 sink;
	int		 fd;
	char		 host[256];
	char		 name[64];
	char		 program[32];
	struct buf	 waiting;
	time_t		 dated;		/* the second that `date` shows */
	char		 date[32];
} out = { .sink = LOG_SINK_STDERR, .fd = STDERR_FILENO, .name = "mtad" };

void	(*log_watch)(enum log_level, const char *program, const char *text);

static const char *const level_word[] = { "", "warning: ", "error: ", "fatal: ", "panic: " };
static const int level_priority[] = { LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_CRIT };

static void	last_words(const char *level, const char *text);

void
log_open(enum log_sink sink, int fd, const char *hostname, const char *syslog_name)
{
	out.sink = sink;
	out.fd = fd;
	(void)snprintf(out.host, sizeof out.host, "%.*s", (int)strcspn(hostname, "."), hostname);
	(void)snprintf(out.name, sizeof out.name, "%s", syslog_name);
	err_last_words = last_words;
}

void
log_program(const char *program)
{
	(void)snprintf(out.program, sizeof out.program, "%s", program);
}

/* A system call a line would show in a profile; a child of fork asks anew. */
static pid_t own_pid;

static void
forget_pid(void)
{
	own_pid = 0;
}

static int
pid(void)
{
	static bool watched;

	if (!watched)
		watched = pthread_atfork(NULL, NULL, forget_pid) == 0;
	if (own_pid == 0 || !watched)
		own_pid = getpid();
	return (int)own_pid;
}

/* The date changes once a second; formatting it for every line would show in a profile. */
static const char *
date(void)
{
	time_t now = (time_t)(clock_wall() / SECOND);
	struct tm tm;

	if (now != out.dated || out.date[0] == '\0') {
		out.dated = now;
		localtime_r(&now, &tm);
		(void)strftime(out.date, sizeof out.date, "%b %e %H:%M:%S", &tm);
	}
	return out.date;
}

static void
clean(char *text)
{
	text[utf8_clean(text, strlen(text))] = '\0';
}

static void
to_syslog(enum log_level level, const char *program, const char *text)
{
	char line[LINE_MAX_BYTES + 256];

	bool whole = strchr(program, '/') != NULL;

	int n = snprintf(line, sizeof line, "<%d>%s %s%s%s[%d]: %s%s", LOG_MAIL | level_priority[level],
	    date(), whole ? "" : out.name, whole ? "" : "/", program, pid(), level_word[level], text);
	if (n > 0)
		(void)send(out.fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
emit(enum log_level level, const char *program, const char *text)
{
	const char *slash = strrchr(program, '/');

	if (log_watch != NULL)
		log_watch(level, slash != NULL ? slash + 1 : program, text);
	if (out.sink == LOG_SINK_SYSLOG) {
		to_syslog(level, program, text);
		return;
	}
	out.waiting.max = 4 * GATHER;
	if (out.host[0] != '\0')
		buf_printf(&out.waiting, "%s %s ", date(), out.host);
	buf_printf(&out.waiting, "%s%s%s[%d]: %s%s\n", slash != NULL ? "" : out.name,
	    slash != NULL || program[0] == '\0' ? "" : "/", program,
	    pid(), level_word[level], text);
	if (out.waiting.len >= GATHER || level >= LOG_LEVEL_FATAL || out.sink == LOG_SINK_STDERR)
		log_flush();
}

static void
last_words(const char *level, const char *text)
{
	char copy[LINE_MAX_BYTES];

	(void)snprintf(copy, sizeof copy, "%s", text);
	clean(copy);
	emit(strcmp(level, "panic") == 0 ? LOG_LEVEL_PANIC : LOG_LEVEL_FATAL, out.program, copy);
	if (out.sink != LOG_SINK_STDERR)
		fprintf(stderr, "%s: %s: %s\n", out.name, level, copy);
}

void
log_line(enum log_level level, const char *program, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	clean(text);
	emit(level, program == NULL ? out.program : program, text);
}

#define LOG_FUNCTION(name, level)			\
void							\
name(const char *program, const char *fmt, ...)		\
{							\
	va_list ap;					\
							\
	va_start(ap, fmt);				\
	log_line(level, program, fmt, ap);		\
	va_end(ap);					\
}
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)

/* Whole lines in one write with O_APPEND: lines of several roles never mix. */
void
log_flush(void)
{
	size_t done = 0;

	while (done < out.waiting.len) {
		ssize_t n = write(out.fd, out.waiting.ptr + done, out.waiting.len - done);
		if (n <= 0)
			break;		/* a full disk must not stop the mail */
		done += (size_t)n;
	}
	buf_reset(&out.waiting);
}
