/* Text inside an LDAP filter (RFC 4515, 3) and inside a distinguished name (RFC 4514, 2.4). The first argument is not used. */
#ifndef TABLE_LDAP_QUOTE_H
#define TABLE_LDAP_QUOTE_H

#include "base/buf.h"
#include "base/span.h"

void	ldap_quote_filter(void *, struct span, struct buf *out);
void	ldap_quote_dn(void *, struct span, struct buf *out);

#endif
