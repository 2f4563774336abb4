#include "state/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"

#define DELAY		SECOND		/* from a change to its writing */
#define SLICE		500		/* pairs written before others have their turn */
#define WAITING_MAX	20000		/* with so many it is written at once */
#define AGAIN		(10 * MINUTE)	/* after the file could not be written */
#define SUFFIX		".gdbm"		/* as compiled tables have it: postmap -s reads it */

struct waiting {
	size_t		 len;
	char		*value;		/* NULL: to be deleted */
	char		 key[];
};

struct keep {
	int		 dir, fd;	/* fd -1: there is no file now */
	GDBM_FILE	 db;
	const char	*parameter;
	char		*map, *name;
	const struct keep_ops *ops;
	void		*arg;
	struct map	 waiting;
	struct loop_timer timer;
	bool		 loading;	/* what is loaded is not written again */
};

/* GDBM ends the process after its callback returns; so it does not return. Between the setjmp and the call nothing is owned. */
static jmp_buf trouble;
static char fatal_text[128];

static void
on_fatal(const char *text)
{
	size_t n = strnlen(text, sizeof fatal_text - 1);

	memcpy(fatal_text, text, n);
	fatal_text[n] = '\0';
	longjmp(trouble, 1);
}

static const char *
db_error(void)
{
	return fatal_text[0] != '\0' ? fatal_text : gdbm_strerror(gdbm_errno);
}

static struct span
waiting_key(const void *item)
{
	const struct waiting *w = item;
	return span_of(w->key, w->len);
}

static datum
as_datum(struct span s)
{
	union { const char *in; char *out; } p = { .in = s.ptr };	/* GDBM takes both as char *, and only reads them */

	return (datum){ p.out, (int)s.len };
}

/* -- GDBM, call by call ---------------------------------------------------------------------------------- */

static GDBM_FILE
open_db(int fd, const char *name)
{
	fatal_text[0] = '\0';
	if (setjmp(trouble) != 0)
		return NULL;
	return gdbm_fd_open(fd, name, 0, GDBM_WRCREAT | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC, on_fatal);
}

static bool
write_db(GDBM_FILE db, datum key, const datum *value)
{
	fatal_text[0] = '\0';
	gdbm_errno = GDBM_NO_ERROR;
	if (setjmp(trouble) != 0)
		return false;
	if (value != NULL)
		return gdbm_store(db, key, *value, GDBM_REPLACE) == 0;
	return gdbm_delete(db, key) == 0 || gdbm_errno == GDBM_ITEM_NOT_FOUND;
}

static datum
fetch_db(GDBM_FILE db, datum key)
{
	if (setjmp(trouble) != 0)
		return (datum){ NULL, 0 };
	gdbm_errno = GDBM_NO_ERROR;
	return gdbm_fetch(db, key);
}

static datum
step_db(GDBM_FILE db, const datum *last)
{
	if (setjmp(trouble) != 0)
		return (datum){ NULL, 0 };
	gdbm_errno = GDBM_NO_ERROR;
	return last == NULL ? gdbm_firstkey(db) : gdbm_nextkey(db, *last);
}

static void
close_db(GDBM_FILE db)
{
	fatal_text[0] = '\0';
	if (setjmp(trouble) == 0)
		(void)gdbm_close(db);
}

/* -- reading it all ---------------------------------------------------------------------------------------- */

/* False: the file is damaged. What is no pair of this cache waits to be taken out. */
static bool
load_one(struct keep *k, datum key)
{
	struct span name = span_of(key.dptr, (size_t)key.dsize);
	datum value = fetch_db(k->db, key);

	if (value.dptr == NULL)
		return false;
	bool known = k->ops->load(k->arg, name, span_of(value.dptr, (size_t)value.dsize));
	free(value.dptr);
	if (!known) {
		k->loading = false;
		keep_put(k, name, NULL);
		k->loading = true;
	}
	return true;
}

static bool
load_all(struct keep *k)
{
	size_t n = 0;
	bool whole = true;

	fatal_text[0] = '\0';
	k->loading = true;
	datum key = step_db(k->db, NULL);
	while (key.dptr != NULL && whole) {
		whole = ++n <= KEEP_MAX && load_one(k, key);
		datum next = whole ? step_db(k->db, &key) : (datum){ NULL, 0 };
		free(key.dptr);
		key = next;
	}
	k->loading = false;
	return whole && fatal_text[0] == '\0' && (gdbm_errno == GDBM_ITEM_NOT_FOUND || gdbm_errno == GDBM_NO_ERROR);
}

/* -- opening ------------------------------------------------------------------------------------------------ */

static void
forget_file(struct keep *k, bool close_it)
{
	/* After a fatal error nothing of the library's can be trusted with its memory: little is lost, once. */
	if (k->db != NULL && close_it)
		close_db(k->db);
	else if (k->fd >= 0)
		(void)close(k->fd);
	k->db = NULL;
	k->fd = -1;
}

/* GDBM closes the descriptor with the file. */
static bool
open_file(struct keep *k, struct err *err)
{
	struct stat st;

	k->fd = openat(k->dir, k->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (k->fd < 0 || fstat(k->fd, &st) < 0) {
		err_sys(err, "%s", k->name);
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1) {
		err_set(err, ERR_SYS, "%s is no plain file, or has another name", k->name);
		forget_file(k, false);
		return false;
	}
	if (flock(k->fd, LOCK_EX | LOCK_NB) < 0) {
		err_set(err, ERR_SYS, "%s is in use by another instance", k->name);
		forget_file(k, false);
		return false;
	}
	return true;
}

/* A new file stands where the damaged one stood. */
static bool
begin_anew(struct keep *k, const char *why)
{
	char aside[300];
	struct err err;

	log_warning(NULL, "%s: %s is damaged (%s): moved to %s.damaged, and begun anew", k->parameter, k->name, why, k->name);
	forget_file(k, false);
	(void)snprintf(aside, sizeof aside, "%s.damaged", k->name);
	if (renameat(k->dir, k->name, k->dir, aside) < 0 && errno != ENOENT) {
		log_warning(NULL, "%s: %s: %s", k->parameter, k->name, strerror(errno));
		return false;
	}
	if (!open_file(k, &err)) {
		log_warning(NULL, "%s: %s", k->parameter, err.text);
		return false;
	}
	k->db = open_db(k->fd, k->name);
	if (k->db != NULL)
		return true;
	log_warning(NULL, "%s: %s: %s", k->parameter, k->name, db_error());
	forget_file(k, false);
	return false;
}

static bool
open_and_load(struct keep *k)
{
	struct err err;
	char why[160];

	if (!open_file(k, &err)) {
		log_warning(NULL, "%s: %s: what is learnt is kept in memory alone", k->parameter, err.text);
		return false;
	}
	k->db = open_db(k->fd, k->name);
	bool whole = k->db != NULL && load_all(k);
	if (!whole) {
		(void)snprintf(why, sizeof why, "%s", db_error());
		whole = begin_anew(k, why);
		if (whole)
			k->ops->all(k->arg, k);
	}
	return whole;
}

/* -- writing ------------------------------------------------------------------------------------------------- */

static void
drop_waiting(struct keep *k)
{
	struct waiting *w;
	size_t at = 0;

	while ((w = map_next(&k->waiting, &at)) != NULL) {
		free(w->value);
		free(w);
	}
	map_clear(&k->waiting);
	k->waiting = MAP_INIT(waiting_key);
}

/* What was there is in memory yet; it is written to a new file, after a while: the disk may be full. */
static void
failed(struct keep *k)
{
	char why[160];

	(void)snprintf(why, sizeof why, "%s%s%s", db_error(), errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	drop_waiting(k);
	(void)begin_anew(k, why);
	k->ops->all(k->arg, k);
	loop_timer_set(&k->timer, AGAIN);
}

static bool
try_again(struct keep *k)
{
	struct err err;

	if (k->db == NULL && open_file(k, &err) && (k->db = open_db(k->fd, k->name)) == NULL)
		(void)begin_anew(k, db_error());
	return k->db != NULL;
}

/* False: the file is damaged now. */
static bool
write_some(struct keep *k)
{
	struct waiting *batch[SLICE];
	size_t at = 0, n = 0;
	bool good = true;

	while (n < SLICE && (batch[n] = map_next(&k->waiting, &at)) != NULL)
		n++;
	for (size_t i = 0; i < n; i++) {
		struct waiting *w = batch[i];
		datum value = { w->value, w->value == NULL ? 0 : (int)strlen(w->value) };
		errno = 0;
		good = good && write_db(k->db, as_datum(waiting_key(w)), w->value == NULL ? NULL : &value);
		if (!good)
			break;
		(void)map_del(&k->waiting, waiting_key(w));
		free(w->value);
		free(w);
	}
	return good;
}

static void
on_timer(void *arg)
{
	struct keep *k = arg;

	if (!try_again(k))
		loop_timer_set(&k->timer, AGAIN);
	else if (!write_some(k))
		failed(k);
	else if (k->waiting.count > 0)
		loop_timer_set(&k->timer, 0);
}

void
keep_put(struct keep *k, struct span key, const char *value)
{
	if (k == NULL || k->loading || key.len == 0)
		return;
	struct waiting *w = map_get(&k->waiting, key);
	if (w == NULL) {
		/* The disk does not take them: what is left out is lost with the process, and no more. */
		if (k->waiting.count >= KEEP_MAX)
			return;
		w = mem_new(sizeof *w + key.len);
		w->len = key.len;
		memcpy(w->key, key.ptr, key.len);
		if (k->waiting.count == 0)
			loop_timer_set(&k->timer, DELAY);
		map_add(&k->waiting, w);
	}
	free(w->value);
	w->value = mem_str(value);
	if (k->waiting.count == WAITING_MAX && k->db != NULL)
		loop_timer_set(&k->timer, 0);
}

size_t
keep_waiting(const struct keep *k)
{
	return k == NULL ? 0 : k->waiting.count;
}

/* -- the beginning and the end ---------------------------------------------------------------------------------- */

static char *
file_name(const char *map)
{
	struct span s = span_str(map);
	struct buf b = BUF_INIT(256);

	while (span_starts(s, "proxy:"))
		s = span_skip(s, 6);
	s = span_skip(s, span_find(s, ':') + 1);
	size_t slash = span_rfind(s, '/');
	if (slash < s.len)
		s = span_skip(s, slash + 1);
	buf_printf(&b, "%.*s" SUFFIX, SPAN_ARG(s));
	if (s.len > 0 && s.ptr[0] != '.' && !b.over)
		return buf_take(&b);
	buf_clear(&b);
	return NULL;
}

static void
free_keep(struct keep *k)
{
	loop_timer_stop(&k->timer);
	drop_waiting(k);
	map_clear(&k->waiting);
	free(k->map);
	free(k->name);
	free(k);
}

struct keep *
keep_open(int dir, const char *parameter, const char *map, const struct keep_ops *ops, void *arg)
{
	struct keep *k;
	char *name = file_name(map);

	if (*map == '\0' || dir < 0 || name == NULL) {
		if (*map != '\0' && dir >= 0)
			log_warning(NULL, "%s = %s names no file: what is learnt is kept in memory alone", parameter, map);
		free(name);
		return NULL;
	}
	MEM_NEW(k);
	*k = (struct keep){ .dir = dir, .fd = -1, .parameter = parameter, .map = mem_str(map), .name = name, .ops = ops, .arg = arg,
	    .waiting = MAP_INIT(waiting_key) };
	loop_timer_init(&k->timer, on_timer, k);
	if (open_and_load(k))
		return k;
	free_keep(k);
	return NULL;
}

void
keep_close(struct keep *k)
{
	if (k == NULL)
		return;
	while (k->db != NULL && k->waiting.count > 0)
		if (!write_some(k))
			break;
	forget_file(k, true);
	free_keep(k);
}

bool
keep_is(const struct keep *k, const char *map)
{
	return k != NULL && strcmp(k->map, map) == 0;
}
