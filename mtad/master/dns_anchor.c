#include "master/dns_anchor.h"

#include <string.h>
#include <unistd.h>

#include "net/dns.h"

static bool
wants_dnssec(const struct conf *conf)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *service = conf_service(conf, i);
		const struct view *v = conf_view(conf, service);
		bool smtp = strcmp(service->command, "smtp") == 0, lmtp = strcmp(service->command, "lmtp") == 0;
		const char *level = conf_str(v, lmtp ? P_lmtp_dns_support_level : P_smtp_dns_support_level);
		if ((smtp || lmtp) && span_caseeqs(span_trim(span_str(level)), "dnssec"))
			return true;
	}
	return false;
}

bool
dns_anchor_add(struct descs *now, const struct conf *conf, struct err *err)
{
	const char *path = conf_str(conf_main(conf), P_mtad_dns_anchor);

	if (!wants_dnssec(conf))
		return true;
	if (path[0] != '\0') {
		if (descs_add_file(now, ROLE_SEND, "dns-anchor", path))
			return true;
		err_sys(err, "mtad_dns_anchor = %s", path);
		return false;
	}
	int fd = descs_sealed("dns-anchor", span_str(dns_root_anchors));
	if (fd < 0) {
		err_sys(err, "trust anchors");
		return false;
	}
	descs_add(now, ROLE_SEND, EVERY_SLOT, "dns-anchor", "root", fd);
	return true;
}
