#include "net/tls_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "table/table.h"

#define SEPARATORS	"\t\r\n ,"
#define ENTRIES_MAX	10000

enum kind { ONE_FILE, FILES, DIRECTORY };

static const struct {
	enum param	 p;
	enum kind	 kind;
} rows[] = {
	{ P_smtpd_tls_CAfile, ONE_FILE }, { P_smtpd_tls_CApath, DIRECTORY }, { P_smtpd_tls_chain_files, FILES },
	{ P_smtpd_tls_cert_file, ONE_FILE }, { P_smtpd_tls_key_file, ONE_FILE }, { P_smtpd_tls_eccert_file, ONE_FILE },
	{ P_smtpd_tls_eckey_file, ONE_FILE }, { P_smtpd_tls_dcert_file, ONE_FILE }, { P_smtpd_tls_dkey_file, ONE_FILE },
};

void
tls_files_put(struct tls_file_list *g, struct span path, bool directory)
{
	/* "none" is no file (smtpd_tls_cert_file). */
	if (!span_starts(path, "/") || path.len > 4000)
		return;
	for (size_t i = 0; i < g->count; i++)
		if (span_eqs(path, g->items[i].path) && g->items[i].directory == directory)
			return;
	g->items = mem_grow(g->items, g->count + 1, sizeof *g->items);
	g->items[g->count++] = (struct tls_file){ span_dup(path), directory };
}

static void
add_list(struct tls_file_list *g, const char *list, bool directory)
{
	struct span rest = span_str(list), word;

	while (span_word(&rest, SEPARATORS, &word))
		tls_files_put(g, word, directory);
}

/* ldap:'s and the like would have paths as values too; they are not asked here. */
static bool
add_value(void *arg, struct span key, struct span value)
{
	struct span word;

	(void)key;
	while (span_word(&value, SEPARATORS, &word))
		tls_files_put(arg, word, false);
	return true;
}

/* Tables that are read as text name files; compiled ones (postmap -F) hold their bytes. */
static void
add_sni(struct tls_file_list *g, const struct view *v)
{
	struct tables maps;

	if (!tables_open(&maps, view_conf(v), conf_str(v, P_tls_server_sni_maps), NULL))
		return;
	for (size_t i = 0; i < maps.count; i++) {
		struct span name = span_str(table_name(maps.list[i])), type = span_head(name, span_find(name, ':'));
		if (!table_type_compiled(type))
			(void)table_each(maps.list[i], add_value, g, NULL);
	}
	tables_clear(&maps);
}

static void
add_view(struct tls_file_list *g, const struct view *v)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		add_list(g, conf_str(v, rows[i].p), rows[i].kind == DIRECTORY);
	if (conf_bool(v, P_tls_append_default_CA))
		tls_files_put(g, SPAN(TLS_DEFAULT_CA), false);
	if (*conf_str(v, P_tls_server_sni_maps) != '\0')
		add_sni(g, v);
}

size_t
tls_files(const struct conf *conf, struct tls_file **out)
{
	struct tls_file_list g = { NULL, 0 };

	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		if (strcmp(s->command, "smtpd") == 0)
			add_view(&g, conf_view(conf, s));
	}
	*out = g.items;
	return g.count;
}

void
tls_files_free(struct tls_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(files[i].path);
	free(files);
}

/* -- reading ------------------------------------------------------------------------------- */

static bool
read_fd(int fd, const char *path, struct buf *out, struct err *err)
{
	char piece[16384];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(err, ERR_SYS, "%s is not a plain file", path);
		return false;
	}
	for (off_t at = 0; (n = pread(fd, piece, sizeof piece, at)) > 0 && out->len <= TLS_FILE_MAX; at += n)
		buf_put(out, piece, (size_t)n);
	if (n < 0)
		err_sys(err, "cannot read %s", path);
	else if (out->len > TLS_FILE_MAX || out->over)
		err_set(err, ERR_SYS, "%s is too large", path);
	else
		return true;
	return false;
}

static bool
read_at(int dir, const char *name, const char *path, struct buf *out, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		err_sys(err, "cannot open %s", path);
		return false;
	}
	bool ok = read_fd(fd, path, out, err);
	(void)close(fd);
	return ok;
}

/* As c_rehash makes them: eight hexadecimal digits, a dot, a number. */
static bool
is_hash(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == 8 && name[8] == '.' && name[9] != '\0' && name[9 + strspn(name + 9, "0123456789")] == '\0';
}

typedef void hashed_fn(int dir, const char *name, void *arg);

static bool
each_hashed(const char *path, hashed_fn *fn, void *arg)
{
	DIR *d = opendir(path);
	unsigned count = 0;
	struct dirent *e;

	if (d == NULL)
		return false;
	while ((e = readdir(d)) != NULL && count < ENTRIES_MAX)
		if (is_hash(e->d_name)) {
			fn(dirfd(d), e->d_name, arg);
			count++;
		}
	(void)closedir(d);
	return true;
}

static void
put_hashed(int dir, const char *name, void *out)
{
	if (read_at(dir, name, name, out, NULL))
		buf_char(out, '\n');
}

static bool
read_directory(const char *path, struct buf *out, struct err *err)
{
	if (each_hashed(path, put_hashed, out))
		return true;
	err_sys(err, "cannot open %s", path);
	return false;
}

struct sum {
	uint32_t	 crc;
	unsigned	 count;
};

/* A sum: the order in which they are read says nothing. */
static void
sum_hashed(int dir, const char *name, void *arg)
{
	struct sum *sum = arg;
	struct stat st;

	if (fstatat(dir, name, &st, 0) < 0)
		return;
	int64_t what[] = { (int64_t)st.st_ino, (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t)st.st_size };
	sum->crc += crc32c(0, what, sizeof what);
	sum->count++;
}

void
tls_file_identify(const char *path, bool directory, char out[TLS_FILE_IDENTITY])
{
	struct sum sum = { 0, 0 };
	struct stat st;

	out[0] = '\0';
	if (directory && each_hashed(path, sum_hashed, &sum))
		(void)snprintf(out, TLS_FILE_IDENTITY, "dir:%u:%08x", sum.count, sum.crc);
	else if (!directory && stat(path, &st) == 0)
		(void)snprintf(out, TLS_FILE_IDENTITY, "tls:%ju:%ju:%jd.%09ld:%jd", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec,
		    st.st_mtim.tv_nsec, (intmax_t)st.st_size);
}

bool
tls_file_open(const char *path, bool directory, struct buf *out, struct err *err)
{
	return directory ? read_directory(path, out, err) : read_at(AT_FDCWD, path, path, out, err);
}

static tls_file_fn *reader;
static void *reader_arg;

void
tls_files_use(tls_file_fn *fn, void *arg)
{
	reader = fn;
	reader_arg = arg;
}

bool
tls_file_read(const char *path, bool directory, struct buf *out, struct err *err)
{
	return reader == NULL ? tls_file_open(path, directory, out, err) : reader(reader_arg, path, directory, out, err);
}
