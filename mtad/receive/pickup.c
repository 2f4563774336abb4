#include "receive/pickup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "receive/session.h"
#include "receive/state.h"

#define HEAD_MAX	((size_t)4 << 20)
#define PATH_FLAGS	(ADDRESS_UTF8 | ADDRESS_8BIT)

struct taking {
	struct receive	*rx;
	char		*name;
};

static void
done(const char *name, bool taken)
{
	ipc_send_pickup_done(role_master(), &(struct ipc_pickup_done){ .name = span_str(name), .remove = taken }, -1);
}

static void
queued(void *arg, struct intake *in, const char *reply)
{
	struct taking *t = arg;

	(void)in;
	if (reply != NULL)
		log_warning("pickup", "maildrop/%s: %s", t->name, reply);
	done(t->name, reply == NULL);
	free(t->name);
	free(t);
}

static bool
read_head(int fd, struct buf *text, struct err *err)
{
	while (text->len < HEAD_MAX) {
		char *room = buf_room(text, READ_SIZE);
		ssize_t n = room == NULL ? -1 : read(fd, room, READ_SIZE);
		if (n < 0) {
			err_sys(err, "read");
			return false;
		}
		if (n == 0)
			return true;
		buf_added(text, (size_t)n);
		/* The head ends with the first empty line; what was read of the content is kept for it. */
		if (memmem(text->ptr, text->len, "\n\n", 2) != NULL)
			return true;
	}
	return true;
}

/* An address of the head, unquoted. */
static bool
path(struct receive *rx, struct span given, unsigned flags, struct span *out, struct err *err)
{
	struct span rest;
	const char *why;

	buf_reset(&rx->scratch);
	if (!address_path(given, flags, &rx->scratch, &rest, &why)) {
		err_set(err, ERR_PERM, "bad address: %s", why);
		return false;
	}
	*out = buf_view(&rx->scratch);
	return true;
}

static bool
envelope(struct receive *rx, struct intake *in, struct span text, const struct pickup_head *h, struct err *err)
{
	struct span given, address;
	struct buf envid = BUF_INIT(1024);
	size_t at = 0;

	if (!path(rx, h->from, PATH_FLAGS | ADDRESS_EMPTY, &address, err))
		return false;
	intake_sender(in, address);
	while (pickup_recipient(text, h, &at, &given)) {
		if (!path(rx, given, PATH_FLAGS, &address, err))
			return false;
		intake_recipient(in, address, h->notify, SPAN_NONE);
	}
	if (h->envid.len > 0 && dsn_envid_parse(h->envid, &envid))
		in->envelope.envid = arena_span(&in->arena, buf_view(&envid));
	buf_clear(&envid);
	return true;
}

static void
put(struct intake *in, const char *at, size_t n)
{
	memcpy(intake_room(in, n), at, n);
	intake_added(in, n);
}

static bool
content(struct receive *rx, struct intake *in, struct span begun, int fd, struct err *err)
{
	uint64_t limit = in->generation->submission.smtp.message_size_limit;
	char last = begun.len > 0 ? begun.ptr[begun.len - 1] : '\n';
	ssize_t n;

	put(in, begun.ptr, begun.len);
	while ((n = read(fd, rx->read, sizeof rx->read)) > 0) {
		put(in, rx->read, (size_t)n);
		last = rx->read[n - 1];
		if (limit > 0 && in->size > limit) {
			err_set(err, ERR_PERM, "larger than message_size_limit");
			return false;
		}
	}
	if (n < 0) {
		err_sys(err, "read");
		return false;
	}
	if (last != '\n')
		put(in, "\n", 1);
	return true;
}

static void
log_from(const struct intake *in, uint32_t uid)
{
	char id[QID_TEXT];

	log_info("pickup", "%s: uid=%u from=<%.*s>", qid_text(in->envelope.id, id), uid, SPAN_ARG(in->envelope.sender));
}

static bool
take(struct receive *rx, const struct ipc_pickup *m, int fd, struct buf *text, struct err *err)
{
	struct intake_source src = { .uid = m->uid, .rewrite_local = true, .flags = ENVELOPE_LOCAL };
	struct pickup_head h;
	struct taking *t;

	if (!read_head(fd, text, err) || !pickup_parse(buf_view(text), &h, err))
		return false;
	src.flags |= (h.is_8bit ? ENVELOPE_8BIT : 0u) | (h.ret == DSN_RET_FULL ? ENVELOPE_RET_FULL : 0u) |
	    (h.ret == DSN_RET_HDRS ? ENVELOPE_RET_HDRS : 0u);
	if (verp_delimiters_ok(h.verp, rx->now->submission.smtp.verp_filter) && !span_eqs(h.from, "<>"))
		src.flags |= verp_flags(h.verp);
	struct intake *in = intake_new(rx, &rx->now->submission, &src);
	if (m->arrival > 0 && m->arrival < in->envelope.arrival)
		in->envelope.arrival = m->arrival;
	bool good = envelope(rx, in, buf_view(text), &h, err);
	if (good) {
		log_from(in, m->uid);
		good = content(rx, in, span_skip(buf_view(text), h.length), fd, err);
	}
	if (!good) {
		intake_drop(in);
		return false;
	}
	MEM_NEW(t);
	t->rx = rx;
	t->name = span_dup(m->name);
	intake_finish(in, queued, t);
	return true;
}

/* mtadrop asks nobody: it runs while no daemon does. */
static bool
may_submit(const struct receive *rx, uint32_t uid, struct err *err)
{
	struct buf text = BUF_INIT(512);

	if (user_list_has(&rx->now->submitters, uid))
		return true;
	user_refused(rx, uid, &text);
	err_set(err, ERR_PERM, "%s (authorized_submit_users)", text.ptr);
	buf_clear(&text);
	return false;
}

void
pickup_file(struct receive *rx, const struct ipc_pickup *m, int fd)
{
	struct buf text = BUF_INIT(HEAD_MAX + 2 * READ_SIZE);
	struct err err = { 0 };
	char *name = span_dup(m->name);

	if (!may_submit(rx, m->uid, &err) || !take(rx, m, fd, &text, &err)) {
		log_warning("pickup", "maildrop/%s: %s", name, err.text);
		done(name, false);
	}
	free(name);
	buf_clear(&text);
	close(fd);
}
