/*
 * In a role: files of TLS are the descriptors that the master gave it, by the key "tls:PATH".
 */
#ifndef NET_TLS_GIVEN_H
#define NET_TLS_GIVEN_H

#include "net/tls_files.h"

void	tls_files_use_descriptors(void);

#endif
