#include "local/writer.h"

#include <errno.h>
#include <unistd.h>

#define GATHER	((size_t)64 << 10)

static const char from_line[] = "From ";

void
file_writer_init(struct file_writer *w, int fd, uint64_t size_now, uint64_t limit)
{
	*w = (struct file_writer){ .fd = fd, .size = size_now, .limit = limit, .out = BUF_INIT(4 * GATHER) };
}

void
file_writer_clear(struct file_writer *w)
{
	buf_clear(&w->out);
}

static void
flush(struct file_writer *w)
{
	const char *p = w->out.ptr;
	size_t left = w->out.len;
	while (left > 0 && w->error == 0) {
		ssize_t n = write(w->fd, p, left);
		if (n < 0) {
			if (errno != EINTR)
				w->error = errno;
			continue;
		}
		p += n;
		left -= (size_t)n;
	}
	buf_reset(&w->out);
}

void
file_writer_raw(struct file_writer *w, struct span s)
{
	w->size += s.len;
	if (w->limit > 0 && w->size > w->limit && w->error == 0)
		w->error = EFBIG;
	while (s.len > 0 && w->error == 0) {
		size_t n = s.len < GATHER ? s.len : GATHER;
		buf_put(&w->out, s.ptr, n);
		s = span_skip(s, n);
		if (w->out.len >= GATHER)
			flush(w);
	}
}

/* What stood at the start of the line is decided: it goes out, quoted or not. */
static void
release_start(struct file_writer *w, bool quoted)
{
	if (quoted)
		file_writer_raw(w, SPAN(">"));
	file_writer_raw(w, span_of(from_line, w->matched));
	w->matched = 0;
	w->mid_line = true;
}

static void
put_quoted(struct file_writer *w, struct span s)
{
	while (s.len > 0 && w->error == 0) {
		if (w->mid_line) {
			size_t end = span_find(s, '\n');
			size_t n = end < s.len ? end + 1 : end;
			file_writer_raw(w, span_head(s, n));
			w->mid_line = end == s.len;
			s = span_skip(s, n);
		} else if (s.ptr[0] == from_line[w->matched]) {
			s = span_skip(s, 1);
			if (++w->matched == sizeof from_line - 1)
				release_start(w, true);
		} else {
			release_start(w, false);
		}
	}
}

void
file_writer_put(struct file_writer *w, struct span s)
{
	if (s.len == 0)
		return;
	if (w->quote) {
		put_quoted(w, s);
	} else {
		file_writer_raw(w, s);
		w->mid_line = s.ptr[s.len - 1] != '\n';
	}
}

void
file_writer_copy(struct file_writer *w, int fd, uint64_t length)
{
	struct buf in = BUF_INIT(GATHER + 1);
	uint64_t at = 0;
	while (at < length && w->error == 0) {
		size_t want = length - at < GATHER ? (size_t)(length - at) : GATHER;
		char *room = buf_room(&in, want);
		ssize_t n = pread(fd, room, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			w->error = n < 0 ? errno : EIO;		/* shorter than the record says */
			break;
		}
		file_writer_put(w, span_of(room, (size_t)n));
		at += (uint64_t)n;
	}
	buf_clear(&in);
}

bool
file_writer_end(struct file_writer *w)
{
	if (w->matched > 0)
		release_start(w, false);
	if (w->mid_line)
		file_writer_raw(w, SPAN("\n"));
	w->mid_line = false;
	if (w->error == 0)
		flush(w);
	return w->error == 0;
}
