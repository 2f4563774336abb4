#include "table/compiled.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/type.h"

#define CACHED_BUCKETS	64	/* of 4 KiB each; the file itself is mapped */

struct compiled {
	struct compiled	*next;
	unsigned	 refs;
	GDBM_FILE	 file;
	char		*path;
	dev_t		 dev;
	ino_t		 ino;
	struct timespec	 changed;
	char		*broken;	/* why it is asked no more */
};

/* Each file is open once, whoever names it. */
static struct compiled *all;

/* GDBM ends the process after its callback returns; so it does not return. Between TRY and the call nothing is owned. */
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

static void
set_broken(struct compiled *c, const char *why)
{
	if (c->broken == NULL)
		c->broken = mem_str(why);
}

static GDBM_FILE
open_file(int fd, const char *path)
{
	if (setjmp(trouble) != 0)
		return NULL;
	return gdbm_fd_open(fd, path, 0, GDBM_READER | GDBM_NOLOCK | GDBM_CLOEXEC | GDBM_XVERIFY, on_fatal);
}

static struct compiled *
find_open(const struct stat *st)
{
	for (struct compiled *c = all; c != NULL; c = c->next)
		if (c->dev == st->st_dev && c->ino == st->st_ino && c->changed.tv_sec == st->st_mtim.tv_sec &&
		    c->changed.tv_nsec == st->st_mtim.tv_nsec && c->broken == NULL)
			return c;
	return NULL;
}

struct compiled *
compiled_new(int fd, const char *path, struct err *err)
{
	struct compiled *c;
	struct stat st;
	int buckets = CACHED_BUCKETS;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(err, ERR_TEMP, "%s is not a plain file", path);
		close(fd);
		return NULL;
	}
	if ((c = find_open(&st)) != NULL) {
		close(fd);
		return compiled_ref(c);
	}
	fatal_text[0] = '\0';
	GDBM_FILE file = lseek(fd, 0, SEEK_SET) < 0 ? NULL : open_file(fd, path);
	if (file == NULL) {
		err_set(err, ERR_TEMP, "%s is not whole: %s; build it again", path,
		    fatal_text[0] != '\0' ? fatal_text : gdbm_strerror(gdbm_errno));
		close(fd);
		return NULL;
	}
	(void)gdbm_setopt(file, GDBM_SETCACHESIZE, &buckets, sizeof buckets);
	MEM_NEW(c);
	*c = (struct compiled){ .next = all, .refs = 1, .file = file, .path = mem_str(path), .dev = st.st_dev, .ino = st.st_ino,
	    .changed = st.st_mtim };
	all = c;
	return c;
}

struct compiled *
compiled_ref(struct compiled *c)
{
	c->refs++;
	return c;
}

static void
close_file(GDBM_FILE file)
{
	if (setjmp(trouble) == 0)
		(void)gdbm_close(file);
}

void
compiled_unref(struct compiled *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	for (struct compiled **at = &all; *at != NULL; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	close_file(c->file);
	free(c->path);
	free(c->broken);
	free(c);
}

/* -- asking --------------------------------------------------------------------------------------- */

static datum
as_datum(struct span s)
{
	union { const char *in; char *out; } p = { .in = s.ptr };	/* GDBM takes keys as char *, and only reads them */

	return (datum){ p.out, (int)s.len };
}

/* *fatal: the library gave up. */
static datum
fetch(GDBM_FILE file, datum key, bool *fatal)
{
	if (setjmp(trouble) != 0) {
		*fatal = true;
		return (datum){ NULL, 0 };
	}
	gdbm_errno = GDBM_NO_ERROR;
	return gdbm_fetch(file, key);
}

static enum table_result
say_broken(const struct compiled *c, struct err *err)
{
	err_set(err, ERR_TEMP, "%s is damaged: %s; build it again", c->path, c->broken);
	return TABLE_FAILED;
}

static enum table_result
get(struct compiled *c, struct span key, struct buf *value, struct err *err)
{
	bool fatal = false;

	if (c->broken != NULL)
		return say_broken(c, err);
	datum found = fetch(c->file, as_datum(key), &fatal);
	if (found.dptr != NULL) {
		buf_put(value, found.dptr, (size_t)found.dsize);
		free(found.dptr);
		return TABLE_FOUND;
	}
	if (!fatal && gdbm_errno == GDBM_ITEM_NOT_FOUND)
		return TABLE_ABSENT;
	set_broken(c, fatal ? fatal_text : gdbm_strerror(gdbm_errno));
	return say_broken(c, err);
}

enum table_result
compiled_get(struct compiled *c, struct span key, struct buf *value, struct err *err)
{
	return key.len == 0 || key.ptr[0] == '\0' ? TABLE_ABSENT : get(c, key, value, err);
}

void
compiled_form(struct compiled *c, struct buf *out)
{
	(void)get(c, span_of(COMPILED_META, COMPILED_META_LEN), out, NULL);
}

static datum
step(GDBM_FILE file, const datum *last, bool *fatal)
{
	if (setjmp(trouble) != 0) {
		*fatal = true;
		return (datum){ NULL, 0 };
	}
	gdbm_errno = GDBM_NO_ERROR;
	return last == NULL ? gdbm_firstkey(file) : gdbm_nextkey(file, *last);
}

bool
compiled_each(struct compiled *c, table_each_fn *fn, void *arg, struct err *err)
{
	struct buf value = BUF_INIT(0);
	bool fatal = false, more = true;
	datum key = c->broken != NULL ? (datum){ NULL, 0 } : step(c->file, NULL, &fatal);

	while (key.dptr != NULL && more) {
		struct span name = span_of(key.dptr, (size_t)key.dsize);
		buf_reset(&value);
		if (name.len > 0 && name.ptr[0] != '\0' && get(c, name, &value, NULL) == TABLE_FOUND)
			more = fn(arg, name, buf_view(&value));
		datum next = more && c->broken == NULL ? step(c->file, &key, &fatal) : (datum){ NULL, 0 };
		free(key.dptr);
		key = next;
	}
	if (more && c->broken == NULL && (fatal || gdbm_errno != GDBM_ITEM_NOT_FOUND))
		set_broken(c, fatal ? fatal_text : gdbm_strerror(gdbm_errno));
	buf_clear(&value);
	return c->broken == NULL || say_broken(c, err) != TABLE_FAILED;
}

/* -- the table types ------------------------------------------------------------------------------------ */

bool
compiled_path(struct span name, struct buf *out)
{
	*out = BUF_INIT(4096);
	buf_span(out, name);
	buf_str(out, COMPILED_SUFFIX);
	return !out->over && !span_has(name, '\0') && name.len > 0;
}

struct indexed {
	struct compiled	*file;
	char		*why;		/* where it is not there */
};

static void
indexed_close(void *state)
{
	struct indexed *i = state;

	compiled_unref(i->file);
	free(i->why);
	free(i);
}

static int
open_path(const char *path)
{
	return table_env()->open != NULL ? table_env()->open(path) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* A file that is missing or damaged is no reason to refuse the configuration: lookups fail until it is there. */
static bool
indexed_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct err why = { ERR_NONE, "" };
	struct indexed *i;
	struct buf path;

	(void)conf;
	if (!compiled_path(name, &path)) {
		err_set(err, ERR_SYS, "\"%.*s\" is no name of a file", SPAN_ARG(span_head(name, 120)));
		buf_clear(&path);
		return false;
	}
	MEM_NEW(i);
	int fd = open_path(path.ptr);
	if (fd >= 0)
		i->file = compiled_new(fd, path.ptr, &why);
	else
		err_set(&why, ERR_TEMP, "open database %s: %s", path.ptr, strerror(errno));
	if (i->file == NULL)
		i->why = mem_str(why.text);
	buf_clear(&path);
	*state = i;
	return true;
}

static enum table_result
indexed_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct indexed *i = state;

	(void)self;
	(void)facts;
	if (i->file != NULL)
		return compiled_get(i->file, key, value, err);
	err_set(err, ERR_TEMP, "%s", i->why);
	return TABLE_FAILED;
}

static bool
indexed_each(const void *state, table_each_fn *fn, void *arg, struct err *err)
{
	const struct indexed *i = state;

	if (i->file != NULL)
		return compiled_each(i->file, fn, arg, err);
	err_set(err, ERR_TEMP, "%s", i->why);
	return false;
}

#define INDEXED(type)	\
	const struct table_type table_##type = { #type, indexed_open, indexed_close, indexed_get, .each = indexed_each }
INDEXED(hash);
INDEXED(btree);
INDEXED(lmdb);
INDEXED(cdb);
INDEXED(gdbm);
INDEXED(dbm);
