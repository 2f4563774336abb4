/*
 * The queue as the spool's files say, with the daemon down. Before a byte is parsed, root's rights are given up for those of the
 * spool's owner, for good: what the files hold came from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/base64.h"
#include "ctl/selector.h"
#include "ctl/story.h"
#include "mtactl/files.h"
#include "mtactl/session.h"
#include "spool/index_load.h"
#include "spool/message.h"

#define PIECE	((size_t)32 << 10)

/* -- opening -------------------------------------------------------------- */

static int
become_owner(struct session *s, int dir)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(dir, &st) < 0) {
		session_say(s, "the spool: %s", strerror(errno));
		return 75;
	}
	if (st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0
	    || setresuid(st.st_uid, st.st_uid, st.st_uid) < 0) {
		session_say(s, "cannot become the spool's owner: %s", strerror(errno));
		return 70;
	}
	return 0;
}

int
files_open_spool(struct session *s, int *dir)
{
	struct buf path = BUF_INIT(4096);
	int status = 0;

	session_path(s, "spool", &path);
	*dir = open(path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0) {
		status = errno == EACCES ? 77 : errno == ENOENT ? 69 : 75;
		session_say(s, "%s: %s", path.ptr, strerror(errno));
	} else {
		status = become_owner(s, *dir);
	}
	buf_clear(&path);
	if (status != 0 && *dir >= 0)
		close(*dir);
	return status;
}

static int
open_queue(struct session *s, struct queue_files *q)
{
	struct store_config config = { .segment_size = SEGMENT_MIN };
	struct err err = { .kind = ERR_NONE };
	struct index_load loaded;
	int status = files_open_spool(s, &q->dir);

	if (status != 0)
		return status;
	index_init(&q->index);
	q->store = store_open(q->dir, STORE_READ, &config, &err);
	if (q->store == NULL || !index_load(&q->index, q->store, q->dir, NULL, NULL, &loaded, &err)) {
		session_say(s, "%s", err.text);
		return 65;
	}
	if (loaded.corrupt > 0 || loaded.bad > 0)
		session_say(s, "%llu damaged records were passed over; \"mtactl spool check\" tells more",
		    (unsigned long long)(loaded.corrupt + loaded.bad));
	return 0;
}

static void
close_queue(struct queue_files *q)
{
	index_clear(&q->index);
	store_close(q->store);
	if (q->dir >= 0)
		close(q->dir);
}

/* -- listing -------------------------------------------------------------- */

static int
by_arrival(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return qid_cmp((*x)->id, (*y)->id);
}

struct sort_key {
	const struct entry *entry;
	struct span	 text;
	int64_t		 number;
};

static int
by_key(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	int order = span_casecmp(x->text, y->text);

	if (order != 0)
		return order;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return qid_cmp(x->entry->id, y->entry->id);
}

static void
sort_entries(struct queue_files *q, struct span name, const struct entry **list, size_t n)
{
	struct sort_key *keys = calloc(n + 1, sizeof *keys);
	enum selector_field field;

	if (keys == NULL || !selector_field_find(name, &field)) {
		free(keys);
		qsort(list, n, sizeof *list, by_arrival);
		return;
	}
	enum selector_type type = selector_field_row(field)->type;
	struct file_row row = { .files = q, .now = clock_wall() };
	struct arena texts = ARENA_INIT(0);
	for (size_t i = 0; i < n; i++) {
		keys[i].entry = row.entry = list[i];
		keys[i].text = SPAN("");
		if (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN) {
			struct span text = SPAN("");
			file_row_ops.text(&row, field, 0, &text);
			keys[i].text = arena_span(&texts, text);
		} else {
			file_row_ops.number(&row, field, 0, &keys[i].number);
		}
	}
	qsort(keys, n, sizeof *keys, by_key);
	for (size_t i = 0; i < n; i++)
		list[i] = keys[i].entry;
	arena_clear(&texts);
	buf_clear(&row.scratch);
	free(keys);
}

static bool
trash_named(const struct selector *sel, struct span text)
{
	struct qid ids[1];
	size_t n;

	/* What is in the trash is not in the queue, unless it is asked for by name. */
	return selector_ids(sel, ids, 1, &n) || strstr(text.ptr == NULL ? "" : text.ptr, "trash") != NULL;
}

static size_t
select_entries(struct queue_files *q, const struct selector *sel, struct span text, const struct entry **list)
{
	struct file_row row = { .files = q, .now = clock_wall() };
	bool trash = trash_named(sel, text);
	size_t n = 0;
	struct qid at = QID_NONE;

	for (const struct entry *e; (e = index_after(&q->index, at)) != NULL; at = e->id) {
		row.entry = e;
		if ((e->state != ENTRY_TRASH || trash) && selector_match(sel, &file_row_ops, &row))
			list[n++] = e;
	}
	buf_clear(&row.scratch);
	return n;
}

/* -- history -------------------------------------------------------------- */

static int
story(struct session *s, struct queue_files *q, struct qid id, enum story_kind kind)
{
	struct story *st = story_new(q->store, id, index_find(&q->index, id), kind);
	struct buf rows = BUF_INIT(0);
	bool done = false;

	while (!done && !s->display.failed) {
		buf_reset(&rows);
		done = story_slice(st, &rows, PIECE * 4, INT64_MAX);
		struct span left = buf_view(&rows), line;
		while (span_cut(&left, '\n', &line))
			if (line.len > 0)
				session_row(s, line);
	}
	bool found = story_found(st);
	if (!found)
		session_say(s, "nothing is on record of that message: it never was here, or its history is gone");
	buf_clear(&rows);
	story_free(st);
	return found ? 0 : 1;
}

static int
tell_story(struct session *s, struct queue_files *q, const struct request *req)
{
	struct span text = SPAN_NONE;
	struct qid id;

	request_get(req, "id", &text);
	return qid_parse(text, &id) ? story(s, q, id, STORY_EVENTS) : 64;
}

static uint64_t
limit_of(const struct request *req)
{
	struct span text;
	uint64_t n;

	return request_get(req, "limit", &text) && num_u64(text, &n) ? n : UINT64_MAX;
}

static int
list(struct session *s, struct queue_files *q, const struct request *req)
{
	const struct entry **found = calloc(q->index.count + 1, sizeof *found);
	struct span text = SPAN_NONE, sort;
	struct buf row = BUF_INIT(0);
	struct err err;

	request_get(req, "selector", &text);
	struct selector *sel = selector_new(text, &err);
	if (found == NULL || sel == NULL) {
		free(found);
		selector_free(sel);
		return 70;
	}
	size_t n = select_entries(q, sel, text, found);
	if (request_get(req, "sort", &sort))
		sort_entries(q, sort, found, n);
	bool reverse = request_get(req, "reverse", &sort);
	uint64_t most = limit_of(req);
	for (size_t i = 0; i < n && i < most; i++) {
		const struct entry *e = found[reverse ? n - 1 - i : i];
		if (req->command == CMD_why) {
			files_why(s, q, e);
			continue;
		}
		buf_reset(&row);
		files_row(q, e, NULL, &row);
		session_row(s, buf_view(&row));
	}
	struct qid ids[2];
	size_t named = 0;
	int status = 0;
	if (n == 0 && req->command == CMD_why && selector_ids(sel, ids, 2, &named) && named == 1)
		status = story(s, q, ids[0], STORY_ENDS);
	buf_clear(&row);
	selector_free(sel);
	free(found);
	return status;
}

/* -- one message ---------------------------------------------------------- */

static const struct entry *
find_entry(struct session *s, struct queue_files *q, const struct request *req)
{
	struct span text = SPAN_NONE;
	struct qid id;

	request_get(req, "id", &text);
	const struct entry *e = qid_parse(text, &id) ? index_find(&q->index, id) : NULL;
	if (e == NULL)
		session_say(s, "%.*s is not in the queue", SPAN_ARG(text));
	return e;
}

static bool
read_message(struct session *s, struct queue_files *q, const struct entry *e, struct message *m)
{
	const struct store_segment *seg = store_get(q->store, e->loc.segment);
	struct err err = { .kind = ERR_NONE };
	int fd = seg == NULL ? -1 : store_fd(q->store, e->loc.segment, &err);

	if (fd >= 0 && message_read(fd, seg->nonce, e->loc, m, &err))
		return true;
	session_say(s, "its record cannot be read: %s", err.text[0] != '\0' ? err.text : "no such segment");
	return false;
}

static int
show(struct session *s, struct queue_files *q, const struct request *req)
{
	const struct entry *e = find_entry(s, q, req);
	struct message m = { .spill_length = 0 };
	struct buf row = BUF_INIT(0);

	if (e == NULL)
		return 1;
	bool read = read_message(s, q, e, &m);
	files_row(q, e, read ? &m.envelope : NULL, &row);
	session_row(s, buf_view(&row));
	buf_clear(&row);
	message_clear(&m);
	return 0;
}

static void
put_piece(struct session *s, const char *key64, struct span bytes)
{
	struct buf row = BUF_INIT(0), text = BUF_INIT(0);

	base64_encode(&text, bytes);
	buf_printf(&row, "{\"%s\":\"%s\"}", key64, text.ptr);
	session_row(s, buf_view(&row));
	buf_clear(&row);
	buf_clear(&text);
}

static void
put_pieces(struct session *s, const char *key64, struct span bytes)
{
	for (; bytes.len > 0; bytes = span_skip(bytes, PIECE))
		put_piece(s, key64, span_head(bytes, PIECE));
}

static int
put_spill(struct session *s, struct queue_files *q, const struct message *m)
{
	struct err err = { .kind = ERR_NONE };
	char bytes[PIECE];
	uint64_t at = 0;
	int fd = store_spill_open(q->store, m->envelope.spill, &err);

	if (fd < 0) {
		session_say(s, "%s", err.text);
		return 65;
	}
	while (at < m->spill_length) {
		size_t want = m->spill_length - at < PIECE ? (size_t)(m->spill_length - at) : PIECE;
		ssize_t n = pread(fd, bytes, want, (off_t)at);
		if (n <= 0)
			break;
		put_piece(s, "body64", span_of(bytes, (size_t)n));
		at += (uint64_t)n;
	}
	close(fd);
	if (at == m->spill_length)
		return 0;
	session_say(s, "the spill file with the body ends too soon");
	return 65;
}

static int
cat(struct session *s, struct queue_files *q, const struct request *req)
{
	const struct entry *e = find_entry(s, q, req);
	struct message m = { .spill_length = 0 };
	struct buf row = BUF_INIT(0);
	struct span unused;
	bool headers = request_get(req, "headers", &unused), body = request_get(req, "body", &unused);
	int status = 0;

	if (e == NULL)
		return 1;
	if (!read_message(s, q, e, &m)) {
		message_clear(&m);
		return 65;
	}
	buf_str(&row, "{\"envelope\":");
	files_row(q, e, &m.envelope, &row);
	buf_char(&row, '}');
	session_row(s, buf_view(&row));
	if (headers || !body)
		put_pieces(s, "header64", m.header);
	if (body || !headers) {
		put_pieces(s, "body64", m.body);
		if (m.spill_length > 0)
			status = put_spill(s, q, &m);
	}
	buf_clear(&row);
	message_clear(&m);
	return status;
}

static int
run(struct session *s, struct queue_files *q, const struct request *req)
{
	switch (req->command) {
	case CMD_queue_show:
		return show(s, q, req);
	case CMD_cat:
		return cat(s, q, req);
	case CMD_story:
		return tell_story(s, q, req);
	default:
		return list(s, q, req);
	}
}

/* A series of requests loads the queue once. */
static struct queue_files kept = { .dir = -1 };
static bool keeping;

void
files_keep(bool keep)
{
	if (!keep && kept.dir >= 0)
		close_queue(&kept);
	kept.dir = -1;
	keeping = keep;
}

int
files_run(struct session *s, const struct request *req)
{
	struct queue_files own = { .dir = -1 }, *q = keeping ? &kept : &own;
	int status = q->dir >= 0 ? 0 : open_queue(s, q);

	if (status == 0)
		status = run(s, q, req);
	if (!keeping)
		close_queue(&own);
	return status;
}
