/*
 * Opening a spool directory: lock, identity, what is there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/fileops.h"
#include "spool/store_private.h"

#define FORMAT		1
#define UUID_MAX	128	/* of the file uuid */
#define NUMBERS_LEN	24
#define NUMBERS_MAGIC	0x736d756eu	/* "nums" */
/* Past any number that a lost `numbers` file may have allowed. */
#define NUMBERS_JUMP	100000u

/* -- small files -------------------------------------------------------------------------- */

bool
store_write_file(int dir, const char *name, const char *temporary, struct span bytes, struct err *err)
{
	int fd = fileops->openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		err_sys(err, "making spool/%s", temporary);
		return false;
	}
	bool ok = fileops_write_all(fd, bytes.ptr, bytes.len, 0) && fileops->fdatasync(fd) == 0;
	ok = fileops->close(fd) == 0 && ok;
	if (ok && fileops->renameat(dir, temporary, name) == 0 && fileops->fsync(dir) == 0)
		return true;
	err_sys(err, "writing spool/%s", name);
	return false;
}

/* Up to `max` bytes of the file; -1 with errno where it can't be opened or read. */
static ssize_t
read_file(int dir, const char *name, char *into, size_t max)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = pread(fd, into, max, 0);
	int saved = errno;
	close(fd);
	errno = saved;
	return n;
}

static bool
take_lock(struct store *st, struct err *err)
{
	char text[32] = "";

	st->lock = fileops->openat(st->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (st->lock < 0) {
		err_sys(err, "opening spool/lock");
		return false;
	}
	if (flock(st->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK) {
			err_sys(err, "locking spool/lock");
			return false;
		}
		ssize_t n = pread(st->lock, text, sizeof text - 1, 0);
		struct span pid = span_of(text, n > 0 ? (size_t)n : 0);
		pid = span_head(pid, span_find(pid, '\n'));
		err_set(err, ERR_TEMP, "the spool is in use by process %.*s", SPAN_ARG(pid));
		return false;
	}
	int n = snprintf(text, sizeof text, "%-10ld\n", (long)getpid());
	if (!fileops_write_all(st->lock, text, (size_t)n, 0)) {
		err_sys(err, "writing spool/lock");
		return false;
	}
	return true;
}

static bool
make_uuid(struct store *st, struct err *err)
{
	char text[UUID_MAX];
	int n = snprintf(text, sizeof text, "mtad spool format %d\n", FORMAT);

	clock_random_bytes(st->uuid, sizeof st->uuid);
	for (size_t i = 0; i < sizeof st->uuid; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", st->uuid[i]);
	n += snprintf(text + n, sizeof text - (size_t)n, "\n");
	return store_write_file(st->dir, "uuid", "uuid.new", span_of(text, (size_t)n), err);
}

static bool
parse_uuid(struct store *st, struct span text, struct err *err)
{
	struct span line;
	uint32_t format = 0;

	bool ok = span_cut(&text, '\n', &line) && span_starts(line, "mtad spool format ") &&
	    num_u32(span_skip(line, strlen("mtad spool format ")), &format);
	if (ok && format != FORMAT) {
		err_set(err, ERR_PERM, "the spool has format %u; this version of mtad knows format %d", format, FORMAT);
		return false;
	}
	ok = ok && span_cut(&text, '\n', &line) && line.len == 2 * sizeof st->uuid;
	for (size_t i = 0; ok && i < sizeof st->uuid; i++) {
		uint64_t v = 0;
		ok = num_hex(span_of(line.ptr + 2 * i, 2), &v);
		st->uuid[i] = (unsigned char)v;
	}
	if (!ok)
		err_set(err, ERR_PERM, "spool/uuid is damaged");
	return ok;
}

static bool
open_uuid(struct store *st, struct err *err)
{
	char text[UUID_MAX];
	ssize_t n = read_file(st->dir, "uuid", text, sizeof text);

	if (n >= 0)
		return parse_uuid(st, span_of(text, (size_t)n), err);
	if (errno != ENOENT) {
		err_sys(err, "reading spool/uuid");
		return false;
	}
	if (st->mode == STORE_READ) {
		err_set(err, ERR_PERM, "there is no spool here yet: spool/uuid is missing");
		return false;
	}
	return make_uuid(st, err);
}

/* -- numbers ---------------------------------------------------------------------------------- */

/* What the file says; {1, 1} where it is missing or damaged: what is in the directories decides then, with a distance. */
bool
store_read_numbers(struct store *st, struct err *err)
{
	unsigned char p[NUMBERS_LEN];
	ssize_t n = read_file(st->dir, "numbers", (char *)p, sizeof p);

	if (n < 0 && errno != ENOENT) {
		err_sys(err, "reading spool/numbers");
		return false;
	}
	bool there = n >= 0;
	if (n == NUMBERS_LEN && num_get32(p) == NUMBERS_MAGIC && num_get32(p + 20) == crc32c(0, p, 20)) {
		st->bound.segment = num_get32(p + 4);
		st->bound.spill = num_get64(p + 8);
	} else if (there || st->granted.count > 0 || st->found_count > 0) {
		st->bound.segment = NUMBERS_JUMP;
		st->bound.spill = NUMBERS_JUMP;
		if (st->granted.count > 0)
			st->bound.segment += st->granted.at[st->granted.count - 1]->s.number;
		if (st->found_count > 0)
			st->bound.spill += st->found_spills[st->found_count - 1];
	} else {
		st->bound = (struct numbers){ 1, 1 };
	}
	st->next_segment = st->bound.segment;
	st->next_spill = st->bound.spill;
	return true;
}

/* -- what is there ------------------------------------------------------------------------------ */

static void
note_damage(struct store *st, const char *name, const char *why)
{
	struct damaged *d;

	MEM_NEW(d);
	(void)snprintf(d->name, sizeof d->name, "%s", name);
	(void)snprintf(d->why, sizeof d->why, "%s", why);
	d->next = st->damaged;
	st->damaged = d;
}

static struct kept *
kept_of_page(const struct segment_page *page)
{
	struct kept *k;

	MEM_NEW(k);
	k->fd = -1;
	k->s.number = page->header.number;
	k->s.nonce = page->header.nonce;
	k->s.size = page->header.size;
	k->s.grant = page->grant;
	k->s.sealed = page->sealed;
	k->s.end = page->end;
	/* A journal's worth is not counted in messages: the index says when it may go. */
	k->s.pinned = page->grant.use == SEGMENT_JOURNAL;
	return k;
}

static bool
found_segment(struct store *st, const char *name, struct err *err)
{
	struct segment_page page;
	struct err why;
	uint64_t number;

	if (strncmp(name, "new.", 4) == 0) {
		if (st->mode == STORE_OWN)
			(void)fileops->unlinkat(st->segments, name);
		return true;
	}
	if (strlen(name) != 8 || !num_hex(span_str(name), &number))
		return true;
	int fd = openat(st->segments, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "opening spool/segments/%s", name);
		return false;
	}
	bool ok = segment_page_read(fd, &page, &why);
	close(fd);
	if (!ok) {
		note_damage(st, name, why.text);
		return true;
	}
	if (memcmp(page.header.uuid, st->uuid, SPOOL_UUID) != 0) {
		note_damage(st, name, "it is of another spool");
		return true;
	}
	struct kept *k = kept_of_page(&page);
	/* Recycling writes the new header before the new name: the old life is over where they differ. */
	bool granted = page.header.number == number && page.grant.use != SEGMENT_FREE;
	k->s.number = (uint32_t)number;
	kept_add(granted ? &st->granted : &st->leftover, k);
	return true;
}

static bool
found_spill(struct store *st, const char *name, struct err *err)
{
	uint64_t number;

	(void)err;
	if (strlen(name) != 16 || !num_hex(span_str(name), &number))
		return true;
	if ((st->found_count & (st->found_count + 1)) == 0)
		st->found_spills = mem_grow(st->found_spills, 2 * (size_t)st->found_count + 2, sizeof *st->found_spills);
	st->found_spills[st->found_count++] = number;
	return true;
}

static int
spill_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
each_name(struct store *st, int dir, bool (*fn)(struct store *, const char *, struct err *), struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool ok = true;

	if (d == NULL) {
		err_sys(err, "reading a directory of the spool");
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (ok && (e = readdir(d)) != NULL)
		ok = fn(st, e->d_name, err);
	closedir(d);
	return ok;
}

static int
open_dir(struct store *st, const char *name, struct err *err)
{
	bool made = false;

	if (st->mode == STORE_OWN) {
		made = fileops->mkdirat(st->dir, name, 0700) == 0;
		if (!made && errno != EEXIST) {
			err_sys(err, "making spool/%s", name);
			return -1;
		}
	}
	if (made && fileops->fsync(st->dir) < 0) {
		err_sys(err, "syncing spool");
		return -1;
	}
	int fd = fileops->openat(st->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		err_sys(err, "opening spool/%s", name);
	return fd;
}

static bool
open_all(struct store *st, int dir, struct err *err)
{
	st->dir = fileops->openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (st->dir < 0) {
		err_sys(err, "opening the spool directory");
		return false;
	}
	if (st->mode == STORE_OWN && !take_lock(st, err))
		return false;
	if (!open_uuid(st, err))
		return false;
	if ((st->segments = open_dir(st, "segments", err)) < 0 || (st->spill = open_dir(st, "spill", err)) < 0)
		return false;
	if (!each_name(st, st->segments, found_segment, err) || !each_name(st, st->spill, found_spill, err))
		return false;
	if (st->found_count > 0)
		qsort(st->found_spills, st->found_count, sizeof *st->found_spills, spill_order);
	return store_read_numbers(st, err);
}

struct store *
store_open(int dir, enum store_mode mode, const struct store_config *config, struct err *err)
{
	struct store *st;

	MEM_NEW(st);
	st->mode = mode;
	if (config != NULL)
		st->config = *config;
	st->config.segment_size = st->config.segment_size / SPOOL_BLOCK * SPOOL_BLOCK;
	if (st->config.segment_size < SEGMENT_MIN)
		st->config.segment_size = SEGMENT_MIN;
	if (st->config.segment_size > SEGMENT_MAX)
		st->config.segment_size = SEGMENT_MAX;
	st->dir = st->segments = st->spill = st->lock = -1;
	if (open_all(st, dir, err))
		return st;
	store_close(st);
	return NULL;
}
