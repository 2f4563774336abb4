/* tcp:host:port: asked line by line, as tcp_table(5). */
#include <stdlib.h>

#include "base/mem.h"
#include "table/remote.h"
#include "table/remote_replies.h"

#define LINE_MAX_LEN	4096u

struct tcp {
	char		*endpoint;
	struct remote_stream stream;
};

static void
tcp_close(void *state)
{
	struct tcp *t = state;

	remote_disconnect(&t->stream);
	free(t->endpoint);
	free(t);
}

static bool
tcp_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct tcp *t;

	(void)conf;
	if (!span_has(name, ':')) {
		err_set(err, ERR_SYS, "write tcp:host:port");
		return false;
	}
	MEM_NEW(t);
	t->endpoint = span_dup(name);
	t->stream.fd = -1;
	*state = t;
	return true;
}

static bool
exchange(struct tcp *t, struct span request, struct span *line, struct err *err)
{
	if (t->stream.fd < 0 && !remote_connect(&t->stream, t->endpoint, REMOTE_TIME, err))
		return false;
	return remote_write(&t->stream, request, err) && remote_read_line(&t->stream, "\n", LINE_MAX_LEN, line, err);
}

static enum table_result
tcp_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct tcp *t = state;
	struct buf request = BUF_INIT(2 * LINE_MAX_LEN);
	enum table_result result = TABLE_FAILED;
	struct span line;

	buf_str(&request, "get ");
	remote_percent_encode(&request, key);
	buf_char(&request, '\n');
	if (request.len > LINE_MAX_LEN) {
		buf_clear(&request);
		return TABLE_ABSENT;
	}
	/* A connection that waited since the last question may be gone: then once more. */
	bool old = t->stream.fd >= 0;
	bool ok = true;
	for (int turn = 0; turn < (old ? 2 : 1); turn++) {
		t->stream.until = remote_deadline(REMOTE_TIME);
		if ((ok = exchange(t, buf_view(&request), &line, err)))
			break;
		remote_disconnect(&t->stream);
	}
	if (ok) {
		result = remote_tcp_reply(line, value, err);
		buf_drop(&t->stream.in, line.len + 1);
		if (result == TABLE_FAILED || t->stream.in.len > 0)
			remote_disconnect(&t->stream);
	}
	buf_clear(&request);
	return result;
}

static const struct remote_type functions = { tcp_open, tcp_close, tcp_ask };
REMOTE_TABLE(tcp, functions, TABLE_PATTERN | TABLE_RAW_KEY);
