#include "spool/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "spool/checkpoint.h"
#include "spool/event.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/writer.h"

/* -- walking through the directories ------------------------------------------------------- */

struct names {
	char		**at;
	size_t		 count, room;
};

static int
name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
names_free(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->at[i]);
	free(n->at);
}

/* Names in the order of their numbers (all have the same number of digits). A missing directory has none. */
static bool
names_read(int dir, const char *sub, struct names *out, struct err *err)
{
	int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*out = (struct names){ 0 };
	if (d == NULL) {
		if (errno == ENOENT && fd < 0)
			return true;
		err_sys(err, "reading spool/%s", sub);
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, "new", 3) == 0)
			continue;
		if (out->count == out->room) {
			out->room = out->room == 0 ? 32 : out->room * 2;
			out->at = mem_grow(out->at, out->room, sizeof *out->at);
		}
		out->at[out->count++] = mem_str(e->d_name);
	}
	closedir(d);
	if (out->count > 0)
		qsort(out->at, out->count, sizeof *out->at, name_order);
	return true;
}

static int
open_in(int dir, const char *sub, const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof path, "%s/%s", sub, name);
	return openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static bool
scan_segment(int fd, const struct segment_page *page, const struct inspect_ops *ops, void *arg, struct err *err)
{
	struct scan s;
	struct scan_record r;
	enum scan_result got;

	if (!scan_open(&s, fd, page->header.number, page->header.nonce, page->header.size, 0, page->end, err))
		return false;
	while ((got = scan_next(&s, &r)) != SCAN_END) {
		void (*fn)(void *, const struct segment_page *, const struct scan_record *) =
		    got == SCAN_RECORD ? ops->record : ops->corrupt;
		if (fn != NULL)
			fn(arg, page, &r);
	}
	if (ops->segment_end != NULL)
		ops->segment_end(arg, page, &s);
	scan_close(&s);
	return true;
}

static bool
walk_segment(int dir, const char *name, const struct inspect_ops *ops, void *arg, struct err *err)
{
	struct segment_page page;
	struct err why = { 0 };
	uint64_t number;
	bool ok = true;

	/* It may have been recycled since its name was read. */
	int fd = open_in(dir, "segments", name);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0) {
		err_sys(err, "opening spool/segments/%s", name);
		return false;
	}
	bool valid = segment_page_read(fd, &page, &why);
	if (valid && (!num_hex(span_str(name), &number) || number != page.header.number)) {
		valid = false;
		err_set(&why, ERR_PERM, "the header has another number: it was being recycled");
	}
	bool go = ops->segment == NULL || ops->segment(arg, name, valid ? &page : NULL, valid ? "" : why.text);
	if (valid && go)
		ok = scan_segment(fd, &page, ops, arg, err);
	close(fd);
	return ok;
}

static bool
walk_sizes(int dir, const char *sub, void (*fn)(void *, const char *, uint64_t), void *arg, struct err *err)
{
	struct names names;
	struct stat sb;

	if (!names_read(dir, sub, &names, err))
		return false;
	for (size_t i = 0; i < names.count; i++) {
		int fd = open_in(dir, sub, names.at[i]);
		if (fd < 0)
			continue;
		if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode))
			fn(arg, names.at[i], (uint64_t)sb.st_size);
		close(fd);
	}
	names_free(&names);
	return true;
}

struct walk {
	const struct inspect_ops *ops;
	void		*arg;
};

static void
walk_spill(void *arg, const char *name, uint64_t size)
{
	struct walk *w = arg;
	uint64_t number;

	if (w->ops->spill != NULL && strlen(name) == 16 && num_hex(span_str(name), &number))
		w->ops->spill(w->arg, number, size);
}

static void
walk_aside(void *arg, const char *name, uint64_t size)
{
	struct walk *w = arg;

	if (w->ops->set_aside != NULL)
		w->ops->set_aside(w->arg, name, size);
}

bool
inspect_spool(int dir, const struct inspect_ops *ops, void *arg, struct err *err)
{
	struct walk w = { ops, arg };
	struct names names;
	bool ok = true;

	if (faccessat(dir, "uuid", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		err_set(err, errno == ENOENT ? ERR_PERM : ERR_SYS, "no spool here: uuid: %s", strerror(errno));
		return false;
	}
	/* Spill files first, so that a message's file is known when its record comes. */
	if (!walk_sizes(dir, "spill", walk_spill, &w, err) || !names_read(dir, "segments", &names, err))
		return false;
	for (size_t i = 0; ok && i < names.count; i++)
		ok = walk_segment(dir, names.at[i], ops, arg, err);
	names_free(&names);
	return ok && walk_sizes(dir, "corrupt", walk_aside, &w, err);
}

/* -- a line a record ------------------------------------------------------------------------------ */

static void
message_text(struct buf *b, const struct scan_record *r)
{
	struct message m = { 0 };
	char id[QID_TEXT];
	struct err err;

	if (!message_parse(r->payload, &m, &err)) {
		buf_printf(b, " unusable: %s", err.text);
		return;
	}
	buf_printf(b, " %s from=<%.*s> size=%llu nrcpt=%u", qid_text(m.envelope.id, id), SPAN_ARG(m.envelope.sender),
	    (unsigned long long)m.envelope.size, m.envelope.recipient_count);
	if (m.envelope.spill != 0)
		buf_printf(b, " spill=%016llx (%llu bytes)", (unsigned long long)m.envelope.spill,
		    (unsigned long long)m.spill_length);
}

static void
event_text(struct buf *b, const struct scan_record *r)
{
	struct event_reader reader;
	struct spool_event e;
	char id[QID_TEXT];
	struct err err;

	if (!event_reader_init(&reader, r->payload, &err)) {
		buf_printf(b, " unusable: %s", err.text);
		return;
	}
	buf_printf(b, " %s", qid_text(reader.id, id));
	while (event_next(&reader, &e))
		buf_printf(b, " %s", event_kind_text(e.kind));
	if (event_fault(&reader))
		buf_str(b, " unusable: damaged event");
}

void
inspect_line(struct buf *b, const struct segment_page *page, const struct scan_record *r)
{
	const char *kind = r->type == RECORD_MESSAGE ? "message" : r->type == RECORD_EVENT ? "event" : "record";

	buf_printf(b, "%08x+%llu %s", page->header.number, (unsigned long long)loc_offset(r->loc),
	    r->why != NULL ? "CORRUPT" : kind);
	buf_printf(b, " length=%u batch=%llu", r->loc.length, (unsigned long long)r->sequence);
	if (r->generation > 0)
		buf_printf(b, " generation=%u", r->generation);
	if (r->why != NULL)
		buf_printf(b, " %s", r->why);
	else if (r->type == RECORD_MESSAGE)
		message_text(b, r);
	else if (r->type == RECORD_EVENT)
		event_text(b, r);
}
