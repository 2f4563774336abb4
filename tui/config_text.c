#include "tui/config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "mtactl/display.h"
#include "tui/paint.h"

#define FILE_MAX	((size_t)4 << 20)
#define PIECES_MAX	12	/* rows of one finding */

void
config_text_init(struct config_text *t, const char *dir)
{
	static const char *const names[CONFIG_FILES] = { "main.cf", "master.cf" };

	*t = (struct config_text){ .linted = false };
	for (size_t i = 0; i < CONFIG_FILES; i++) {
		struct buf path = BUF_INIT(4096);
		buf_printf(&path, "%s/%s", dir, names[i]);
		t->files[i].path = buf_take(&path);
	}
}

static void
drop_report(struct config_text *t)
{
	for (size_t i = 0; i < t->report.count; i++)
		buf_clear(&t->texts[i]);
	free(t->texts);
	t->texts = NULL;
	lint_report_clear(&t->report);
	t->report = (struct lint_report){ .count = 0 };
	t->linted = false;
	t->count = 0;
}

void
config_text_clear(struct config_text *t)
{
	drop_report(t);
	for (size_t i = 0; i < CONFIG_FILES; i++) {
		free(t->files[i].path);
		free(t->files[i].lines);
		buf_clear(&t->files[i].text);
	}
	free(t->rows);
	*t = (struct config_text){ .linted = false };
}

/* -- reading -------------------------------------------------------------- */

static void
look_at(const char *path, struct stat *st)
{
	if (stat(path, st) < 0)
		*st = (struct stat){ .st_size = 0 };
}

bool
config_text_stale(const struct config_text *t)
{
	for (size_t i = 0; i < CONFIG_FILES; i++) {
		const struct stat *was = &t->files[i].stat;
		struct stat now;
		look_at(t->files[i].path, &now);
		if (now.st_ino != was->st_ino || now.st_dev != was->st_dev || now.st_size != was->st_size ||
		    now.st_mtim.tv_sec != was->st_mtim.tv_sec || now.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
			return true;
	}
	return false;
}

static void
split(struct config_file *f)
{
	struct span rest = buf_view(&f->text), line;
	size_t cap = 0;

	free(f->lines);
	f->lines = NULL;
	f->count = 0;
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		if (f->count == cap)
			f->lines = mem_grow(f->lines, cap = cap == 0 ? 256 : cap * 2, sizeof *f->lines);
		f->lines[f->count++] = line;
	}
}

static void
read_file(struct config_file *f)
{
	char bytes[16384];
	size_t n;

	buf_clear(&f->text);
	f->text.max = FILE_MAX;
	f->err.kind = ERR_NONE;
	look_at(f->path, &f->stat);
	FILE *in = fopen(f->path, "re");
	if (in == NULL) {
		err_sys(&f->err, "it cannot be read");
	} else {
		while (!f->text.over && (n = fread(bytes, 1, sizeof bytes, in)) > 0)
			buf_put(&f->text, bytes, n);
		if (ferror(in))
			err_sys(&f->err, "it cannot be read");
		fclose(in);
		if (f->text.over)
			err_set(&f->err, ERR_SYS, "it is larger than is shown here");
	}
	split(f);
}

void
config_text_read(struct config_text *t)
{
	drop_report(t);
	for (size_t i = 0; i < CONFIG_FILES; i++)
		read_file(&t->files[i]);
}

static size_t
file_of(const struct config_text *t, const struct lint_finding *f)
{
	size_t i = 0;

	while (i < CONFIG_FILES && strcmp(f->file, t->files[i].path) != 0)
		i++;
	return i;
}

/* In another file: which, and where. */
static void
put_place(const struct config_text *t, const struct lint_finding *f, struct span dir, struct buf *out)
{
	struct span file = span_str(f->file);

	if (file_of(t, f) < CONFIG_FILES || file.len == 0)
		return;
	if (file.len > dir.len + 1 && span_eq(span_head(file, dir.len), dir) && file.ptr[dir.len] == '/')
		file = span_skip(file, dir.len + 1);
	safe_text(out, file, false);
	if (f->line > 0)
		buf_printf(out, ":%u", f->line);
	buf_str(out, ": ");
}

void
config_text_lint(struct config_text *t, const struct conf_override *overrides, size_t n)
{
	struct buf dir = BUF_INIT(4096);

	drop_report(t);
	buf_span(&dir, span_head(span_str(t->files[0].path), span_rfind(span_str(t->files[0].path), '/')));
	struct lint_options options = { .dir = dir.ptr, .overrides = overrides, .override_count = n };
	lint_run(&options, &t->report);
	t->texts = mem_array(t->report.count + 1, sizeof *t->texts);
	for (size_t i = 0; i < t->report.count; i++) {
		const struct lint_finding *f = &t->report.items[i];
		t->texts[i] = BUF_INIT(8192);
		buf_printf(&t->texts[i], "%s %s: ", lint_rule(f->code)->code, lint_level_name(f->level));
		put_place(t, f, buf_view(&dir), &t->texts[i]);
		safe_text(&t->texts[i], span_str(f->message), false);
	}
	t->linted = true;
	buf_clear(&dir);
}

/* -- rows ----------------------------------------------------------------- */

static void
add_row(struct config_text *t, struct config_row row)
{
	if (t->count == t->cap)
		t->rows = mem_grow(t->rows, t->cap = t->cap == 0 ? 256 : t->cap * 2, sizeof *t->rows);
	t->rows[t->count++] = row;
}

/* Bytes of safe text that fit into the columns, up to a blank where there is one. */
static size_t
fitting(struct span s, int width)
{
	size_t at = 0, blank = 0;
	int used = 0;

	while (at < s.len) {
		int w;
		size_t n = paint_char(span_skip(s, at), &w);
		if (used + w > width)
			return blank > 0 ? blank : at > 0 ? at : n;
		used += w;
		at += n;
		if (s.ptr[at - 1] == ' ')
			blank = at;
	}
	return at;
}

static void
add_finding(struct config_text *t, size_t file, size_t finding, int width)
{
	struct span text = buf_view(&t->texts[finding]), rest = text;
	unsigned line = file < CONFIG_FILES ? t->report.items[finding].line : 0;

	for (int i = 0; i < PIECES_MAX && rest.len > 0; i++) {
		size_t n = fitting(rest, width < 20 ? 20 : width);
		add_row(t, (struct config_row){ .kind = ROW_FINDING, .file = file, .line = line, .finding = finding,
		    .from = (size_t)(rest.ptr - text.ptr), .len = n });
		rest = span_skip(rest, n);
	}
}

/* The report is in the order of files and lines. Findings behind the last line (of a file that was cut short) belong to the end. */
static void
lay_file(struct config_text *t, size_t file, int width)
{
	const struct config_file *f = &t->files[file];
	const struct lint_report *r = &t->report;
	size_t next = 0;

	while (next < r->count && file_of(t, &r->items[next]) != file)
		next++;
	add_row(t, (struct config_row){ .kind = ROW_FILE, .file = file });
	for (size_t line = 0; line <= f->count; line++) {
		if (line > 0)
			add_row(t, (struct config_row){ .kind = ROW_LINE, .file = file, .line = (unsigned)line });
		for (; next < r->count && file_of(t, &r->items[next]) == file; next++) {
			if (r->items[next].line > line && line < f->count)
				break;
			add_finding(t, file, next, width);
		}
	}
}

void
config_text_lay(struct config_text *t, int width)
{
	bool others = false;

	t->count = 0;
	for (size_t i = 0; i < CONFIG_FILES; i++)
		lay_file(t, i, width);
	for (size_t i = 0; i < t->report.count; i++) {
		if (file_of(t, &t->report.items[i]) < CONFIG_FILES)
			continue;
		if (!others)
			add_row(t, (struct config_row){ .kind = ROW_FILE, .file = CONFIG_FILES });
		others = true;
		add_finding(t, CONFIG_FILES, i, width);
	}
}

/* -- asking --------------------------------------------------------------- */

struct span
config_text_line(const struct config_text *t, const struct config_row *row)
{
	if (row->file >= CONFIG_FILES || row->line == 0 || row->line > t->files[row->file].count)
		return SPAN_NONE;
	return t->files[row->file].lines[row->line - 1];
}

const struct lint_finding *
config_text_finding(const struct config_text *t, const struct config_row *row)
{
	if (row->kind == ROW_FINDING)
		return &t->report.items[row->finding];
	for (size_t i = 0; i < t->report.count && row->kind == ROW_LINE; i++)
		if (t->report.items[i].line == row->line && file_of(t, &t->report.items[i]) == row->file)
			return &t->report.items[i];
	return NULL;
}

bool
config_text_worst(const struct config_text *t, const struct config_row *row, enum lint_level *worst)
{
	bool any = false;

	for (size_t i = 0; i < t->report.count; i++) {
		const struct lint_finding *f = &t->report.items[i];
		if (f->line != row->line || file_of(t, f) != row->file)
			continue;
		if (!any || f->level > *worst)
			*worst = f->level;
		any = true;
	}
	return any;
}

/* How far from the place it was, where the line is the same one; a finding's row is as good as its line. */
size_t
config_text_place(const struct config_text *t, const struct config_row *was, struct span line)
{
	size_t best = 0, best_far = SIZE_MAX, near = 0, near_far = SIZE_MAX;

	for (size_t i = 0; i < t->count; i++) {
		const struct config_row *row = &t->rows[i];
		if (row->file != was->file || row->kind == ROW_FINDING)
			continue;
		size_t far = row->line > was->line ? row->line - was->line : was->line - row->line;
		if (far < near_far) {
			near_far = far;
			near = i;
		}
		if (far < best_far && row->kind == was->kind && span_eq(config_text_line(t, row), line)) {
			best_far = far;
			best = i;
		}
	}
	return best_far != SIZE_MAX ? best : near;
}

bool
config_text_next(const struct config_text *t, size_t from, bool backwards, size_t *to)
{
	for (size_t i = 1; i <= t->count; i++) {
		size_t at = (from + (backwards ? t->count - i : i)) % t->count;
		if (t->rows[at].kind != ROW_FINDING || t->rows[at].from > 0)
			continue;
		*to = at;
		return true;
	}
	return false;
}

struct span
config_text_name(const struct config_text *t, const struct config_row *row, unsigned *start)
{
	if (row->file >= CONFIG_FILES || row->line == 0)
		return SPAN_NONE;
	const struct config_file *f = &t->files[row->file];
	for (unsigned n = row->line <= f->count ? row->line : (unsigned)f->count; n > 0; n--) {
		struct span line = f->lines[n - 1];
		bool blank = span_trim(line).len == 0 || *span_ltrim(line).ptr == '#';
		if (blank && n == row->line)
			return SPAN_NONE;
		if (blank || *line.ptr == ' ' || *line.ptr == '\t')
			continue;	/* comments may stand between a value's lines */
		*start = n;
		size_t len = 0;
		while (len < line.len && line.ptr[len] != '=' && line.ptr[len] != ' ' && line.ptr[len] != '\t')
			len++;
		return span_head(line, len);
	}
	return SPAN_NONE;
}
