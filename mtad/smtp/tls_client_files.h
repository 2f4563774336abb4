/*
 * The files that the clients' TLS reads, for who opens and watches them.
 */
#ifndef SMTP_TLS_CLIENT_FILES_H
#define SMTP_TLS_CLIENT_FILES_H

#include "net/tls_files.h"

/* Of all smtp and lmtp lines of a configuration, each once: as tls_files. */
size_t	tls_client_list(const struct conf *, struct tls_file **);
/* What is wrong with them, for who takes new ones. They are read by tls_file_read. */
void	tls_client_check(const struct conf *, struct conf_problems *);

#endif
