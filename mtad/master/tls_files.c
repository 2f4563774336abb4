#include "master/tls_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns.h"
#include "smtp/tls_client.h"

#define IDENTITY	128
#define DIRECTORY_MAX	((size_t)8 << 20)
#define DIRECTORY_FILES	2000u

struct file {
	char		*path;
	bool		 directory;
	enum role	 role;
};

struct files {
	struct file	*list;
	size_t		 count;
	enum role	 role;		/* of those that are added next */
};

/* -- which there are ------------------------------------------------------------------------ */

static void
add_path(void *arg, const char *path, bool directory)
{
	struct files *f = arg;

	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].role == f->role && f->list[i].directory == directory && strcmp(f->list[i].path, path) == 0)
			return;
	f->list = mem_grow(f->list, f->count + 1, sizeof *f->list);
	f->list[f->count++] = (struct file){ mem_str(path), directory, f->role };
}

static void
find_files(const struct conf *conf, struct files *f)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *service = conf_service(conf, i);
		const struct view *v = conf_view(conf, service);
		bool lmtp = strcmp(service->command, "lmtp") == 0;
		if (lmtp || strcmp(service->command, "smtp") == 0) {
			f->role = ROLE_SEND;
			tls_client_files(v, lmtp, add_path, f);
		}
	}
}

static void
files_clear(struct files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->list[i].path);
	free(f->list);
	*f = (struct files){ NULL, 0, ROLE_SEND };
}

/* -- directories of authorities --------------------------------------------------------------- */

/* "1a2b3c4d.0", as c_rehash names them: nothing else in the directory is meant. */
static bool
is_hashed(const char *name)
{
	for (size_t i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return name[8] == '.' && isdigit((unsigned char)name[9]);
}

static void
put_file(int dir, const char *name, struct buf *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return;
	do {
		char *room = buf_room(out, 16 << 10);
		n = room == NULL ? 0 : read(fd, room, 16 << 10);
		if (n > 0)
			buf_added(out, (size_t)n);
	} while (n > 0);
	buf_char(out, '\n');
	(void)close(fd);
}

/* Its hashed files: what makes them these, and with `out` their bytes. False where it cannot be read. */
static bool
walk(const char *path, char identity[IDENTITY], struct buf *out)
{
	DIR *d = opendir(path);
	uint32_t crc = 0;
	unsigned count = 0;

	if (d == NULL)
		return false;
	for (struct dirent *e; count < DIRECTORY_FILES && (e = readdir(d)) != NULL;) {
		struct stat st;
		if (!is_hashed(e->d_name) || fstatat(dirfd(d), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		/* A sum: the order in which they are read says nothing. */
		int64_t what[] = { (int64_t)st.st_ino, (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t)st.st_size };
		crc += crc32c(0, what, sizeof what);
		count++;
		if (out != NULL)
			put_file(dirfd(d), e->d_name, out);
	}
	closedir(d);
	(void)snprintf(identity, IDENTITY, "dir:%u:%08x", count, crc);
	return true;
}

static int
memory_of(const char *name, struct span bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (bytes.len > 0 && write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len) {
		(void)close(fd);
		return -1;
	}
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}

static void
add_directory(struct descs *now, const struct file *f, const char *key)
{
	struct buf pem = BUF_INIT(DIRECTORY_MAX);
	char identity[IDENTITY];

	if (walk(f->path, identity, &pem)) {
		if (pem.over)
			log_warning(NULL, "%s: holds more than %zu bytes of certificates", f->path, DIRECTORY_MAX);
		int fd = memory_of("tls-authorities", buf_view(&pem));
		if (fd >= 0)
			descs_add(now, f->role, EVERY_SLOT, key, identity, fd);
	} else {
		log_warning(NULL, "cannot open %s: %s", f->path, strerror(errno));
	}
	buf_clear(&pem);
}

/* -- handing out, looking after ------------------------------------------------------------------ */

static bool
key_of(const struct file *f, char key[4096])
{
	int n = snprintf(key, 4096, "%s:%s", f->directory ? "tls-dir" : "tls-file", f->path);

	return n > 0 && n < 4096;
}

void
tls_files_add(struct descs *now, const struct conf *conf)
{
	struct files files = { NULL, 0, ROLE_SEND };
	char key[4096];

	find_files(conf, &files);
	for (size_t i = 0; i < files.count; i++) {
		const struct file *f = &files.list[i];
		if (!key_of(f, key))
			continue;
		if (f->directory)
			add_directory(now, f, key);
		else if (!descs_add_file(now, f->role, key, f->path))
			log_warning(NULL, "cannot open %s: %s", f->path, strerror(errno));
	}
	files_clear(&files);
}

static const char *
known_identity(const struct master *m, const struct file *f)
{
	char key[4096];

	for (size_t i = 0; key_of(f, key) && i < m->descs.count; i++)
		if (m->descs.items[i].role == f->role && strcmp(m->descs.items[i].key, key) == 0)
			return m->descs.items[i].identity;
	return "";
}

static void
identity_of(const struct file *f, char identity[IDENTITY])
{
	struct stat st;

	identity[0] = '\0';
	if (f->directory)
		(void)walk(f->path, identity, NULL);
	else if (stat(f->path, &st) == 0)
		desc_identity(&st, identity, IDENTITY);
}

void
tls_files_changed(const struct master *m, struct buf *which)
{
	static struct files watched;
	static uint32_t generation;
	char identity[IDENTITY];

	if (generation != m->generation) {
		files_clear(&watched);
		find_files(m->conf, &watched);
		generation = m->generation;
	}
	for (size_t i = 0; i < watched.count; i++) {
		identity_of(&watched.list[i], identity);
		if (strcmp(identity, known_identity(m, &watched.list[i])) != 0)
			buf_printf(which, "%s%s", which->len > 0 ? ", " : "", watched.list[i].path);
	}
}

/* -- DNSSEC ------------------------------------------------------------------------------------------ */

static bool
wants_dnssec(const struct conf *conf)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *service = conf_service(conf, i);
		const struct view *v = conf_view(conf, service);
		bool smtp = strcmp(service->command, "smtp") == 0, lmtp = strcmp(service->command, "lmtp") == 0;
		const char *level = conf_str(v, lmtp ? P_lmtp_dns_support_level : P_smtp_dns_support_level);
		if ((smtp || lmtp) && span_caseeqs(span_trim(span_str(level)), "dnssec"))
			return true;
	}
	return false;
}

bool
dns_anchor_add(struct descs *now, const struct conf *conf, struct err *err)
{
	const char *path = conf_str(conf_main(conf), P_mtad_dns_anchor);

	if (!wants_dnssec(conf))
		return true;
	if (path[0] != '\0') {
		if (descs_add_file(now, ROLE_SEND, "dns-anchor", path))
			return true;
		err_sys(err, "mtad_dns_anchor = %s", path);
		return false;
	}
	int fd = memory_of("dns-anchor", span_str(dns_root_anchors));
	if (fd < 0) {
		err_sys(err, "trust anchors");
		return false;
	}
	descs_add(now, ROLE_SEND, EVERY_SLOT, "dns-anchor", "root", fd);
	return true;
}
