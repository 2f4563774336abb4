/*
 * TLS sessions that can be resumed (smtp_tls_session_cache_database), in the memory of this process: a server's last one, for as long as smtp_tls_session_cache_timeout
 * says. What is kept has the server's certificates with it, so that a resumed session is judged as the first one was, by what is trusted then.
 */
#ifndef SEND_TLS_SESSIONS_H
#define SEND_TLS_SESSIONS_H

#include "base/buf.h"
#include "base/map.h"
#include "base/span.h"

#define TLS_SESSIONS_MAX	1000u
#define TLS_SESSION_BYTES	((size_t)16 << 10)	/* a larger one is not kept */

struct tls_saved;
struct tls_sessions {
	struct map	 by_key;
	struct tls_saved *slots[TLS_SESSIONS_MAX];	/* in turn: the one that was added first goes first */
	size_t		 next;
};

struct span tls_saved_key(const void *item);		/* of the map */
/* Stands in place of what there is of that key. now: monotonic. */
void	tls_sessions_put(struct tls_sessions *, struct span key, struct span data, int64_t now);
/* Empty where there is none that is younger than `lifetime`. Lives until the next put or forget. */
struct span tls_sessions_get(const struct tls_sessions *, struct span key, int64_t now, int64_t lifetime);
void	tls_sessions_forget(struct tls_sessions *);

#endif
