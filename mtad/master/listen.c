#include "master/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "net/addr.h"

#define BACKLOG		1024
#define SEPARATORS	" \t\r\n,"

struct opening {
	struct descs	*now;
	const struct descs *before;
	const struct conf *conf;
	const struct instance *instance;
	uint32_t	 slots;
	bool		 ipv4, ipv6;
};

/* -- addresses ----------------------------------------------------------------------------- */

static void
address_text(const struct addrinfo *ai, char *out, size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, port, sizeof port,
	    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		(void)snprintf(out, size, "?");
	else
		(void)snprintf(out, size, ai->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static bool
wanted_family(const struct opening *o, int family)
{
	return (family == AF_INET && o->ipv4) || (family == AF_INET6 && o->ipv6);
}

static int
make_socket(const struct addrinfo *ai, bool share)
{
	int one = 1;

	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (share)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

static bool
bind_failed(const char *address, struct err *err)
{
	if (errno == EADDRINUSE) {
		err_set(err, ERR_TEMP, "bind %s: Address already in use (another mail server? see 'ss -ltnp')", address);
		return false;
	}
	const char *hint = errno == EACCES ? " (ports below 1024 are root's)" :
	    errno == EADDRNOTAVAIL ? " (no interface has this address: see inet_interfaces)" : "";
	err_set(err, ERR_SYS, "bind %s: %s%s", address, strerror(errno), hint);
	return false;
}

/*
 * SO_REUSEPORT would let us share a port with another process of this user without a word, such as a second instance;
 * so one plain bind comes first.
 */
static bool
bind_one(struct opening *o, const struct service *s, const struct addrinfo *ai, struct err *err)
{
	char address[NI_MAXHOST + NI_MAXSERV], key[sizeof address + 32], identity[sizeof address + 16];
	bool probed = false;

	address_text(ai, address, sizeof address);
	(void)snprintf(key, sizeof key, "listen:%u:%s", s->index, address);
	(void)snprintf(identity, sizeof identity, "inet:%s", address);
	for (uint32_t slot = 0; slot < o->slots; slot++) {
		int fd = o->before == NULL ? -1 : descs_same(o->before, ROLE_RECEIVE, slot, identity);
		probed = probed || fd >= 0;	/* it is ours already */
		if (fd < 0 && !probed) {
			if ((fd = make_socket(ai, false)) < 0)
				return bind_failed(address, err);
			(void)close(fd);
			fd = -1;
			probed = true;
		}
		if (fd < 0 && (fd = make_socket(ai, true)) < 0)
			return bind_failed(address, err);
		descs_add(o->now, ROLE_RECEIVE, slot, key, identity, fd);
	}
	return true;
}

static bool
bind_host(struct opening *o, const struct service *s, const char *host, const char *port, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	bool found = false, done = true;

	int rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		err_set(err, ERR_SYS, "master.cf line %u: \"%s\": %s", s->line, s->name, gai_strerror(rc));
		return false;
	}
	for (const struct addrinfo *ai = list; done && ai != NULL; ai = ai->ai_next) {
		if (!wanted_family(o, ai->ai_family))
			continue;
		found = true;
		done = bind_one(o, s, ai, err);
	}
	freeaddrinfo(list);
	if (done && !found)
		log_warning(NULL, "master.cf line %u: \"%s\" has no address that inet_protocols allows", s->line, s->name);
	return done;
}

/* -- inet lines ------------------------------------------------------------------------------- */

static bool
bind_loopback(struct opening *o, const struct service *s, const char *port, struct err *err)
{
	return (!o->ipv4 || bind_host(o, s, "127.0.0.1", port, err)) && (!o->ipv6 || bind_host(o, s, "::1", port, err));
}

/* A machine without IPv6 is no reason to stop. */
static bool
bind_wildcard(struct opening *o, const struct service *s, const char *port, struct err *err)
{
	if (o->ipv4 && !bind_host(o, s, "0.0.0.0", port, err))
		return false;
	if (!o->ipv6)
		return true;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return o->ipv4 || bind_host(o, s, "::", port, err);
	(void)close(fd);
	return bind_host(o, s, "::", port, err);
}

static bool
bind_interfaces(struct opening *o, const struct service *s, const char *port, struct err *err)
{
	struct span list = span_str(conf_str(conf_view(o->conf, s), P_inet_interfaces)), word;

	while (span_word(&list, SEPARATORS, &word)) {
		bool done;
		if (span_caseeqs(word, "all")) {
			done = bind_wildcard(o, s, port, err);
		} else if (span_caseeqs(word, "loopback-only")) {
			done = bind_loopback(o, s, port, err);
		} else {
			if (word.len > 2 && word.ptr[0] == '[' && word.ptr[word.len - 1] == ']')
				word = span_of(word.ptr + 1, word.len - 2);
			char *host = span_dup(word);
			done = bind_host(o, s, host, port, err);
			free(host);
		}
		if (!done)
			return false;
	}
	return true;
}

static bool
check_port(const struct service *s, const char *port, struct err *err)
{
	uint32_t n;

	if (num_u32(span_str(port), &n)) {
		if (n > 0 && n < 65536)
			return true;
		err_set(err, ERR_SYS, "master.cf line %u: \"%s\": port %s is not between 1 and 65535", s->line, s->name, port);
		return false;
	}
	if (getservbyname(port, "tcp") != NULL)
		return true;
	err_set(err, ERR_SYS, "master.cf line %u: \"%s\": no service %s in /etc/services; give its number", s->line, s->name, port);
	return false;
}

/* "smtp", "2525", "127.0.0.1:2525", "[::1]:2525", ":2525". */
static bool
open_inet(struct opening *o, const struct service *s, struct err *err)
{
	struct span name = span_str(s->name);
	size_t colon = span_rfind(name, ':');
	bool has_host = colon < name.len && colon > 0;
	struct span host = has_host ? span_head(name, colon) : SPAN_NONE;
	const char *port = colon < name.len ? s->name + colon + 1 : s->name;
	char digits[8];
	uint16_t known;

	/* What known_tcp_ports has the system need not know. */
	if (net_port_named(span_str(port), conf_str(conf_main(o->conf), P_known_tcp_ports), &known)) {
		(void)snprintf(digits, sizeof digits, "%u", known);
		port = digits;
	}
	if (!check_port(s, port, err))
		return false;
	if (!has_host)
		return bind_interfaces(o, s, port, err);
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = span_of(host.ptr + 1, host.len - 2);
	char *text = span_dup(host);
	bool done = bind_host(o, s, text, port, err);
	free(text);
	return done;
}

/* -- Unix sockets ---------------------------------------------------------------------------- */

static bool
unix_address(const struct instance *in, const char *name, struct sockaddr_un *sun, struct err *err)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(sun->sun_path, sizeof sun->sun_path, "%s/%s", in->dir, name);
	if (n > 0 && (size_t)n < sizeof sun->sun_path)
		return true;
	err_set(err, ERR_SYS, "%s/%s: a socket's path has at most %zu bytes", in->dir, name, sizeof sun->sun_path - 1);
	return false;
}

/* We hold the instance's lock, so a socket that is there already is one that nobody serves. Its rights are decided by the peer's uid. */
static bool
open_unix(struct opening *o, enum role role, const char *key, const char *name, struct err *err)
{
	char identity[256];
	struct sockaddr_un sun;

	(void)snprintf(identity, sizeof identity, "unix:%s", name);
	int fd = o->before == NULL ? -1 : descs_same(o->before, role, EVERY_SLOT, identity);
	if (fd < 0) {
		if (!unix_address(o->instance, name, &sun, err))
			return false;
		(void)unlink(sun.sun_path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0 || listen(fd, BACKLOG) < 0 ||
		    chmod(sun.sun_path, 0666) < 0) {
			err_sys(err, "cannot listen on %s", sun.sun_path);
			if (fd >= 0)
				(void)close(fd);
			return false;
		}
	}
	descs_add(o->now, role, EVERY_SLOT, key, identity, fd);
	return true;
}

void
listen_remove_paths(const struct instance *in)
{
	(void)unlinkat(in->dir_fd, "ctl", 0);
	(void)unlinkat(in->dir_fd, "public/submit", 0);
}

/* -- all ---------------------------------------------------------------------------------------- */

static bool
open_service(struct opening *o, const struct service *s, struct err *err)
{
	bool smtpd = strcmp(s->command, "smtpd") == 0;
	char key[300], name[256];

	if (s->type == SERVICE_INET && (smtpd || strcmp(s->command, "postscreen") == 0))
		return open_inet(o, s, err);
	if (s->type != SERVICE_UNIX || !smtpd)
		return true;
	if (strchr(s->name, '/') != NULL || strlen(s->name) > 64) {
		err_set(err, ERR_SYS, "master.cf line %u: \"%s\" is no name for a socket", s->line, s->name);
		return false;
	}
	(void)snprintf(name, sizeof name, "%s/%s", s->private_ ? "private" : "public", s->name);
	(void)snprintf(key, sizeof key, "listen:%u:%s", s->index, name);
	return open_unix(o, ROLE_RECEIVE, key, name, err);
}

/* Old configurations have the built-in services as fifos. */
static bool
is_built_in(const struct service *s)
{
	return strcmp(s->command, "pickup") == 0 || strcmp(s->command, "qmgr") == 0 || strcmp(s->command, "nqmgr") == 0;
}

static bool
has_postscreen(const struct conf *conf)
{
	for (size_t i = 0; i < conf_service_count(conf); i++)
		if (conf_service(conf, i)->type == SERVICE_INET && strcmp(conf_service(conf, i)->command, "postscreen") == 0)
			return true;
	return false;
}

void
listen_check(const struct conf *conf, struct conf_problems *problems)
{
	struct buf file = BUF_INIT(0);

	buf_printf(&file, "%s/master.cf", conf_dir(conf));
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		if (s->type == SERVICE_PASS && strcmp(s->command, "smtpd") == 0 && has_postscreen(conf))
			continue;
		if (s->type == SERVICE_PASS && strcmp(s->command, "smtpd") == 0)
			conf_problem_add(problems, PROBLEM_WARNING, file.ptr, s->line, "\"%s\": a service of type pass is not served: no "
			    "postscreen line hands it clients; give it type inet", s->name);
		else if (s->type == SERVICE_FIFO && !is_built_in(s))
			conf_problem_add(problems, PROBLEM_WARNING, file.ptr, s->line, "\"%s\": a service of type fifo is not served", s->name);
		else if (s->type == SERVICE_INET && strcmp(s->command, "smtpd") != 0 && strcmp(s->command, "postscreen") != 0)
			conf_problem_add(problems, PROBLEM_WARNING, file.ptr, s->line, "\"%s\": an inet service of %s is not served", s->name,
			    s->command);
	}
	buf_clear(&file);
}

static void
read_protocols(struct opening *o)
{
	struct span list = span_str(conf_str(conf_main(o->conf), P_inet_protocols)), word;

	while (span_word(&list, SEPARATORS, &word)) {
		bool all = span_caseeqs(word, "all");
		o->ipv4 = o->ipv4 || all || span_caseeqs(word, "ipv4");
		o->ipv6 = o->ipv6 || all || span_caseeqs(word, "ipv6");
	}
}

bool
listen_open(struct descs *now, const struct descs *before, const struct conf *conf, const struct instance *in,
    uint32_t receive_slots, struct err *err)
{
	struct opening o = { .now = now, .before = before, .conf = conf, .instance = in, .slots = receive_slots };

	read_protocols(&o);
	for (size_t i = 0; i < conf_service_count(conf); i++)
		if (!open_service(&o, conf_service(conf, i), err))
			return false;
	return open_unix(&o, ROLE_RECEIVE, "submit", "public/submit", err) &&
	    open_unix(&o, ROLE_CONTROL, "control", "ctl", err);
}
