#include "master/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un where = { .sun_family = AF_UNIX };
static socklen_t where_len;

void
notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path == NULL ? 0 : strlen(path);

	if (n > 1 && n < sizeof where.sun_path && (path[0] == '/' || path[0] == '@')) {
		memcpy(where.sun_path, path, n);
		if (path[0] == '@')
			where.sun_path[0] = '\0';	/* an abstract socket */
		where_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify(const char *state)
{
	if (where_len == 0)
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&where, where_len);
	(void)close(fd);
}
