/*
 * The log line of a delivery, from "to=" to the end, as Postfix's agents write it. On the hot path: no printf.
 */
#ifndef MAIL_DELIVERY_LOG_H
#define MAIL_DELIVERY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct delivery_log {
	struct span	 recipient;	/* unquoted */
	struct span	 orig_to;	/* unquoted; empty or the same: not said */
	struct span	 relay;		/* "host[addr]:port", "local", "none" */
	unsigned	 reuse;		/* deliveries on this connection before: conn_use= where over 0 */
	/* Wall, microseconds; 0: that stage was not reached. */
	int64_t		 arrival, active;	/* of `deliver` */
	int64_t		 handoff;		/* when the agent got it */
	int64_t		 connected;		/* when the connection was there; 0: none was needed */
	int64_t		 done;
	struct span	 dsn;
	bool		 probe;		/* "deliverable", "undeliverable" */
	uint8_t		 status;	/* enum outcome_status */
	struct span	 text;		/* in the parentheses */
};

/* delay_logging_resolution_limit, 0 to 6; 2 at first. */
void	delivery_log_resolution(unsigned digits);
/* "to=<a@b>, relay=..., delay=..., delays=a/b/c/d, dsn=..., status=sent (text)"; the caller puts "QUEUEID: " before it. */
void	delivery_log_put(struct buf *, const struct delivery_log *);
/* Seconds with at most two significant digits: "0.05", "1.5", "120". */
void	delivery_log_seconds(struct buf *, int64_t usec);
const char *outcome_status_text(uint8_t status);	/* "sent", "deferred", "bounced" ... */

#endif
