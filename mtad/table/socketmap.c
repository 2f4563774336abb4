/* socketmap:inet:host:port:name and socketmap:unix:/path:name: asked in netstrings, as socketmap_table(5). */
#include <stdlib.h>

#include "base/mem.h"
#include "table/remote.h"
#include "table/remote_replies.h"

struct socketmap {
	char		*endpoint, *name;
	size_t		 query_max, reply_max;	/* without the netstring's length and comma */
	struct remote_stream stream;
};

static void
socketmap_close(void *state)
{
	struct socketmap *s = state;

	remote_disconnect(&s->stream);
	free(s->endpoint);
	free(s->name);
	free(s);
}

static bool
socketmap_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct socketmap *s;
	size_t colon = span_rfind(name, ':');

	if ((!span_starts(name, "inet:") && !span_starts(name, "unix:")) || colon <= 5 || colon + 1 >= name.len) {
		err_set(err, ERR_SYS, "write socketmap:inet:host:port:name or socketmap:unix:/path:name");
		return false;
	}
	MEM_NEW(s);
	s->endpoint = span_dup(span_head(name, colon));
	s->name = span_dup(span_skip(name, colon + 1));
	s->query_max = (size_t)conf_int(conf_main(conf), P_socketmap_max_query_size);
	s->reply_max = (size_t)conf_int(conf_main(conf), P_socketmap_max_reply_size);
	s->stream.fd = -1;
	*state = s;
	return true;
}

static bool
exchange(struct socketmap *s, struct span request, struct span *reply, size_t *used, struct err *err)
{
	struct span head, all;
	size_t len;

	if (s->stream.fd < 0 && !remote_connect(&s->stream, s->endpoint, REMOTE_TIME, err))
		return false;
	if (!remote_write(&s->stream, request, err) || !remote_read_line(&s->stream, ":", 10, &head, err) ||
	    !remote_netstring_length(head, s->reply_max, &len, err))
		return false;
	size_t start = head.len + 1;
	if (!remote_read_bytes(&s->stream, start + len + 1, &all, err))
		return false;
	*reply = span_of(all.ptr + start, len);
	*used = all.len;
	if (all.ptr[start + len] == ',')
		return true;
	err_set(err, ERR_TEMP, "the reply is no netstring");
	return false;
}

static enum table_result
socketmap_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct socketmap *s = state;
	struct buf request = BUF_INIT(0);
	enum table_result result = TABLE_FAILED;
	struct span reply;
	size_t used, len = strlen(s->name) + 1 + key.len;

	if (len > s->query_max) {
		err_set(err, ERR_TEMP, "a query of %zu bytes, more than socketmap_max_query_size = %zu", len, s->query_max);
		return TABLE_FAILED;
	}
	buf_printf(&request, "%zu:%s %.*s,", len, s->name, SPAN_ARG(key));
	bool old = s->stream.fd >= 0, ok = true;
	for (int turn = 0; turn < (old ? 2 : 1); turn++) {
		s->stream.until = remote_deadline(REMOTE_TIME);
		if ((ok = exchange(s, buf_view(&request), &reply, &used, err)))
			break;
		remote_disconnect(&s->stream);
	}
	if (ok) {
		result = remote_socketmap_reply(reply, value, err);
		buf_drop(&s->stream.in, used);
		if (s->stream.in.len > 0)
			remote_disconnect(&s->stream);
	}
	buf_clear(&request);
	return result;
}

static const struct remote_type functions = { socketmap_open, socketmap_close, socketmap_ask };
REMOTE_TABLE(socketmap, functions, TABLE_RAW_KEY);
