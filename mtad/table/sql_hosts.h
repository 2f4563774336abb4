/*
 * The servers of a table that any of may answer: tried in turn, sockets of this machine first; one that failed is passed over for a while, an idle
 * connection is closed before it is used again.
 */
#ifndef TABLE_SQL_HOSTS_H
#define TABLE_SQL_HOSTS_H

#include "table/remote.h"

struct sql_host {
	char		*name;		/* "unix:/run/x", "db.example:5432" */
	char		*host;		/* or directory or path of the socket */
	char		*port;		/* NULL: the default */
	bool		 local;		/* a socket of this machine */
	void		*connection;	/* NULL: none */
	int64_t		 until;		/* monotonic: not tried before, after a failure */
	int64_t		 used;		/* monotonic */
};
struct sql_hosts {
	struct sql_host	*list;
	size_t		 count;
	int64_t		 idle, retry;	/* microseconds */
	void		(*close)(void *connection);
};

/* "hosts = ...", and idle_interval and retry_interval, of the file. */
bool	sql_hosts_init(struct sql_hosts *, const struct remote_file *, void (*close)(void *), struct err *);
void	sql_hosts_clear(struct sql_hosts *);

/*
 * Calls ask for one host after the other until one answers. ask connects where there is no connection. FAILED: the next one is tried, after the
 * connection was closed; a connection that was there before gets a second try as a new one.
 */
typedef enum table_result sql_ask(void *arg, struct sql_host *, struct err *);
enum table_result sql_hosts_ask(struct sql_hosts *, sql_ask *, void *arg, struct err *);

#endif
