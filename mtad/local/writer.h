/*
 * Writing a message to a file: gathered, with "From " quoting for mbox, never past a limit. The first error stays.
 */
#ifndef LOCAL_WRITER_H
#define LOCAL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/span.h"

struct file_writer {
	int		 fd;
	bool		 quote;		/* ">" before lines that begin with "From " */
	uint64_t	 limit;		/* file size; 0: none */
	uint64_t	 size;		/* of the file with what was put */
	int		 error;		/* errno of the first failure; EFBIG past the limit */
	struct buf	 out;
	bool		 mid_line;
	size_t		 matched;	/* of "From " at the start of this line */
};

void	file_writer_init(struct file_writer *, int fd, uint64_t size_now, uint64_t limit);
void	file_writer_clear(struct file_writer *);
/* As it is. */
void	file_writer_raw(struct file_writer *, struct span);
/* Of the message: quoted where that is asked for. */
void	file_writer_put(struct file_writer *, struct span);
/* All that is in another file, from its start. */
void	file_writer_copy(struct file_writer *, int fd, uint64_t length);
/* Ends an unfinished line, and writes what was gathered. False where anything failed. */
bool	file_writer_end(struct file_writer *);

#endif
