/*
 * The store's helper thread: making, recycling and removing files, ahead of need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/fileops.h"
#include "spool/store_private.h"

#define ZEROS		((size_t)1 << 20)
#define AGAIN		(10 * SECOND)
/* How far the bounds in `numbers` are moved at a time. */
#define NUMBERS_STEP	1024u
#define NUMBERS_LEN	24
#define NUMBERS_MAGIC	0x736d756eu
/* Beside the reserve: one for the queue role, one for compaction. */
#define KEPT_BACK	2

struct make {
	struct job	 job;
	struct store	*st;
	struct kept	*k;		/* number: the new one */
	uint32_t	 old;		/* recycled from this one; 0: made anew */
	uint64_t	 size;
	bool		 failed;
	struct err	 err;
};

/* -- numbers, in the thread ------------------------------------------------------------------- */

/* A number is used only once the file on the disk allows it. */
static bool
allow_numbers(struct store *st, uint32_t segment, uint64_t spill, struct err *err)
{
	unsigned char p[NUMBERS_LEN] = { 0 };
	struct numbers n = st->bound;

	if (segment >= n.segment)
		n.segment = segment + NUMBERS_STEP;
	if (spill >= n.spill)
		n.spill = spill + NUMBERS_STEP;
	if (n.segment == st->bound.segment && n.spill == st->bound.spill)
		return true;
	num_put32(p, NUMBERS_MAGIC);
	num_put32(p + 4, n.segment);
	num_put64(p + 8, n.spill);
	num_put32(p + 20, crc32c(0, p, 20));
	if (!store_write_file(st->dir, "numbers", "numbers.new", span_of(p, sizeof p), err))
		return false;
	st->bound = n;
	return true;
}

/* -- segments, in the thread -------------------------------------------------------------------- */

static bool
write_header(struct make *m)
{
	struct segment_header h = { .number = m->k->s.number, .nonce = m->k->s.nonce, .size = m->size };

	memcpy(h.uuid, m->st->uuid, SPOOL_UUID);
	return segment_header_write(m->k->fd, &h, &m->err);
}

/* Zeros over everything: what is written later finds its blocks there, and a sync needs no change of the file system's own records. */
static bool
fill_zeros(struct make *m)
{
	int failed = fileops->fallocate(m->k->fd, (off_t)m->size);

	if (failed != 0 && failed != EOPNOTSUPP && failed != EINVAL) {
		errno = failed;
		return false;
	}
	char *zeros = mem_new(ZEROS);
	bool ok = true;
	for (uint64_t at = 0; ok && at < m->size; at += ZEROS) {
		uint64_t left = m->size - at;
		ok = fileops_write_all(m->k->fd, zeros, left < ZEROS ? left : ZEROS, (off_t)at);
	}
	int saved = errno;
	free(zeros);
	errno = saved;
	return ok;
}

static bool
give_name(struct make *m, const char *from)
{
	char name[STORE_NAME];

	store_segment_name(m->k->s.number, name);
	if (fileops->fsync(m->k->fd) == 0 && fileops->renameat(m->st->segments, from, name) == 0 &&
	    fileops->fsync(m->st->segments) == 0)
		return true;
	err_sys(&m->err, "preparing spool/segments/%s", name);
	return false;
}

static void
run_make(struct job *j)
{
	struct make *m = (struct make *)j;
	char name[STORE_NAME];

	m->failed = true;
	if (!allow_numbers(m->st, m->k->s.number, 0, &m->err))
		return;
	(void)snprintf(name, sizeof name, "new.%08x", m->k->s.number);
	m->k->fd = fileops->openat(m->st->segments, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (m->k->fd < 0) {
		err_sys(&m->err, "making spool/segments/%s", name);
		return;
	}
	if (!fill_zeros(m))
		err_sys(&m->err, "preparing a segment of %llu bytes", (unsigned long long)m->size);
	else
		m->failed = !(write_header(m) && give_name(m, name));
	if (m->failed)
		(void)fileops->unlinkat(m->st->segments, name);
}

static void
run_recycle(struct job *j)
{
	struct make *m = (struct make *)j;
	char old[STORE_NAME];
	struct stat sb;

	m->failed = true;
	if (!allow_numbers(m->st, m->k->s.number, 0, &m->err))
		return;
	store_segment_name(m->old, old);
	m->k->fd = fileops->openat(m->st->segments, old, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	if (m->k->fd < 0 || fstat(m->k->fd, &sb) < 0) {
		err_sys(&m->err, "opening spool/segments/%s", old);
		return;
	}
	if ((uint64_t)sb.st_size != m->size)
		err_set(&m->err, ERR_PERM, "spool/segments/%s does not have its size", old);
	else
		m->failed = !(write_header(m) && give_name(m, old));
	/* Of no use to anybody: nothing was alive in it. */
	if (m->failed)
		(void)fileops->unlinkat(m->st->segments, old);
}

static void
report(struct store *st, const struct err *err)
{
	st->paused = true;
	if (st->closing)
		return;
	loop_timer_set(&st->again, AGAIN);
	if (st->ops->failed != NULL)
		st->ops->failed(st->arg, err->text);
}

static void
tell_ready(struct store *st)
{
	if (st->closing || st->ops->ready == NULL)
		return;
	st->ops->ready(st->arg);
}

static void
made(struct job *j)
{
	struct make *m = (struct make *)j;
	struct store *st = m->st;

	st->making--;
	if (m->failed) {
		if (m->k->fd >= 0)
			(void)fileops->close(m->k->fd);
		free(m->k);
		report(st, &m->err);
	} else {
		kept_add(&st->ready, m->k);
	}
	bool tell = !m->failed && st->wants_segment;
	free(m);
	if (tell) {
		st->wants_segment = false;
		tell_ready(st);
	}
	store_refill(st);
}

static void
post_make(struct store *st, struct kept *k, uint32_t old)
{
	struct make *m;

	MEM_NEW(m);
	m->job = (struct job){ .run = old == 0 ? run_make : run_recycle, .done = made };
	m->st = st;
	m->k = k;
	m->old = old;
	m->size = st->config.segment_size;
	/* A number in a loc is never 0; a new nonce ends whatever the file held. */
	k->s = (struct store_segment){ .number = st->next_segment++, .size = m->size };
	do {
		clock_random_bytes(&k->s.nonce, sizeof k->s.nonce);
	} while (k->s.nonce == 0);
	k->fd = -1;
	st->making++;
	jobs_post(st->jobs, &m->job);
}

/* -- removing, syncing ---------------------------------------------------------------------------- */

struct chore {
	struct job	 job;
	int		 dir;
	char		 name[STORE_NAME];
	uint64_t	 nonce, end;	/* of a seal */
};

static void
run_remove(struct job *j)
{
	struct chore *c = (struct chore *)j;

	(void)fileops->unlinkat(c->dir, c->name);
}

/*
 * The seal says that all before it counts, so that must be on the disk before it (of a killed process's lazy journal it may not be). Where
 * anything fails, a recovery finds the end by the last commit frame: the same, but slower.
 */
static void
run_seal(struct job *j)
{
	struct chore *c = (struct chore *)j;
	int fd = fileops->openat(c->dir, c->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)fileops->fdatasync(fd);
	(void)segment_seal_write(fd, c->nonce, c->end, NULL);
	(void)fileops->fdatasync(fd);
	(void)fileops->close(fd);
}

static void
chore_done(struct job *j)
{
	free(j);
}

static struct chore *
chore_new(void (*run)(struct job *), int dir, const char *name)
{
	struct chore *c;

	MEM_NEW(c);
	c->job = (struct job){ .run = run, .done = chore_done };
	c->dir = dir;
	(void)snprintf(c->name, sizeof c->name, "%s", name);
	return c;
}

static void
post_chore(struct store *st, struct chore *c)
{
	if (st->jobs != NULL) {
		jobs_post(st->jobs, &c->job);
		return;
	}
	/* Recovery, before store_start: at once. */
	c->job.run(&c->job);
	free(c);
}

void
store_write_seal(struct store *st, const struct kept *k)
{
	char name[STORE_NAME];

	store_segment_name(k->s.number, name);
	struct chore *c = chore_new(run_seal, st->segments, name);
	c->nonce = k->s.nonce;
	c->end = k->s.end;
	post_chore(st, c);
}

void
store_remove_later(struct store *st, int dir, const char *name)
{
	post_chore(st, chore_new(run_remove, dir, name));
}

static uint32_t
wanted_segments(const struct store *st)
{
	return st->config.reserve + KEPT_BACK;
}

void
store_recycle(struct store *st, struct kept *k)
{
	uint32_t number = k->s.number;
	bool fits = k->s.size == st->config.segment_size;
	char name[STORE_NAME];

	if (k->fd >= 0)
		(void)fileops->close(k->fd);
	if (fits && st->jobs != NULL && st->ready.count + st->making < wanted_segments(st)) {
		post_make(st, k, number);
		return;
	}
	free(k);
	store_segment_name(number, name);
	store_remove_later(st, st->segments, name);
}

/* -- spill files -------------------------------------------------------------------------------------- */

#define SPILLS_A_JOB	64u

struct make_spills {
	struct job	 job;
	struct store	*st;
	uint32_t	 count;
	struct spill	 at[SPILLS_A_JOB];
	bool		 failed;
	struct err	 err;
};

static void
run_spills(struct job *j)
{
	struct make_spills *m = (struct make_spills *)j;
	char name[STORE_NAME];

	m->failed = !allow_numbers(m->st, 0, m->at[m->count - 1].number, &m->err);
	for (uint32_t i = 0; i < m->count && !m->failed; i++) {
		store_spill_name(m->at[i].number, name);
		m->at[i].fd = fileops->openat(m->st->spill, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (m->at[i].fd < 0) {
			m->failed = true;
			err_sys(&m->err, "making spool/spill/%s", name);
		}
	}
	/* One sync of the directory for all: a body must not be nameless after a power loss. */
	if (!m->failed && fileops->fsync(m->st->spill) < 0) {
		m->failed = true;
		err_sys(&m->err, "syncing spool/spill");
	}
}

static void
spills_made(struct job *j)
{
	struct make_spills *m = (struct make_spills *)j;
	struct store *st = m->st;
	char name[STORE_NAME];

	st->making_spills -= m->count;
	if (m->failed)
		report(st, &m->err);
	for (uint32_t i = 0; i < m->count; i++) {
		if (!m->failed) {
			st->spills = mem_grow(st->spills, st->spill_count + 1, sizeof *st->spills);
			st->spills[st->spill_count++] = m->at[i];
		} else if (m->at[i].fd >= 0) {
			(void)fileops->close(m->at[i].fd);
			store_spill_name(m->at[i].number, name);
			(void)fileops->unlinkat(st->spill, name);
		}
	}
	bool tell = !m->failed && st->wants_spill;
	free(m);
	if (tell) {
		st->wants_spill = false;
		tell_ready(st);
	}
	store_refill(st);
}

static void
post_spills(struct store *st, uint32_t count)
{
	struct make_spills *m;

	MEM_NEW(m);
	m->job = (struct job){ .run = run_spills, .done = spills_made };
	m->st = st;
	m->count = count;
	for (uint32_t i = 0; i < count; i++)
		m->at[i] = (struct spill){ .number = st->next_spill++, .fd = -1 };
	st->making_spills += count;
	jobs_post(st->jobs, &m->job);
}

void
store_refill(struct store *st)
{
	if (st->closing || st->paused || st->jobs == NULL)
		return;
	if (st->spill_count + st->making_spills < st->config.spills) {
		uint32_t want = st->config.spills - st->spill_count - st->making_spills;
		post_spills(st, want < SPILLS_A_JOB ? want : SPILLS_A_JOB);
	}
	while (st->ready.count + st->making < wanted_segments(st)) {
		struct kept *k;
		MEM_NEW(k);
		post_make(st, k, 0);
	}
}
