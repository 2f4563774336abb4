/*
 * default_delivery_status_filter and its relatives: what became of a recipient, as tables say it otherwise.
 */
#ifndef POLICY_STATUS_FILTER_H
#define POLICY_STATUS_FILTER_H

#include "table/table.h"

#define STATUS_COMPLAINT	300

/*
 * Asks for "4.4.1 text". True: *dsn and *text are the table's, in `out`, in place of what that holds. A value that is no status, or would make a success of a failure or a
 * failure of a success, is passed over with a complaint for the log (else ""). Tables that block are not asked.
 */
bool	status_filter(const struct tables *, struct span *dsn, struct span *text, struct buf *out, char complaint[STATUS_COMPLAINT]);

#endif
