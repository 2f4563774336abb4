/* pgsql:/path: as pgsql_table(5). */
#include <postgresql/libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "table/remote.h"
#include "table/sql_hosts.h"

#define SYMBOLS(x)	\
	x(PQconnectStartParams) x(PQconnectPoll) x(PQfinish) x(PQstatus) x(PQsocket) x(PQerrorMessage) x(PQsetClientEncoding) x(PQescapeStringConn)	\
	x(PQsendQuery) x(PQconsumeInput) x(PQisBusy) x(PQgetResult) x(PQresultStatus) x(PQresultErrorMessage) x(PQntuples) x(PQnfields)	\
	x(PQgetisnull) x(PQgetvalue) x(PQgetlength) x(PQclear) x(PQflush)
#define POINTER(name)	__typeof__(&name) name;
#define NAME(name)	#name,
static union {
	struct { SYMBOLS(POINTER) } fn;
	void		*pointers[21];
} lib;

struct pgsql {
	struct remote_file file;
	struct remote_query query;
	struct sql_hosts hosts;
	char		*made;
};

static bool
load(struct err *err)
{
	static const char *const names[] = { SYMBOLS(NAME) };
	static bool done;

	if (!done) {
		void *l = remote_library("libpq.so.5", "libpq5", err);
		done = l != NULL && remote_symbols(l, names, lib.pointers, sizeof names / sizeof *names, err);
	}
	return done;
}

static void
pgsql_close(void *state)
{
	struct pgsql *p = state;

	sql_hosts_clear(&p->hosts);
	remote_query_clear(&p->query);
	remote_file_clear(&p->file);
	free(p->made);
	free(p);
}

static void
disconnect(void *connection)
{
	lib.fn.PQfinish(connection);
}

static bool
pgsql_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct pgsql *p;

	if (!load(err))
		return false;
	MEM_NEW(p);
	if (!remote_file_read(&p->file, "pgsql", name, err)) {
		free(p);
		return false;
	}
	p->made = remote_select(&p->file, remote_str(&p->file, "select_function", NULL));
	if (remote_query_init(&p->query, conf, &p->file, "query", p->made, err) && sql_hosts_init(&p->hosts, &p->file, disconnect, err)) {
		*state = p;
		return true;
	}
	pgsql_close(p);
	return false;
}

static bool
wait_for(PGconn *c, short events, int64_t until, struct err *err)
{
	struct pollfd fd = { .fd = lib.fn.PQsocket(c), .events = events };
	int64_t left = until - clock_mono();

	if (fd.fd >= 0 && left > 0 && poll(&fd, 1, (int)(left / 1000) + 1) > 0)
		return true;
	err_set(err, ERR_TEMP, "no answer in time");
	return false;
}

static bool
fail(PGconn *c, struct err *err)
{
	err_set(err, ERR_TEMP, "%.*s", SPAN_ARG(span_head(span_trim(span_str(lib.fn.PQerrorMessage(c))), 200)));
	return false;
}

/* A whole connection string may stand for a host, as with Postfix. */
static PGconn *
start(const struct pgsql *p, const struct sql_host *h)
{
	const char *database = remote_str(&p->file, "dbname", NULL);
	bool uri = strncmp(h->name, "postgresql://", 13) == 0 || strncmp(h->name, "postgres://", 11) == 0;
	const char *const names[] = { "dbname", "host", "port", "user", "password", "connect_timeout", NULL };
	const char *const values[] = { uri ? h->name : database, uri ? NULL : h->host, uri ? NULL : h->port,
	    remote_str(&p->file, "user", NULL), remote_str(&p->file, "password", NULL), "10", NULL };

	return lib.fn.PQconnectStartParams(names, values, 1);
}

static bool
reach(const struct pgsql *p, struct sql_host *h, int64_t until, struct err *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (h->connection != NULL)
		return true;
	PGconn *c = start(p, h);
	if (c == NULL) {
		err_set(err, ERR_TEMP, "out of memory");
		return false;
	}
	h->connection = c;
	if (lib.fn.PQstatus(c) == CONNECTION_BAD)
		return fail(c, err);
	while (status != PGRES_POLLING_OK) {
		if (!wait_for(c, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until, err))
			return false;
		status = lib.fn.PQconnectPoll(c);
		if (status == PGRES_POLLING_FAILED)
			return fail(c, err);
	}
	const char *encoding = remote_str(&p->file, "encoding", "UTF8");
	return lib.fn.PQsetClientEncoding(c, encoding) == 0 || fail(c, err);
}

struct question {
	struct pgsql	*table;
	struct span	 key;
	struct buf	*value;
};

static void
quote(void *arg, struct span s, struct buf *out)
{
	PGconn *c = arg;
	int error = 0;
	char *room = buf_room(out, 2 * s.len + 1);

	if (room != NULL)
		buf_added(out, lib.fn.PQescapeStringConn(c, room, s.ptr, s.len, &error));
	if (error != 0)
		out->over = true;	/* not valid in the server's encoding: no question */
}

static bool
take_rows(const struct question *q, const PGresult *r, int64_t *count, struct err *err)
{
	for (int row = 0; row < lib.fn.PQntuples(r); row++)
		for (int col = 0; col < lib.fn.PQnfields(r); col++)
			if (!lib.fn.PQgetisnull(r, row, col) && !remote_add(&q->table->query, span_of(lib.fn.PQgetvalue(r, row, col),
			    (size_t)lib.fn.PQgetlength(r, row, col)), q->key, count, q->value, err))
				return false;
	return true;
}

static bool
take_result(const struct question *q, PGresult *r, int64_t *count, struct err *err)
{
	ExecStatusType status = lib.fn.PQresultStatus(r);

	if (status == PGRES_TUPLES_OK)
		return take_rows(q, r, count, err);
	if (status == PGRES_COMMAND_OK) {
		err_set(err, ERR_TEMP, "the query gives no rows at all; write a SELECT");
		return false;
	}
	err_set(err, ERR_TEMP, "%.*s", SPAN_ARG(span_head(span_trim(span_str(lib.fn.PQresultErrorMessage(r))), 200)));
	return false;
}

static enum table_result
run(const struct question *q, PGconn *c, const char *sql, int64_t until, struct err *err)
{
	int64_t count = 0;
	bool ok = true;
	PGresult *r;

	if (lib.fn.PQsendQuery(c, sql) != 1)
		return fail(c, err) ? TABLE_FOUND : TABLE_FAILED;
	for (;;) {
		while (lib.fn.PQisBusy(c)) {
			(void)lib.fn.PQflush(c);
			if (!wait_for(c, POLLIN, until, err))
				return TABLE_FAILED;
			if (lib.fn.PQconsumeInput(c) != 1)
				return fail(c, err) ? TABLE_FOUND : TABLE_FAILED;
		}
		if ((r = lib.fn.PQgetResult(c)) == NULL)
			break;
		ok = ok && take_result(q, r, &count, err);
		lib.fn.PQclear(r);
	}
	return !ok ? TABLE_FAILED : count > 0 ? TABLE_FOUND : TABLE_ABSENT;
}

static enum table_result
ask_host(void *arg, struct sql_host *h, struct err *err)
{
	const struct question *q = arg;
	struct buf sql = BUF_INIT(65536);
	int64_t until = clock_mono() + REMOTE_TIME;
	enum table_result r = TABLE_ABSENT;
	size_t start_len = q->value->len;

	if (!reach(q->table, h, until, err))
		return TABLE_FAILED;
	if (remote_expand(q->table->query.query, q->key, q->key, quote, h->connection, &sql))
		r = run(q, h->connection, sql.ptr == NULL ? "" : sql.ptr, until, err);
	if (r == TABLE_FAILED)
		buf_cut(q->value, start_len);
	buf_clear(&sql);
	return r;
}

static enum table_result
pgsql_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct pgsql *p = state;
	struct question q = { p, key, value };

	return remote_wants(&p->query, key) ? sql_hosts_ask(&p->hosts, ask_host, &q, err) : TABLE_ABSENT;
}

static const struct remote_type functions = { pgsql_open, pgsql_close, pgsql_ask };
REMOTE_TABLE(pgsql, functions, TABLE_ASKED_BY_FILE);
