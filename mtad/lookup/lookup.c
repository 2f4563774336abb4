#include "lookup/lookup.h"

#include "base/clock.h"
#include "base/log.h"
#include "table/files.h"

#define SILENCE		(10 * SECOND)	/* between two complaints */

static void
complain(struct span table, const struct buf *why)
{
	static int64_t last;
	int64_t now = clock_mono();

	if (last != 0 && now - last < SILENCE)
		return;
	last = now;
	log_warning(NULL, "table %.*s: %.*s", SPAN_ARG(span_head(table, 200)), SPAN_ARG(buf_view(why)));
}

/* One question after the other: this role may block, and so may whoever asks it wait. */
static void
on_lookup(void *arg, struct ipc *c, const struct ipc_lookup *m, int fd)
{
	struct buf value = BUF_INIT(1 << 20);

	(void)arg;
	(void)fd;
	enum lookup_status status = lookup_table(m->table, m->key, &value);
	if (status == LOOKUP_FAILED)
		complain(m->table, &value);
	if (value.over) {
		buf_reset(&value);
		buf_str(&value, "the value is too long");
		status = LOOKUP_FAILED;
	}
	ipc_send_lookup_done(c, &(struct ipc_lookup_done){ m->request, (ipc_u8)status, buf_view(&value) }, -1);
	buf_clear(&value);
}

static void
on_stats_ask(void *arg, struct ipc *c, const struct ipc_stats_ask *m, int fd)
{
	(void)arg;
	(void)fd;
	ipc_send_stats(c, &(struct ipc_stats){ m->request, SPAN("{}") }, -1);
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
}

static bool
configure(void *state, struct span frozen, struct err *err)
{
	struct conf *conf = conf_thaw(frozen, err);

	(void)state;
	if (conf == NULL)
		return false;
	table_use_descriptors(true);
	lookup_use(conf);
	return true;
}

static const struct ipc_handlers handlers = {
	.lookup = on_lookup,
	.stats_ask = on_stats_ask,
	.closed = on_closed,
};

const struct role_spec *
lookup_role(void)
{
	static const struct role_spec spec = {
		.role = ROLE_LOOKUP,
		.program = "lookup",
		.handlers = &handlers,
		.configure = configure,
	};
	return &spec;
}
