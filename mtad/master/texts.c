#include "master/texts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/tables.h"
#include "policy/policy.h"
#include "table/files.h"
#include "table/table.h"

#define SETTLED		(SECOND / 2)	/* since the last write */
#define SETTLED_BLIND	(2 * SECOND)	/* where it cannot be known whether somebody writes */
#define READ_MAX	((size_t)16 << 20)

struct text {
	char		*path;
	char		 seen[TABLE_IDENTITY];	/* what was looked at last: it is in use, or refused */
	char		*refused;	/* why that one is not in use */
};

static struct {
	struct text	*items;
	size_t		 count;
	struct conf	*conf;		/* of which; a reference */
} watched;

/* -- what is on disk ---------------------------------------------------------------------------------- */

enum reading { READ_WHOLE, READ_LATER, READ_FAILED };

/* A lease on reading is given only where nobody has the file open for writing. It is given back at once. */
static bool
is_being_written(int fd, const struct stat *st, bool asked)
{
	int64_t age = clock_wall() - ((int64_t)st->st_mtim.tv_sec * SECOND + st->st_mtim.tv_nsec / 1000);
	bool known = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;

	if (known)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	else if (errno == EAGAIN)
		return true;
	/* A time in the future says nothing. */
	return !asked && age >= 0 && age < (known ? SETTLED : SETTLED_BLIND);
}

static enum reading
read_rest(int fd, const char *path, struct buf *out, struct err *err)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0 && !out->over)
		buf_put(out, chunk, (size_t)n);
	if (n == 0 && !out->over)
		return READ_WHOLE;
	if (n < 0)
		err_sys(err, "cannot read %s", path);
	else
		err_set(err, ERR_PERM, "%s is too large: over 16 MiB", path);
	return READ_FAILED;
}

/* What the path names now, whole, with what tells it apart; not what changes while it is read. */
static enum reading
read_text(const char *path, bool asked, struct buf *out, char identity[TABLE_IDENTITY], struct err *err)
{
	char after[TABLE_IDENTITY];
	enum reading result = READ_FAILED;
	struct stat st;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd < 0)
			err_sys(err, "cannot open %s", path);
		else
			err_set(err, ERR_PERM, "%s is not a plain file", path);
	} else if (is_being_written(fd, &st, asked)) {
		result = READ_LATER;
	} else {
		tables_identify("text", &st, identity);
		result = read_rest(fd, path, out, err);
		if (result == READ_WHOLE && stat(path, &st) == 0) {
			tables_identify("text", &st, after);
			result = strcmp(identity, after) == 0 ? READ_WHOLE : READ_LATER;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	return result;
}

static void
identify(const char *path, char out[TABLE_IDENTITY])
{
	struct stat st;

	if (stat(path, &st) == 0)
		tables_identify("text", &st, out);
	else
		(void)memcpy(out, "gone", 5);
}

/* -- what is watched ------------------------------------------------------------------------------------ */

static struct text *
find(struct span path)
{
	for (size_t i = 0; i < watched.count; i++)
		if (span_eqs(path, watched.items[i].path))
			return &watched.items[i];
	return NULL;
}

/* The configuration may have read it a moment before it changed: what it has is compared with what is there. */
static void
begin(struct text *t, const struct conf *conf)
{
	struct buf now = BUF_INIT(READ_MAX);
	struct span used = SPAN_NONE;
	struct err err;

	if (read_text(t->path, true, &now, t->seen, &err) != READ_WHOLE || !conf_file(conf, span_str(t->path), &used) ||
	    !span_eq(used, buf_view(&now)))
		t->seen[0] = '\0';
	buf_clear(&now);
}

static void
forget(void)
{
	for (size_t i = 0; i < watched.count; i++) {
		free(watched.items[i].path);
		free(watched.items[i].refused);
	}
	free(watched.items);
	watched.items = NULL;
	watched.count = 0;
}

static void
watch(const struct conf *conf)
{
	char **specs;
	size_t n = table_texts(conf, &specs);

	forget();
	for (size_t i = 0; i < n; i++) {
		struct span path = table_text_path(span_str(specs[i]));
		if (find(path) == NULL) {
			watched.items = mem_grow(watched.items, watched.count + 1, sizeof *watched.items);
			struct text *t = &watched.items[watched.count++];
			*t = (struct text){ .path = span_dup(path) };
			begin(t, conf);
		}
		free(specs[i]);
	}
	free(specs);
}

/* -- whether it may be used ------------------------------------------------------------------------------- */

/* What opening the tables of this text finds wrong: of each line, and for whoever uses them. */
static void
problems_of(struct conf *conf, const char *path, struct conf_problems *problems)
{
	struct err err = { ERR_NONE, "" };
	char **specs;
	size_t n = table_texts(conf, &specs);

	tables_watch_lines(problems);
	for (size_t i = 0; i < n; i++) {
		struct table *t = NULL;
		if (span_eqs(table_text_path(span_str(specs[i])), path) && (t = table_open(conf, span_str(specs[i]), &err)) == NULL)
			conf_problem_add(problems, PROBLEM_ERROR, path, 0, "%s", err.text);
		table_free(t);
		free(specs[i]);
	}
	free(specs);
	policy_check_conf(conf, problems);
	tables_watch_lines(NULL);
}

static size_t
count_of(const struct conf_problems *p, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += strcmp(p->items[i].text, text) == 0;
	return n;
}

/* The first of `new` that `old` has not, or not as often; lines move, so they do not count. */
static const struct conf_problem *
first_new(const struct conf_problems *new, const struct conf_problems *old)
{
	for (size_t i = 0; i < new->count; i++)
		if (count_of(new, new->items[i].text) > count_of(old, new->items[i].text))
			return &new->items[i];
	return NULL;
}

/* True where the text in `next` has nothing wrong that the one in use has not. */
static bool
is_sound(struct conf *next, struct conf *used, const char *path, struct err *err)
{
	struct conf_problems new = { .count = 0 }, old = { .count = 0 };
	const struct conf_problem *p = NULL;

	problems_of(next, path, &new);
	if (new.count > 0) {
		problems_of(used, path, &old);
		p = first_new(&new, &old);
	}
	if (p != NULL && p->file != NULL && p->line > 0)
		err_set(err, ERR_PERM, "%s:%u: %s", p->file, p->line, p->text);
	else if (p != NULL)
		err_set(err, ERR_PERM, "%s: %s", p->file == NULL ? path : p->file, p->text);
	conf_problems_clear(&new);
	conf_problems_clear(&old);
	return p == NULL;
}

/* -- looking ------------------------------------------------------------------------------------------------- */

static void
refuse(struct text *t, const struct err *err)
{
	free(t->refused);
	t->refused = mem_str(err->text);
	log_warning(NULL, "%s changed and is not taken, the old one goes on: %s", t->path, err->text);
}

/* A new reference to a configuration with this text as it is on disk, or NULL. */
static struct conf *
take(struct text *t, struct conf *used, bool asked)
{
	struct err err = { ERR_NONE, "" };
	struct buf text = BUF_INIT(READ_MAX);
	struct conf *next = NULL;
	struct span old;

	enum reading got = read_text(t->path, asked, &text, t->seen, &err);
	if (got == READ_LATER) {
		err_set(&err, ERR_TEMP, "%s: it is still being written", t->path);
		free(t->refused);
		t->refused = mem_str(err.text);
		t->seen[0] = '\0';
	} else if (got == READ_WHOLE && conf_file(used, span_str(t->path), &old) && span_eq(old, buf_view(&text))) {
		free(t->refused);	/* the same as before, or again */
		t->refused = NULL;
	} else if (got != READ_WHOLE || (next = conf_with_file(used, span_str(t->path), buf_view(&text), &err)) == NULL ||
	    !is_sound(next, used, t->path, &err)) {
		conf_unref(next);
		next = NULL;
		refuse(t, &err);
	} else {
		free(t->refused);
		t->refused = NULL;
	}
	buf_clear(&text);
	return next;
}

struct conf *
texts_take(struct master *m, bool asked, struct buf *which)
{
	struct conf *now = NULL;

	if (watched.conf != m->conf) {
		watch(m->conf);
		conf_unref(watched.conf);
		watched.conf = conf_ref(m->conf);
	}
	for (size_t i = 0; i < watched.count; i++) {
		struct text *t = &watched.items[i];
		char identity[TABLE_IDENTITY];
		identify(t->path, identity);
		if (strcmp(identity, t->seen) == 0)
			continue;
		(void)memcpy(t->seen, identity, sizeof identity);
		struct conf *next = take(t, now == NULL ? m->conf : now, asked);
		if (next == NULL)
			continue;
		conf_unref(now);
		now = next;
		buf_printf(which, "%s%s", which->len > 0 ? ", " : "", t->path);
	}
	/* If it cannot be used after all, the next look begins anew. */
	if (now != NULL) {
		conf_unref(watched.conf);
		watched.conf = conf_ref(now);
	}
	return now;
}

void
texts_refused(struct buf *out)
{
	for (size_t i = 0; i < watched.count; i++)
		if (watched.items[i].refused != NULL)
			buf_printf(out, "refused: %s\n", watched.items[i].refused);
}
