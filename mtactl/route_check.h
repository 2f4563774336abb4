/* Whether the daemon would refuse a recipient now, by its own functions; what only the daemon can ask counts as no reason to refuse. */
#ifndef MTACTL_ROUTE_CHECK_H
#define MTACTL_ROUTE_CHECK_H

#include "mtactl/session.h"

struct route_check;
struct route_check *route_check_new(struct session *);	/* NULL, and said, where the configuration is wrong */
void	route_check_free(struct route_check *);		/* NULL is fine */
/* True with the reply ("5.1.1 ... User unknown"). */
bool	route_check_refused(struct route_check *, struct span address, struct buf *why);

#endif
