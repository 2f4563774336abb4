/* sqlite:/path: as sqlite_table(5). */
#include <sqlite3.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/remote.h"

#define BUSY_MS		2000

#define SYMBOLS(x)	\
	x(sqlite3_open_v2) x(sqlite3_close) x(sqlite3_prepare_v2) x(sqlite3_step) x(sqlite3_finalize)	\
	x(sqlite3_column_text) x(sqlite3_column_bytes) x(sqlite3_errmsg) x(sqlite3_busy_timeout)
#define POINTER(name)	__typeof__(&name) name;
#define NAME(name)	#name,
static union {
	struct { SYMBOLS(POINTER) } fn;
	void		*pointers[9];
} lib;

struct sqlite {
	struct remote_file file;
	struct remote_query query;
	char		*made;		/* from select_field and the like */
	sqlite3		*db;
};

static bool
load(struct err *err)
{
	static const char *const names[] = { SYMBOLS(NAME) };
	static bool done;

	if (!done) {
		void *l = remote_library("libsqlite3.so.0", "libsqlite3-0", err);
		done = l != NULL && remote_symbols(l, names, lib.pointers, sizeof names / sizeof *names, err);
	}
	return done;
}

static void
sqlite_close(void *state)
{
	struct sqlite *s = state;

	if (s->db != NULL)
		(void)lib.fn.sqlite3_close(s->db);
	remote_query_clear(&s->query);
	remote_file_clear(&s->file);
	free(s->made);
	free(s);
}

static bool
sqlite_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct sqlite *s;

	if (!load(err))
		return false;
	MEM_NEW(s);
	if (!remote_file_read(&s->file, "sqlite", name, err)) {
		free(s);
		return false;
	}
	s->made = remote_select(&s->file, NULL);
	bool ok = remote_str(&s->file, "dbpath", NULL) != NULL;
	if (!ok)
		err_set(err, ERR_SYS, "%s: there is no dbpath", s->file.path);
	if (!ok || !remote_query_init(&s->query, conf, &s->file, "query", s->made, err)) {
		sqlite_close(s);
		return false;
	}
	*state = s;
	return true;
}

/* ' is doubled. */
static void
quote(void *arg, struct span s, struct buf *out)
{
	(void)arg;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\'')
			buf_char(out, '\'');
		buf_char(out, s.ptr[i]);
	}
}

static bool
reach(struct sqlite *s, struct err *err)
{
	const char *path = remote_str(&s->file, "dbpath", "");

	if (s->db != NULL)
		return true;
	if (lib.fn.sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
		(void)lib.fn.sqlite3_busy_timeout(s->db, BUSY_MS);
		return true;
	}
	err_set(err, ERR_TEMP, "%s: %s", path, s->db == NULL ? "out of memory" : lib.fn.sqlite3_errmsg(s->db));
	if (s->db != NULL)
		(void)lib.fn.sqlite3_close(s->db);
	s->db = NULL;
	return false;
}

/* Of each row the first column, as Postfix has it for this type. */
static bool
take_row(struct sqlite *s, sqlite3_stmt *statement, struct span key, int64_t *count, struct buf *value, struct err *err)
{
	const unsigned char *text = lib.fn.sqlite3_column_text(statement, 0);

	return text == NULL || remote_add(&s->query, span_of(text, (size_t)lib.fn.sqlite3_column_bytes(statement, 0)), key, count, value, err);
}

static enum table_result
run(struct sqlite *s, struct span sql, struct span key, struct buf *value, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int64_t count = 0;
	bool ok = true;
	int rc;

	if (!reach(s, err))
		return TABLE_FAILED;
	if (lib.fn.sqlite3_prepare_v2(s->db, sql.ptr, (int)sql.len, &statement, NULL) != SQLITE_OK) {
		err_set(err, ERR_TEMP, "%s", lib.fn.sqlite3_errmsg(s->db));
		return TABLE_FAILED;
	}
	while (ok && (rc = lib.fn.sqlite3_step(statement)) != SQLITE_DONE) {
		ok = rc == SQLITE_ROW;
		if (!ok)
			err_set(err, ERR_TEMP, "%s", lib.fn.sqlite3_errmsg(s->db));
		else
			ok = take_row(s, statement, key, &count, value, err);
	}
	(void)lib.fn.sqlite3_finalize(statement);
	return !ok ? TABLE_FAILED : count > 0 ? TABLE_FOUND : TABLE_ABSENT;
}

static enum table_result
sqlite_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct sqlite *s = state;
	struct buf sql = BUF_INIT(65536);
	enum table_result r = TABLE_ABSENT;

	if (remote_wants(&s->query, key) && remote_expand(s->query.query, key, key, quote, NULL, &sql))
		r = run(s, buf_view(&sql), key, value, err);
	buf_clear(&sql);
	return r;
}

static const struct remote_type functions = { sqlite_open, sqlite_close, sqlite_ask };
REMOTE_TABLE(sqlite, functions, TABLE_ASKED_BY_FILE);
