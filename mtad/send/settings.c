#include "send/settings.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

/* Each parameter has two names: the smtp client's and the lmtp client's. */
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

struct span
settings_key(const void *item)
{
	return span_str(((const struct settings *)item)->transport);
}

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
take_times(struct settings *s, const struct view *v, bool lmtp)
{
	int64_t *t = s->stage_timeout;

	t[CLIENT_HELLO] = conf_time(v, lmtp ? P_lmtp_lhlo_timeout : P_smtp_helo_timeout);
	t[CLIENT_GREETING] = t[CLIENT_HELLO];
	t[CLIENT_MAIL] = conf_time(v, BOTH(lmtp, mail_timeout));
	t[CLIENT_RCPT] = conf_time(v, BOTH(lmtp, rcpt_timeout));
	t[CLIENT_DATA] = conf_time(v, BOTH(lmtp, data_init_timeout));
	t[CLIENT_BODY] = conf_time(v, BOTH(lmtp, data_xfer_timeout));
	t[CLIENT_DOT] = conf_time(v, BOTH(lmtp, data_done_timeout));
	t[CLIENT_RSET] = conf_time(v, BOTH(lmtp, rset_timeout));
	t[CLIENT_QUIT] = conf_time(v, BOTH(lmtp, quit_timeout));
	s->connect_timeout = conf_time(v, BOTH(lmtp, connect_timeout));
	s->cache_time = conf_time(v, BOTH(lmtp, connection_cache_time_limit));
	/* Which destinations are listed makes no difference: an idle connection costs them nothing. */
	if (!conf_bool(v, BOTH(lmtp, connection_cache_on_demand)) &&
	    conf_str(v, BOTH(lmtp, connection_cache_destinations))[0] == '\0')
		s->cache_time = 0;
	s->reuse_time = conf_time(v, BOTH(lmtp, connection_reuse_time_limit));
	s->reuse_count = conf_int(v, BOTH(lmtp, connection_reuse_count_limit));
}

static void
take_client(struct settings *s, const struct view *v, bool lmtp)
{
	s->client = (struct client_options){
		.lmtp = lmtp,
		.always_ehlo = lmtp || conf_bool(v, P_smtp_always_send_ehlo),
		.never_ehlo = !lmtp && conf_bool(v, P_smtp_never_send_ehlo),
		.skip_5xx_greeting = conf_bool(v, BOTH(lmtp, skip_5xx_greeting)),
		.quote = conf_bool(v, BOTH(lmtp, quote_rfc821_envelope)),
		.discard = smtp_ehlo_list(span_str(conf_str(v,
		    lmtp ? P_lmtp_discard_lhlo_keywords : P_smtp_discard_ehlo_keywords))),
		.line_limit = (uint32_t)conf_int(v, BOTH(lmtp, line_length_limit)),
		.helo_name = conf_str(v, lmtp ? P_lmtp_lhlo_name : P_smtp_helo_name),
		.myhostname = conf_str(v, P_myhostname),
	};
}

static void
take_network(struct settings *s, const struct view *v, bool lmtp)
{
	const char *protocols = conf_str(v, P_inet_protocols);
	const char *prefer = conf_str(v, BOTH(lmtp, address_preference));
	struct span rest = span_str(conf_addresses(s->conf)), word;

	s->ipv4 = listed(protocols, "all") || listed(protocols, "ipv4");
	s->ipv6 = listed(protocols, "all") || listed(protocols, "ipv6");
	s->prefer = listed(prefer, "ipv4") ? PREFER_IPV4 : listed(prefer, "ipv6") ? PREFER_IPV6 : PREFER_ANY;
	s->port = lmtp ? 24 : 25;
	net_port(span_trim(span_str(conf_str(v, BOTH(lmtp, tcp_port)))), &s->port);
	net_addr_parse(span_trim(span_str(conf_str(v, BOTH(lmtp, bind_address)))), 0, &s->bind4);
	net_addr_parse(span_trim(span_str(conf_str(v, BOTH(lmtp, bind_address6)))), 0, &s->bind6);
	for (int list = 0; list < 2; list++) {
		while (s->own_count < OWN_ADDRESSES && span_word(&rest, "\t\r\n ,[]", &word))
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
take_listeners(struct settings *s)
{
	for (size_t i = 0; i < conf_service_count(s->conf) && s->listener_count < LISTENERS; i++) {
		const struct service *service = conf_service(s->conf, i);
		struct span name = span_str(service->name);
		struct listener l = { .port = 0 };
		size_t colon = span_rfind(name, ':');
		struct span port = colon < name.len ? span_skip(name, colon + 1) : name;
		struct span host = colon < name.len ? span_head(name, colon) : SPAN_NONE;
		if (service->type != SERVICE_INET || strcmp(service->command, "smtpd") != 0)
			continue;
		if (span_starts(host, "[") && span_ends(host, "]"))
			host = span_head(span_skip(host, 1), host.len - 2);
		if (!net_port(port, &l.port) || !comes_round(s->conf, service))
			continue;
		/* A host name as address is passed over: it is not looked up here. */
		if (host.len == 0 || net_addr_parse(host, 0, &l.addr))
			s->listeners[s->listener_count++] = l;
	}
}

static void
take_names(struct settings *s, const struct view *v, bool lmtp)
{
	const char *level = conf_str(v, BOTH(lmtp, dns_support_level));
	const char *lookup = conf_str(v, BOTH(lmtp, host_lookup));
	bool dns = level[0] == '\0' ? !conf_bool(v, P_disable_dns_lookups) : !listed(level, "disabled");

	s->name_original = conf_bool(conf_program(s->conf, "cleanup"), P_enable_original_recipient);
	s->use_mx = dns && !lmtp;
	/* "native" is what getaddrinfo does: the hosts file, then the DNS. */
	s->use_hosts = !dns || listed(lookup, "native");
	s->use_dns = true;
	s->ignore_mx_error = conf_bool(v, P_ignore_mx_lookup_error);
	s->defer_no_address = conf_bool(v, BOTH(lmtp, defer_if_no_mx_address_found));
	s->randomize = conf_bool(v, BOTH(lmtp, randomize_addresses));
	s->balance = conf_bool(v, BOTH(lmtp, balance_inet_protocols));
	s->address_limit = (size_t)conf_int(v, BOTH(lmtp, mx_address_limit));
	s->session_limit = (size_t)conf_int(v, BOTH(lmtp, mx_session_limit));
	s->skip_quit = conf_bool(v, BOTH(lmtp, skip_quit_response));
	s->fallback = conf_str(v, BOTH(lmtp, fallback_relay));
	s->convert = !conf_bool(v, P_disable_mime_output_conversion);
}

static void
take_debug(struct settings *s, const struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	int64_t level = conf_int(v, P_debug_peer_level);

	s->debug_level = level > DEBUG_LEVELS ? DEBUG_LEVELS : (int)level;
	s->debug_peers = match_list_new(s->conf, "debug_peer_list", conf_str(v, P_debug_peer_list), MATCH_CLIENT, &err);
	if (s->debug_peers == NULL)
		log_warning(s->program, "debug_peer_list: %s", err.text);
}

static void
take_rewriting(struct settings *s, const struct view *v, bool lmtp)
{
	struct err err = { .kind = ERR_NONE };

	if (rewriting_new(s->conf, v, lmtp, &s->rewriting, &err))
		return;
	log_warning(s->program, "%s", err.text);
	s->broken = true;
}

/* A transport with a syslog_name of its own (-o syslog_name=mtad/relay) has it before the program's name. */
static char *
program_of(const struct conf *conf, const struct view *v, const char *program)
{
	const char *name = conf_str(v, P_syslog_name);
	struct buf tag = BUF_INIT(0);

	if (strcmp(name, conf_str(conf_main(conf), P_syslog_name)) != 0)
		buf_printf(&tag, "%s/", name);
	buf_str(&tag, program);
	return buf_take(&tag);
}

static struct settings *
make(struct conf *conf, const struct service *service, bool lmtp)
{
	const struct view *v = conf_view(conf, service);
	struct settings *s;

	MEM_NEW(s);
	s->conf = conf_ref(conf);
	s->transport = mem_str(service->name);
	s->program = program_of(conf, v, lmtp ? "lmtp" : "smtp");
	s->refs = 1;
	take_times(s, v, lmtp);
	take_client(s, v, lmtp);
	take_network(s, v, lmtp);
	take_listeners(s);
	take_names(s, v, lmtp);
	take_debug(s, v);
	take_rewriting(s, v, lmtp);
	return s;
}

struct settings *
settings_get(struct map *map, struct conf *conf, struct span transport)
{
	struct settings *s = map_get(map, transport);

	if (s == NULL) {
		const struct service *service = conf_transport(conf, transport);
		if (service == NULL)
			return NULL;
		struct span command = span_str(service->command);
		bool lmtp = span_eqs(command, "lmtp");
		if (!lmtp && !span_eqs(command, "smtp"))
			return NULL;
		s = make(conf, service, lmtp);
		map_add(map, s);
	}
	return settings_ref(s);
}

struct settings *
settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void
settings_unref(struct settings *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	match_list_free(s->debug_peers);
	rewriting_free(s->rewriting);
	conf_unref(s->conf);
	free(s->transport);
	free(s->program);
	free(s);
}

void
settings_forget(struct map *map)
{
	size_t at = 0;

	for (struct settings *s; (s = map_next(map, &at)) != NULL;)
		settings_unref(s);
	map_clear(map);
}
