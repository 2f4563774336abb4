/*
 * What the screener knows of a client: until when each of its tests holds. As text it is postscreen's cache record, "1700000000;1700000000;0;1;1": seconds, or
 * 0 for a test that was never passed, 1 for one that was off when the record was written.
 */
#ifndef POLICY_SCREEN_RECORD_H
#define POLICY_SCREEN_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum screen_test { SCREEN_GREET, SCREEN_DNSBL, SCREEN_PIPELINING, SCREEN_NON_SMTP, SCREEN_BARE_NEWLINE, SCREEN_TESTS };
#define SCREEN_BIT(test)	(1u << (test))

#define SCREEN_NEVER	0
#define SCREEN_OFF	1

struct screen_record {
	int64_t		 until[SCREEN_TESTS];	/* seconds since 1970 */
};

#define SCREEN_RECORD_TEXT	(SCREEN_TESTS * 21 + 1)

/* False: it is none. Tests that a shorter one does not have count as off. */
bool	screen_record_parse(struct span, struct screen_record *);
void	screen_record_print(const struct screen_record *, char out[SCREEN_RECORD_TEXT]);
/* The latest of its times. */
int64_t	screen_record_last(const struct screen_record *);

#endif
