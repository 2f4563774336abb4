#include "table/build_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTENT_MAX	((size_t)1 << 20)

static bool
read_one(struct span name, struct buf *out, struct err *err)
{
	struct buf path = BUF_INIT(4096);
	struct stat st;
	char chunk[16384];
	ssize_t n = -1;

	buf_span(&path, name);
	int fd = path.over || span_has(name, '\0') ? -1 : open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		err_set(err, ERR_SYS, "open %.*s: %s", SPAN_ARG(span_head(name, 150)), path.over ? "the name is too long" : strerror(errno));
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err_set(err, ERR_SYS, "open %.*s: not a regular file", SPAN_ARG(span_head(name, 150)));
	else
		while ((n = read(fd, chunk, sizeof chunk)) > 0 && out->len < CONTENT_MAX)
			buf_put(out, chunk, (size_t)n);
	if (n > 0 || (n < 0 && err->kind == ERR_NONE))
		err_set(err, ERR_SYS, "read %.*s: %s", SPAN_ARG(span_head(name, 150)), n > 0 ? "over 1 MiB" : strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	buf_clear(&path);
	return n == 0;
}

bool
build_files_read(struct span names, struct buf *out, struct err *err)
{
	struct span name;
	bool first = true;

	*err = (struct err){ ERR_NONE, "" };
	while (span_word(&names, ", \t\r\n", &name)) {
		if (!first)
			buf_char(out, '\n');
		first = false;
		if (!read_one(name, out, err))
			return false;
	}
	if (first)
		err_set(err, ERR_SYS, "empty pathname list");
	return !first;
}
