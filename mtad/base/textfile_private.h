/* What textfile.c (the text and its edits) and textfile_disk.c (the file) share. */
#ifndef BASE_TEXTFILE_PRIVATE_H
#define BASE_TEXTFILE_PRIVATE_H

#include <sys/stat.h>

#include "base/textfile.h"

/* A place in the text, whole lines, where something else stood. */
struct text_edit {
	size_t		 at, len;
	char		*old;
	size_t		 old_len;
};

struct textfile {
	char		*path;
	int		 fd;	/* of the file as read: its inode number cannot come again while this is open */
	struct stat	 stamp;
	struct buf	 text;
	struct text_edit *edits;	/* in order, not touching */
	size_t		 count;
	bool		 secret;	/* nothing is kept of what was */
};

void	text_edits_clear(struct textfile *);

#endif
