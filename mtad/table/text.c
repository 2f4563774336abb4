/* The text of tables: where it comes from, how its lines are taken apart, and who is told of bad ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/lines.h"
#include "table/shared.h"
#include "table/type.h"

#define TEXT_MAX	((size_t)64 << 20)

static struct complaints *kept;

void
table_keep_complaints(struct complaints *c)
{
	kept = c;
}

static void tell(struct span path, unsigned line, bool note, const char *fmt, va_list) __attribute__((format(printf, 4, 0)));

static void
tell(struct span path, unsigned line, bool note, const char *fmt, va_list ap)
{
	const struct table_env *env = table_env();
	bool wanted = env->warn != NULL && !(note && env->lost_only);
	char name[512], text[512];

	if (!wanted && kept == NULL)
		return;
	(void)snprintf(name, sizeof name, "%.*s", SPAN_ARG(span_head(path, sizeof name - 1)));
	(void)vsnprintf(text, sizeof text, fmt, ap);
	if (kept != NULL)
		complaint_add(kept, note, line, text);
	if (wanted)
		env->warn(env->arg, name, line, text);
}

void
table_warn(struct span path, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(path, line, false, fmt, ap);
	va_end(ap);
}

void
table_note(struct span path, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(path, line, true, fmt, ap);
	va_end(ap);
}

static bool
read_all(const char *path, struct buf *out, struct err *err)
{
	struct stat st;
	ssize_t n = 0;
	char chunk[65536];

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		err_set(err, ERR_SYS, "open %s: %s", path, strerror(errno));
		return false;
	}
	bool ok = fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
	while (ok && (n = read(fd, chunk, sizeof chunk)) > 0)
		buf_put(out, chunk, (size_t)n);
	if (!ok)
		err_set(err, ERR_SYS, "%s is a directory", path);
	else if (n < 0)
		err_sys(err, "cannot read %s", path);
	else if (out->over)
		err_set(err, ERR_SYS, "%s has more than %zu bytes", path, TEXT_MAX);
	close(fd);
	return ok && n == 0 && !out->over;
}

bool
table_text(const struct conf *conf, const char *type, struct span path, struct buf *space, struct span *text, struct err *err)
{
	struct buf name = BUF_INIT(4096);

	*space = BUF_INIT(TEXT_MAX);
	if (span_starts(span_ltrim(path), "{") && strcmp(type, "texthash") != 0) {
		bool whole = table_inline_text(type, path, space, err);
		*text = buf_view(space);
		if (!whole)
			buf_clear(space);
		return whole;
	}
	if (conf_file(conf, path, text))
		return true;
	if (table_env()->open != NULL) {	/* a role: what it was not given it cannot have */
		err_set(err, ERR_SYS, "%s: %.*s was not read with the configuration; give its whole path", type,
		    SPAN_ARG(span_head(path, 120)));
		return false;
	}
	buf_span(&name, path);
	bool ok = path.len > 0 && !name.over && !span_has(path, '\0');
	if (!ok)
		err_set(err, ERR_SYS, "%s: \"%.*s\" is no name of a file", type, SPAN_ARG(span_head(path, 120)));
	else
		ok = read_all(name.ptr, space, err);
	buf_clear(&name);
	*text = buf_view(space);
	if (!ok)
		buf_clear(space);
	return ok;
}

bool
table_line_ok(struct span path, unsigned number, const struct conf_lines *lines, struct span line)
{
	if (lines->text.over)
		table_warn(path, number, "the line is longer than %zu bytes -- ignoring this line", lines->text.max);
	else if (span_has(line, '\0'))
		table_warn(path, number, "the line has a NUL byte -- ignoring this line");
	else
		return true;
	return false;
}

bool
table_pair(struct span line, struct span *key, struct span *value, const char **why)
{
	bool quoted = false;
	size_t n;

	line = span_ltrim(line);
	for (n = 0; n < line.len && (quoted || !span_has(SPAN(" \t\r\n\f\v"), line.ptr[n])); n++) {
		if (line.ptr[n] == '\\' && n + 1 < line.len)
			n++;
		else if (line.ptr[n] == '"')
			quoted = !quoted;
	}
	*key = span_head(line, n);
	*value = span_trim(span_skip(line, n));
	*why = quoted ? "unbalanced '\"'" : "expected format: key whitespace value";
	return !quoted && key->len > 0 && value->len > 0;
}
