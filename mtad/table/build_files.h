/* Values that name files whose content is meant: certificates and keys for tls_server_sni_maps, as postmap -F takes them. */
#ifndef TABLE_BUILD_FILES_H
#define TABLE_BUILD_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* Names, separated by commas and white space; their content behind *out, a newline between two. False with the err. */
bool	build_files_read(struct span names, struct buf *out, struct err *);

#endif
