#include "net/resolve.h"

#include <string.h>

#include "base/num.h"

/* Each parameter has two names: the smtp client's and the lmtp client's. */
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

static bool
listed(const char *list, const char *word)
{
	struct span rest = span_str(list), w;

	while (span_word(&rest, "\t\r\n ,", &w))
		if (span_caseeqs(w, word))
			return true;
	return false;
}

static void
take_network(struct resolve_settings *s, const struct conf *conf, const struct view *v, bool lmtp)
{
	const char *protocols = conf_str(v, P_inet_protocols);
	const char *prefer = conf_str(v, BOTH(lmtp, address_preference));
	struct span rest = span_str(conf_addresses(conf)), word;

	s->ipv4 = listed(protocols, "all") || listed(protocols, "ipv4");
	s->ipv6 = listed(protocols, "all") || listed(protocols, "ipv6");
	s->prefer = listed(prefer, "ipv4") ? PREFER_IPV4 : listed(prefer, "ipv6") ? PREFER_IPV6 : PREFER_ANY;
	s->port = lmtp ? 24 : 25;
	s->ports = conf_str(v, P_known_tcp_ports);
	s->idna2003 = conf_bool(v, P_enable_idna2003_compatibility);
	s->service = conf_str(v, BOTH(lmtp, tcp_port));
	net_port_named(span_trim(span_str(s->service)), s->ports, &s->port);
	for (int list = 0; list < 2; list++) {
		while (s->own_count < RESOLVE_OWN && span_word(&rest, "\t\r\n ,[]", &word))
			if (net_addr_parse(word, 0, &s->own[s->own_count]))
				s->own_count++;
		rest = span_str(conf_str(v, P_proxy_interfaces));
	}
}

/* A listener with a content filter or a cleanup of its own is made to be sent to. */
static bool
comes_round(const struct conf *conf, const struct service *service)
{
	static const enum param same[] = { P_content_filter, P_receive_override_options, P_cleanup_service_name };
	const struct view *v = conf_view(conf, service), *other = conf_main(conf);

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (strcmp(conf_str(v, same[i]), conf_str(other, same[i])) != 0)
			return false;
	return true;
}

static void
take_listeners(struct resolve_settings *s, const struct conf *conf)
{
	for (size_t i = 0; i < conf_service_count(conf) && s->listener_count < RESOLVE_LISTENERS; i++) {
		const struct service *service = conf_service(conf, i);
		struct span name = span_str(service->name);
		struct resolve_listener l = { .port = 0 };
		size_t colon = span_rfind(name, ':');
		struct span port = colon < name.len ? span_skip(name, colon + 1) : name;
		struct span host = colon < name.len ? span_head(name, colon) : SPAN_NONE;
		if (service->type != SERVICE_INET || strcmp(service->command, "smtpd") != 0)
			continue;
		if (span_starts(host, "[") && span_ends(host, "]"))
			host = span_head(span_skip(host, 1), host.len - 2);
		if (!net_port_named(port, conf_str(conf_main(conf), P_known_tcp_ports), &l.port) || !comes_round(conf, service))
			continue;
		/* A host name as address is passed over: it is not looked up here. */
		if (host.len == 0 || net_addr_parse(host, 0, &l.addr))
			s->listeners[s->listener_count++] = l;
	}
}

static void
take_names(struct resolve_settings *s, const struct view *v, bool lmtp)
{
	const char *level = conf_str(v, BOTH(lmtp, dns_support_level));
	const char *lookup = conf_str(v, BOTH(lmtp, host_lookup));
	bool dns = level[0] == '\0' ? !conf_bool(v, P_disable_dns_lookups) : !listed(level, "disabled");

	s->use_mx = dns && !lmtp;
	/* "native" is what getaddrinfo does: the hosts file, then the DNS. */
	s->use_hosts = !dns || listed(lookup, "native");
	s->ignore_mx_error = conf_bool(v, P_ignore_mx_lookup_error);
	s->defer_no_address = !lmtp && conf_bool(v, P_smtp_defer_if_no_mx_address_found);
	s->srv_services = conf_str(v, P_use_srv_lookup);
	s->srv_ignore_error = conf_bool(v, P_ignore_srv_lookup_error);
	s->srv_fallback = conf_bool(v, P_allow_srv_lookup_fallback);
	s->cname_is_name = lmtp ? conf_bool(v, P_lmtp_cname_overrides_servername) :
	    listed(conf_str(v, P_smtp_cname_overrides_servername), "yes");
	s->filter.title = lmtp ? "lmtp_dns_reply_filter" : "smtp_dns_reply_filter";
	s->randomize = conf_bool(v, BOTH(lmtp, randomize_addresses));
	s->balance = conf_bool(v, BOTH(lmtp, balance_inet_protocols));
	s->address_limit = (size_t)conf_int(v, BOTH(lmtp, mx_address_limit));
}

void
resolve_settings_take(struct resolve_settings *s, const struct conf *conf, const struct view *v, bool lmtp)
{
	*s = (struct resolve_settings){ .program = lmtp ? "lmtp" : "smtp" };
	take_network(s, conf, v, lmtp);
	take_listeners(s, conf);
	take_names(s, v, lmtp);
}
