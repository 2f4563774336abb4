/*
 * Probes: whether mail for an address would be delivered, for the state role. A probe is mapped, routed and handed to a worker as mail is, but is no
 * message: it is in no queue, nobody lists it, and it ends with its first result.
 */
#ifndef QUEUE_PROBES_H
#define QUEUE_PROBES_H

#include "queue/role.h"

#define PROBE_LEASE	(1ull << 63)	/* set in the leases of probes, and in no other's */

void	probes_on_ask(void *arg, struct ipc *, const struct ipc_verify_probe *, int fd);
void	probes_result(struct role_queue *, struct ipc *, const struct ipc_result *);
/* What was waited for to route it is known. */
void	probes_routed(struct role_queue *, struct qid);
/* A channel closed: its worker ended, or the state role, or the configuration changed (role 0). */
void	probes_gone(struct role_queue *, enum role, uint32_t slot);
void	probes_configured(void);

#endif
