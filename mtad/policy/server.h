/*
 * Policy servers: what check_policy_service names, what is asked of them, and what they answer. The dialogue (SMTPD_POLICY_README): attributes
 * "name=value", one a line, an empty line ends them; the answer has action=.
 */
#ifndef POLICY_SERVER_H
#define POLICY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"

struct policy_server {
	unsigned	 number;
	char		*spec;		/* as the restriction names it */
	char		*where;		/* "inet:127.0.0.1:10023", "unix:private/policy" */
	int64_t		 timeout, max_idle, max_ttl, retry_delay;
	uint32_t	 try_limit, request_limit;	/* request_limit 0: none */
	char		*default_action;
	char		*context;	/* policy_context */
};

struct policy_servers {
	struct policy_server **list;
	size_t		 count;
};

/* "inet:host:port", "unix:path", "{ inet:host:port, timeout = 10s, ... }": the one with this spec, made where it is new. NULL with the err. */
struct policy_server *policy_servers_add(struct policy_servers *, const struct view *, struct span spec, struct err *);
void	policy_servers_clear(struct policy_servers *);

enum server_reply { SERVER_REPLY_MORE, SERVER_REPLY_GOOD, SERVER_REPLY_BAD };
#define SERVER_REPLY_MAX	(64 * 1024)
/*
 * What came up to now: MORE where it is not complete. GOOD: *action points into it, *used is how long the reply was. BAD with the reason (a literal). Every
 * byte is hostile.
 */
enum server_reply server_reply_parse(struct span in, struct span *action, size_t *used, const char **fault);

#endif
