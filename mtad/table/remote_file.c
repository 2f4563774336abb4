#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "conf/lines.h"
#include "table/remote.h"
#include "table/remote_check.h"

#define FILE_MAX	((size_t)1 << 20)
#define SETTINGS_MAX	200u

struct setting {
	char		*name, *value;
	unsigned	 line;
};

static struct span
setting_key(const void *item)
{
	return span_str(((const struct setting *)item)->name);
}

static void
add(struct remote_file *f, struct span name, struct span value, unsigned line)
{
	struct setting *s = map_get(&f->settings, name);

	if (s == NULL) {
		MEM_NEW(s);
		s->name = span_dup(name);
		map_add(&f->settings, s);
	}
	free(s->value);
	s->value = span_dup(value);
	s->line = line;
}

static bool
parse(struct remote_file *f, struct span text, struct err *err)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(FILE_MAX) };
	struct span line;
	unsigned number = 0;
	bool ok = true;

	while (ok && conf_lines_next(&lines, &line, &number)) {
		size_t eq = span_find(line, '=');
		struct span name = span_trim(span_head(line, eq));
		ok = eq < line.len && name.len > 0 && !span_has(line, '\0') && f->settings.count < SETTINGS_MAX;
		if (ok)
			add(f, name, span_trim(span_skip(line, eq + 1)), number);
		else
			err_set(err, ERR_SYS, "%s:%u: expected name = value", f->path, number);
	}
	buf_clear(&lines.text);
	return ok;
}

bool
remote_file_text(const char *path, struct buf *out, struct err *err)
{
	int (*open_fn)(const char *) = table_env()->open;
	char chunk[8192];
	ssize_t n;

	int fd = open_fn != NULL ? open_fn(path) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		err_sys(err, "open %s", path);
		return false;
	}
	/* By place: the descriptor may be one that others read, too. */
	while ((n = pread(fd, chunk, sizeof chunk, (off_t)out->len)) > 0 && !out->over)
		buf_put(out, chunk, (size_t)n);
	if (n < 0)
		err_sys(err, "read %s", path);
	else if (out->over)
		err_set(err, ERR_SYS, "%s is too large", path);
	(void)close(fd);
	return n == 0 && !out->over;
}

bool
remote_file_parse(struct remote_file *f, const char *path, struct span text, struct err *err)
{
	*f = (struct remote_file){ .settings = MAP_INIT(setting_key), .path = mem_str(path) };
	return parse(f, text, err);
}

/* The first thing for which the table would fail. */
static void
on_finding(void *arg, bool error, unsigned line, const char *text)
{
	struct err *err = arg;

	if (!error || err->kind != ERR_NONE)
		return;
	if (line > 0)
		err_set(err, ERR_SYS, "%u: %s", line, text);
	else
		err_set(err, ERR_SYS, " %s", text);
}

static bool
is_usable(const struct remote_file *f, const char *type, struct span text, struct err *err)
{
	struct err found = { ERR_NONE, "" };

	remote_check(span_str(type), text, on_finding, &found);
	if (found.kind != ERR_NONE)
		err_set(err, ERR_SYS, "%s:%s", f->path, found.text);
	return found.kind == ERR_NONE;
}

bool
remote_file_read(struct remote_file *f, const char *type, struct span path, struct err *err)
{
	struct buf text = BUF_INIT(FILE_MAX);

	*f = (struct remote_file){ .settings = MAP_INIT(setting_key) };
	if (!span_has(path, '/') || span_has(path, '\0')) {
		err_set(err, ERR_SYS, "%s:%.*s: name the file that says how to ask: %s:/path", type, SPAN_ARG(span_head(path, 100)), type);
		return false;
	}
	f->path = span_dup(path);
	bool ok = remote_file_text(f->path, &text, err) && is_usable(f, type, buf_view(&text), err) && parse(f, buf_view(&text), err);
	buf_clear(&text);
	if (!ok)
		remote_file_clear(f);
	return ok;
}

void
remote_file_clear(struct remote_file *f)
{
	struct setting *s;
	size_t at = 0;

	while (f->settings.key != NULL && (s = map_next(&f->settings, &at)) != NULL) {
		free(s->name);
		free(s->value);
		free(s);
	}
	map_clear(&f->settings);
	free(f->path);
	*f = (struct remote_file){ .settings = MAP_INIT(setting_key) };
}

static int
by_line(const void *a, const void *b)
{
	const struct setting *x = *(const struct setting *const *)a, *y = *(const struct setting *const *)b;

	return x->line < y->line ? -1 : x->line > y->line;
}

void
remote_file_each(const struct remote_file *f, void (*fn)(void *arg, const char *name, const char *value, unsigned line), void *arg)
{
	struct setting **sorted = mem_array(f->settings.count, sizeof(struct setting *)), *s;
	size_t n = 0, at = 0;

	while ((s = map_next(&f->settings, &at)) != NULL)
		sorted[n++] = s;
	if (n > 0)
		qsort(sorted, n, sizeof(struct setting *), by_line);
	for (size_t i = 0; i < n; i++)
		fn(arg, sorted[i]->name, sorted[i]->value, sorted[i]->line);
	free(sorted);
}

unsigned
remote_line(const struct remote_file *f, const char *name)
{
	const struct setting *s = map_get(&f->settings, span_str(name));

	return s == NULL ? 0 : s->line;
}

const char *
remote_str(const struct remote_file *f, const char *name, const char *def)
{
	const struct setting *s = map_get(&f->settings, span_str(name));

	return s == NULL ? def : s->value;
}

bool
remote_int(const struct remote_file *f, const char *name, int64_t def, int64_t min, int64_t max, int64_t *out, struct err *err)
{
	const char *text = remote_str(f, name, NULL);
	uint64_t n;

	*out = def;
	if (text == NULL)
		return true;
	if (!num_u64(span_str(text), &n) || n > INT64_MAX || (int64_t)n < min || (int64_t)n > max) {
		err_set(err, ERR_SYS, "%s:%u: %s = %.60s: a number from %lld to %lld is expected", f->path, remote_line(f, name), name, text,
		     (long long)min, (long long)max);
		return false;
	}
	*out = (int64_t)n;
	return true;
}

bool
remote_bool(const struct remote_file *f, const char *name, bool def)
{
	const char *text = remote_str(f, name, def ? "yes" : "no");

	return span_caseeqs(span_str(text), "yes");
}
