/* What a server of a table may answer, the texts that tables are built of, and pattern tables, whose first line is taken for the key. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>

#include "conf/conf.h"
#include "table/build_text.h"
#include "table/remote_replies.h"
#include "table/table.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define PATTERNS_MAX	2000u	/* the C library's expressions may nest, and take stack, with the pattern's length */

static struct conf *conf;

static void
ask(const char *type, const char *path, struct span key)
{
	struct buf spec = BUF_INIT(0), value = BUF_INIT(1 << 20);
	struct err err;

	buf_printf(&spec, "%s:%s", type, path);
	struct table *t = table_open(conf, buf_view(&spec), &err);
	if (t != NULL)
		(void)table_get(t, NULL, key, &value, &err);
	table_free(t);
	buf_clear(&spec);
	buf_clear(&value);
}

static void
as_text(struct span all)
{
	static int fd = -1;
	char path[64];
	struct span rest = all, key;

	if (fd < 0)
		fd = memfd_create("table", MFD_CLOEXEC);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!span_cut(&rest, '\n', &key) || rest.ptr == NULL || ftruncate(fd, 0) < 0 || pwrite(fd, rest.ptr, rest.len, 0) < 0)
		return;
	ask("texthash", path, key);
	ask("cidr", path, key);
	if (all.len <= PATTERNS_MAX)
		ask("pcre", path, key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_of(data, size);
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
	const char *why;
	size_t len;

	if (conf == NULL) {
		struct conf_problems problems = { .count = 0 };
		conf = conf_parse("/nowhere", SPAN_NONE, SPAN_NONE, &problems);
		conf_problems_clear(&problems);
	}
	(void)remote_tcp_reply(s, &a, NULL);
	(void)remote_socketmap_reply(s, &a, NULL);
	(void)remote_memcache_value(s, 1000, &len, NULL);
	(void)build_alias_line(s, &a, &b, &why);
	as_text(s);
	buf_clear(&a);
	buf_clear(&b);
	return 0;
}
