#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/fileops.h"

#include "unit/spool/disk.h"

#define SECTOR	512u
#define NAME	40

enum op_kind { OP_CREATE, OP_MKDIR, OP_WRITE, OP_SYNC, OP_RENAME, OP_UNLINK, OP_MARK };

struct op {
	enum op_kind	 kind;
	uint32_t	 node;		/* WRITE, SYNC: the file or directory; CREATE, MKDIR: what was made */
	uint32_t	 dir;		/* CREATE, MKDIR, RENAME, UNLINK */
	char		 name[NAME], to[NAME];
	uint64_t	 at;		/* WRITE: offset; SYNC: operations before this one are covered; MARK: value */
	size_t		 len;
	unsigned char	*bytes;
	int		 mark;
	size_t		 synced;	/* the first operation that makes this one certain; SIZE_MAX: none did */
};

struct node {
	dev_t		 dev;
	ino_t		 ino;
	int		 fd;		/* held open, so that the inode number is not used again */
	bool		 dir;
};

struct disk {
	pthread_mutex_t	 lock;
	struct op	*ops;
	size_t		 count, room;
	struct node	*nodes;
	uint32_t	 node_count;
	uint64_t	 jitter;
};

static struct disk *disk;

/* -- writing down ---------------------------------------------------------------------------- */

static uint32_t
node_of(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return UINT32_MAX;
	for (uint32_t i = 0; i < disk->node_count; i++) {
		if (disk->nodes[i].ino == sb.st_ino && disk->nodes[i].dev == sb.st_dev)
			return i;
	}
	return UINT32_MAX;
}

static uint32_t
node_add(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		abort();
	disk->nodes = mem_grow(disk->nodes, disk->node_count + 1, sizeof *disk->nodes);
	disk->nodes[disk->node_count] = (struct node){ sb.st_dev, sb.st_ino, dup(fd), S_ISDIR(sb.st_mode) };
	return disk->node_count++;
}

static struct op *
op_add(enum op_kind kind)
{
	if (disk->count == disk->room) {
		disk->room = disk->room == 0 ? 1024 : disk->room * 2;
		disk->ops = mem_grow(disk->ops, disk->room, sizeof *disk->ops);
	}
	struct op *o = &disk->ops[disk->count++];
	*o = (struct op){ .kind = kind, .node = UINT32_MAX, .dir = UINT32_MAX, .synced = SIZE_MAX };
	return o;
}

static void
set_name(char to[NAME], const char *name)
{
	if (strlen(name) >= NAME || strchr(name, '/') != NULL)
		abort();
	strcpy(to, name);
}

static int
disk_openat(int dir, const char *name, int flags, mode_t mode)
{
	struct stat sb;

	pthread_mutex_lock(&disk->lock);
	bool existed = fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
	/* The layer has no operation for it. */
	if (existed && (flags & O_TRUNC) != 0 && sb.st_size > 0)
		abort();
	int fd = openat(dir, name, flags, mode);
	if (fd >= 0 && !existed) {
		uint32_t node = node_add(fd);
		struct op *o = op_add(OP_CREATE);
		o->node = node;
		o->dir = node_of(dir);
		set_name(o->name, name);
	}
	int saved = errno;
	pthread_mutex_unlock(&disk->lock);
	errno = saved;
	return fd;
}

static ssize_t
disk_pwrite(int fd, const void *p, size_t n, off_t at)
{
	pthread_mutex_lock(&disk->lock);
	ssize_t did = pwrite(fd, p, n, at);
	uint32_t node = node_of(fd);
	if (did > 0 && node != UINT32_MAX) {
		struct op *o = op_add(OP_WRITE);
		o->node = node;
		o->at = (uint64_t)at;
		o->len = (size_t)did;
		o->bytes = mem_new((size_t)did);
		memcpy(o->bytes, p, (size_t)did);
	}
	pthread_mutex_unlock(&disk->lock);
	return did;
}

/* Takes a while, as disks do: others go on writing meanwhile. */
static int
disk_sync(int fd)
{
	pthread_mutex_lock(&disk->lock);
	size_t before = disk->count;
	uint32_t node = node_of(fd);
	disk->jitter = disk->jitter * UINT64_C(6364136223846793005) + 1442695040888963407u;
	useconds_t pause = (useconds_t)(disk->jitter >> 33) % 400;
	pthread_mutex_unlock(&disk->lock);
	usleep(pause);
	pthread_mutex_lock(&disk->lock);
	if (node != UINT32_MAX) {
		struct op *o = op_add(OP_SYNC);
		o->node = node;
		o->at = before;
	}
	pthread_mutex_unlock(&disk->lock);
	return 0;
}

static int
disk_renameat(int dir, const char *from, const char *to)
{
	pthread_mutex_lock(&disk->lock);
	int rc = renameat(dir, from, dir, to);
	if (rc == 0) {
		struct op *o = op_add(OP_RENAME);
		o->dir = node_of(dir);
		set_name(o->name, from);
		set_name(o->to, to);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int
disk_unlinkat(int dir, const char *name)
{
	pthread_mutex_lock(&disk->lock);
	int rc = unlinkat(dir, name, 0);
	if (rc == 0) {
		struct op *o = op_add(OP_UNLINK);
		o->dir = node_of(dir);
		set_name(o->name, name);
	}
	int saved = errno;
	pthread_mutex_unlock(&disk->lock);
	errno = saved;
	return rc;
}

static int
disk_mkdirat(int dir, const char *name, mode_t mode)
{
	pthread_mutex_lock(&disk->lock);
	int rc = mkdirat(dir, name, mode);
	int saved = errno;
	if (rc == 0) {
		int fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
		uint32_t node = node_add(fd);
		close(fd);
		struct op *o = op_add(OP_MKDIR);
		o->node = node;
		o->dir = node_of(dir);
		set_name(o->name, name);
	}
	pthread_mutex_unlock(&disk->lock);
	errno = saved;
	return rc;
}

static int
disk_fallocate(int fd, off_t size)
{
	(void)fd;
	(void)size;
	return 0;
}

static const struct fileops recording = {
	.openat = disk_openat,
	.close = close,
	.pwrite = disk_pwrite,
	.fdatasync = disk_sync,
	.fsync = disk_sync,
	.renameat = disk_renameat,
	.unlinkat = disk_unlinkat,
	.mkdirat = disk_mkdirat,
	.fallocate = disk_fallocate,
};

struct disk *
disk_start(int dir)
{
	MEM_NEW(disk);
	pthread_mutex_init(&disk->lock, NULL);
	(void)node_add(dir);
	fileops = &recording;
	return disk;
}

/* For each operation, the first sync that covers it. */
static void
find_syncs(struct disk *d)
{
	for (size_t s = 0; s < d->count; s++) {
		if (d->ops[s].kind != OP_SYNC)
			continue;
		for (size_t i = d->ops[s].at; i-- > 0;) {
			struct op *o = &d->ops[i];
			uint32_t node = o->kind == OP_WRITE ? o->node : o->kind == OP_SYNC || o->kind == OP_MARK ? UINT32_MAX : o->dir;
			/* What an earlier sync covered ends the search: all before is covered too. */
			if (node != d->ops[s].node)
				continue;
			if (o->synced != SIZE_MAX)
				break;
			o->synced = s;
		}
	}
}

void
disk_stop(struct disk *d)
{
	fileops = &fileops_kernel;
	find_syncs(d);
}

void
disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->ops[i].bytes);
	for (uint32_t i = 0; i < d->node_count; i++)
		close(d->nodes[i].fd);
	free(d->ops);
	free(d->nodes);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void
disk_mark(struct disk *d, int kind, uint64_t value)
{
	pthread_mutex_lock(&d->lock);
	struct op *o = op_add(OP_MARK);
	o->mark = kind;
	o->at = value;
	pthread_mutex_unlock(&d->lock);
}

size_t
disk_ops(const struct disk *d)
{
	return d->count;
}

void
disk_marks(const struct disk *d, size_t cut, void (*fn)(void *arg, int kind, uint64_t value), void *arg)
{
	for (size_t i = 0; i < cut; i++) {
		if (d->ops[i].kind == OP_MARK)
			fn(arg, d->ops[i].mark, d->ops[i].at);
	}
}

/* -- after the power loss -------------------------------------------------------------------------- */

struct entry {				/* a name in a directory */
	uint32_t	 dir, node;
	char		 name[NAME];
};

struct state {
	const struct disk *d;
	unsigned char	**bytes;	/* of each node */
	size_t		*len, *cap;
	struct entry	*entries;
	size_t		 count;
	uint64_t	 random;
	uint32_t	 keep;		/* of 256 */
};

static bool
toss(struct state *s)
{
	s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (s->random >> 33 & 0xff) < s->keep;
}

static void
put_bytes(struct state *s, const struct op *o, size_t from, size_t to)
{
	uint32_t n = o->node;
	size_t end = o->at + to;

	if (end > s->cap[n]) {
		size_t cap = end < 4096 ? 4096 : 2 * end;
		s->bytes[n] = mem_grow(s->bytes[n], cap, 1);
		memset(s->bytes[n] + s->cap[n], 0, cap - s->cap[n]);
		s->cap[n] = cap;
	}
	memcpy(s->bytes[n] + o->at + from, o->bytes + from, to - from);
	if (end > s->len[n])
		s->len[n] = end;
}

static void
put_write(struct state *s, const struct op *o, bool certain)
{
	if (certain) {
		put_bytes(s, o, 0, o->len);
		return;
	}
	for (size_t at = 0; at < o->len;) {
		size_t next = at + SECTOR - (o->at + at) % SECTOR;
		if (next > o->len)
			next = o->len;
		if (toss(s))
			put_bytes(s, o, at, next);
		at = next;
	}
}

static struct entry *
entry_get(struct state *s, uint32_t dir, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->entries[i].dir == dir && strcmp(s->entries[i].name, name) == 0)
			return &s->entries[i];
	}
	return NULL;
}

static void
entry_drop(struct state *s, uint32_t dir, const char *name)
{
	struct entry *e = entry_get(s, dir, name);

	if (e != NULL)
		*e = s->entries[--s->count];
}

static void
entry_put(struct state *s, uint32_t dir, const char *name, uint32_t node)
{
	entry_drop(s, dir, name);
	s->entries = mem_grow(s->entries, s->count + 1, sizeof *s->entries);
	struct entry *e = &s->entries[s->count++];
	e->dir = dir;
	e->node = node;
	strcpy(e->name, name);
}

static void
put_name(struct state *s, const struct op *o)
{
	struct entry *e;

	switch (o->kind) {
	case OP_CREATE:
	case OP_MKDIR:
		entry_put(s, o->dir, o->name, o->node);
		break;
	case OP_UNLINK:
		entry_drop(s, o->dir, o->name);
		break;
	default:
		/* Where the old name's making was lost, the rename is lost too. */
		if ((e = entry_get(s, o->dir, o->name)) == NULL)
			break;
		uint32_t node = e->node;
		entry_drop(s, o->dir, o->name);
		entry_put(s, o->dir, o->to, node);
	}
}

static void
make_dir(const struct state *s, uint32_t dir, int fd)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct entry *e = &s->entries[i];
		if (e->dir != dir)
			continue;
		if (s->d->nodes[e->node].dir) {
			assert_int_equal(mkdirat(fd, e->name, 0700), 0);
			int sub = openat(fd, e->name, O_RDONLY | O_DIRECTORY);
			make_dir(s, e->node, sub);
			close(sub);
			continue;
		}
		int file = openat(fd, e->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(file >= 0);
		if (s->len[e->node] > 0)
			assert_int_equal(write(file, s->bytes[e->node], s->len[e->node]), s->len[e->node]);
		close(file);
	}
}

void
disk_replay(const struct disk *d, size_t cut, enum disk_rest rest, uint64_t seed, int dir)
{
	static const uint32_t keep[] = { 128, 25, 230 };
	struct state s = { .d = d, .random = seed * 2654435761u + 1 };

	s.keep = rest == DISK_NOTHING ? 0 : rest == DISK_EVERYTHING ? 256 : keep[seed % 3];
	s.bytes = mem_array(d->node_count, sizeof *s.bytes);
	s.len = mem_array(d->node_count, sizeof *s.len);
	s.cap = mem_array(d->node_count, sizeof *s.cap);
	for (size_t i = 0; i < cut; i++) {
		const struct op *o = &d->ops[i];
		bool certain = o->synced < cut || rest == DISK_EVERYTHING;
		if (o->kind == OP_WRITE && o->node != UINT32_MAX)
			put_write(&s, o, certain);
		else if (o->kind != OP_SYNC && o->kind != OP_MARK && o->kind != OP_WRITE && (certain || toss(&s)))
			put_name(&s, o);
	}
	make_dir(&s, 0, dir);
	for (uint32_t i = 0; i < d->node_count; i++)
		free(s.bytes[i]);
	free(s.bytes);
	free(s.len);
	free(s.cap);
	free(s.entries);
}
