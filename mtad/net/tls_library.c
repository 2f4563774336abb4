#include "net/tls_library.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

const char *
tls_library_built(void)
{
	return "GnuTLS " GNUTLS_VERSION;
}

const char *
tls_library_running(void)
{
	return gnutls_check_version(NULL);
}

static bool
is_known(gnutls_pk_algorithm_t id)
{
	const gnutls_pk_algorithm_t *all = gnutls_pk_list();

	for (size_t i = 0; all != NULL && all[i] != 0; i++)
		if (all[i] == id)
			return true;
	return false;
}

const char *
tls_library_key(unsigned n)
{
	static const struct { gnutls_pk_algorithm_t id; const char *name; } known[] = {
		{ GNUTLS_PK_DSA, "dsa" }, { GNUTLS_PK_ECDSA, "ecdsa" }, { GNUTLS_PK_EDDSA_ED25519, "ed25519" },
		{ GNUTLS_PK_EDDSA_ED448, "ed448" }, { GNUTLS_PK_RSA, "rsa" },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (is_known(known[i].id) && n-- == 0)
			return known[i].name;
	return NULL;
}
