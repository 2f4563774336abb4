#include "table/sql_hosts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define HOSTS_MAX	50

static void
add(struct sql_hosts *h, struct span word)
{
	h->list = mem_grow(h->list, h->count + 1, sizeof *h->list);
	struct sql_host *host = &h->list[h->count++];
	*host = (struct sql_host){ .name = span_dup(word) };
	if (span_starts(word, "unix:")) {
		host->local = true;
		host->host = span_dup(span_skip(word, 5));
		return;
	}
	if (span_starts(word, "inet:"))
		word = span_skip(word, 5);
	size_t colon = span_starts(word, "[") ? span_find(word, ']') + 1 : span_rfind(word, ':');
	bool has_port = colon < word.len && word.ptr[colon] == ':';
	struct span name = span_head(word, has_port ? colon : word.len);
	if (span_starts(name, "[") && span_ends(name, "]"))
		name = span_of(name.ptr + 1, name.len - 2);
	host->host = span_dup(name);
	host->port = has_port ? span_dup(span_skip(word, colon + 1)) : NULL;
}

bool
sql_hosts_init(struct sql_hosts *h, const struct remote_file *f, void (*close)(void *), struct err *err)
{
	struct span rest = span_str(remote_str(f, "hosts", "localhost")), word;

	*h = (struct sql_hosts){ .close = close };
	if (!remote_int(f, "idle_interval", 60, 1, 86400, &h->idle, err) || !remote_int(f, "retry_interval", 60, 1, 86400, &h->retry, err))
		return false;
	h->idle *= SECOND;
	h->retry *= SECOND;
	while (h->count < HOSTS_MAX && span_word(&rest, "\t\r\n ,", &word))
		add(h, word);
	if (h->count > 0)
		return true;
	err_set(err, ERR_SYS, "%s: hosts names none", f->path);
	return false;
}

static void
disconnect(struct sql_hosts *h, struct sql_host *host)
{
	if (host->connection != NULL)
		h->close(host->connection);
	host->connection = NULL;
}

void
sql_hosts_clear(struct sql_hosts *h)
{
	for (size_t i = 0; i < h->count; i++) {
		disconnect(h, &h->list[i]);
		free(h->list[i].name);
		free(h->list[i].host);
		free(h->list[i].port);
	}
	free(h->list);
	*h = (struct sql_hosts){ .list = NULL };
}

static enum table_result
ask_one(struct sql_hosts *h, struct sql_host *host, sql_ask *ask, void *arg, struct err *err)
{
	if (host->connection != NULL && host->used + h->idle < clock_mono())
		disconnect(h, host);
	bool old = host->connection != NULL;
	enum table_result r = ask(arg, host, err);
	if (r == TABLE_FAILED) {
		disconnect(h, host);
		if (old)
			r = ask(arg, host, err);
	}
	host->used = clock_mono();
	if (r != TABLE_FAILED)
		return r;
	disconnect(h, host);
	host->until = host->used + h->retry;
	err_prefix(err, "%s", host->name);
	return r;
}

/* Connected ones first, then sockets, then the rest, each kind from a random one on; at the end those that failed lately, rather than nobody. */
static int
rank(const struct sql_host *host, int64_t now)
{
	return host->until > now ? 3 : host->connection != NULL ? 0 : host->local ? 1 : 2;
}

enum table_result
sql_hosts_ask(struct sql_hosts *h, sql_ask *ask, void *arg, struct err *err)
{
	int64_t now = clock_mono();
	bool asked[HOSTS_MAX] = { false };
	bool any = false;
	size_t first = h->count > 1 ? (size_t)(clock_random() % h->count) : 0;

	for (int wanted = 0; wanted <= 3; wanted++) {
		if (wanted == 3 && any)
			break;		/* somebody was asked: leave those that failed lately alone */
		for (size_t n = 0; n < h->count; n++) {
			size_t i = (first + n) % h->count;
			if (asked[i] || rank(&h->list[i], now) != wanted)
				continue;
			asked[i] = any = true;
			enum table_result r = ask_one(h, &h->list[i], ask, arg, err);
			if (r != TABLE_FAILED)
				return r;
		}
	}
	return TABLE_FAILED;
}
