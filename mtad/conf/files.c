/*
 * The files that lists and text tables name. Roles can open no path, so they are read where the configuration is loaded
 * and travel with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/private.h"

#define FILES_MAX	1000

/* Lists of patterns, in which "/path" stands for what the file holds. */
static const enum param lists[] = {
	P_mynetworks, P_mydestination, P_relay_domains, P_virtual_alias_domains, P_virtual_mailbox_domains,
	P_inet_interfaces, P_proxy_interfaces, P_debug_peer_list, P_fast_flush_domains,
	P_smtpd_client_event_limit_exceptions, P_smtpd_forbid_bare_newline_exclusions, P_smtpd_authorized_xclient_hosts, P_smtpd_authorized_xforward_hosts, P_smtpd_authorized_verp_clients,
	P_permit_mx_backup_networks,
	P_authorized_flush_users, P_authorized_mailq_users, P_authorized_submit_users,
	P_smtp_connection_cache_destinations, P_smtpd_noop_commands,
	P_mtad_admin_users, P_mtad_read_users,
};

struct file_reader {
	struct conf	*conf;
	struct conf_problems *problems;
	const char	*source;	/* file and line that name the path */
	unsigned	 line;
	const char	*name;		/* the parameter */
	enum problem_level level;	/* of a file that cannot be read */
	unsigned	 count;
};

static struct span
file_key(const void *item)
{
	return span_str(((const struct conf_file *)item)->path);
}

/* True with the bytes; FIFOs and devices are refused before they can block. */
static bool
slurp(const char *path, size_t max, struct buf *out, struct err *err)
{
	struct stat st;
	bool ok = false;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		err_sys(err, "cannot open %s", path);
		return false;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		err_set(err, ERR_SYS, "%s is not a plain file", path);
		goto out;
	}
	char chunk[65536];
	while ((n = read(fd, chunk, sizeof chunk)) > 0 && out->len <= max)
		buf_put(out, chunk, (size_t)n);
	if (n < 0)
		err_sys(err, "cannot read %s", path);
	else if (out->len > max || out->over)
		err_set(err, ERR_SYS, "%s is too large: over %zu bytes with what was read before", path,
		    max);
	else
		ok = true;
out:
	close(fd);
	return ok;
}

bool
conf_slurp(const char *path, struct buf *out, struct err *err)
{
	return slurp(path, CONF_TEXT_MAX, out, err);
}

bool
conf_file_add(struct conf *c, struct span path, struct span data)
{
	struct conf_file *f;

	if (c->files.key == NULL)
		c->files = MAP_INIT(file_key);
	if (span_has(path, '\0') || map_get(&c->files, path) != NULL || c->files.count >= FILES_MAX ||
	    data.len > CONF_FILES_MAX - c->file_bytes)
		return false;
	MEM_NEW(f);
	f->path = span_dup(path);
	f->data = span_dup(data);
	f->len = data.len;
	c->file_bytes += data.len;
	map_add(&c->files, f);
	return true;
}

/* By way of its bytes: whoever has the old one keeps it as it is. */
struct conf *
conf_with_file(const struct conf *old, struct span path, struct span data, struct err *err)
{
	struct buf frozen = BUF_INIT(0);
	struct conf_file *f;
	struct conf *c;

	conf_freeze(old, &frozen);
	c = conf_thaw(buf_view(&frozen), err);
	buf_clear(&frozen);
	if (c == NULL)
		return NULL;
	f = c->files.key == NULL ? NULL : map_get(&c->files, path);
	if (f == NULL || data.len > CONF_FILES_MAX - (c->file_bytes - f->len)) {
		err_set(err, ERR_PERM, f == NULL ? "%.*s is no file of the configuration" :
		    "%.*s is too large: all files that lists and text tables name may have 16 MiB together", SPAN_ARG(span_head(path, 120)));
		conf_unref(c);
		return NULL;
	}
	c->file_bytes = c->file_bytes - f->len + data.len;
	free(f->data);
	f->data = span_dup(data);
	f->len = data.len;
	return c;
}

bool
conf_file(const struct conf *c, struct span path, struct span *data)
{
	const struct conf_file *f = c->files.key == NULL ? NULL : map_get(&c->files, path);
	if (f != NULL)
		*data = span_of(f->data, f->len);
	return f != NULL;
}

static void scan(struct file_reader *, struct span text, bool list);

static void
read_path(struct file_reader *r, struct span path, bool list)
{
	struct buf data = BUF_INIT(CONF_FILES_MAX + 65536), name = BUF_INIT(4096);
	struct span known;
	struct err err = { ERR_NONE, "" };

	if (conf_file(r->conf, path, &known))
		return;
	buf_span(&name, path);
	if (name.over || r->count++ >= FILES_MAX)
		conf_problem_add(r->problems, PROBLEM_ERROR, r->source, r->line,
		    "%s: too many files, or a path too long", r->name);
	else if (!slurp(name.ptr, CONF_FILES_MAX - r->conf->file_bytes, &data, &err))
		conf_problem_add(r->problems, r->level, r->source, r->line, "%s: %s", r->name, err.text);
	else if (conf_file_add(r->conf, path, buf_view(&data)) && list &&
	    conf_file(r->conf, path, &known))
		scan(r, known, true);
	buf_clear(&data);
	buf_clear(&name);
}

/* Depth of files that name files is bounded by FILES_MAX: each is read once, and r->count counts them. */
static void
scan(struct file_reader *r, struct span text, bool list)
{
	static const char *const types[] = { "texthash:", "cidr:", "regexp:", "pcre:" };
	struct span word;

	/* In a restriction list braces group words; elsewhere they hold patterns that only look like paths. */
	while (span_word(&text, list ? CONF_LIST_SEPS : CONF_LIST_SEPS "{}", &word)) {
		bool negated = span_starts(word, "!");
		if (negated)
			word = span_skip(word, 1);
		if (span_starts(word, "proxy:"))
			word = span_skip(word, 6);
		if (list && span_starts(word, "/"))
			read_path(r, word, true);
		for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
			struct span path = span_skip(word, strlen(types[i]));
			if (span_starts(word, types[i]) && span_starts(path, "/"))
				read_path(r, path, false);
		}
	}
}

static bool
is_list(enum param p)
{
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (lists[i] == p)
			return true;
	return false;
}

/* Lists of restrictions that the site named itself. */
static void
scan_classes(struct file_reader *r, const struct view *v)
{
	struct span rest = span_str(conf_str(v, P_smtpd_restriction_classes)), word;

	r->line = conf_line(r->conf, SPAN("smtpd_restriction_classes"));
	r->name = "smtpd_restriction_classes";
	while (span_word(&rest, CONF_LIST_SEPS, &word)) {
		struct buf value = BUF_INIT(CONF_VALUE_MAX);
		if (conf_raw(v, word) != NULL && conf_expanded(v, word, &value, NULL))
			scan(r, buf_view(&value), false);
		buf_clear(&value);
	}
}

static void
scan_view(struct file_reader *r, const struct view *v)
{
	struct buf path = BUF_INIT(8192);

	buf_printf(&path, "%s/%s", r->conf->dir, v->service == NULL ? "main.cf" : "master.cf");
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;
		const struct param_row *row = param_row(p);
		if (row->type != PARAM_STR || row->standing != HONOURED)
			continue;
		const char *value = conf_str(v, p);
		if (strchr(value, '/') == NULL)
			continue;
		r->source = path.ptr;
		r->name = row->name;
		r->line = v->service != NULL ? v->service->line : conf_line(r->conf, span_str(row->name));
		/* A file by itself. Notices without it are better than none, as it has only their words. */
		r->level = p == P_bounce_template_file ? PROBLEM_WARNING : PROBLEM_ERROR;
		if (p == P_bounce_template_file)
			read_path(r, span_trim(span_str(value)), false);
		else
			scan(r, span_str(value), is_list(p));
	}
	r->level = PROBLEM_ERROR;
	r->source = path.ptr;
	scan_classes(r, v);
	buf_clear(&path);
}

void
files_read(struct conf *c, struct conf_problems *problems)
{
	struct file_reader r = { .conf = c, .problems = problems, .level = PROBLEM_ERROR };

	scan_view(&r, &c->main);
	for (size_t i = 0; i < c->line_count; i++)
		if (c->lines[i]->view.overrides.count > 0)
			scan_view(&r, &c->lines[i]->view);
}
