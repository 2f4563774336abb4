/*
 * The texts of tables that travel with the configuration (texthash, cidr, regexp, pcre), looked after: one that changed is read, and where it has no line
 * wrong that the one in use has not, it takes that one's place in a copy of the configuration. One that somebody is still writing is left alone.
 */
#ifndef MASTER_TEXTS_H
#define MASTER_TEXTS_H

#include "base/buf.h"
#include "master/master.h"

/*
 * A copy of the configuration in use with what changed, and the paths added to *which; NULL: nothing did. What is refused is logged, once. `asked`:
 * somebody says that it is complete.
 */
struct conf *texts_take(struct master *, bool asked, struct buf *which);
/* "refused: PATH:LINE: why\n", for each text that stands on disk and is not used. */
void	texts_refused(struct buf *);

#endif
