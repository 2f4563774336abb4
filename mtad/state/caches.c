#include "state/caches.h"

#include "ctl/jsonl.h"
#include "state/probing.h"
#include "state/screening.h"

#define SLICE		200

static const struct cache {
	const char	*name;
	/* The next one behind *at, as an object. False: that was all. */
	bool		(*row)(size_t *at, struct jsonl *);
	bool		(*drop)(struct span key);
} caches[] = {
	{ "verify", probing_row, probing_drop },
	{ "screen", screening_row, screening_drop },
};

static const struct cache *
find(struct span name)
{
	for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
		if (span_eqs(name, caches[i].name))
			return &caches[i];
	return NULL;
}

/* By the place in memory: what comes or goes between two slices may be left out, or told twice. */
void
caches_on_rows_ask(void *arg, struct ipc *c, const struct ipc_rows_ask *m, int fd)
{
	const struct cache *cache = find(m->what);
	struct buf rows = BUF_INIT(1 << 20);
	size_t at = (size_t)m->from;
	bool more = cache != NULL;

	(void)arg;
	(void)fd;
	buf_str(&rows, "");
	for (int n = 0; more && n < SLICE; n++) {
		struct jsonl j = { .out = &rows };
		more = cache->row(&at, &j);
		if (more)
			buf_char(&rows, '\n');
	}
	ipc_send_rows(c, &(struct ipc_rows){ .request = m->request, .next = more ? at : 0, .rows = buf_view(&rows) }, -1);
	buf_clear(&rows);
}

void
caches_on_drop(void *arg, struct ipc *c, const struct ipc_cache_drop *m, int fd)
{
	const struct cache *cache = find(m->cache);
	struct buf row = BUF_INIT(65536);
	struct jsonl j = { .out = &row };

	(void)arg;
	(void)fd;
	buf_str(&row, "");
	if (cache != NULL && cache->drop(m->key)) {
		jsonl_object(&j, NULL);
		jsonl_str(&j, "cache", m->cache);
		jsonl_str(&j, "address", m->key);
		jsonl_bool(&j, "dropped", true);
		jsonl_end_object(&j);
		buf_char(&row, '\n');
	}
	ipc_send_rows(c, &(struct ipc_rows){ .request = m->request, .next = 0, .rows = buf_view(&row) }, -1);
	buf_clear(&row);
}
