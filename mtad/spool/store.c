#include "spool/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "spool/fileops.h"
#include "spool/store_private.h"

/* -- life ---------------------------------------------------------------------------------- */

static void
try_again(void *arg)
{
	struct store *st = arg;

	st->paused = false;
	store_refill(st);
}

/*
 * What an earlier owner had prepared gets a new nonce before it is used: it may have been granted, and a power loss
 * have taken the note of that and left a batch.
 */
static void
recycle_leftovers(struct store *st)
{
	while (st->leftover.count > 0)
		store_recycle(st, kept_remove(&st->leftover, st->leftover.at[0]->s.number));
}

void
store_start(struct store *st, const struct store_ops *ops, void *arg)
{
	if (st->mode != STORE_OWN)
		panic("store_start: the spool was opened for reading");
	st->ops = ops;
	st->arg = arg;
	loop_timer_init(&st->again, try_again, st);
	st->jobs = jobs_new("spool");
	st->checkpoints = jobs_new("checkpoint");
	recycle_leftovers(st);
	store_refill(st);
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)fileops->close(fd);
}

void
store_close(struct store *st)
{
	if (st == NULL)
		return;
	st->closing = true;
	jobs_free(st->checkpoints);
	jobs_free(st->jobs);
	loop_timer_stop(&st->again);
	kept_free(&st->granted);
	kept_free(&st->ready);
	kept_free(&st->leftover);
	for (uint32_t i = 0; i < st->spill_count; i++)
		close_fd(st->spills[i].fd);
	free(st->spills);
	free(st->found_spills);
	for (struct damaged *d = st->damaged, *next; d != NULL; d = next) {
		next = d->next;
		free(d);
	}
	close_fd(st->segments);
	close_fd(st->spill);
	close_fd(st->lock);
	close_fd(st->dir);
	free(st);
}

const unsigned char *
store_uuid(const struct store *st)
{
	return st->uuid;
}

int
store_dir(const struct store *st)
{
	return st->dir;
}

struct jobs *
store_jobs(struct store *st)
{
	return st->checkpoints;
}

uint64_t
store_free_bytes(const struct store *st)
{
	struct statvfs v;

	if (fstatvfs(st->dir, &v) < 0)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize;
}

/* -- segments ------------------------------------------------------------------------------ */

const struct store_segment *
store_get(const struct store *st, uint32_t number)
{
	struct kept *k = kept_get(&st->granted, number);

	return k == NULL ? NULL : &k->s;
}

void
store_each(const struct store *st, bool (*fn)(void *arg, const struct store_segment *), void *arg)
{
	for (uint32_t i = 0; i < st->granted.count; i++) {
		if (!fn(arg, &st->granted.at[i]->s))
			break;
	}
}

uint32_t
store_count(const struct store *st, enum segment_use use)
{
	uint32_t n = 0;

	if (use == SEGMENT_FREE)
		return st->ready.count;
	for (uint32_t i = 0; i < st->granted.count; i++)
		n += st->granted.at[i]->s.grant.use == use;
	return n;
}

void
store_each_damaged(const struct store *st, void (*fn)(void *arg, const char *name, const char *why), void *arg)
{
	for (const struct damaged *d = st->damaged; d != NULL; d = d->next)
		fn(arg, d->name, d->why);
}

int
store_fd(struct store *st, uint32_t number, struct err *err)
{
	struct kept *k = kept_get(&st->granted, number);
	char name[STORE_NAME];

	if (k == NULL) {
		err_set(err, ERR_PERM, "there is no segment %08x", number);
		return -1;
	}
	if (k->fd < 0) {
		store_segment_name(number, name);
		k->fd = fileops->openat(st->segments, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
		if (k->fd < 0)
			err_sys(err, "opening spool/segments/%s", name);
	}
	return k->fd;
}

/* How many must be ready for one to be granted. */
static uint32_t
needed(enum segment_use use)
{
	return use == SEGMENT_COMPACT ? 1 : use == SEGMENT_JOURNAL ? 2 : 3;
}

bool
store_grant(struct store *st, const struct segment_grant *g, struct store_segment *out, int *fd)
{
	struct err err;

	if (g->use == SEGMENT_FREE || g->use > SEGMENT_COMPACT)
		panic("store_grant: a segment is granted for something");
	if (st->ready.count < needed(g->use)) {
		st->wants_segment = true;
		store_refill(st);
		return false;
	}
	struct kept *k = kept_remove(&st->ready, st->ready.at[0]->s.number);
	if (!segment_grant_write(k->fd, k->s.nonce, g, &err)) {
		/* The disk has trouble with it; the writer would too. */
		if (st->ops->failed != NULL)
			st->ops->failed(st->arg, err.text);
		store_recycle(st, k);
		st->wants_segment = true;
		return false;
	}
	k->s.grant = *g;
	k->s.pinned = g->use == SEGMENT_JOURNAL;
	*fd = k->fd;
	k->fd = -1;
	*out = k->s;
	kept_add(&st->granted, k);
	store_refill(st);
	return true;
}

void
store_seal(struct store *st, uint32_t number, uint64_t end)
{
	struct kept *k = kept_get(&st->granted, number);

	if (k == NULL || k->s.sealed)
		return;
	if (end < SEGMENT_DATA)
		end = SEGMENT_DATA;
	if (end > k->s.size)
		end = k->s.size;
	k->s.sealed = true;
	k->s.end = end;
	store_write_seal(st, k);
}

void
store_live(struct store *st, uint32_t number, int count, int64_t bytes)
{
	struct kept *k = kept_get(&st->granted, number);

	if (k == NULL)
		return;
	if ((count < 0 && k->s.live < (uint32_t)-count) || (bytes < 0 && k->s.live_bytes < (uint64_t)-bytes))
		panic("store_live: more leaves segment %08x than lives in it", number);
	k->s.live += (uint32_t)count;
	k->s.live_bytes += (uint64_t)bytes;
}

void
store_pin(struct store *st, uint32_t number, bool on)
{
	struct kept *k = kept_get(&st->granted, number);

	if (k != NULL)
		k->s.pinned = on;
}

static bool
is_dead(const struct kept *k)
{
	return k->s.sealed && k->s.live == 0 && !k->s.pinned;
}

bool
store_dead(const struct store *st, uint32_t number)
{
	struct kept *k = kept_get(&st->granted, number);

	return k != NULL && is_dead(k);
}

uint32_t
store_pick_dead(const struct store *st, uint32_t *numbers, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < st->granted.count && n < max; i++) {
		if (is_dead(st->granted.at[i]))
			numbers[n++] = st->granted.at[i]->s.number;
	}
	return n;
}

uint32_t
store_pick_sparse(const struct store *st, uint32_t at_most_live, uint32_t *numbers, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < st->granted.count && n < max; i++) {
		const struct store_segment *s = &st->granted.at[i]->s;
		if (!s->sealed || s->pinned || s->live == 0 || s->grant.use == SEGMENT_JOURNAL)
			continue;
		/* Of the whole file: what a short segment keeps from use counts as well. */
		if (s->live_bytes * 100 <= s->size * at_most_live)
			numbers[n++] = s->number;
	}
	return n;
}

void
store_release(struct store *st, uint32_t number)
{
	struct kept *k = kept_get(&st->granted, number);

	if (k == NULL)
		return;
	if (!is_dead(k))
		panic("store_release: segment %08x is in use", number);
	store_recycle(st, kept_remove(&st->granted, number));
}

/* -- spill files ----------------------------------------------------------------------------- */

bool
store_spill_take(struct store *st, uint64_t *spill, int *fd)
{
	if (st->spill_count == 0) {
		st->wants_spill = true;
		store_refill(st);
		return false;
	}
	*spill = st->spills[0].number;
	*fd = st->spills[0].fd;
	st->spill_count--;
	memmove(st->spills, st->spills + 1, st->spill_count * sizeof *st->spills);
	store_refill(st);
	return true;
}

int
store_spill_open(const struct store *st, uint64_t spill, struct err *err)
{
	char name[STORE_NAME];

	store_spill_name(spill, name);
	int fd = fileops->openat(st->spill, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		err_sys(err, "opening spool/spill/%s", name);
	return fd;
}

void
store_spill_remove(struct store *st, uint64_t spill)
{
	char name[STORE_NAME];

	store_spill_name(spill, name);
	store_remove_later(st, st->spill, name);
}

uint32_t
store_spill_sweep(struct store *st, bool (*wanted)(void *arg, uint64_t spill), void *arg)
{
	uint32_t removed = 0;

	for (uint32_t i = 0; i < st->found_count; i++) {
		if (wanted(arg, st->found_spills[i]))
			continue;
		store_spill_remove(st, st->found_spills[i]);
		removed++;
	}
	free(st->found_spills);
	st->found_spills = NULL;
	st->found_count = 0;
	return removed;
}

/* -- what is damaged --------------------------------------------------------------------------- */

bool
store_set_aside(struct store *st, struct loc loc, struct span raw, struct err *err)
{
	char name[STORE_NAME];

	if (fileops->mkdirat(st->dir, "corrupt", 0700) < 0 && errno != EEXIST) {
		err_sys(err, "making spool/corrupt");
		return false;
	}
	int dir = fileops->openat(st->dir, "corrupt", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (dir < 0) {
		err_sys(err, "opening spool/corrupt");
		return false;
	}
	(void)snprintf(name, sizeof name, "%08x.%llx", loc.segment, (unsigned long long)loc.block * SPOOL_BLOCK);
	bool ok = faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || store_write_file(dir, name, "new", raw, err);
	close_fd(dir);
	return ok;
}
