/*
 * The connections of this role to Dovecot's authentication service, one for each path (smtpd_sasl_path) that the configuration names: kept
 * open, shared by all sessions, made again when it was lost.
 */
#ifndef RECEIVE_AUTH_LINK_H
#define RECEIVE_AUTH_LINK_H

#include "net/dovecot_auth.h"

struct auth_link;
struct auth_request;

/* Nobody's answer (reply NULL): why. The request is gone after OK, FAIL and NULL. Never within the call that asked. */
typedef void	auth_reply_fn(void *arg, const struct dovecot_reply *, const char *error);

/* The link to that path; it begins to connect where it is not connected. Lives as long as the process. */
struct auth_link *auth_link_get(const char *path);
/* Whether it is known what the server has: it told, or cannot be asked. Calls `told` when that changes. */
bool	auth_link_settled(const struct auth_link *);
void	auth_link_on_settled(void (*told)(void *arg), void *arg);
/* What the server has, or had when it last was there. */
const struct dovecot_auth *auth_link_server(const struct auth_link *);

/* Spans are copied; the id is set here. NULL where a field may not be sent. */
struct auth_request *auth_link_ask(struct auth_link *, struct dovecot_request *, auth_reply_fn *, void *arg);
bool	auth_request_continue(struct auth_request *, struct span response);
/* Nothing more is called. NULL is fine. */
void	auth_request_drop(struct auth_request *);

#endif
