/*
 * Certificates, keys and authorities, of the server's lines and of the clients', as bytes in memory: read by the master, handed to who uses them ("tls:PATH": the
 * receive role, the send role), and looked after. What changed on disk is taken once it is whole: where a key does not belong to its certificate, what is in use
 * stays. The two sides are each taken as a whole, and neither waits for the other. Also the key of session tickets, which all receive roles share.
 */
#ifndef MASTER_TLS_STORE_H
#define MASTER_TLS_STORE_H

#include "master/descs.h"
#include "master/master.h"

/* For a generation that is made: reads what is new. */
void	tls_store_add(struct descs *, const struct conf *);
/* Looks once a second whether a file is another one; makes a new ticket key once a day. */
void	tls_store_look_after(struct master *);

#endif
