/*
 * TLS on a socket that does not block, for both sides, on GnuTLS. tls_creds is who we are and whom we trust; it may be shared by sessions and is counted.
 * tls_recv and tls_send behave like recv(2) and send(2): -1 with EAGAIN, and tls_wants says which way to wait. Nothing is verified unasked: the
 * handshake takes any certificate, and the caller judges it by tls_peer_... and tls_verify with what its level demands.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "net/tls_cert.h"
#include "net/tls_priority.h"

/* -- who we are, whom we trust ------------------------------------------------------------- */

struct tls_creds;

struct tls_creds *tls_creds_new(void);
struct tls_creds *tls_creds_ref(struct tls_creds *);
void	tls_creds_unref(struct tls_creds *);	/* NULL is fine */
/*
 * A certificate with those that issued it (PEM, ours first) and its private key (PEM, not encrypted). Both may be the same bytes. Several with different
 * algorithms stand side by side. False with the err ("the key does not belong to the certificate" ...).
 */
bool	tls_creds_add_pair(struct tls_creds *, struct span certs, struct span key, struct err *);
/* The form of smtpd_tls_chain_files: each key before its certificates, several such groups in a row. */
bool	tls_creds_add_chains(struct tls_creds *, struct span pem, struct err *);
/* Trusted authorities (PEM). False with the err where there is none in it. */
bool	tls_creds_add_authorities(struct tls_creds *, struct span pem, struct err *);
/* Before the first session: loads what was added into the library. */
bool	tls_creds_ready(struct tls_creds *, struct err *);
bool	tls_creds_has_certificate(const struct tls_creds *);
bool	tls_creds_has_authorities(const struct tls_creds *);
/* The time (seconds) from which, and until which all of our own certificates hold; 0: there is none. */
int64_t	tls_creds_valid_from(const struct tls_creds *);
int64_t	tls_creds_valid_until(const struct tls_creds *);

/* -- sessions ------------------------------------------------------------------------------ */

#define TLS_TICKET_KEY	64

enum tls_ask { TLS_ASK_NOT, TLS_ASK, TLS_REQUIRE /* who has none, or one that is not trusted, is for the caller to send away */ };

/* Pointers must outlive the session but where said otherwise. */
struct tls_options {
	bool		 server;
	struct tls_creds *creds;		/* counted by the session; NULL (client): none of our own */
	const struct tls_priority *priority;
	/* Server. */
	enum tls_ask	 ask;			/* for the client's certificate */
	const unsigned char *ticket_key;	/* TLS_TICKET_KEY bytes, copied; NULL: no tickets */
	unsigned	 ticket_lifetime;	/* seconds; 0: the library's */
	/* Other credentials for the name that the client asked for; NULL: those above. May be NULL. The result is counted by the session anew. */
	struct tls_creds *(*by_name)(void *arg, const char *name);
	void		*arg;
	/* Client. */
	const char	*server_name;		/* SNI, copied; NULL: none */
	struct span	 resume;		/* of tls_resume_data, used within the call */
};

struct tls;
/* The socket stays the caller's. NULL with the err. */
struct tls *tls_new(int fd, const struct tls_options *, struct err *);
void	tls_free(struct tls *);			/* NULL is fine; says nothing to the peer */

enum tls_step { TLS_DONE, TLS_AGAIN, TLS_FAILED };
/* TLS_AGAIN: call again when the socket is ready as tls_wants says. FAILED: err.text has why; an alert was sent where one is due. */
enum tls_step tls_handshake(struct tls *, struct err *);
/* EV_READ or EV_WRITE (as poll's POLLIN and POLLOUT are named in libevent), after TLS_AGAIN or EAGAIN. */
short	tls_wants(const struct tls *);

/* 0: the peer has closed, with or without saying so in TLS (tls_truncated). -1: errno is EAGAIN, ECONNRESET ..., or EPROTO (tls_error says what). */
ssize_t	tls_recv(struct tls *, void *, size_t);
/* After EAGAIN the next call must begin with the same bytes (more may follow them). At most 64 KiB a call are taken. */
ssize_t	tls_send(struct tls *, const void *, size_t);
/* Bytes have come that tls_recv would give at once: the socket need not become readable for them. */
bool	tls_pending(const struct tls *);
/* Good-bye, once, without waiting for the peer's. */
void	tls_bye(struct tls *);
bool	tls_truncated(const struct tls *);
const char *tls_error(const struct tls *);	/* of the last failure; "" */

/* -- what came of it (after the handshake) --------------------------------------------------- */

/* Strings live as long as the session. */
struct tls_facts {
	const char	*protocol;		/* "TLSv1.3" */
	const char	*cipher;		/* OpenSSL's name */
	unsigned	 bits_used, bits;	/* 256/256 */
	bool		 resumed;
	/* TLS 1.3 and, as far as there is such a thing, before; "" where not. */
	const char	*key_exchange;		/* "X25519", "ECDHE", "DHE" */
	const char	*curve;			/* of ECDHE: "P-256" */
	unsigned	 key_exchange_bits;	/* of DHE */
	const char	*signature;		/* server's: "RSA-PSS", "ECDSA", "ED25519" */
	const char	*signature_curve;	/* of ECDSA: "P-256" */
	unsigned	 signature_bits;
	const char	*digest;		/* "SHA256"; "" (ED25519) */
	const char	*client_signature, *client_signature_curve, *client_digest;	/* of the client's certificate; "" where it had none */
	unsigned	 client_signature_bits;
	const char	*server_name;		/* that the client asked for; "" */
	bool		 name_found;		/* by_name had credentials for it */
};
const struct tls_facts *tls_facts(struct tls *);
/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ...", as Postfix logs it. */
void	tls_describe(struct tls *, struct buf *out);

/* Channel binding for SASL: RFC 9266 (tls-exporter), RFC 5929 (tls-server-end-point, tls-unique up to TLS 1.2). False: there is none. */
enum tls_binding { TLS_BINDING_EXPORTER, TLS_BINDING_END_POINT, TLS_BINDING_UNIQUE };
bool	tls_channel_binding(struct tls *, enum tls_binding, struct buf *out);
/* Client, after something was received: what resumes this session. False: nothing does. */
bool	tls_resume_data(struct tls *, struct buf *out);

/* -- the peer's certificate ------------------------------------------------------------------- */

/* How many it sent, its own first; 0: none. DER; lives as long as the session. */
size_t	tls_peer_count(struct tls *);
struct span tls_peer_der(struct tls *, size_t i);

/*
 * The peer's chain against the authorities of `trust` (tls_cert.h says what else there is); no name is looked at. depth: most certificates above its own
 * (..._verifydepth). server_too: a server's certificate will do for a client (tls_trust_server_ccerts). enum tls_fault, 0: it is trusted.
 */
unsigned tls_verify(struct tls *, const struct tls_creds *trust, unsigned depth, bool server_too);

/* A new key for tickets. */
void	tls_ticket_key(unsigned char out[TLS_TICKET_KEY]);

#endif
