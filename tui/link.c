#include "tui/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/client.h"

#define OPEN_TIME	300			/* ms */
#define AGAIN_TIME	SECOND
#define ASKS		16	/* the daemon takes that many on a connection */
#define BATCH		2000	/* rows handed out before the keyboard is looked at */

struct link_ask {
	bool		 used, forgotten;
	bool		 streams;
	int64_t		 id;
	struct link_handler h;
};

struct link {
	char		*path;
	bool		 readonly;
	struct ctl_client *client;
	int64_t		 due;
	uint64_t	 count;
	struct err	 trouble;
	struct link_ask	 asks[ASKS];
};

struct link *
link_new(const char *path, bool readonly)
{
	struct link *l;

	MEM_NEW(l);
	l->path = mem_str(path);
	l->readonly = readonly;
	return l;
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	ctl_client_close(l->client);
	free(l->path);
	free(l);
}

static void
finish(struct link_ask *a, int status, struct span error)
{
	struct link_ask was = *a;

	*a = (struct link_ask){ .used = false };
	if (!was.forgotten && was.h.done != NULL)
		was.h.done(was.h.arg, status, error);
}

static void
lose(struct link *l, const char *why)
{
	ctl_client_close(l->client);
	l->client = NULL;
	err_set(&l->trouble, ERR_TEMP, "%s", why);
	l->due = clock_mono() + AGAIN_TIME / 4;
	for (size_t i = 0; i < ASKS; i++)
		if (l->asks[i].used)
			finish(&l->asks[i], 75, span_str(l->trouble.text));
}

void
link_tick(struct link *l, int64_t now)
{
	bool down;

	if (l->client != NULL || now < l->due)
		return;
	/* Keys are not read meanwhile: a daemon that was stopped (SIGSTOP) must not hold them up. */
	l->client = ctl_client_open_within(l->path, OPEN_TIME, &down, &l->trouble);
	l->due = clock_mono() + AGAIN_TIME;
	if (l->client != NULL)
		l->count++;
	else if (down)
		err_set(&l->trouble, ERR_TEMP, "mtad is not running");
}

int64_t
link_due(const struct link *l)
{
	return l->client != NULL ? INT64_MAX : l->due;
}

int
link_fd(const struct link *l)
{
	return l->client == NULL ? -1 : ctl_client_fd(l->client);
}

bool
link_up(const struct link *l)
{
	return l->client != NULL;
}

const char *
link_trouble(const struct link *l)
{
	return l->trouble.text;
}

uint8_t
link_rights(const struct link *l)
{
	return l->client == NULL ? 0 : ctl_client_rights(l->client);
}

uint64_t
link_count(const struct link *l)
{
	return l->count;
}

static struct link_ask *
find(struct link *l, int64_t id)
{
	for (size_t i = 0; i < ASKS; i++)
		if (l->asks[i].used && l->asks[i].id == id)
			return &l->asks[i];
	return NULL;
}

void
link_read(struct link *l)
{
	for (int i = 0; i < BATCH && l->client != NULL; i++) {
		struct err err = { .kind = ERR_NONE };
		struct ctl_reply r;
		ctl_client_next(l->client, 0, &r, &err);
		if (r.kind == REPLY_WAIT)
			return;
		if (r.kind == REPLY_LOST) {
			lose(l, err.text);
			return;
		}
		struct link_ask *a = find(l, r.id);
		if (a == NULL)
			continue;
		if (r.kind == REPLY_DONE)
			finish(a, r.status, r.error);
		else if (!a->forgotten && a->h.row != NULL)
			a->h.row(a->h.arg, r.row);
	}
}

static struct link_ask *
free_ask(struct link *l)
{
	for (size_t i = 0; i < ASKS; i++)
		if (!l->asks[i].used)
			return &l->asks[i];
	return NULL;
}

static bool
refuse(struct link_handler h, int status, const char *text)
{
	if (h.done != NULL)
		h.done(h.arg, status, span_str(text));
	return false;
}

/* It ends when it is told to. */
static bool
streams(const struct request *req)
{
	const char *name = command_row(req->command)->name;
	struct span unused;

	return strcmp(name, "trace") == 0 || (strcmp(name, "log") == 0 && request_get(req, "follow", &unused));
}

bool
link_ask(struct link *l, const struct request *req, struct link_handler h)
{
	struct err err = { .kind = ERR_NONE };
	struct link_ask *a = free_ask(l);
	int64_t id;

	if (l->client == NULL)
		return refuse(h, 69, link_trouble(l));
	if (a == NULL)
		return refuse(h, 75, "too many questions are under way");
	if (!ctl_client_send(l->client, req, l->readonly, &id, &err)) {
		refuse(h, 75, err.text);
		lose(l, err.text);
		return false;
	}
	*a = (struct link_ask){ .used = true, .streams = streams(req), .id = id, .h = h };
	return true;
}

bool
link_call(struct link *l, enum command c, const struct link_arg *args, struct link_handler h)
{
	struct err err = { .kind = ERR_NONE };
	struct request req = { .command = c };
	bool ok = true;

	for (; ok && args != NULL && args->name != NULL; args++)
		if (args->value.len > 0)
			ok = request_add(&req, span_str(args->name), args->value, &err);
	ok = ok ? link_ask(l, &req, h) : refuse(h, 64, err.text);
	request_clear(&req);
	return ok;
}

void
link_forget(struct link *l, const void *arg)
{
	struct err err = { .kind = ERR_NONE };

	for (size_t i = 0; i < ASKS; i++) {
		struct link_ask *a = &l->asks[i];
		if (!a->used || a->forgotten || a->h.arg != arg)
			continue;
		a->forgotten = true;
		if (a->streams && l->client != NULL && !ctl_client_cancel(l->client, a->id, &err))
			l->due = clock_mono();	/* the reader finds out that it is lost */
	}
}
