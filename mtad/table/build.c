#include "table/build.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "table/build_bulk.h"
#include "table/build_files.h"
#include "table/build_text.h"
#include "table/compiled.h"
#include "table/type.h"

#define TEXT_MAX	((size_t)512 << 20)

struct table_change {
	struct build_options options;
	char		*path;		/* the text */
	char		*target, *temp;	/* NULL: in memory */
	int		 fd;		/* of what is made, beside GDBM's own */
	GDBM_FILE	 db;
	struct bulk	*bulk;		/* of a file made anew, until all of its text was read; else NULL */
	size_t		 count;
	struct timespec	 text_time;	/* of the text as it was read; tv_sec 0: there is none */
	struct err	 err;
};

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

/* -- whose file it becomes ------------------------------------------------------------------------------- */

struct user {
	bool		 changed;
	gid_t		 gid;
};

/* Root does not follow other people's symbolic links, nor leave files of its own among theirs. */
static bool
become(const struct build_options *o, const struct stat *text, struct user *was, struct err *err)
{
	*was = (struct user){ .changed = false, .gid = getegid() };
	if (geteuid() != 0 || o->stay_root || text->st_uid == 0)
		return true;
	if (setegid(text->st_gid) == 0 && seteuid(text->st_uid) == 0) {
		was->changed = true;
		return true;
	}
	err_sys(err, "cannot become user %u", (unsigned)text->st_uid);
	(void)!setegid(was->gid);
	return false;
}

static void
become_root(const struct user *was)
{
	if (was->changed && (seteuid(0) != 0 || setegid(was->gid) != 0))
		panic("root cannot be root again");
}

/* -- making and ending ------------------------------------------------------------------------------------- */

static GDBM_FILE
open_db(int fd, const char *name, int mode)
{
	if (setjmp(trouble) != 0)
		return NULL;
	return gdbm_fd_open(fd, name, 0, mode | GDBM_NOLOCK | GDBM_CLOEXEC, on_fatal);
}

static int
store(GDBM_FILE db, datum key, datum value, int mode)
{
	if (setjmp(trouble) != 0)
		return -1;
	return gdbm_store(db, key, value, mode);
}

static int
delete(GDBM_FILE db, datum key)
{
	if (setjmp(trouble) != 0)
		return -1;
	gdbm_errno = GDBM_NO_ERROR;
	return gdbm_delete(db, key);
}

static bool
close_db(GDBM_FILE db)
{
	if (setjmp(trouble) != 0)
		return false;
	return gdbm_sync(db) == 0 && gdbm_close(db) == 0;
}

static void
change_free(struct table_change *c)
{
	if (c->db != NULL)
		(void)close_db(c->db);
	if (c->fd >= 0)
		(void)close(c->fd);
	bulk_free(c->bulk);
	free(c->path);
	free(c->target);
	free(c->temp);
	free(c);
}

static datum
as_datum(struct span s)
{
	union { const char *in; char *out; } p = { .in = s.len == 0 ? "" : s.ptr };

	return (datum){ p.out, (int)s.len };
}

/* The descriptor in c->fd, with GDBM at work on a duplicate of it. */
static bool
start_db(struct table_change *c, int mode, struct err *err)
{
	int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);

	fatal_text[0] = '\0';
	if (fd < 0 || (c->db = open_db(fd, c->path, mode)) == NULL) {
		err_set(err, ERR_SYS, "%s%s: %s", c->path, COMPILED_SUFFIX, fd < 0 ? strerror(errno) : db_error());
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	if (mode == GDBM_NEWDB)
		(void)store(c->db, as_datum(span_of(COMPILED_META, COMPILED_META_LEN)),
		    as_datum(c->options.aliases ? SPAN("aliases") : SPAN("map")), GDBM_REPLACE);
	return true;
}

static struct table_change *
change_new(const char *path, const struct build_options *o)
{
	struct table_change *c;

	MEM_NEW(c);
	c->options = *o;
	c->path = mem_str(path);
	c->fd = -1;
	return c;
}

/* The rights of the text, so that whoever may read the one may read the other. */
static mode_t
mode_for(const struct build_options *o, const struct stat *text)
{
	return o->plain_mode ? 0644 : 0600 | (text->st_mode & 044);
}

static bool
make_temp(struct table_change *c, mode_t mode, struct err *err)
{
	struct buf target = BUF_INIT(4096), temp = BUF_INIT(4096);

	buf_printf(&target, "%s" COMPILED_SUFFIX, c->path);
	buf_printf(&temp, "%s" COMPILED_SUFFIX ".XXXXXX", c->path);
	if (target.over || temp.over) {
		err_set(err, ERR_SYS, "the name of the table is too long");
		buf_clear(&target);
		buf_clear(&temp);
		return false;
	}
	c->target = buf_take(&target);
	c->temp = buf_take(&temp);
	if ((c->fd = mkostemp(c->temp, O_CLOEXEC)) >= 0 && fchmod(c->fd, mode) == 0)
		return true;
	err_sys(err, "cannot make %s", c->target);
	if (c->fd >= 0)
		(void)unlink(c->temp);
	free(c->temp);
	c->temp = NULL;
	return false;
}

static bool
sync_folder(const char *path)
{
	char *copy = mem_str(path), *slash = strrchr(copy, '/');

	if (slash != NULL)
		slash[slash == copy ? 1 : 0] = '\0';
	int fd = open(slash == NULL ? "." : copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	free(copy);
	return ok;
}

/* It bears the time of the text that it was made of: a text that changed meanwhile is newer. */
static bool
put_in_place(struct table_change *c, struct err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, c->text_time };

	if ((c->text_time.tv_sec != 0 && futimens(c->fd, times) < 0) || fsync(c->fd) < 0 || rename(c->temp, c->target) < 0) {
		err_sys(err, "cannot write %s", c->target);
		return false;
	}
	free(c->temp);
	c->temp = NULL;
	if (sync_folder(c->target))
		return true;
	err_sys(err, "cannot sync the folder of %s", c->target);
	return false;
}

bool
table_change_end(struct table_change *c, bool commit, struct err *err)
{
	bool ok = c->err.kind == ERR_NONE;

	fatal_text[0] = '\0';
	if (!close_db(c->db) && ok) {
		err_set(&c->err, ERR_SYS, "cannot write %s: %s", c->target, db_error());
		ok = false;
	}
	c->db = NULL;
	if (!ok && err != NULL)
		*err = c->err;
	if (ok && commit)
		ok = put_in_place(c, err);
	if (c->temp != NULL)
		(void)unlink(c->temp);
	change_free(c);
	return ok;
}

/* -- entries ---------------------------------------------------------------------------------------------- */

static void
fail(struct table_change *c)
{
	if (c->err.kind == ERR_NONE)
		err_set(&c->err, ERR_SYS, "%s%s: %s", c->path, COMPILED_SUFFIX, db_error());
}

static bool
fold(const struct table_change *c, struct span key, char space[TABLE_KEY_MAX], struct span *folded)
{
	*folded = key;
	if (key.len == 0 || key.len > TABLE_KEY_MAX || key.ptr[0] == '\0')
		return false;
	return c->options.keep_case || table_fold(key, space, folded);
}

bool
table_change_put(struct table_change *c, struct span key, struct span value)
{
	char space[TABLE_KEY_MAX];
	struct span folded;

	if (c->err.kind != ERR_NONE || !fold(c, key, space, &folded))
		return true;
	if (c->bulk != NULL) {
		bool is_new = bulk_put(c->bulk, folded, value, c->options.duplicates == BUILD_DUP_REPLACE);
		c->count += is_new || c->options.duplicates == BUILD_DUP_REPLACE;
		return is_new || c->options.duplicates == BUILD_DUP_REPLACE;
	}
	int rc = store(c->db, as_datum(folded), as_datum(value), c->options.duplicates == BUILD_DUP_REPLACE ? GDBM_REPLACE : GDBM_INSERT);
	if (rc < 0)
		fail(c);
	c->count += rc == 0;
	return rc != 1;
}

bool
table_change_del(struct table_change *c, struct span key)
{
	char space[TABLE_KEY_MAX];
	struct span folded;

	if (c->err.kind != ERR_NONE || !fold(c, key, space, &folded))
		return false;
	if (delete(c->db, as_datum(folded)) == 0)
		return true;
	if (gdbm_errno != GDBM_ITEM_NOT_FOUND)
		fail(c);
	return false;
}

static void
put_line(struct table_change *c, struct span name, unsigned line, struct span key, struct span value)
{
	struct buf file = BUF_INIT(4096);

	if (key.len > TABLE_KEY_MAX || key.ptr[0] == '\0') {
		table_warn(name, line, "the key is too long, or begins with NUL -- ignoring this line");
	} else if (!table_change_put(c, key, value) && c->options.duplicates == BUILD_DUP_WARN) {
		char space[TABLE_KEY_MAX];
		struct span folded;
		buf_printf(&file, "%s" COMPILED_SUFFIX, c->path);
		(void)fold(c, key, space, &folded);
		table_note(buf_view(&file), 0, "duplicate entry: \"%.*s\"", SPAN_ARG(span_head(folded, 300)));
	}
	buf_clear(&file);
}

static void
add_alias(struct table_change *c, struct span name, unsigned number, struct span line, struct buf *key, struct buf *value)
{
	const char *why;

	if (build_alias_line(line, key, value, &why))
		put_line(c, name, number, buf_view(key), buf_view(value));
	else
		table_warn(name, number, "%s", why);
}

static void
put_files(struct table_change *c, struct span name, unsigned number, struct span key, struct span names)
{
	struct buf content = BUF_INIT(0), value = BUF_INIT(0);
	struct err err;

	if (build_files_read(names, &content, &err)) {
		base64_encode(&value, buf_view(&content));
		put_line(c, name, number, key, buf_view(&value));
	} else {
		table_warn(name, number, "%s: skipping this entry", err.text);
	}
	buf_clear(&content);
	buf_clear(&value);
}

static void
add_pair(struct table_change *c, struct span name, unsigned number, struct span line)
{
	struct span key, value;
	const char *why;

	if (!table_pair(line, &key, &value, &why)) {
		table_warn(name, number, "%s%s", why, why[0] == 'u' ? " -- ignoring this line" : "");
		return;
	}
	if (span_ends(key, ":"))
		table_note(name, number, "record is in \"key: value\" format; is this an alias file?");
	if (c->options.files)
		put_files(c, name, number, key, value);
	else
		put_line(c, name, number, key, value);
}

void
table_change_text(struct table_change *c, const char *name, struct span text)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(64 << 20) };
	struct buf key = BUF_INIT(1 << 20), value = BUF_INIT(64 << 20);
	struct span line;
	unsigned number = 0;

	while (c->err.kind == ERR_NONE && conf_lines_next(&lines, &line, &number)) {
		if (!table_line_ok(span_str(name), number, &lines, line))
			continue;
		if (c->options.aliases)
			add_alias(c, span_str(name), number, line, &key, &value);
		else
			add_pair(c, span_str(name), number, line);
	}
	buf_clear(&key);
	buf_clear(&value);
	buf_clear(&lines.text);
}

static bool
store_entry(void *arg, struct span key, struct span value)
{
	struct table_change *c = arg;

	if (store(c->db, as_datum(key), as_datum(value), GDBM_INSERT) == 0)
		return true;
	fail(c);
	return false;
}

/* A text for a file that has nothing in it yet. */
static void
all_of_text(struct table_change *c, const char *name, struct span text)
{
	c->bulk = bulk_new();
	table_change_text(c, name, text);
	if (c->err.kind == ERR_NONE)
		(void)bulk_each(c->bulk, store_entry, c);
	bulk_free(c->bulk);
	c->bulk = NULL;
}

/* -- from the whole text ------------------------------------------------------------------------------------ */

struct text {
	struct span	 bytes;		/* mapped */
	struct stat	 st;
};

static bool
text_open(const char *path, struct text *t, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*t = (struct text){ .bytes = SPAN_NONE };
	if (fd < 0 || fstat(fd, &t->st) < 0) {
		err_set(err, ERR_SYS, "open %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(t->st.st_mode) || (size_t)t->st.st_size > TEXT_MAX) {
		err_set(err, ERR_SYS, "%s is not a plain file, or too large", path);
		goto out;
	}
	size_t len = (size_t)t->st.st_size;
	/* A copy: a file that is cut while it is mapped would end the process. */
	char *bytes = mem_new(len + 1);
	size_t have = 0;
	for (ssize_t n; have < len && (n = read(fd, bytes + have, len - have)) > 0; )
		have += (size_t)n;
	t->bytes = span_of(bytes, have);
out:
	if (fd >= 0)
		(void)close(fd);
	return t->bytes.ptr != NULL;
}

static void
text_close(struct text *t)
{
	union { const char *in; char *out; } p = { .in = t->bytes.ptr };
	free(p.out);
}

bool
table_build(const char *path, const struct build_options *o, size_t *count, struct err *err)
{
	struct text text;
	struct user was;
	bool ok = false;

	if (!text_open(path, &text, err))
		return false;
	if (become(o, &text.st, &was, err)) {
		struct table_change *c = change_new(path, o);
		c->text_time = text.st.st_mtim;
		if (make_temp(c, mode_for(o, &text.st), err) && start_db(c, GDBM_NEWDB, err)) {
			all_of_text(c, path, text.bytes);
			if (count != NULL)
				*count = c->count;
			ok = table_change_end(c, true, err);
		} else {
			if (c->temp != NULL)
				(void)unlink(c->temp);
			change_free(c);
		}
		become_root(&was);
	}
	text_close(&text);
	return ok;
}

bool
table_build_memory(const char *path, const struct build_options *o, int *fd, struct err *err)
{
	struct text text;

	*fd = -1;
	if (!text_open(path, &text, err))
		return false;
	struct table_change *c = change_new(path, o);
	c->fd = memfd_create("mtad-table", MFD_CLOEXEC);
	if (c->fd < 0)
		err_sys(err, "cannot build %s in memory", path);
	else if (start_db(c, GDBM_NEWDB, err)) {
		all_of_text(c, path, text.bytes);
		bool ok = close_db(c->db);
		c->db = NULL;
		if (ok && c->err.kind == ERR_NONE) {
			*fd = c->fd;
			c->fd = -1;
		} else {
			err_set(err, ERR_SYS, "cannot build %s in memory: %s", path, db_error());
		}
	}
	change_free(c);
	text_close(&text);
	return *fd >= 0;
}

/* -- a change of what is there --------------------------------------------------------------------------------- */

/* The bytes of the file as it is; an absent one is begun anew. */
static bool
copy_file(int from, int to, struct err *err)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(from, chunk, sizeof chunk)) > 0)
		if (write(to, chunk, (size_t)n) != n) {
			n = -1;
			break;
		}
	if (n == 0 && lseek(to, 0, SEEK_SET) == 0)
		return true;
	err_sys(err, "cannot copy the table");
	return false;
}

struct table_change *
table_change_begin(const char *path, const struct build_options *o, struct err *err)
{
	struct table_change *c = change_new(path, o);
	struct buf target;
	struct stat st;
	bool ok = false;

	(void)compiled_path(span_str(path), &target);
	int from = open(target.ptr, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool there = from >= 0 && fstat(from, &st) == 0;
	if (from < 0 && errno != ENOENT)
		err_set(err, ERR_SYS, "open database %s: %s", target.ptr, strerror(errno));
	else if (make_temp(c, there ? st.st_mode & 0777 : 0644, err)) {
		if (there && geteuid() == 0 && fchown(c->fd, st.st_uid, st.st_gid) < 0)
			err_sys(err, "cannot give %s to its owner", c->temp);
		else
			ok = (!there || copy_file(from, c->fd, err)) && start_db(c, there ? GDBM_WRITER : GDBM_NEWDB, err);
	}
	if (from >= 0)
		(void)close(from);
	buf_clear(&target);
	if (ok)
		return c;
	if (c->temp != NULL)
		(void)unlink(c->temp);
	change_free(c);
	return NULL;
}

enum build_state
table_build_state(const char *path)
{
	struct buf target;
	struct stat text, file;

	(void)compiled_path(span_str(path), &target);
	bool has_text = stat(path, &text) == 0 && S_ISREG(text.st_mode);
	bool has_file = target.ptr != NULL && !target.over && stat(target.ptr, &file) == 0;
	buf_clear(&target);
	if (!has_text)
		return has_file ? BUILD_ALONE : BUILD_NOTHING;
	if (!has_file)
		return BUILD_MISSING;
	bool newer = text.st_mtim.tv_sec > file.st_mtim.tv_sec ||
	    (text.st_mtim.tv_sec == file.st_mtim.tv_sec && text.st_mtim.tv_nsec > file.st_mtim.tv_nsec);
	return newer ? BUILD_STALE : BUILD_FRESH;
}
