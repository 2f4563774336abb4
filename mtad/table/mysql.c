/* mysql:/path: as mysql_table(5), by MariaDB's client library. */
#include <mariadb/mysql.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "table/remote.h"
#include "table/sql_hosts.h"

#define SYMBOLS(x)	\
	x(mysql_init) x(mysql_optionsv) x(mysql_real_connect) x(mysql_close) x(mysql_error) x(mysql_real_escape_string) x(mysql_real_query)	\
	x(mysql_store_result) x(mysql_fetch_row) x(mysql_fetch_lengths) x(mysql_num_fields) x(mysql_free_result) x(mysql_next_result)	\
	x(mysql_field_count)
#define POINTER(name)	__typeof__(&name) name;
#define NAME(name)	#name,
static union {
	struct { SYMBOLS(POINTER) } fn;
	void		*pointers[14];
} lib;

struct mysql {
	struct remote_file file;
	struct remote_query query;
	struct sql_hosts hosts;
	char		*made;
	bool		 rows_wanted;
};

static bool
load(struct err *err)
{
	static const char *const names[] = { SYMBOLS(NAME) };
	static bool done;

	if (!done) {
		void *l = remote_library("libmariadb.so.3", "libmariadb3", err);
		done = l != NULL && remote_symbols(l, names, lib.pointers, sizeof names / sizeof *names, err);
	}
	return done;
}

static void
mysql_table_close(void *state)
{
	struct mysql *m = state;

	sql_hosts_clear(&m->hosts);
	remote_query_clear(&m->query);
	remote_file_clear(&m->file);
	free(m->made);
	free(m);
}

static void
disconnect(void *connection)
{
	lib.fn.mysql_close(connection);
}

static bool
mysql_table_open_file(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct mysql *m;

	if (!load(err))
		return false;
	MEM_NEW(m);
	if (!remote_file_read(&m->file, "mysql", name, err)) {
		free(m);
		return false;
	}
	m->made = remote_select(&m->file, NULL);
	m->rows_wanted = remote_bool(&m->file, "require_result_set", true);
	if (remote_query_init(&m->query, conf, &m->file, "query", m->made, err) && sql_hosts_init(&m->hosts, &m->file, disconnect, err)) {
		*state = m;
		return true;
	}
	mysql_table_close(m);
	return false;
}

static void
set_options(const struct mysql *m, MYSQL *c)
{
	static const struct { const char *name; enum mysql_option option; } texts[] = {
		{ "option_file", MYSQL_READ_DEFAULT_FILE },
		{ "tls_key_file", MYSQL_OPT_SSL_KEY }, { "tls_cert_file", MYSQL_OPT_SSL_CERT }, { "tls_CAfile", MYSQL_OPT_SSL_CA },
		{ "tls_CApath", MYSQL_OPT_SSL_CAPATH }, { "tls_ciphers", MYSQL_OPT_SSL_CIPHER },
	};
	const char *group = remote_str(&m->file, "option_group", "client");
	unsigned seconds = (unsigned)(REMOTE_TIME / 1000000);
	my_bool verify = remote_bool(&m->file, "tls_verify_cert", false);

	(void)lib.fn.mysql_optionsv(c, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	(void)lib.fn.mysql_optionsv(c, MYSQL_OPT_READ_TIMEOUT, &seconds);
	(void)lib.fn.mysql_optionsv(c, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	(void)lib.fn.mysql_optionsv(c, MYSQL_SET_CHARSET_NAME, remote_str(&m->file, "charset", "utf8mb4"));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (remote_str(&m->file, texts[i].name, NULL) != NULL)
			(void)lib.fn.mysql_optionsv(c, texts[i].option, remote_str(&m->file, texts[i].name, ""));
	if (group[0] != '\0')
		(void)lib.fn.mysql_optionsv(c, MYSQL_READ_DEFAULT_GROUP, group);
	if (verify)
		(void)lib.fn.mysql_optionsv(c, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static bool
fail(MYSQL *c, struct err *err)
{
	err_set(err, ERR_TEMP, "%.*s", SPAN_ARG(span_head(span_str(lib.fn.mysql_error(c)), 200)));
	return false;
}

static bool
reach(const struct mysql *m, struct sql_host *h, struct err *err)
{
	uint32_t port = 0;

	if (h->connection != NULL)
		return true;
	if (h->port != NULL && (!num_u32(span_str(h->port), &port) || port > 65535)) {
		err_set(err, ERR_SYS, "\"%s\" is no port", h->port);
		return false;
	}
	MYSQL *c = lib.fn.mysql_init(NULL);
	if (c == NULL) {
		err_set(err, ERR_TEMP, "out of memory");
		return false;
	}
	h->connection = c;
	set_options(m, c);
	/* No name of a host is the library's word for "localhost": a socket. */
	return lib.fn.mysql_real_connect(c, h->local ? NULL : h->host, remote_str(&m->file, "user", NULL), remote_str(&m->file, "password", NULL),
	    remote_str(&m->file, "dbname", NULL), port, h->local ? h->host : NULL, CLIENT_MULTI_RESULTS) != NULL || fail(c, err);
}

struct question {
	struct mysql	*table;
	struct span	 key;
	struct buf	*value;
};

static void
quote(void *arg, struct span s, struct buf *out)
{
	MYSQL *c = arg;
	char *room = buf_room(out, 2 * s.len + 1);

	if (room != NULL)
		buf_added(out, lib.fn.mysql_real_escape_string(c, room, s.ptr, s.len));
}

static bool
take_rows(const struct question *q, MYSQL_RES *rows, int64_t *count, struct err *err)
{
	unsigned fields = lib.fn.mysql_num_fields(rows);
	MYSQL_ROW row;

	while ((row = lib.fn.mysql_fetch_row(rows)) != NULL) {
		const unsigned long *lengths = lib.fn.mysql_fetch_lengths(rows);
		for (unsigned i = 0; i < fields; i++)
			if (row[i] != NULL && !remote_add(&q->table->query, span_of(row[i], lengths[i]), q->key, count, q->value, err))
				return false;
	}
	return true;
}

/* A stored procedure may give several sets of rows. */
static enum table_result
run(const struct question *q, MYSQL *c, struct span sql, struct err *err)
{
	int64_t count = 0;
	bool ok = true, any = false;
	int next;

	if (lib.fn.mysql_real_query(c, sql.ptr == NULL ? "" : sql.ptr, sql.len) != 0)
		return fail(c, err) ? TABLE_FOUND : TABLE_FAILED;
	do {
		MYSQL_RES *rows = lib.fn.mysql_store_result(c);
		if (rows == NULL && lib.fn.mysql_field_count(c) != 0)
			return fail(c, err) ? TABLE_FOUND : TABLE_FAILED;
		any = any || rows != NULL;
		ok = ok && (rows == NULL || take_rows(q, rows, &count, err));
		if (rows != NULL)
			lib.fn.mysql_free_result(rows);
	} while ((next = lib.fn.mysql_next_result(c)) == 0);
	if (next > 0)
		return fail(c, err) ? TABLE_FOUND : TABLE_FAILED;
	if (ok && !any && q->table->rows_wanted) {
		err_set(err, ERR_TEMP, "the query gives no rows at all; write a SELECT, or require_result_set = no");
		ok = false;
	}
	return !ok ? TABLE_FAILED : count > 0 ? TABLE_FOUND : TABLE_ABSENT;
}

static enum table_result
ask_host(void *arg, struct sql_host *h, struct err *err)
{
	const struct question *q = arg;
	struct buf sql = BUF_INIT(65536);
	enum table_result r = TABLE_ABSENT;
	size_t start = q->value->len;

	if (!reach(q->table, h, err))
		return TABLE_FAILED;
	if (remote_expand(q->table->query.query, q->key, q->key, quote, h->connection, &sql))
		r = run(q, h->connection, buf_view(&sql), err);
	if (r == TABLE_FAILED)
		buf_cut(q->value, start);
	buf_clear(&sql);
	return r;
}

static enum table_result
mysql_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct mysql *m = state;
	struct question q = { m, key, value };

	return remote_wants(&m->query, key) ? sql_hosts_ask(&m->hosts, ask_host, &q, err) : TABLE_ABSENT;
}

static const struct remote_type functions = { mysql_table_open_file, mysql_table_close, mysql_ask };
REMOTE_TABLE(mysql, functions, TABLE_ASKED_BY_FILE);
