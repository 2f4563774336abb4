/*
 * Questions to the DNS from mtactl: with the instance's settings and the caller's rights.
 */
#include "mtactl/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/dns.h"

static void
close_file(int fd)
{
	if (fd >= 0)
		close(fd);
}

struct dns *
local_dns(struct session *s)
{
	static bool looped;
	const struct view *v = conf_main(s->conf);
	const char *zone = conf_str(v, P_mtad_dns_zone);
	struct dns_config config = { .servers = conf_str(v, P_mtad_dns_servers), .resolv_conf = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC),
		.hosts = open("/etc/hosts", O_RDONLY | O_CLOEXEC), .zone = -1, .anchor = -1, .timeout = conf_time(v, P_mtad_dns_timeout) };
	struct dns *dns = NULL;
	struct err err = { .kind = ERR_NONE };

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
	close_file(config.resolv_conf);
	close_file(config.hosts);
	close_file(config.zone);
	return dns;
}
