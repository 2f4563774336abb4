#include "control/control.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/private.h"
#include "ctl/jsonl.h"

static struct control self = { .listen_fd = -1 };

/* -- peers ---------------------------------------------------------------- */

static void
on_peer(void *state, struct ipc *ipc)
{
	struct control *ctl = state;

	if (ctl->peer_count == ROLES_MAX) {
		log_warning(NULL, "more than %d processes", ROLES_MAX);
		ipc_free(ipc);
		return;
	}
	ctl->peers[ctl->peer_count++] = ipc;
	streams_greet(ctl, ipc);
	peers_greet(ctl, ipc);
	if (ipc_peer(ipc) != ROLE_QUEUE)
		return;
	/* A new queue role names its segments anew. */
	asks_queue_gone(ctl);
	segments_clear(ctl);
	ctl->queue = ipc;
	asks_queue_here(ctl);
}

static void
on_closed(void *state, struct ipc *ipc)
{
	struct control *ctl = state;
	enum role role = ipc_peer(ipc);
	uint32_t slot = ipc_slot(ipc);

	for (unsigned i = 0; i < ctl->peer_count; i++) {
		if (ctl->peers[i] != ipc)
			continue;
		ctl->peers[i] = ctl->peers[--ctl->peer_count];
		break;
	}
	if (ctl->queue == ipc) {
		ctl->queue = NULL;
		asks_queue_gone(ctl);
		segments_clear(ctl);
	}
	ipc_free(ipc);
	status_gone(ctl, role, slot);
	sessions_gone(ctl, role, slot);
}

/* -- answers -------------------------------------------------------------- */

static void
put_rows(struct ask *a, struct span rows)
{
	struct span row;

	while (span_cut(&rows, '\n', &row))
		if (row.len > 0)
			reply_row(a, row);
}

static void
on_answer(void *state, struct ipc *ipc, const struct ipc_answer *m, int fd)
{
	struct control *ctl = state;
	struct ask *a = ask_find(ctl, m->request);
	char error[600];

	if (fd >= 0)
		close(fd);
	if (a == NULL || ipc != ctl->queue || a->content != NULL)
		return;
	put_rows(a, m->rows);
	client_wake(a->client);
	if (m->done) {
		snprintf(error, sizeof error, "%.*s", SPAN_ARG(span_head(m->error, sizeof error - 1)));
		reply_done(a, m->status, error);
	} else if (client_waiting(a->client) < OUT_HIGH) {
		ipc_send_ask_more(ipc, &(struct ipc_ask_more){ .request = a->number }, -1);
	} else {
		a->paused = true;
	}
}

static void
on_answer_content(void *state, struct ipc *ipc, const struct ipc_answer_content *m, int fd)
{
	struct control *ctl = state;
	struct ask *a = ask_find(ctl, m->request);

	if (a == NULL || ipc != ctl->queue || a->command != CMD_cat || a->content != NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	content_begin(a, m, fd);
}

static void
on_segment_open(void *state, struct ipc *ipc, const struct ipc_segment_open *m, int fd)
{
	(void)ipc;
	segments_open(state, m, fd);
}

static void
on_segment_close(void *state, struct ipc *ipc, const struct ipc_segment_close *m, int fd)
{
	(void)ipc;
	(void)fd;
	segments_close(state, m->segment);
}

static void
on_stats(void *state, struct ipc *ipc, const struct ipc_stats *m, int fd)
{
	(void)fd;
	status_answer(state, ipc, m);
}

static void
on_rows(void *state, struct ipc *ipc, const struct ipc_rows *m, int fd)
{
	(void)fd;
	sessions_answer(state, ipc, m);
}

static void
on_log_line(void *state, struct ipc *ipc, const struct ipc_log_line *m, int fd)
{
	(void)fd;
	logs_told(state, ipc, m);
}

static void
on_trace_line(void *state, struct ipc *ipc, const struct ipc_trace_line *m, int fd)
{
	(void)ipc;
	(void)fd;
	stream_trace(state, m);
}

static void
on_master_done(void *state, struct ipc *ipc, const struct ipc_master_done *m, int fd)
{
	struct ask *a = ask_find(state, m->request);
	struct buf text = BUF_INIT(65536);

	(void)ipc;
	(void)fd;
	if (a == NULL)
		return;
	if (m->ok) {
		struct span left = m->text, line;
		while (span_cut(&left, '\n', &line)) {
			struct jsonl j = { .out = &text };
			if (line.len == 0)
				continue;
			buf_reset(&text);
			jsonl_object(&j, NULL);
			jsonl_str(&j, "text", line);
			jsonl_end_object(&j);
			reply_row(a, buf_view(&text));
		}
		reply_done(a, 0, NULL);
	} else {
		buf_span(&text, span_trim(m->text));
		reply_done(a, a->command == CMD_reload ? 78 : 75, text.ptr);
	}
	buf_clear(&text);
}

/* -- the role ------------------------------------------------------------- */

static bool
configure(void *state, struct span frozen, struct err *err)
{
	struct control *ctl = state;
	struct conf *conf = conf_thaw(frozen, err);

	if (conf == NULL)
		return false;
	conf_unref(ctl->conf);
	ctl->conf = conf;
	/* At the start, prepare does it: the users are not known yet. */
	if (ctl->users.names.count > 0)
		users_configure(&ctl->users, conf_main(conf));
	return true;
}

static bool
prepare(void *state, struct err *err)
{
	struct control *ctl = state;

	(void)err;
	users_init(&ctl->users);
	users_configure(&ctl->users, conf_main(ctl->conf));
	return true;
}

static void
on_connection(void *arg, short what)
{
	(void)what;
	client_accept(arg);
}

static void
listen_on(struct control *ctl, int fd)
{
	if (fd == ctl->listen_fd)
		return;
	if (ctl->listen_fd >= 0)
		loop_io_watch(&ctl->listener, 0);
	ctl->listen_fd = fd;
	if (fd < 0)
		return;
	loop_io_init(&ctl->listener, fd, on_connection, ctl);
	loop_io_watch(&ctl->listener, EV_READ);
}

static bool
start(void *state, struct err *err)
{
	struct control *ctl = state;

	if (role_fd("control") < 0) {
		err_set(err, ERR_SYS, "the control role got no socket to listen on");
		return false;
	}
	ctl->started = clock_wall();
	logs_begin(ctl);
	listen_on(ctl, role_fd("control"));
	return true;
}

static void
switched(void *state)
{
	listen_on(state, role_fd("control"));
}

/* Deliveries end in other roles; who watches them may do so until the last moment that is given. */
static void
stop(void *state, int64_t within)
{
	struct control *ctl = state;

	(void)within;
	listen_on(ctl, -1);
	client_free_all(ctl);
	loop_stop(0);
}

static const struct ipc_handlers handlers = {
	.answer = on_answer,
	.answer_content = on_answer_content,
	.segment_open = on_segment_open,
	.segment_close = on_segment_close,
	.stats = on_stats,
	.rows = on_rows,
	.log_line = on_log_line,
	.trace_line = on_trace_line,
	.closed = on_closed,
};

static const struct ipc_handlers master_handlers = {
	.master_done = on_master_done,
	.stats = on_stats,
	.log_line = on_log_line,
};

static const struct role_spec spec = {
	.role = ROLE_CONTROL,
	.program = "control",
	.handlers = &handlers,
	.state = &self,
	.configure = configure,
	.prepare = prepare,
	.start = start,
	.switched = switched,
	.peer = on_peer,
	.stop = stop,
	.master_handlers = &master_handlers,
};

const struct role_spec *
control_role(void)
{
	return &spec;
}
