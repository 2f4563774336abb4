#include "master/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/texts.h"
#include "table/build.h"
#include "table/files.h"
#include "table/table.h"

#define LOOK		SECOND
#define PROBLEMS_MAX	1000u

/* -- what is wrong with lines ---------------------------------------------------------------------------- */

static bool
is_told(const struct conf_problems *p, const char *path, unsigned line, const char *text)
{
	for (size_t i = p->count; i > 0; i--) {
		const struct conf_problem *at = &p->items[i - 1];
		if (at->line == line && at->file != NULL && strcmp(at->file, path) == 0 && strcmp(at->text, text) == 0)
			return true;
	}
	return false;
}

static void
on_line(void *arg, const char *path, unsigned line, const char *text)
{
	struct conf_problems *p = arg;

	if (p->count < PROBLEMS_MAX && !is_told(p, path, line, text))
		conf_problem_add(p, PROBLEM_WARNING, path, line, "%s", text);
}

static int
open_path(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

void
tables_watch_lines(struct conf_problems *p)
{
	table_use(&(struct table_env){ .open = open_path, .warn = p == NULL ? NULL : on_line, .arg = p });
}

/* -- building ------------------------------------------------------------------------------------------------ */

static void
build(const struct table_file *f)
{
	const struct build_options o = { .aliases = f->aliases };
	enum build_state state = f->text == NULL ? BUILD_FRESH : table_build_state(f->text);
	struct err err = { ERR_NONE, "" };
	size_t count;

	if (f->by_default)
		return;
	if (state == BUILD_NOTHING)
		log_warning(NULL, "%s: there is no %s; what asks this table fails for the time being", f->spec, f->text);
	if (state != BUILD_MISSING && state != BUILD_STALE)
		return;
	if (table_build(f->text, &o, &count, &err))
		log_info(NULL, "%s: built %s with %zu entries, as %s", f->spec, f->path, count,
		    state == BUILD_STALE ? "its text was newer" : "it was not there");
	else
		log_warning(NULL, "%s: %s is %s and cannot be written (%s); run \"%s %s\"", f->spec, f->path,
		    state == BUILD_STALE ? "older than its text" : "missing, so a copy in memory is used,", err.text,
		    f->aliases ? "postalias" : "postmap", f->spec);
}

void
tables_build(const struct conf *conf)
{
	struct table_file *files;

	size_t n = table_files(conf, &files);
	for (size_t i = 0; i < n; i++)
		build(&files[i]);
	table_files_free(files, n);
}

/* -- descriptors -------------------------------------------------------------------------------------------------- */

void
tables_identify(const char *kind, const struct stat *st, char out[TABLE_IDENTITY])
{
	(void)snprintf(out, TABLE_IDENTITY, "%s:%ju:%ju:%jd.%09ld:%jd", kind, (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
	    (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_size);
}

/* What stands at the path now; false: nothing. A table whose text alone is there is known by its text. */
static bool
identity_of(const struct table_file *f, char out[TABLE_IDENTITY])
{
	struct stat st;

	if (stat(f->path, &st) == 0) {
		tables_identify("file", &st, out);
		return true;
	}
	if (f->text == NULL || stat(f->text, &st) != 0)
		return false;
	tables_identify("text", &st, out);
	return true;
}

/* A descriptor with a file offset of its own: GDBM reads its header by it, and roles start at the same time. */
static int
open_own(const struct table_file *f, int memory)
{
	char self[64];

	if (memory < 0)
		return open_path(f->path);
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", memory);
	return open(self, O_RDONLY | O_CLOEXEC);
}

static void
add_file(struct descs *now, const struct master *m, const struct table_file *f, const char *identity, int memory)
{
	static const enum role readers[] = { ROLE_LOOKUP, ROLE_RECEIVE, ROLE_QUEUE, ROLE_SEND };
	/* What says how to ask a server may hold its password: nobody else's business. */
	size_t count = f->text == NULL ? 1 : sizeof readers / sizeof *readers;
	struct buf key = BUF_INIT(8192);

	buf_printf(&key, "table:%s", f->path);
	for (size_t i = 0; !key.over && i < count; i++)
		for (size_t n = 0; n < m->child_count; n++) {
			if (m->children[n].role != readers[i])
				continue;
			int fd = open_own(f, memory);
			if (fd >= 0)
				descs_add(now, readers[i], m->children[n].slot, key.ptr, identity, fd);
		}
	buf_clear(&key);
}

static void
add(struct descs *now, const struct master *m, const struct table_file *f)
{
	const struct build_options o = { .aliases = f->aliases };
	struct err err = { ERR_NONE, "" };
	char identity[TABLE_IDENTITY];
	int memory = -1;

	if (!identity_of(f, identity))
		return;
	if (strncmp(identity, "text:", 5) == 0 && !table_build_memory(f->text, &o, &memory, &err)) {
		log_warning(NULL, "%s: %s", f->spec, err.text);
		return;
	}
	add_file(now, m, f, identity, memory);
	if (memory >= 0)
		(void)close(memory);
}

void
tables_add(struct descs *now, const struct master *m, const struct conf *conf)
{
	struct table_file *files;

	size_t n = table_files(conf, &files);
	for (size_t i = 0; i < n; i++)
		add(now, m, &files[i]);
	table_files_free(files, n);
}

/* -- looking after them ---------------------------------------------------------------------------------------------- */

static const char *
known_identity(const struct master *m, const char *path)
{
	for (size_t i = 0; i < m->descs.count; i++) {
		const struct desc *d = &m->descs.items[i];
		if (strncmp(d->key, "table:", 6) == 0 && strcmp(d->key + 6, path) == 0)
			return d->identity;
	}
	return "";
}

static bool
changed(const struct master *m, const struct table_file *f)
{
	char identity[TABLE_IDENTITY] = "";

	(void)identity_of(f, identity);
	return strcmp(identity, known_identity(m, f->path)) != 0;
}

static struct loop_timer timer;
static char *last_failed;	/* what was said already */

/* The files of the generation in use. */
static struct {
	struct table_file *files;
	size_t		 count;
	uint32_t	 generation;
} watched;

static void
use_changed(struct master *m, struct conf *conf, const struct buf *which)
{
	struct err err = { ERR_NONE, "" };

	if (generation_use(m, conf, &err)) {
		log_info(NULL, "%.*s changed and is taken", SPAN_ARG(buf_view(which)));
		return;
	}
	if (conf != m->conf)
		conf_unref(conf);
	if (last_failed != NULL && strcmp(last_failed, err.text) == 0)
		return;
	log_warning(NULL, "%.*s changed and cannot be taken: %s", SPAN_ARG(buf_view(which)), err.text);
	free(last_failed);
	last_failed = mem_str(err.text);
}

static void
look(struct master *m, bool asked)
{
	struct buf which = BUF_INIT(8192);

	if (watched.generation != m->generation) {
		table_files_free(watched.files, watched.count);
		watched.count = table_files(m->conf, &watched.files);
		watched.generation = m->generation;
	}
	for (size_t i = 0; i < watched.count; i++)
		if (changed(m, &watched.files[i]))
			buf_printf(&which, "%s%s", which.len > 0 ? ", " : "", watched.files[i].path);
	struct conf *conf = texts_take(m, asked, &which);
	if (which.len > 0)
		use_changed(m, conf == NULL ? m->conf : conf, &which);
	buf_clear(&which);
}

static void
on_time(void *arg)
{
	struct master *m = arg;

	if (m->phase == PHASE_RUNNING) {
		look(m, false);
		tables_progress(m);
	}
	loop_timer_set(&timer, LOOK);
}

void
tables_look_after(struct master *m)
{
	loop_timer_init(&timer, on_time, m);
	loop_timer_set(&timer, LOOK);
}

/* -- who waits for it ------------------------------------------------------------------------------------------------- */

#define WAITERS		64
#define PATIENCE	(10 * SECOND)

static struct waiter {
	uint64_t	 request;
	uint32_t	 generation;
	int64_t		 since;
} waiters[WAITERS];
static size_t waiting;

static bool
all_have(const struct master *m, uint32_t generation)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].ipc != NULL && !m->children[i].stopping && m->children[i].generation < generation)
			return false;
	return true;
}

static void
answer(struct master *m, const struct waiter *w, bool late)
{
	struct buf text = BUF_INIT(65536);

	texts_refused(&text);
	buf_str(&text, late ? "some processes have not taken them yet\n" : "every process has the tables as they are now\n");
	master_answer(m, w->request, true, text.ptr);
	buf_clear(&text);
}

void
tables_progress(struct master *m)
{
	for (size_t i = 0; i < waiting; ) {
		bool done = all_have(m, waiters[i].generation), late = clock_mono() - waiters[i].since > PATIENCE;
		if (!done && !late) {
			i++;
			continue;
		}
		answer(m, &waiters[i], !done);
		waiters[i] = waiters[--waiting];
	}
}

void
tables_look_now(struct master *m, uint64_t request)
{
	if (m->phase != PHASE_RUNNING) {
		master_answer(m, request, false, "the daemon is starting or stopping");
	} else if (waiting == WAITERS) {
		master_answer(m, request, false, "too many wait for tables already; mtad looks at them once a second");
	} else {
		look(m, true);
		waiters[waiting++] = (struct waiter){ request, m->generation, clock_mono() };
		tables_progress(m);
	}
}
