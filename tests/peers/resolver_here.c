/*
 * Preloaded into Postfix: its resolver asks 127.0.0.1 at $TEST_DNS_PORT, and believes what that says of DNSSEC (in place of an /etc/resolv.conf of the
 * test's own, which only a container of its own could have).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>

int
__res_ninit(res_state state)
{
	int (*real)(res_state) = (int (*)(res_state))dlsym(RTLD_NEXT, "__res_ninit");
	const char *port = getenv("TEST_DNS_PORT");
	int rc = real(state);

	if (rc == 0 && port != NULL) {
		state->nsaddr_list[0] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		state->nscount = 1;
		state->options |= RES_TRUSTAD;
	}
	return rc;
}
