#include "lookup/lookup.h"

#include <signal.h>

#include "lookup/pool.h"
#include "table/files.h"

static void
on_lookup(void *arg, struct ipc *c, const struct ipc_lookup *m, int fd)
{
	(void)arg;
	(void)fd;
	pool_ask(c, m->request, m->table, m->key);
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
	pool_forget(c);
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

/* Old processes have old descriptors; new ones are made when these are all there. */
static void
switched(void *state)
{
	(void)state;
	pool_renew();
}

static bool
start(void *state, struct err *err)
{
	(void)state;
	(void)err;
	(void)signal(SIGCHLD, SIG_IGN);		/* the kernel takes those away that ended: their sockets tell of it */
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
		.start = start,
		.switched = switched,
	};
	return &spec;
}
