/*
 * queue export: messages out of the queue, as one mbox (mboxrd: each line that begins with "From ", behind any ">", gets one more ">"), or each
 * as a file of its own. With the daemon down the spool's files are read by a process without root's rights, as everywhere, while the
 * files that are written are the caller's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/base64.h"
#include "ctl/jsonl.h"
#include "mail/date.h"
#include "mail/queue_id.h"
#include "mtactl/files.h"
#include "mtactl/present.h"
#include "mtactl/session.h"

#define FROM		"From "
#define FROM_LEN	5u
#define WRITE_AT	((size_t)64 << 10)

/* The start of a line that may become a "From " line: so many ">", then so much of it. */
struct mboxrd {
	bool		 at_start, undecided;
	size_t		 quotes, matched;
	bool		 ends_in_lf;
};

struct export {
	struct session	*session;
	int		 dir;		/* --to; -1: stdout */
	const char	*to;
	struct qid	*ids;
	size_t		 id_count, id_cap;
	struct buf	 out;
	struct mboxrd	 line;
	int		 fd;		/* the file of the message that comes in; -1: none */
	char		 name[QID_TEXT + 8];
	char		 id[QID_TEXT];
	bool		 open, failed;	/* a message is coming in; this one could not be written */
	uint64_t	 bytes, done, bad;
};

/* -- writing -------------------------------------------------------------- */

static void
fail(struct export *x, const char *what)
{
	if (!x->failed)
		session_say(x->session, "%s%s%s: %s", x->to == NULL ? "" : x->to, x->to == NULL ? "" : "/", what, strerror(errno));
	x->failed = true;
}

static void
flush_out(struct export *x)
{
	if (x->dir >= 0) {
		if (x->fd >= 0 && !x->failed && !io_write_all(x->fd, buf_view(&x->out)))
			fail(x, x->name);
	} else if (!x->failed && !io_write_all(STDOUT_FILENO, buf_view(&x->out))) {
		fail(x, "standard output");
	}
	buf_reset(&x->out);
}

static int
create(struct export *x, const char *suffix)
{
	snprintf(x->name, sizeof x->name, "%s%s", x->id, suffix);
	int fd = openat(x->dir, x->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(x, x->name);
	return fd;
}

/* -- mboxrd --------------------------------------------------------------- */

static void
decide(struct export *x, bool quote)
{
	struct mboxrd *m = &x->line;

	for (size_t i = m->quotes + (quote ? 1 : 0); i > 0; i--)
		buf_char(&x->out, '>');
	buf_put(&x->out, FROM, m->matched);
	m->undecided = false;
	m->quotes = m->matched = 0;
}

static void
put_mboxrd(struct export *x, struct span s)
{
	struct mboxrd *m = &x->line;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (m->at_start) {
			m->at_start = false;
			m->undecided = true;
		}
		if (m->undecided && m->matched == 0 && c == '>') {
			m->quotes++;
			continue;
		}
		if (m->undecided && c == FROM[m->matched]) {
			if (++m->matched == FROM_LEN)
				decide(x, true);
			continue;
		}
		if (m->undecided)
			decide(x, false);
		buf_char(&x->out, c);
		m->at_start = c == '\n';
	}
	if (s.len > 0)
		m->ends_in_lf = s.ptr[s.len - 1] == '\n';
}

static void
begin_mbox(struct export *x, const struct queue_row *q)
{
	struct buf sender = BUF_INIT(1024);
	char date[DATE_TEXT];

	if (!jsonl_text(q->sender, &sender) || sender.len == 0) {
		buf_reset(&sender);
		buf_str(&sender, "MAILER-DAEMON");
	}
	for (size_t i = 0; i < sender.len; i++)
		if (sender.ptr[i] <= ' ' || sender.ptr[i] == 0x7f)
			sender.ptr[i] = '-';
	(void)date_mbox(q->arrival * SECOND, date);
	buf_printf(&x->out, "From %s  %s\n", sender.ptr, date);
	x->line = (struct mboxrd){ .at_start = true, .ends_in_lf = true };
	buf_clear(&sender);
}

static void
end_mbox(struct export *x)
{
	if (x->line.undecided)
		decide(x, false);
	buf_str(&x->out, x->line.ends_in_lf ? "\n" : "\n\n");
}

/* -- a message ------------------------------------------------------------ */

static void
end_message(struct export *x)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	if (!x->open)
		return;
	x->open = false;
	if (x->dir < 0)
		end_mbox(x);
	flush_out(x);
	if (x->fd >= 0) {
		if (close(x->fd) < 0)
			fail(x, x->name);
		if (x->failed)
			(void)unlinkat(x->dir, x->name, 0);
	}
	x->fd = -1;
	if (x->failed) {
		x->bad++;
		return;
	}
	x->done++;
	if (x->dir < 0)
		return;
	jsonl_object(&j, NULL);
	jsonl_str(&j, "queue_id", span_str(x->id));
	struct buf path = BUF_INIT(0);
	buf_printf(&path, "%s/%s", x->to, x->name);
	jsonl_str(&j, "file", buf_view(&path));
	jsonl_i64(&j, "bytes", (int64_t)x->bytes);
	jsonl_end_object(&j);
	session_row(x->session, buf_view(&row));
	buf_clear(&path);
	buf_clear(&row);
}

/* DIR/ID.json first: where that cannot be made there is no ID.eml either. */
static void
begin_files(struct export *x, struct span envelope)
{
	int fd = create(x, ".json");

	if (fd < 0)
		return;
	bool ok = io_write_all(fd, envelope) && io_write_all(fd, SPAN("\n"));
	if (close(fd) < 0 || !ok) {
		fail(x, x->name);
		(void)unlinkat(x->dir, x->name, 0);
		return;
	}
	x->fd = create(x, ".eml");
	if (x->fd >= 0)
		return;
	char json[sizeof x->name];
	snprintf(json, sizeof json, "%s.json", x->id);
	(void)unlinkat(x->dir, json, 0);
}

static void
begin_message(struct export *x, struct span envelope)
{
	struct queue_row q;
	struct buf id = BUF_INIT(64);
	struct qid qid;

	end_message(x);
	queue_row_read(envelope, &q);
	x->open = true;
	x->failed = false;
	x->bytes = 0;
	/* It becomes a file's name: nothing but a queue ID. */
	if (!jsonl_text(q.id, &id) || !qid_parse(buf_view(&id), &qid)) {
		session_say(x->session, "an answer names no message");
		x->failed = true;
	} else {
		(void)qid_text(qid, x->id);
		if (x->dir >= 0)
			begin_files(x, envelope);
		else
			begin_mbox(x, &q);
	}
	buf_clear(&id);
}

static void
put_content(struct export *x, struct span bytes)
{
	x->bytes += bytes.len;
	if (x->failed || !x->open)
		return;
	if (x->dir < 0)
		put_mboxrd(x, bytes);
	else
		buf_span(&x->out, bytes);
	if (x->out.len >= WRITE_AT)
		flush_out(x);
}

/* A row of `cat`. */
static void
take_content(void *arg, struct span row)
{
	struct export *x = arg;
	struct buf text = BUF_INIT(0), bytes = BUF_INIT(0);
	struct span value;

	if (jsonl_find(row, "envelope", &value)) {
		begin_message(x, value);
	} else if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value)) {
		if (jsonl_text(value, &text))
			put_content(x, buf_view(&text));
	} else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value)) {
		if (jsonl_text(value, &text) && base64_decode(&bytes, buf_view(&text)))
			put_content(x, buf_view(&bytes));
	}
	buf_clear(&text);
	buf_clear(&bytes);
}

/* -- which messages ------------------------------------------------------- */

static void
take_listed(void *arg, struct span row)
{
	struct export *x = arg;
	struct queue_row q;
	struct buf id = BUF_INIT(64);
	struct qid qid;

	queue_row_read(row, &q);
	if (jsonl_text(q.id, &id) && qid_parse(buf_view(&id), &qid)) {
		if (x->id_count == x->id_cap) {
			x->id_cap = x->id_cap == 0 ? 64 : x->id_cap * 2;
			x->ids = mem_grow(x->ids, x->id_cap, sizeof *x->ids);
		}
		x->ids[x->id_count++] = qid;
	}
	buf_clear(&id);
}

static int
list(struct export *x, struct span selector)
{
	const struct span words[] = { SPAN("queue"), SPAN("ls"), selector };

	return session_ask(x->session, words, 3, take_listed, x);
}

static int
fetch(struct export *x, struct qid id, void (*take)(void *, struct span), void *arg)
{
	char text[QID_TEXT];
	const struct span words[] = { SPAN("cat"), span_str(qid_text(id, text)) };

	return session_ask(x->session, words, 2, take, arg);
}

/* One that ended meanwhile is no failure; the daemon's refusal is one, for all. */
static int
from_daemon(struct export *x, struct span selector)
{
	int status = list(x, selector);

	if (status > 1)
		return status;
	for (size_t i = 0; i < x->id_count && !x->session->display.failed; i++) {
		int got = fetch(x, x->ids[i], take_content, x);
		end_message(x);
		if (got > 1)
			status = got;
		if (got == 77 || got == 69 || (x->failed && x->dir < 0))
			break;
	}
	return status > 1 ? status : x->id_count == 0;
}

/* -- with the daemon down: the reader is a process of its own ---------------- */

static void
pass_on(void *arg, struct span row)
{
	FILE *to = arg;

	(void)fwrite(row.ptr, 1, row.len, to);
	(void)fputc('\n', to);
}

static int
read_files(struct export *x, struct span selector, int fd)
{
	FILE *to = fdopen(fd, "w");
	int status;

	if (to == NULL)
		return 70;
	files_keep(true);
	status = list(x, selector);
	for (size_t i = 0; i < x->id_count && status <= 1 && !ferror(to); i++) {
		int got = fetch(x, x->ids[i], pass_on, to);
		status = got > 1 ? got : status;
	}
	if (fclose(to) != 0 && status <= 1)
		status = 75;
	return status > 1 ? status : x->id_count == 0;
}

static void
take_lines(struct export *x, int fd)
{
	FILE *from = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while (from != NULL && (n = getline(&line, &room, from)) > 0)
		take_content(x, span_of(line, (size_t)n - (line[n - 1] == '\n')));
	end_message(x);
	free(line);
	if (from != NULL)
		(void)fclose(from);
}

static int
from_files(struct export *x, struct span selector)
{
	int ends[2], status = 70;

	session_say(x->session, "mtad is not running: read from its files");
	fflush(NULL);
	pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
	if (pid < 0) {
		session_say(x->session, "%s", strerror(errno));
		return 75;
	}
	if (pid == 0) {
		(void)close(ends[0]);
		if (x->dir >= 0)
			(void)close(x->dir);
		_exit(read_files(x, selector, ends[1]));
	}
	(void)close(ends[1]);
	take_lines(x, ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

/* -- the command ---------------------------------------------------------- */

static int
open_dir(struct export *x)
{
	struct stat st;

	if (mkdir(x->to, 0700) < 0 && errno != EEXIST) {
		session_say(x->session, "%s: %s", x->to, strerror(errno));
		return 75;
	}
	x->dir = open(x->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->dir < 0 || fstat(x->dir, &st) < 0) {
		session_say(x->session, "%s: %s", x->to, strerror(errno));
		return 75;
	}
	return 0;
}

static int
finish(struct export *x, int status)
{
	display_flush(&x->session->display);
	if (status == 1 && x->id_count == 0 && x->done == 0 && x->bad == 0)
		session_say(x->session, "nothing matches");
	else if (x->done > 0 || x->bad > 0)
		session_say(x->session, "%llu message%s written%s", (unsigned long long)x->done, x->done == 1 ? "" : "s",
		    x->bad > 0 ? ", others could not be" : "");
	if (x->dir >= 0)
		(void)close(x->dir);
	free(x->ids);
	buf_clear(&x->out);
	return status == 0 && x->bad > 0 ? 1 : status;
}

int
export_run(struct session *s, const struct request *req)
{
	struct export x = { .session = s, .dir = -1, .fd = -1 };
	struct span selector = SPAN_NONE, to;
	int status;

	(void)request_get(req, "selector", &selector);
	bool files = request_get(req, "to", &to);
	if (!files && isatty(STDOUT_FILENO)) {
		session_say(s, "an mbox is for a file or a pipe: \"> FILE\", or --to DIR");
		return 64;
	}
	char *name = files ? span_dup(to) : NULL;
	x.to = name;
	status = session_reach(s);
	if (status == 0 || status == 69) {
		int bad = files ? open_dir(&x) : 0;
		status = bad != 0 ? bad : status == 0 ? from_daemon(&x, selector) : from_files(&x, selector);
	}
	status = finish(&x, status);
	free(name);
	return status;
}
