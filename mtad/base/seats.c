#include "base/seats.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS	2048	/* twice what master.cf may have: names of former configurations stay */

struct seats_row {
	_Atomic uint64_t name;		/* a hash; 0: free */
	_Atomic int64_t	 full, wanted;
	_Atomic uint32_t taken[SEATS_COLUMNS];
};

struct seats {
	_Atomic int64_t	 wanted;	/* in any row */
	struct seats_row rows[ROWS];
};

int
seats_new(struct err *err)
{
	int fd = memfd_create("mtad-seats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)sizeof(struct seats)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	err_sys(err, "no memory for the receive processes to share");
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

struct seats *
seats_map(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct seats)) {
		err_set(err, ERR_SYS, "the table of sessions has not its size");
		return NULL;
	}
	void *at = mmap(NULL, sizeof(struct seats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		err_sys(err, "cannot map the table of sessions");
		return NULL;
	}
	return at;
}

void
seats_unmap(struct seats *s)
{
	if (s != NULL)
		(void)munmap(s, sizeof *s);
}

/* FNV-1a: the names are the administrator's own. */
static uint64_t
hash(struct span name)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.ptr[i]) * 1099511628211u;
	return h == 0 ? 1 : h;
}

struct seats_row *
seats_row(struct seats *s, struct span name)
{
	uint64_t h = hash(name);

	for (unsigned i = 0; s != NULL && i < ROWS; i++) {
		struct seats_row *row = &s->rows[(h + i) % ROWS];
		uint64_t there = 0;
		if (atomic_compare_exchange_strong(&row->name, &there, h) || there == h)
			return row;
	}
	return NULL;
}

uint32_t
seats_taken(const struct seats_row *row)
{
	uint32_t n = 0;

	for (unsigned i = 0; row != NULL && i < SEATS_COLUMNS; i++)
		n += atomic_load(&row->taken[i]);
	return n;
}

void
seats_note_full(struct seats_row *row, int64_t now)
{
	if (row != NULL)
		atomic_store(&row->full, now);
}

int64_t
seats_full_at(const struct seats_row *row)
{
	return row == NULL ? 0 : atomic_load(&row->full);
}

void
seats_want(struct seats *s, struct seats_row *row, int64_t now)
{
	if (s == NULL || row == NULL)
		return;
	atomic_store(&row->wanted, now);
	atomic_store(&s->wanted, now);
}

int64_t
seats_wanted_at(const struct seats_row *row)
{
	return row == NULL ? 0 : atomic_load(&row->wanted);
}

int64_t
seats_any_wanted_at(const struct seats *s)
{
	return s == NULL ? 0 : atomic_load(&s->wanted);
}

bool
seats_take(struct seats_row *row, uint32_t column, uint32_t limit)
{
	if (row == NULL || column >= SEATS_COLUMNS)
		return true;
	atomic_fetch_add(&row->taken[column], 1);
	if (limit == 0 || seats_taken(row) <= limit)
		return true;
	atomic_fetch_sub(&row->taken[column], 1);
	return false;
}

/* Never below nothing: the master may have cleared it. */
void
seats_give(struct seats_row *row, uint32_t column)
{
	if (row == NULL || column >= SEATS_COLUMNS)
		return;
	uint32_t n = atomic_load(&row->taken[column]);
	while (n > 0 && !atomic_compare_exchange_weak(&row->taken[column], &n, n - 1))
		;
}

void
seats_clear(struct seats *s, uint32_t column)
{
	for (unsigned i = 0; s != NULL && column < SEATS_COLUMNS && i < ROWS; i++)
		atomic_store(&s->rows[i].taken[column], 0);
}
