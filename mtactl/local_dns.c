/*
 * Questions to the DNS from mtactl: with the instance's settings and the caller's rights.
 */
#include "mtactl/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/dns.h"

static void
close_file(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Memory that holds the root's keys, or the configured file. */
static int
open_anchor(const char *path)
{
	if (path[0] != '\0')
		return open(path, O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("dns-anchor", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, dns_root_anchors, strlen(dns_root_anchors)) != (ssize_t)strlen(dns_root_anchors)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct dns *
local_dns(struct session *s)
{
	return local_dns_checked(s, false);
}

struct dns *
local_dns_checked(struct session *s, bool checked)
{
	static bool looped;
	const struct view *v = conf_main(s->conf);
	const char *zone = conf_str(v, P_mtad_dns_zone);
	struct dns_config config = { .servers = conf_str(v, P_mtad_dns_servers), .resolv_conf = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC),
		.hosts = open("/etc/hosts", O_RDONLY | O_CLOEXEC), .zone = -1, .anchor = -1, .timeout = conf_time(v, P_mtad_dns_timeout) };
	struct dns *dns = NULL;
	struct err err = { .kind = ERR_NONE };

	if (checked && (config.anchor = open_anchor(conf_str(v, P_mtad_dns_anchor))) < 0) {
		session_say(s, "mtad_dns_anchor = %s: %s", conf_str(v, P_mtad_dns_anchor), strerror(errno));
		goto out;
	}
	if (zone[0] != '\0' && (config.zone = open(zone, O_RDONLY | O_CLOEXEC)) < 0)
		session_say(s, "mtad_dns_zone = %s: %s", zone, strerror(errno));
	if (zone[0] == '\0' || config.zone >= 0) {
		if (!looped)
			loop_init();
		looped = true;
		dns = dns_new(&config, &err);
		if (dns == NULL)
			(void)local_fail(s, &err);
	}
out:
	close_file(config.anchor);
	close_file(config.resolv_conf);
	close_file(config.hosts);
	close_file(config.zone);
	return dns;
}
