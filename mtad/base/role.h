/*
 * The recipe by which every role but the master starts, is told things, and
 * ends. mtad executes itself as "mtad --role=NAME --slot=N" with the channel to the master on descriptor 3; then, in this order:
 *
 *   init        configuration bytes, identity
 *   descriptor  everything it may ever touch, by key
 *   go          spec->prepare (rights still there: load what needs paths, create threads later than this),
 *               then chroot, groups, uid, no_new_privs, seccomp; spec->start; "ready" to the master
 *   peer        spec->peer for each channel, then and whenever a peer starts anew
 *
 * Keys of descriptors:
 *   log                       where lines go (file or datagram socket)
 *   listen:N:NAME             receive: a listening socket of the master.cf line N (conf_service index), inet or unix
 *   submit                    receive: the Unix socket for local submission
 *   spool, queue-directory    queue: directories
 *   data                      state: data_directory; none where it cannot be used
 *   control                   control: its listening socket
 *   dns-zone, resolv-conf, dns-anchor, ca-file ...   send: files to read at prepare
 */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#include "base/err.h"
#include "base/ipc.h"

struct role_spec {
	enum role	 role;
	const char	*program;		/* Postfix's program for its log lines */
	const struct ipc_handlers *handlers;	/* for every channel but the master's; arg is the role's own state from `state` */
	void		*state;

	/* Each may be NULL. False with the err set: "ready" carries the text, the process ends with exit 78. */
	bool	(*configure)(void *state, struct span frozen, struct err *);	/* at start and reload, before use; frozen is gone after it */
	bool	(*prepare)(void *state, struct err *);	/* with rights */
	bool	(*start)(void *state, struct err *);	/* after the drop */
	/*
	 * Reload: every descriptor is there; new work takes the new generation. Descriptors that did not change keep their number; those that
	 * were replaced or dropped are still open during the call and closed after it.
	 */
	void	(*switched)(void *state);
	void	(*peer)(void *state, struct ipc *);	/* a new channel; the role frees the old one to that slot on `closed` */
	void	(*peer_gone)(void *state, enum role, uint32_t slot, uint32_t epoch);
	void	(*stop)(void *state, int64_t within);	/* drain, then loop_stop(0); NULL: stop at once */
	void	(*retire)(void *state, int64_t within);	/* finish what there is, take nothing new, then loop_stop(0); NULL: stop */
	/* Messages of the master beyond the recipe's: pickup, master_done. */
	const struct ipc_handlers *master_handlers;
};

/* The whole life of a role; returns the exit status. */
int	role_main(const struct role_spec *, uint32_t slot);

/* While the role runs. */
struct ipc *role_master(void);
uint32_t role_slot(void);
uint32_t role_epoch(void);
const char *role_hostname(void);
/* The descriptor for the key, or -1. Stays the recipe's; valid until a reload replaces or drops it (dup to keep longer). */
int	role_fd(const char *key);
/* Calls for every key with the prefix; `rest` is what follows it. */
void	role_fd_each(const char *prefix, void (*fn)(void *arg, const char *rest, int fd), void *arg);

#endif
