/*
 * Mail with variable envelope return paths: the sender that goes out with one recipient's copy.
 */
#include "queue/core.h"

#include "mail/verp.h"

void
entry_verp(const struct entry *e, uint32_t rcpt, struct buf *out)
{
	struct span sender = entry_sender(e), to = entry_original(e, rcpt);
	char delimiters[2];

	if (sender.len > 0 && verp_delimiters(e->envelope, delimiters))
		verp_sender(out, delimiters, sender, to.len > 0 ? to : entry_address(e, rcpt));
}
