#include "master/tls_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/tables.h"
#include "net/tls_files.h"
#include "net/tls_server.h"

#define LOOK		SECOND
#define TICKET_LIFE	DAY

/* A file as it was read. */
struct stored {
	struct tls_file	 file;
	char		 seen[TABLE_IDENTITY];	/* what stood on disk then */
	struct buf	 bytes;			/* ptr NULL: it could not be read */
	uint64_t	 number;		/* another one where the bytes are others */
};

struct store {
	struct stored	*items;
	size_t		 count;
};

static struct store store;
static uint64_t numbers;
static struct loop_timer timer;
static char *told;		/* what was said last of what cannot be taken */
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

static void
look_at(const char *path, char out[TABLE_IDENTITY])
{
	struct stat st;

	if (stat(path, &st) == 0)
		tables_identify("tls", &st, out);
	else
		(void)snprintf(out, TABLE_IDENTITY, "none");
}

/* Everything that the configuration names, as it is on disk now. */
static struct store
read_all(const struct conf *conf)
{
	struct tls_file *files;
	struct store s = { 0 };

	s.count = tls_files(conf, &files);
	s.items = mem_array(s.count + 1, sizeof *s.items);
	for (size_t i = 0; i < s.count; i++) {
		struct stored *to = &s.items[i];
		to->file = files[i];
		to->bytes = BUF_INIT(TLS_FILE_MAX);
		look_at(to->file.path, to->seen);
		if (!tls_file_open(to->file.path, to->file.directory, &to->bytes, NULL))
			wipe(&to->bytes);
		const struct stored *old = find(&store, to->file.path, to->file.directory);
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
fault_of(struct store *s, const struct conf *conf)
{
	struct conf_problems problems = { 0 };
	char *fault = NULL;

	tls_files_use(read_stored, s);
	tls_check_conf(conf, &problems);
	tls_files_use(NULL, NULL);
	for (size_t i = 0; i < problems.count && fault == NULL; i++)
		if (problems.items[i].level == PROBLEM_ERROR)
			fault = mem_str(problems.items[i].text);
	conf_problems_clear(&problems);
	return fault;
}

/* -- for a generation ------------------------------------------------------------------------ */

static int
sealed(const char *name, const void *bytes, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (write(fd, bytes, len) == (ssize_t)len && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
add_file(struct descs *now, const struct stored *s)
{
	char identity[64];
	struct buf key = BUF_INIT(8192);

	int fd = sealed("mtad-tls", s->bytes.ptr, s->bytes.len);
	buf_printf(&key, "tls:%s", s->file.path);
	(void)snprintf(identity, sizeof identity, "tls:%llu", (unsigned long long)s->number);
	if (fd >= 0 && !key.over)
		descs_add(now, ROLE_RECEIVE, EVERY_SLOT, key.ptr, identity, fd);
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
	ticket_fd = sealed("mtad-tickets", key, sizeof key);
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
keep_old(struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct stored *to = &s->items[i];
		const struct stored *old = find(&store, to->file.path, to->file.directory);
		if (old == NULL || old->bytes.ptr == NULL)
			continue;
		wipe(&to->bytes);
		to->bytes = BUF_INIT(TLS_FILE_MAX);
		buf_span(&to->bytes, buf_view(&old->bytes));
		to->number = old->number;
	}
}

void
tls_store_add(struct descs *now, const struct conf *conf)
{
	struct store s = read_all(conf);
	char *fault = s.count > 0 ? fault_of(&s, conf) : NULL;

	if (fault != NULL)
		keep_old(&s);
	free(fault);
	store_clear(&store);
	store = s;
	for (size_t i = 0; i < store.count; i++)
		if (store.items[i].bytes.ptr != NULL)
			add_file(now, &store.items[i]);
	if (tls_server_any(conf))
		add_ticket_key(now);
}

/* -- looking after them ---------------------------------------------------------------------- */

/* The path of the first that is another one now, or NULL. */
static const char *
changed(void)
{
	char now[TABLE_IDENTITY];

	for (size_t i = 0; i < store.count; i++) {
		look_at(store.items[i].file.path, now);
		if (strcmp(now, store.items[i].seen) != 0)
			return store.items[i].file.path;
	}
	return NULL;
}

static void
refused(const char *path, char *fault)
{
	if (told == NULL || strcmp(told, fault) != 0)
		log_warning(NULL, "%s changed and is not taken, the one in use stays: %s", path, fault);
	free(told);
	told = fault;
}

/* Looked at again each second, until what is there is whole. */
static void
take(struct master *m, const char *path)
{
	struct err err = { ERR_NONE, "" };
	char *name = mem_str(path);
	struct store s = read_all(m->conf);
	char *fault = fault_of(&s, m->conf);

	store_clear(&s);
	if (fault != NULL) {
		refused(name, fault);
	} else if (generation_use(m, m->conf, &err)) {
		log_info(NULL, "%s changed and is taken", name);
		free(told);
		told = NULL;
	} else {
		refused(name, mem_str(err.text));
	}
	free(name);
}

static void
look(void *arg)
{
	struct master *m = arg;
	const char *path = m->phase == PHASE_RUNNING && !m->reloading ? changed() : NULL;
	struct err err;

	if (path != NULL) {
		take(m, path);
	} else if (m->phase == PHASE_RUNNING && ticket_fd >= 0 && clock_mono() - ticket_made > TICKET_LIFE) {
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
