/* A compiled table (GDBM) with any bytes: asked and listed, it answers or says that it is damaged, and the library does not end the process. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table/compiled.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
count(void *arg, struct span key, struct span value)
{
	size_t *n = arg;

	(void)key;
	(void)value;
	return ++*n < 10000;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf value = BUF_INIT(0);
	struct err err = { ERR_NONE, "" };
	size_t n = 0;

	int fd = memfd_create("table", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	struct compiled *c = compiled_new(fd, "table", &err);
	if (c == NULL && err.text[0] == '\0')
		abort();
	if (c != NULL) {
		if (compiled_get(c, SPAN("key"), &value, &err) == TABLE_FAILED && err.text[0] == '\0')
			abort();
		(void)compiled_each(c, count, &n, &err);
	}
	compiled_unref(c);
	buf_clear(&value);
	return 0;
}
