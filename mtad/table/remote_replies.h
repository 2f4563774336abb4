/* What servers of tcp:, socketmap: and memcache: answer, free of sockets. */
#ifndef TABLE_REMOTE_REPLIES_H
#define TABLE_REMOTE_REPLIES_H

#include <stdint.h>

#include "table/table.h"

int64_t	remote_deadline(int64_t within);		/* monotonic */

/* "%20" for blanks, control bytes, "%", and what is not ASCII. */
void	remote_percent_encode(struct buf *out, struct span);
/* A line of tcp_table(5): "200 value", "500 not there", "400 trouble". */
enum table_result remote_tcp_reply(struct span line, struct buf *value, struct err *);

bool	remote_netstring_length(struct span head, size_t max, size_t *len, struct err *);
/* "OK value", "NOTFOUND ", "TEMP reason" ... */
enum table_result remote_socketmap_reply(struct span reply, struct buf *value, struct err *);

/* "VALUE key flags length": FOUND with the length of what follows. "END": ABSENT. */
enum table_result remote_memcache_value(struct span line, size_t max, size_t *len, struct err *);

#endif
