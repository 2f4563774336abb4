/*
 * Connections to Unix-domain services, made for the send and receive roles, which open no path.
 */
#ifndef MASTER_UNIX_CONNECT_H
#define MASTER_UNIX_CONNECT_H

#include <stdbool.h>

#include "base/ipc.h"
#include "master/master.h"

/*
 * Answers with unix_connected. A relative path is one below queue_directory/private; any other must be named in main.cf or master.cf ("unix:PATH", or as
 * smtpd_sasl_path). False
 * where the path is neither: that was answered too.
 */
bool	unix_connect_serve(const struct master *, struct ipc *, const struct ipc_unix_connect *);

#endif
