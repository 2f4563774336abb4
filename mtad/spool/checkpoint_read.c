#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/pack.h"
#include "spool/checkpoint.h"
#include "spool/checkpoint_format.h"
#include "spool/segment.h"

struct checkpoint_reader {
	int		 fd;
	uint64_t	 nonce, at, size;
	uint64_t	 blocks, entries;
	struct checkpoint_log *logs;
	uint32_t	 log_count;
	struct span	 extra;
	struct buf	 head, block;
	struct unpack	 left;		/* of the block */
	bool		 damaged, ended;
};

static bool
read_exactly(struct checkpoint_reader *r, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(r->fd, p, n, (off_t)r->at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
		r->at += (uint64_t)got;
	}
	return true;
}

/* The next block's bytes into `into`; its kind, or 0 where it is damaged. */
static uint32_t
read_block(struct checkpoint_reader *r, struct buf *into)
{
	unsigned char h[CP_BLOCK];

	if (!read_exactly(r, (char *)h, sizeof h) || num_get32(h) != CP_MAGIC || num_get64(h + 16) != r->blocks)
		return 0;
	uint32_t n = num_get32(h + 8);
	if (n > CP_BLOCK_MAX || n > r->size - r->at)
		return 0;
	buf_reset(into);
	char *p = buf_room(into, n);
	if (p == NULL || !read_exactly(r, p, n))
		return 0;
	buf_added(into, n);
	uint32_t kind = num_get32(h + 4);
	if (num_get32(h + 12) != cp_crc(kind == CP_HEAD ? 0 : r->nonce, h, p, n))
		return 0;
	r->blocks++;
	return kind;
}

static bool
read_logs(struct checkpoint_reader *r, struct unpack *u)
{
	r->log_count = unpack_u32(u);
	if (r->log_count > CP_LOGS_MAX || r->log_count > u->left.len / 20)
		return false;
	r->logs = mem_array(r->log_count + 1, sizeof *r->logs);
	for (uint32_t i = 0; i < r->log_count; i++) {
		r->logs[i].segment = unpack_u32(u);
		r->logs[i].nonce = unpack_u64(u);
		r->logs[i].offset = unpack_u64(u);
	}
	r->extra = unpack_span(u);
	return unpack_end(u);
}

static bool
read_head(struct checkpoint_reader *r, const unsigned char *uuid, struct err *err)
{
	if (read_block(r, &r->head) != CP_HEAD) {
		err_set(err, ERR_PERM, "spool/checkpoint is damaged");
		return false;
	}
	struct unpack u = { .left = buf_view(&r->head) };
	uint32_t version = unpack_u32(&u), features = unpack_u32(&u);
	if (version == 0 || version > CP_VERSION || features != 0) {
		err_set(err, ERR_PERM, "spool/checkpoint has format %u (features %x), of a later version of mtad", version,
		    features);
		return false;
	}
	struct span mine = span_head(u.left, SPOOL_UUID);
	u.left = span_skip(u.left, SPOOL_UUID);
	if (uuid != NULL && !span_eq(mine, span_of(uuid, SPOOL_UUID))) {
		err_set(err, ERR_PERM, "spool/checkpoint is of another spool");
		return false;
	}
	r->nonce = unpack_u64(&u);
	if (read_logs(r, &u))
		return true;
	err_set(err, ERR_PERM, "spool/checkpoint is damaged in its head");
	return false;
}

struct checkpoint_reader *
checkpoint_open_fd(int fd, const unsigned char *uuid, struct err *err)
{
	struct checkpoint_reader *r;
	struct stat sb;

	MEM_NEW(r);
	r->fd = fd;
	r->head = r->block = BUF_INIT(CP_BLOCK_MAX);
	if (fstat(fd, &sb) < 0) {
		err_sys(err, "reading spool/checkpoint");
		checkpoint_close(r);
		return NULL;
	}
	r->size = (uint64_t)sb.st_size;
	if (read_head(r, uuid, err))
		return r;
	checkpoint_close(r);
	return NULL;
}

struct checkpoint_reader *
checkpoint_open(int dir, const unsigned char *uuid, bool *found, struct err *err)
{
	int fd = openat(dir, "checkpoint", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	*found = fd >= 0 || errno != ENOENT;
	if (fd < 0) {
		if (*found)
			err_sys(err, "opening spool/checkpoint");
		return NULL;
	}
	return checkpoint_open_fd(fd, uuid, err);
}

const struct checkpoint_log *
checkpoint_logs(const struct checkpoint_reader *r, uint32_t *count)
{
	*count = r->log_count;
	return r->logs;
}

struct span
checkpoint_extra(const struct checkpoint_reader *r)
{
	return r->extra;
}

uint64_t
checkpoint_size(const struct checkpoint_reader *r)
{
	return r->size;
}

static bool
end_ok(struct checkpoint_reader *r)
{
	struct unpack u = { .left = buf_view(&r->block) };
	/* The end block itself is counted by now. */
	bool same = unpack_u64(&u) == r->blocks - 1;

	same = unpack_u64(&u) == r->entries && same;
	return unpack_end(&u) && same && r->at == r->size;
}

enum checkpoint_result
checkpoint_next(struct checkpoint_reader *r, struct span *entry)
{
	while (!r->damaged && !r->ended) {
		if (unpack_more(&r->left)) {
			*entry = unpack_span(&r->left);
			if (r->left.fault)
				break;
			r->entries++;
			return CHECKPOINT_ENTRY;
		}
		switch (read_block(r, &r->block)) {
		case CP_ENTRIES:
			r->left = (struct unpack){ .left = buf_view(&r->block) };
			break;
		case CP_END:
			r->ended = end_ok(r);
			r->damaged = !r->ended;
			break;
		default:
			r->damaged = true;
		}
	}
	r->damaged = r->damaged || !r->ended;
	return r->damaged ? CHECKPOINT_DAMAGED : CHECKPOINT_END;
}

void
checkpoint_close(struct checkpoint_reader *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	free(r->logs);
	buf_clear(&r->head);
	buf_clear(&r->block);
	free(r);
}
