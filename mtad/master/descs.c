#include "master/descs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

void
descs_add(struct descs *d, enum role role, uint32_t slot, const char *key, const char *identity, int fd)
{
	d->items = mem_grow(d->items, d->count + 1, sizeof *d->items);
	d->items[d->count++] = (struct desc){ mem_str(key), mem_str(identity), role, slot, fd };
}

int
descs_sealed(const char *name, struct span bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if ((bytes.len == 0 || write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len) &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

void
desc_identity(const struct stat *st, char *out, size_t size)
{
	(void)snprintf(out, size, "file:%ju:%ju:%jd.%09ld:%jd", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
	    (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_size);
}

bool
descs_add_file(struct descs *d, enum role role, const char *key, const char *path)
{
	char identity[128];
	struct stat st;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0) {
		(void)close(fd);
		return false;
	}
	desc_identity(&st, identity, sizeof identity);
	descs_add(d, role, EVERY_SLOT, key, identity, fd);
	return true;
}

int
descs_same(const struct descs *d, enum role role, uint32_t slot, const char *identity)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->items[i].role == role && d->items[i].slot == slot &&
		    strcmp(d->items[i].identity, identity) == 0)
			return fcntl(d->items[i].fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

void
descs_clear(struct descs *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->items[i].key);
		free(d->items[i].identity);
		(void)close(d->items[i].fd);
	}
	free(d->items);
	*d = (struct descs){ 0 };
}

static bool
is_for(const struct desc *d, enum role role, uint32_t slot)
{
	return (d->role == ROLE_COUNT || d->role == role) && (d->slot == EVERY_SLOT || d->slot == slot);
}

static const struct desc *
find(const struct descs *d, enum role role, uint32_t slot, const char *key)
{
	for (size_t i = 0; d != NULL && i < d->count; i++)
		if (is_for(&d->items[i], role, slot) && strcmp(d->items[i].key, key) == 0)
			return &d->items[i];
	return NULL;
}

bool
descs_alike(const struct descs *a, const struct descs *b, enum role role, const char *key)
{
	const struct desc *x = find(a, role, 0, key), *y = find(b, role, 0, key);

	return x == NULL || y == NULL ? x == y : strcmp(x->identity, y->identity) == 0;
}

void
descs_send(const struct descs *now, const struct descs *before, struct ipc *c, enum role role, uint32_t slot,
    uint32_t generation)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct desc *d = &now->items[i];
		if (!is_for(d, role, slot))
			continue;
		const struct desc *old = find(before, role, slot, d->key);
		if (old == NULL || strcmp(old->identity, d->identity) != 0)
			ipc_send_descriptor(c, &(struct ipc_descriptor){ generation, span_str(d->key) }, d->fd);
	}
	for (size_t i = 0; before != NULL && i < before->count; i++) {
		const struct desc *d = &before->items[i];
		if (is_for(d, role, slot) && find(now, role, slot, d->key) == NULL)
			ipc_send_descriptor_drop(c, &(struct ipc_descriptor_drop){ generation, span_str(d->key) }, -1);
	}
}
