/*
 * Certificates, keys and authorities of TLS, which the roles read by descriptor: "tls-file:PATH", and "tls-dir:PATH" for a directory of authorities, whose
 * files are put together in one. They are looked after like tables, so that a renewed certificate is in use a moment later.
 */
#ifndef MASTER_TLS_FILES_H
#define MASTER_TLS_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "master/descs.h"
#include "master/master.h"

void	tls_files_add(struct descs *, const struct conf *);
/* Adds the paths of those that are others now than what `m->descs` has, separated by ", ". */
void	tls_files_changed(const struct master *, struct buf *which);

/*
 * What DNSSEC is checked by, "dns-anchor", where a client of the configuration asks for it (smtp_dns_support_level = dnssec): mtad_dns_anchor, or the root's
 * keys. Without it nothing is validated: a resolver in between that drops signatures would make all names fail.
 */
bool	dns_anchor_add(struct descs *, const struct conf *, struct err *);

#endif
