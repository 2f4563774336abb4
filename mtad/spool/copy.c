#include "spool/copy.h"

#include "spool/record.h"

bool
spool_copy(struct spool_writer *to, int fd, uint64_t nonce, struct loc from, struct buf *scratch,
    spool_done_fn *fn, void *arg, bool *full, struct err *err)
{
	struct record_head h;
	struct span payload;

	*full = false;
	if (!record_read(fd, nonce, from, scratch, &h, &payload, err))
		return false;
	struct iovec iov = { scratch->ptr + RECORD_HEADER, payload.len };
	if (spool_append_copy(to, h.type, h.generation + 1, &iov, 1, fn, arg))
		return true;
	*full = true;
	err_set(err, ERR_TEMP, "no room in the segments for compaction");
	return false;
}
