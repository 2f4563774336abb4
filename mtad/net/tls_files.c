#include "net/tls_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct gathering {
	struct tls_file	*items;
	size_t		 count;
};

static void
add(struct gathering *g, struct span path, bool directory)
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
add_list(struct gathering *g, const char *list, bool directory)
{
	struct span rest = span_str(list), word;

	while (span_word(&rest, SEPARATORS, &word))
		add(g, word, directory);
}

/* ldap:'s and the like would have paths as values too; they are not asked here. */
static bool
add_value(void *arg, struct span key, struct span value)
{
	struct span word;

	(void)key;
	while (span_word(&value, SEPARATORS, &word))
		add(arg, word, false);
	return true;
}

/* Tables that are read as text name files; compiled ones (postmap -F) hold their bytes. */
static void
add_sni(struct gathering *g, const struct view *v)
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
add_view(struct gathering *g, const struct view *v)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		add_list(g, conf_str(v, rows[i].p), rows[i].kind == DIRECTORY);
	if (conf_bool(v, P_tls_append_default_CA))
		add(g, SPAN(TLS_DEFAULT_CA), false);
	if (*conf_str(v, P_tls_server_sni_maps) != '\0')
		add_sni(g, v);
}

size_t
tls_files(const struct conf *conf, struct tls_file **out)
{
	struct gathering g = { 0 };

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

static bool
read_directory(const char *path, struct buf *out, struct err *err)
{
	DIR *d = opendir(path);
	unsigned count = 0;
	struct dirent *e;

	if (d == NULL) {
		err_sys(err, "cannot open %s", path);
		return false;
	}
	while ((e = readdir(d)) != NULL && count < ENTRIES_MAX)
		if (is_hash(e->d_name) && read_at(dirfd(d), e->d_name, e->d_name, out, NULL)) {
			buf_char(out, '\n');
			count++;
		}
	(void)closedir(d);
	if (count > 0)
		return true;
	err_set(err, ERR_SYS, "%s has no certificates under names as c_rehash makes them", path);
	return false;
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
