/* The client of a message as rows tell it. */
#ifndef CTL_CLIENT_ROW_H
#define CTL_CLIENT_ROW_H

#include "ctl/jsonl.h"
#include "spool/envelope.h"

/* client_name, client_addr, client_port, helo, protocol, sasl_method, sasl_user, sasl_sender, and what XFORWARD said as orig_...: those that are known. */
void	client_row(struct jsonl *, const struct envelope *);

#endif
