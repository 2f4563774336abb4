/* The machine that the linter runs on. Nothing here sends a packet. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "lint/private.h"
#include "table/network.h"

static bool
host_stat(void *arg, const char *path, bool follow, struct lint_stat *out)
{
	struct stat st;

	(void)arg;
	if ((follow ? stat(path, &st) : lstat(path, &st)) != 0)
		return false;
	char type = S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : S_ISSOCK(st.st_mode) ? 's' :
	    S_ISLNK(st.st_mode) ? 'l' : '?';
	*out = (struct lint_stat){ type, st.st_mode & 07777, st.st_uid, st.st_gid, st.st_mtime, (uint64_t)st.st_size };
	return true;
}

/* Only plain files, so that a FIFO cannot block. */
static bool
host_read(void *arg, const char *path, struct buf *out, struct err *err)
{
	struct stat st;
	char chunk[65536];
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)arg;
	if (fd < 0) {
		err_sys(err, "cannot open %s", path);
		return false;
	}
	bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	while (ok && !out->over && (n = read(fd, chunk, sizeof chunk)) > 0)
		buf_put(out, chunk, (size_t)n);
	if (n < 0)
		err_sys(err, "cannot read %s", path);
	else if (!ok || out->over)
		err_set(err, ERR_SYS, "%s is no plain file, or too large", path);
	close(fd);
	return ok && n >= 0 && !out->over;
}

static bool
host_readlink(void *arg, const char *path, struct buf *out)
{
	char text[4096];
	ssize_t n = readlink(path, text, sizeof text);

	(void)arg;
	if (n > 0)
		buf_put(out, text, (size_t)n);
	return n > 0;
}

static void
host_list(void *arg, const char *path, void (*fn)(void *, const char *), void *fn_arg)
{
	DIR *d = opendir(path);
	struct dirent *e;

	(void)arg;
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(fn_arg, e->d_name);
	if (d != NULL)
		closedir(d);
}

static bool
host_user(void *arg, const char *name, unsigned *uid, unsigned *gid)
{
	struct passwd *p = getpwnam(name);

	(void)arg;
	if (p == NULL)
		return false;
	*uid = p->pw_uid;
	*gid = p->pw_gid;
	return true;
}

/* Another account with the same number. */
static bool
host_user_name(void *arg, unsigned uid, const char *but, struct buf *other)
{
	struct passwd *p;
	bool found = false;

	(void)arg;
	setpwent();
	for (int i = 0; i < 10000 && !found && (p = getpwent()) != NULL; i++)
		if (p->pw_uid == uid && strcmp(p->pw_name, but) != 0) {
			buf_str(other, p->pw_name);
			found = true;
		}
	endpwent();
	return found;
}

static bool
host_group(void *arg, const char *name, unsigned *gid)
{
	struct group *g = getgrnam(name);

	(void)arg;
	if (g == NULL)
		return false;
	*gid = g->gr_gid;
	return true;
}

static bool
host_port(void *arg, const char *name, unsigned *port)
{
	struct servent *s = getservbyname(name, "tcp");

	(void)arg;
	if (s == NULL)
		return false;
	*port = ntohs((uint16_t)s->s_port);
	return true;
}

static bool
host_own_address(void *arg, struct span address)
{
	struct ifaddrs *list = NULL;
	struct ip want, have;
	bool found = false;
	char text[INET6_ADDRSTRLEN];

	(void)arg;
	if (!ip_parse(address, &want) || getifaddrs(&list) != 0)
		return true;	/* cannot be told: no finding */
	for (struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		const void *sa = i->ifa_addr;
		if (sa == NULL)
			continue;
		const void *a = i->ifa_addr->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr :
		    i->ifa_addr->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr : NULL;
		found = a != NULL && inet_ntop(i->ifa_addr->sa_family, a, text, sizeof text) != NULL &&
		    ip_parse(span_str(text), &have) && have.len == want.len && memcmp(have.bytes, want.bytes, have.len) == 0;
	}
	freeifaddrs(list);
	return found;
}

/* /etc/hosts alone: a linter asks no server. */
static bool
host_resolves(void *arg, const char *name)
{
	struct buf text = BUF_INIT((size_t)1 << 20);
	struct span rest, line, word;
	bool found = false;

	if (host_read(arg, "/etc/hosts", &text, NULL)) {
		rest = buf_view(&text);
		while (!found && span_cut(&rest, '\n', &line)) {
			line = span_head(line, span_find(line, '#'));
			bool first = true;
			while (!found && span_word(&line, LINT_BLANKS, &word)) {
				found = !first && span_caseeqs(word, name);
				first = false;
			}
		}
	}
	buf_clear(&text);
	return found;
}

/* The kernel's list of sockets: "sl local_address rem_address st queues timer retransmits uid timeout inode"; state 0A is listening. */
static bool
is_listener(struct span line, unsigned port, uint64_t *inode)
{
	struct span word, local = SPAN_NONE, state = SPAN_NONE;
	uint64_t n = 0;

	for (int i = 0; i < 10 && span_word(&line, " ", &word); i++) {
		if (i == 1)
			local = word;
		else if (i == 3)
			state = word;
		else if (i == 9 && !num_u64(word, inode))
			*inode = 0;
	}
	return span_eqs(state, "0A") && num_hex(span_skip(local, span_rfind(local, ':') + 1), &n) && n == port;
}

/* 1, 0, or -1 where it cannot be read. */
static int
listens_in(const char *path, unsigned port, uint64_t *inode)
{
	struct buf text = BUF_INIT((size_t)16 << 20);
	struct span rest, line;
	int found = host_read(NULL, path, &text, NULL) ? 0 : -1;

	rest = found < 0 ? SPAN_NONE : buf_view(&text);
	while (found == 0 && rest.ptr != NULL && span_cut(&rest, '\n', &line))
		if (is_listener(line, port, inode))
			found = 1;
	buf_clear(&text);
	return found;
}

struct socket_search {
	const char	*dir;		/* "/proc/123/fd" */
	char		 link[64];	/* "socket:[456]" */
	bool		 found;
};

static void
is_socket(void *arg, const char *name)
{
	struct socket_search *s = arg;
	char path[600], to[64];

	if (s->found)
		return;
	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	ssize_t n = readlink(path, to, sizeof to);
	s->found = n > 0 && span_eqs(span_of(to, (size_t)n), s->link);
}

struct process_search {
	struct socket_search socket;
	struct buf	*who;
};

static void
is_holder(void *arg, const char *pid)
{
	struct process_search *p = arg;
	char path[300];

	if (p->socket.found || pid[0] < '0' || pid[0] > '9')
		return;
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	p->socket.dir = path;
	host_list(NULL, path, is_socket, &p->socket);
	if (!p->socket.found)
		return;
	struct buf name = BUF_INIT(256);
	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	if (host_read(NULL, path, &name, NULL))
		buf_span(p->who, span_trim(buf_view(&name)));
	buf_clear(&name);
}

/* Whose socket it is can be seen by root, and by its owner. */
static int
host_listens(void *arg, unsigned port, struct buf *who)
{
	uint64_t inode = 0;
	int v4 = listens_in("/proc/net/tcp", port, &inode), v6 = v4 == 1 ? 1 : listens_in("/proc/net/tcp6", port, &inode);
	struct process_search p = { .who = who };

	(void)arg;
	if (v4 != 1 && v6 != 1)
		return v4 < 0 && v6 < 0 ? -1 : 0;
	if (who != NULL && inode != 0) {
		snprintf(p.socket.link, sizeof p.socket.link, "socket:[%llu]", (unsigned long long)inode);
		host_list(NULL, "/proc", is_holder, &p);
	}
	return 1;
}

static bool
host_container(void *arg)
{
	(void)arg;
	return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
}

const struct lint_host *
lint_host_real(void)
{
	static struct lint_host host = { .stat = host_stat, .read = host_read, .readlink = host_readlink,
	    .list = host_list, .user = host_user, .user_name = host_user_name, .group = host_group, .port = host_port,
	    .own_address = host_own_address, .resolves = host_resolves, .listens = host_listens,
	    .container = host_container };
	host.uid = geteuid();
	return &host;
}
