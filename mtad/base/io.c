#include "base/io.h"

#include <errno.h>
#include <unistd.h>

bool
io_write_all(int fd, struct span s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.ptr, s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = span_skip(s, (size_t)n);
	}
	return true;
}
