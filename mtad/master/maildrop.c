#include "master/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "master/master.h"

#define LOOK_EVERY	MINUTE
#define GATHER		(SECOND / 20)	/* events of one burst are one look */
#define MOST_AT_ONCE	64		/* files that receive roles have at a time */
#define MOST_A_LOOK	10000		/* directory entries */

enum drop_state {
	DROP_SENT,	/* a receive role has it */
	DROP_KEPT,	/* not taken; tried again later */
	DROP_STRANGE,	/* not a file that may be taken; said once */
};

struct drop {
	char		*name;
	enum drop_state	 state;
	uint32_t	 slot;
	int64_t		 until;		/* monotonic; DROP_KEPT */
	bool		 seen;		/* in the look that is going on */
};

struct maildrop {
	struct master	*master;
	int		 dir_fd;
	const char	*path;
	int		 watch_fd;
	struct loop_io	 watch;
	struct loop_timer timer;
	struct map	 drops;
	size_t		 sent;
	uint32_t	 next_slot;
	bool		 stopped;
};

static struct span
drop_key(const void *item)
{
	return span_str(((const struct drop *)item)->name);
}

static struct drop *
drop_add(struct maildrop *md, const char *name, enum drop_state state)
{
	struct drop *d;

	MEM_NEW(d);
	d->name = mem_str(name);
	d->state = state;
	d->seen = true;
	map_add(&md->drops, d);
	md->sent += state == DROP_SENT;
	return d;
}

static void
drop_free(struct maildrop *md, struct drop *d)
{
	md->sent -= d->state == DROP_SENT;
	(void)map_del(&md->drops, span_str(d->name));
	free(d->name);
	free(d);
}

static struct child *
next_receiver(struct maildrop *md)
{
	struct master *m = md->master;

	for (uint32_t i = 0; i < m->receive_slots; i++) {
		struct child *c = child_find(m, ROLE_RECEIVE, md->next_slot++ % m->receive_slots);
		if (c != NULL && c->state == CHILD_READY && c->ipc != NULL)
			return c;
	}
	return NULL;
}

/*
 * What is in this directory comes from any local user: a link, a device or a second name of somebody's file must not be read with our rights.
 * -1: not to be taken; *strange tells a file that is only not complete yet.
 */
static int
open_drop(struct maildrop *md, const char *name, struct stat *st, bool *strange)
{
	*strange = false;
	if (fstatat(md->dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISREG(st->st_mode) && (st->st_mode & S_IXUSR) == 0)
		return -1;
	int fd = openat(md->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 && (st->st_mode & S_IXUSR) != 0)
		return fd;
	*strange = true;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static void
send_drop(struct maildrop *md, struct child *to, const char *name)
{
	struct stat st;
	bool strange;

	int fd = open_drop(md, name, &st, &strange);
	if (strange) {
		log_warning(NULL, "%s/%s is not a plain file with one name: left alone", md->path, name);
		(void)drop_add(md, name, DROP_STRANGE);
	}
	if (fd < 0)
		return;
	ipc_send_pickup(to->ipc, &(struct ipc_pickup){ .name = span_str(name), .uid = st.st_uid,
	    .arrival = st.st_mtim.tv_sec * SECOND + st.st_mtim.tv_nsec / 1000 }, fd);
	drop_add(md, name, DROP_SENT)->slot = to->slot;
	(void)close(fd);
}

static void
one_entry(struct maildrop *md, const char *name)
{
	struct drop *d = map_get(&md->drops, span_str(name));

	if (d != NULL) {
		d->seen = true;
		if (d->state != DROP_KEPT || d->until > clock_mono())
			return;
	}
	if (md->sent >= MOST_AT_ONCE)
		return;
	struct child *to = next_receiver(md);
	if (to == NULL)
		return;
	if (d != NULL)
		drop_free(md, d);
	send_drop(md, to, name);
}

/* Forgets the names that are gone. Deleting moves items, so the walk begins anew after each. */
static void
forget_unseen(struct maildrop *md)
{
	size_t at = 0;
	struct drop *d;

	while ((d = map_next(&md->drops, &at)) != NULL) {
		if (d->seen || d->state == DROP_SENT)
			continue;
		drop_free(md, d);
		at = 0;
	}
}

static void
look(struct maildrop *md)
{
	const struct dirent *e;
	struct drop *d;
	size_t at = 0;
	int n = 0;

	/* A description of its own: a duplicate would share its place in the directory. */
	int fd = openat(md->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		log_warning(NULL, "cannot read %s: %s", md->path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((d = map_next(&md->drops, &at)) != NULL)
		d->seen = false;
	while (n < MOST_A_LOOK && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		one_entry(md, e->d_name);
	}
	(void)closedir(dir);
	if (n < MOST_A_LOOK)
		forget_unseen(md);
}

static void
on_timer(void *arg)
{
	struct maildrop *md = arg;

	if (md->stopped)
		return;
	look(md);
	loop_timer_set(&md->timer, LOOK_EVERY);
}

static void
on_watch(void *arg, short what)
{
	struct maildrop *md = arg;
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)what;
	while (read(md->watch_fd, events, sizeof events) > 0)
		;
	loop_timer_set(&md->timer, GATHER);
}

struct maildrop *
maildrop_new(struct master *m, int dir_fd, const char *path)
{
	struct maildrop *md;

	MEM_NEW(md);
	md->master = m;
	md->dir_fd = dir_fd;
	md->path = path;
	md->drops = MAP_INIT(drop_key);
	loop_timer_init(&md->timer, on_timer, md);
	md->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* The mode bit comes last, so a change of mode is what tells that a file is complete. */
	if (md->watch_fd < 0 || inotify_add_watch(md->watch_fd, path, IN_ATTRIB | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0) {
		log_warning(NULL, "cannot watch %s (%s): it is looked at each minute", path, strerror(errno));
	} else {
		loop_io_init(&md->watch, md->watch_fd, on_watch, md);
		loop_io_watch(&md->watch, EV_READ);
	}
	loop_timer_set(&md->timer, 0);
	return md;
}

void
maildrop_stop(struct maildrop *md)
{
	if (md == NULL)
		return;
	md->stopped = true;
	loop_timer_stop(&md->timer);
	loop_io_watch(&md->watch, 0);
}

void
maildrop_look(struct maildrop *md)
{
	if (md != NULL && !md->stopped)
		loop_timer_set(&md->timer, GATHER);
}

void
maildrop_done(struct maildrop *md, uint32_t slot, struct span name, bool remove)
{
	struct drop *d = md == NULL ? NULL : map_get(&md->drops, name);

	if (d == NULL || d->state != DROP_SENT || d->slot != slot)
		return;
	bool was_full = md->sent >= MOST_AT_ONCE;
	if (remove && unlinkat(md->dir_fd, d->name, 0) == 0) {
		drop_free(md, d);
	} else {
		if (remove)
			log_warning(NULL, "cannot remove %s/%s: %s", md->path, d->name, strerror(errno));
		md->sent--;
		d->state = remove ? DROP_STRANGE : DROP_KEPT;	/* never twice into the queue */
		d->until = clock_mono() + LOOK_EVERY / 2;
	}
	if (was_full)
		maildrop_look(md);
}

void
maildrop_slot_gone(struct maildrop *md, uint32_t slot)
{
	size_t at = 0;
	struct drop *d;

	if (md == NULL)
		return;
	while ((d = map_next(&md->drops, &at)) != NULL) {
		if (d->state != DROP_SENT || d->slot != slot)
			continue;
		drop_free(md, d);
		at = 0;
	}
	maildrop_look(md);
}
