/* Descriptors that block. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>

#include "base/span.h"

/* All of it, however often it is interrupted; false with errno. */
bool	io_write_all(int fd, struct span);

#endif
