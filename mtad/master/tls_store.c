#include "master/tls_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls_server.h"
#include "smtp/tls_client_files.h"

#define LOOK		SECOND
#define TICKET_LIFE	DAY

/* A file as it was read. */
struct stored {
	struct tls_file	 file;
	char		 seen[TLS_FILE_IDENTITY];	/* what stood on disk then */
	struct buf	 bytes;			/* ptr NULL: it could not be read */
	uint64_t	 number;		/* another one where the bytes are others */
};

struct store {
	struct stored	*items;
	size_t		 count;
};

/* Whose files: what is wrong with one of a side concerns no other side. */
static struct side {
	enum role	 role;
	size_t		(*list)(const struct conf *, struct tls_file **);
	void		(*check)(const struct conf *, struct conf_problems *);
	struct store	 store;
	char		*told;		/* what was said last of what cannot be taken */
} sides[] = {
	{ .role = ROLE_RECEIVE, .list = tls_files, .check = tls_check_conf },
	{ .role = ROLE_SEND, .list = tls_client_list, .check = tls_client_check },
};
#define SIDES	(sizeof sides / sizeof *sides)

static uint64_t numbers;
static struct loop_timer timer;
static int ticket_fd = -1;
static uint64_t ticket_number;
static int64_t ticket_made;	/* monotonic */

/* -- a store ------------------------------------------------------------------------------- */

static void
wipe(struct buf *b)
{
	if (b->ptr != NULL)
		explicit_bzero(b->ptr, b->len);
	buf_clear(b);
}

static void
store_clear(struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		wipe(&s->items[i].bytes);
		free(s->items[i].file.path);
	}
	free(s->items);
	*s = (struct store){ 0 };
}

static struct stored *
find(const struct store *s, const char *path, bool directory)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].file.directory == directory && strcmp(s->items[i].file.path, path) == 0)
			return &s->items[i];
	return NULL;
}

/* Everything that the configuration names, as it is on disk now. */
static struct store
read_all(const struct side *side, const struct conf *conf)
{
	struct tls_file *files;
	struct store s = { 0 };

	s.count = side->list(conf, &files);
	s.items = mem_array(s.count + 1, sizeof *s.items);
	for (size_t i = 0; i < s.count; i++) {
		struct stored *to = &s.items[i];
		to->file = files[i];
		to->bytes = BUF_INIT(TLS_FILE_MAX);
		tls_file_identify(to->file.path, to->file.directory, to->seen);
		buf_str(&to->bytes, "");
		if (!tls_file_open(to->file.path, to->file.directory, &to->bytes, NULL))
			wipe(&to->bytes);
		const struct stored *old = find(&side->store, to->file.path, to->file.directory);
		to->number = old != NULL && span_eq(buf_view(&old->bytes), buf_view(&to->bytes)) ? old->number : ++numbers;
	}
	free(files);
	return s;
}

static bool
read_stored(void *arg, const char *path, bool directory, struct buf *out, struct err *err)
{
	const struct stored *s = find(arg, path, directory);

	if (s == NULL || s->bytes.ptr == NULL) {
		err_set(err, ERR_SYS, "cannot open %s", path);
		return false;
	}
	buf_span(out, buf_view(&s->bytes));
	return true;
}

/* What is wrong with these bytes; NULL: nothing. */
static char *
fault_of(const struct side *side, struct store *s, const struct conf *conf)
{
	struct conf_problems problems = { 0 };
	char *fault = NULL;

	tls_files_use(read_stored, s);
	side->check(conf, &problems);
	tls_files_use(NULL, NULL);
	for (size_t i = 0; i < problems.count && fault == NULL; i++)
		if (problems.items[i].level == PROBLEM_ERROR)
			fault = mem_str(problems.items[i].text);
	conf_problems_clear(&problems);
	return fault;
}

/* What is wrong with these bytes and was not with those in use: a client's file that never could be read keeps nothing from being renewed. */
static char *
new_fault_of(struct side *side, struct store *s, const struct conf *conf)
{
	char *now = s->count == 0 ? NULL : fault_of(side, s, conf), *before;

	if (now == NULL || side->store.count == 0)
		return now;
	before = fault_of(side, &side->store, conf);
	if (before != NULL && strcmp(before, now) == 0) {
		free(now);
		now = NULL;
	}
	free(before);
	return now;
}

/* -- for a generation ------------------------------------------------------------------------ */

static void
add_file(struct descs *now, enum role role, const struct stored *s)
{
	char identity[64];
	struct buf key = BUF_INIT(8192);

	int fd = descs_sealed("mtad-tls", buf_view(&s->bytes));
	buf_printf(&key, "tls:%s", s->file.path);
	(void)snprintf(identity, sizeof identity, "tls:%llu", (unsigned long long)s->number);
	if (fd >= 0 && !key.over)
		descs_add(now, role, EVERY_SLOT, key.ptr, identity, fd);
	else if (fd >= 0)
		(void)close(fd);
	buf_clear(&key);
}

static void
make_ticket_key(void)
{
	unsigned char key[TLS_TICKET_KEY];

	tls_ticket_key(key);
	if (ticket_fd >= 0)
		(void)close(ticket_fd);
	ticket_fd = descs_sealed("mtad-tickets", (struct span){ (const char *)key, sizeof key });
	explicit_bzero(key, sizeof key);
	ticket_number++;
	ticket_made = clock_mono();
}

static void
add_ticket_key(struct descs *now)
{
	char identity[64];

	if (ticket_fd < 0)
		make_ticket_key();
	if (ticket_fd < 0)
		return;
	(void)snprintf(identity, sizeof identity, "tickets:%llu", (unsigned long long)ticket_number);
	descs_add(now, ROLE_RECEIVE, EVERY_SLOT, "tls-tickets", identity, fcntl(ticket_fd, F_DUPFD_CLOEXEC, 0));
}

/* Of what is wrong on disk, the bytes in use stay; only what was not there before comes in. */
static void
keep_old(const struct store *in_use, struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct stored *to = &s->items[i];
		const struct stored *old = find(in_use, to->file.path, to->file.directory);
		if (old == NULL || old->bytes.ptr == NULL)
			continue;
		wipe(&to->bytes);
		to->bytes = BUF_INIT(TLS_FILE_MAX);
		buf_str(&to->bytes, "");
		buf_span(&to->bytes, buf_view(&old->bytes));
		to->number = old->number;
	}
}

static void
add_side(struct descs *now, struct side *side, const struct conf *conf)
{
	struct store s = read_all(side, conf);
	char *fault = new_fault_of(side, &s, conf);

	if (fault != NULL)
		keep_old(&side->store, &s);
	free(fault);
	store_clear(&side->store);
	side->store = s;
	for (size_t i = 0; i < s.count; i++)
		if (s.items[i].bytes.ptr != NULL)
			add_file(now, side->role, &s.items[i]);
}

void
tls_store_add(struct descs *now, const struct conf *conf)
{
	for (size_t i = 0; i < SIDES; i++)
		add_side(now, &sides[i], conf);
	if (tls_server_any(conf))
		add_ticket_key(now);
}

/* -- looking after them ---------------------------------------------------------------------- */

/* The path of the first that is another one now, or NULL. */
static const char *
changed(const struct store *s)
{
	char now[TLS_FILE_IDENTITY];

	for (size_t i = 0; i < s->count; i++) {
		tls_file_identify(s->items[i].file.path, s->items[i].file.directory, now);
		if (strcmp(now, s->items[i].seen) != 0)
			return s->items[i].file.path;
	}
	return NULL;
}

static void
refused(struct side *side, const char *path, char *fault)
{
	if (side->told == NULL || strcmp(side->told, fault) != 0)
		log_warning(NULL, "%s changed and is not taken, the one in use stays: %s", path, fault);
	free(side->told);
	side->told = fault;
}

/* Looked at again each second, until what is there is whole. */
static void
take(struct master *m, struct side *side, const char *path)
{
	struct err err = { ERR_NONE, "" };
	char *name = mem_str(path);
	struct store s = read_all(side, m->conf);
	char *fault = new_fault_of(side, &s, m->conf);

	store_clear(&s);
	if (fault != NULL) {
		refused(side, name, fault);
	} else if (generation_use(m, m->conf, &err)) {
		log_info(NULL, "%s changed and is taken", name);
		free(side->told);
		side->told = NULL;
	} else {
		refused(side, name, mem_str(err.text));
	}
	free(name);
}

static void
look(void *arg)
{
	struct master *m = arg;
	bool now = m->phase == PHASE_RUNNING && !m->reloading;
	struct err err;

	for (size_t i = 0; now && i < SIDES; i++) {
		const char *path = changed(&sides[i].store);
		if (path != NULL)
			take(m, &sides[i], path);
	}
	if (now && ticket_fd >= 0 && clock_mono() - ticket_made > TICKET_LIFE) {
		make_ticket_key();
		(void)generation_use(m, m->conf, &err);
	}
	loop_timer_set(&timer, LOOK);
}

void
tls_store_look_after(struct master *m)
{
	loop_timer_init(&timer, look, m);
	loop_timer_set(&timer, LOOK);
}
