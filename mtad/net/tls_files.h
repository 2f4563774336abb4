/*
 * Files of TLS: certificates, keys, authorities. Roles open no path: the master reads what the configuration names, and who uses them gets the bytes as
 * descriptors by the key "tls:PATH". How this process reads them is said once.
 */
#ifndef NET_TLS_FILES_H
#define NET_TLS_FILES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

#define TLS_FILE_MAX	((size_t)8 << 20)

struct tls_file {
	char		*path;
	bool		 directory;	/* of authorities: the certificates in it */
};

struct tls_file_list {
	struct tls_file	*items;
	size_t		 count;
};
/* Adds one that is not there yet. What is no path is left out ("none"). */
void	tls_files_put(struct tls_file_list *, struct span path, bool directory);

/* Those of smtpd lines, each once. Free them. */
size_t	tls_files(const struct conf *, struct tls_file **);
void	tls_files_free(struct tls_file *, size_t count);

/* Puts the bytes of a file, or of all certificates in a directory. False with the err: "cannot open /x: ...". */
typedef bool tls_file_fn(void *arg, const char *path, bool directory, struct buf *out, struct err *);
/* For the whole process; NULL: tls_file_open. */
void	tls_files_use(tls_file_fn *, void *arg);
bool	tls_file_read(const char *path, bool directory, struct buf *out, struct err *);
/* From the file system. A directory's are those that are named as c_rehash does it; there may be none. */
bool	tls_file_open(const char *path, bool directory, struct buf *out, struct err *);
/* What tells it from another one that stood there before or will: "" where there is nothing. */
#define TLS_FILE_IDENTITY	128
void	tls_file_identify(const char *path, bool directory, char out[TLS_FILE_IDENTITY]);

/* The system's authorities, for tls_append_default_CA. */
#define TLS_DEFAULT_CA	"/etc/ssl/certs/ca-certificates.crt"

#endif
