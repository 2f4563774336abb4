#include "spool/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pack.h"
#include "spool/checkpoint_format.h"
#include "spool/fileops.h"
#include "spool/jobs.h"
#include "spool/segment.h"
#include "spool/store.h"

#define BUSY	((size_t)8 << 20)	/* bytes on their way to the disk */

struct checkpoint {
	struct job	 job;		/* the last one */
	struct store	*st;
	uint64_t	 nonce;
	uint64_t	 blocks, entries;
	uint64_t	 at;		/* in the file */
	struct buf	 fill;
	size_t		 waiting;
	void		(*done)(void *arg, bool ok, const char *text);
	void		*arg;
	/* The thread's. */
	int		 dir, fd;
	bool		 failed;
	struct err	 err;
};

struct block {
	struct job	 job;
	struct checkpoint *cp;
	uint64_t	 at;
	struct buf	 bytes;
};

static void
failed(struct checkpoint *cp, const char *doing)
{
	if (!cp->failed)
		err_sys(&cp->err, "%s the checkpoint", doing);
	cp->failed = true;
}

static void
run_open(struct checkpoint *cp)
{
	(void)fileops->unlinkat(cp->dir, "checkpoint.new");
	cp->fd = fileops->openat(cp->dir, "checkpoint.new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (cp->fd < 0)
		failed(cp, "making");
}

static void
run_block(struct job *j)
{
	struct block *b = (struct block *)j;
	struct checkpoint *cp = b->cp;

	if (cp->fd < 0 && !cp->failed)
		run_open(cp);
	if (!cp->failed && !fileops_write_all(cp->fd, b->bytes.ptr, b->bytes.len, (off_t)b->at))
		failed(cp, "writing");
}

static void
block_done(struct job *j)
{
	struct block *b = (struct block *)j;

	b->cp->waiting -= b->bytes.len;
	buf_clear(&b->bytes);
	free(b);
}

/* What is in cp->fill behind the room for the block's header leaves. */
static void
post_block(struct checkpoint *cp, enum cp_kind kind)
{
	struct block *b;

	if (cp->fill.over)
		panic("checkpoint: a block is too large");
	unsigned char *p = (unsigned char *)cp->fill.ptr;
	uint32_t n = (uint32_t)(cp->fill.len - CP_BLOCK);
	num_put32(p, CP_MAGIC);
	num_put32(p + 4, kind);
	num_put32(p + 8, n);
	num_put64(p + 16, cp->blocks++);
	num_put32(p + 12, cp_crc(kind == CP_HEAD ? 0 : cp->nonce, p, p + CP_BLOCK, n));
	MEM_NEW(b);
	b->job = (struct job){ .run = run_block, .done = block_done };
	b->cp = cp;
	b->at = cp->at;
	b->bytes = cp->fill;
	cp->at += b->bytes.len;
	cp->waiting += b->bytes.len;
	cp->fill = BUF_INIT(CP_BLOCK_MAX + CP_BLOCK);
	jobs_post(store_jobs(cp->st), &b->job);
}

static void
begin_block(struct checkpoint *cp)
{
	char *p = buf_room(&cp->fill, CP_BLOCK);

	memset(p, 0, CP_BLOCK);
	buf_added(&cp->fill, CP_BLOCK);
}

struct checkpoint *
checkpoint_begin(struct store *st, const struct checkpoint_log *logs, uint32_t count, struct span extra)
{
	struct checkpoint *cp;

	MEM_NEW(cp);
	cp->st = st;
	cp->dir = store_dir(st);
	cp->fd = -1;
	clock_random_bytes(&cp->nonce, sizeof cp->nonce);
	cp->fill = BUF_INIT(CP_BLOCK_MAX + CP_BLOCK);
	begin_block(cp);
	pack_u32(&cp->fill, CP_VERSION);
	pack_u32(&cp->fill, 0);
	buf_put(&cp->fill, store_uuid(st), SPOOL_UUID);
	pack_u64(&cp->fill, cp->nonce);
	pack_u32(&cp->fill, count);
	for (uint32_t i = 0; i < count; i++) {
		pack_u32(&cp->fill, logs[i].segment);
		pack_u64(&cp->fill, logs[i].nonce);
		pack_u64(&cp->fill, logs[i].offset);
	}
	pack_span(&cp->fill, extra);
	post_block(cp, CP_HEAD);
	return cp;
}

void
checkpoint_put(struct checkpoint *cp, struct span entry)
{
	if (entry.len > CP_ENTRY_MAX)
		panic("checkpoint_put: an entry of %zu bytes", entry.len);
	if (cp->fill.len == 0)
		begin_block(cp);
	pack_span(&cp->fill, entry);
	cp->entries++;
	if (cp->fill.len >= CP_TARGET)
		post_block(cp, CP_ENTRIES);
}

bool
checkpoint_busy(const struct checkpoint *cp)
{
	return cp->waiting > BUSY;
}

static void
run_commit(struct job *j)
{
	struct checkpoint *cp = (struct checkpoint *)j;

	if (!cp->failed && fileops->fdatasync(cp->fd) < 0)
		failed(cp, "syncing");
	if (cp->fd >= 0)
		(void)fileops->close(cp->fd);
	if (!cp->failed &&
	    (fileops->renameat(cp->dir, "checkpoint.new", "checkpoint") < 0 || fileops->fsync(cp->dir) < 0))
		failed(cp, "renaming");
	if (cp->failed)
		(void)fileops->unlinkat(cp->dir, "checkpoint.new");
}

static void
commit_done(struct job *j)
{
	struct checkpoint *cp = (struct checkpoint *)j;

	if (cp->done != NULL)
		cp->done(cp->arg, !cp->failed, cp->failed ? cp->err.text : "");
	buf_clear(&cp->fill);
	free(cp);
}

static void
finish(struct checkpoint *cp, void (*run)(struct job *))
{
	cp->job = (struct job){ .run = run, .done = commit_done };
	jobs_post(store_jobs(cp->st), &cp->job);
}

void
checkpoint_commit(struct checkpoint *cp, void (*done)(void *arg, bool ok, const char *text), void *arg)
{
	cp->done = done;
	cp->arg = arg;
	if (cp->fill.len > 0)
		post_block(cp, CP_ENTRIES);
	begin_block(cp);
	pack_u64(&cp->fill, cp->blocks);
	pack_u64(&cp->fill, cp->entries);
	post_block(cp, CP_END);
	finish(cp, run_commit);
}

static void
run_drop(struct job *j)
{
	struct checkpoint *cp = (struct checkpoint *)j;

	cp->failed = true;
	run_commit(j);
}

void
checkpoint_drop(struct checkpoint *cp)
{
	if (cp == NULL)
		return;
	finish(cp, run_drop);
}
