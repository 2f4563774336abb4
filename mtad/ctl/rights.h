/*
 * What a user of the control socket may do. The control role finds the set by the peer's uid; the queue role is told it
 * with each question.
 */
#ifndef CTL_RIGHTS_H
#define CTL_RIGHTS_H

#include <stdint.h>

enum ctl_rights {
	CTL_VIEW	= 1,	/* what mailq shows */
	CTL_READ	= 2,	/* content, logs, traces */
	CTL_FLUSH	= 4,	/* ask for delivery now */
	CTL_ADMINISTER	= 8,	/* all else */
	CTL_ALL		= 15,
};

/* "view", "read" ...: for messages and the manual. */
const char *rights_name(enum ctl_rights one);

#endif
