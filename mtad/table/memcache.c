/* memcache:/path: as memcache_table(5): the cache first, then the table behind it, whose answers are put into the cache. */
#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/remote.h"
#include "table/remote_replies.h"

#define KEY_LEN_MAX	250u	/* memcached's own */

struct memcache {
	struct remote_file file;
	struct remote_query query;
	struct remote_stream stream;
	struct table	*backup;
	const char	*endpoint;
	int64_t		 ttl, flags, line_max, data_max, tries, pause, within;
};

static void
memcache_close(void *state)
{
	struct memcache *m = state;

	remote_disconnect(&m->stream);
	table_free(m->backup);
	remote_query_clear(&m->query);
	remote_file_clear(&m->file);
	free(m);
}

static bool
settings(struct memcache *m, const struct conf *conf, struct err *err)
{
	const struct remote_file *f = &m->file;
	const char *backup = remote_str(f, "backup", "");

	m->endpoint = remote_str(f, "memcache", "inet:localhost:11211");
	if (!remote_query_init(&m->query, conf, f, "key_format", "%s", err) ||
	    !remote_int(f, "ttl", 3600, 0, INT32_MAX, &m->ttl, err) || !remote_int(f, "flags", 0, 0, INT32_MAX, &m->flags, err) ||
	    !remote_int(f, "line_size_limit", 1024, 64, 65536, &m->line_max, err) || !remote_int(f, "max_try", 2, 1, 10, &m->tries, err) || !remote_int(f, "retry_pause", 1, 0, 60, &m->pause, err) ||
	    !remote_int(f, "data_size_limit", 10240, 1, (int64_t)REMOTE_VALUE_MAX, &m->data_max, err) || !remote_int(f, "timeout", 2, 1, 60, &m->within, err))
		return false;
	m->within *= 1000000;
	if (backup[0] == '\0')
		return true;
	m->backup = table_open(conf, span_str(backup), err);
	if (m->backup == NULL)
		err_prefix(err, "%s: backup", f->path);
	return m->backup != NULL;
}

static bool
memcache_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct memcache *m;

	MEM_NEW(m);
	m->stream.fd = -1;
	if (!remote_file_read(&m->file, "memcache", name, err)) {
		free(m);
		return false;
	}
	if (!settings(m, conf, err)) {
		memcache_close(m);
		return false;
	}
	*state = m;
	return true;
}

static bool
reach(struct memcache *m, struct err *err)
{
	m->stream.until = remote_deadline(m->within);
	return m->stream.fd >= 0 || remote_connect(&m->stream, m->endpoint, m->within, err);
}

/* FAILED also where the connection is of no use any more. */
static enum table_result
get_once(struct memcache *m, struct span key, struct buf *value, struct err *err)
{
	struct buf request = BUF_INIT(1024);
	struct span line, all;
	size_t len;

	buf_printf(&request, "get %.*s\r\n", SPAN_ARG(key));
	bool ok = reach(m, err) && remote_write(&m->stream, buf_view(&request), err) &&
	    remote_read_line(&m->stream, "\r\n", (size_t)m->line_max, &line, err);
	buf_clear(&request);
	if (!ok)
		return TABLE_FAILED;
	enum table_result r = remote_memcache_value(line, (size_t)m->data_max, &len, err);
	if (r != TABLE_FOUND) {
		buf_drop(&m->stream.in, line.len + 2);
		return r;
	}
	size_t start = line.len + 2;
	if (!remote_read_bytes(&m->stream, start + len + 7, &all, err))
		return TABLE_FAILED;
	if (memcmp(all.ptr + start + len, "\r\nEND\r\n", 7) != 0) {
		err_set(err, ERR_TEMP, "the reply is not what memcached sends");
		return TABLE_FAILED;
	}
	buf_put(value, all.ptr + start, len);
	buf_drop(&m->stream.in, all.len);
	return TABLE_FOUND;
}

static enum table_result
get(struct memcache *m, struct span key, struct buf *value, struct err *err)
{
	enum table_result r = TABLE_FAILED;

	for (int64_t turn = 0; r == TABLE_FAILED && turn < m->tries; turn++) {
		if (turn > 0)
			(void)poll(NULL, 0, (int)m->pause * 1000);
		r = get_once(m, key, value, err);
		if (r == TABLE_FAILED)
			remote_disconnect(&m->stream);
	}
	return r;
}

/* What cannot be kept is no loss. */
static void
keep(struct memcache *m, struct span key, struct span value)
{
	struct buf request = BUF_INIT(REMOTE_VALUE_MAX + 1024);
	struct err err;
	struct span line;

	buf_printf(&request, "set %.*s %lld %lld %zu\r\n", SPAN_ARG(key), (long long)m->flags, (long long)m->ttl, value.len);
	buf_span(&request, value);
	buf_str(&request, "\r\n");
	if (value.len <= (size_t)m->data_max && !request.over && reach(m, &err) && remote_write(&m->stream, buf_view(&request), &err) &&
	    remote_read_line(&m->stream, "\r\n", (size_t)m->line_max, &line, &err))
		buf_drop(&m->stream.in, line.len + 2);
	else
		remote_disconnect(&m->stream);
	buf_clear(&request);
}

static bool
key_is_good(const struct buf *key)
{
	for (size_t i = 0; i < key->len; i++)
		if ((unsigned char)key->ptr[i] <= ' ' || key->ptr[i] == 0x7f)
			return false;
	return key->len > 0 && key->len <= KEY_LEN_MAX;
}

static enum table_result
memcache_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct memcache *m = state;
	struct buf name = BUF_INIT(4096);
	enum table_result r = TABLE_ABSENT;

	if (!remote_wants(&m->query, key) || !remote_expand(m->query.query, key, key, NULL, NULL, &name)) {
		buf_clear(&name);
		return TABLE_ABSENT;
	}
	bool cached = key_is_good(&name);
	if (cached)
		r = get(m, buf_view(&name), value, err);
	if (r != TABLE_FOUND && m->backup != NULL) {
		size_t start = value->len;
		bool works = r != TABLE_FAILED;
		r = table_get(m->backup, NULL, key, value, err);
		if (r == TABLE_FOUND && cached && works)
			keep(m, buf_view(&name), span_skip(buf_view(value), start));
	}
	buf_clear(&name);
	return r;
}

static const struct remote_type functions = { memcache_open, memcache_close, memcache_ask };
REMOTE_TABLE(memcache, functions, TABLE_ASKED_BY_FILE);
