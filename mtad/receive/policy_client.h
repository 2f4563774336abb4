/*
 * Asking policy servers: connections are kept for the next question, one question at a time on each; a server that fails is tried again.
 */
#ifndef RECEIVE_POLICY_CLIENT_H
#define RECEIVE_POLICY_CLIENT_H

#include <stdint.h>

#include "base/facts.h"
#include "policy/server.h"

struct policy_ask;

/* Once, later, never within: KNOWN with the action, or FAILED and why. The ask is gone by then. */
typedef void	policy_ask_fn(void *arg, uint64_t id, enum fact_state, struct span value);

/* The server must stay while it is asked. */
struct policy_ask *policy_ask(const struct policy_server *, struct span request, policy_ask_fn *, void *arg, uint64_t id);
void	policy_ask_drop(struct policy_ask *);	/* nothing is called any more; NULL is fine */
/* Connections that wait for the next question: all closed. */
void	policy_connections_close(void);

#endif
