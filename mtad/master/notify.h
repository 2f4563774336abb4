/*
 * What a service manager is told (sd_notify(3)), without its library: a datagram to NOTIFY_SOCKET.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

/* Reads and removes NOTIFY_SOCKET, so that no role inherits it. Once, at the start. */
void	notify_init(void);
/* "READY=1", "STOPPING=1", "RELOADING=1" ...; nothing where nobody asked to be told. */
void	notify(const char *state);

#endif
