#include "send/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "net/dns_setup.h"

#define TLS_FILE_MAX	((size_t)8 << 20)

/* Each parameter has two names: the smtp client's and the lmtp client's. */
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

struct span
settings_key(const void *item)
{
	return span_str(((const struct settings *)item)->transport);
}

static void
take_times(struct settings *s, const struct view *v, bool lmtp)
{
	int64_t *t = s->stage_timeout;

	t[CLIENT_HELLO] = conf_time(v, lmtp ? P_lmtp_lhlo_timeout : P_smtp_helo_timeout);
	t[CLIENT_GREETING] = t[CLIENT_HELLO];
	t[CLIENT_STARTTLS] = t[CLIENT_TLS] = conf_time(v, BOTH(lmtp, starttls_timeout));
	t[CLIENT_MAIL] = conf_time(v, BOTH(lmtp, mail_timeout));
	t[CLIENT_RCPT] = conf_time(v, BOTH(lmtp, rcpt_timeout));
	t[CLIENT_DATA] = conf_time(v, BOTH(lmtp, data_init_timeout));
	t[CLIENT_BODY] = conf_time(v, BOTH(lmtp, data_xfer_timeout));
	t[CLIENT_DOT] = conf_time(v, BOTH(lmtp, data_done_timeout));
	t[CLIENT_XFORWARD] = conf_time(v, BOTH(lmtp, xforward_timeout));
	t[CLIENT_RSET] = conf_time(v, BOTH(lmtp, rset_timeout));
	t[CLIENT_QUIT] = conf_time(v, BOTH(lmtp, quit_timeout));
	s->connect_timeout = conf_time(v, BOTH(lmtp, connect_timeout));
	s->cache_time = conf_time(v, BOTH(lmtp, connection_cache_time_limit));
	/* Which destinations are listed makes no difference: an idle connection costs them nothing. */
	if (!conf_bool(v, BOTH(lmtp, connection_cache_on_demand)) &&
	    conf_str(v, BOTH(lmtp, connection_cache_destinations))[0] == '\0')
		s->cache_time = 0;
	s->data_rate = conf_bool(v, BOTH(lmtp, per_request_deadline)) ? conf_int(v, BOTH(lmtp, min_data_rate)) : 0;
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
	resolve_settings_take(&s->resolve, s->conf, v, lmtp);
	s->resolve.program = s->resolve.filter.program = s->program;
	s->bind_enforce = conf_bool(v, BOTH(lmtp, bind_address_enforce));
	s->assume_final = lmtp && conf_bool(v, P_lmtp_assume_final);
	net_addr_parse(span_trim(span_str(conf_str(v, BOTH(lmtp, bind_address)))), 0, &s->bind4);
	net_addr_parse(span_trim(span_str(conf_str(v, BOTH(lmtp, bind_address6)))), 0, &s->bind6);
	s->name_original = conf_bool(conf_program(s->conf, "cleanup"), P_enable_original_recipient);
	s->session_limit = (size_t)conf_int(v, BOTH(lmtp, mx_session_limit));
	s->xforward = conf_bool(v, BOTH(lmtp, send_xforward_command));
	s->skip_quit = conf_bool(v, BOTH(lmtp, skip_quit_response));
	s->best_mx_transport = lmtp ? "" : conf_str(v, P_best_mx_transport);
	s->fallback = conf_str(v, BOTH(lmtp, fallback_relay));
	s->pix = pix_parse(span_str(conf_str(v, BOTH(lmtp, pix_workarounds))));
	s->pix_age = conf_time(v, BOTH(lmtp, pix_workaround_threshold_time));
	s->pix_delay = conf_time(v, BOTH(lmtp, pix_workaround_delay_time));
	s->probe_data = strcasecmp(conf_str(v, BOTH(lmtp, address_verify_target)), "data") == 0;
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

/* What a server says, line by line. */
static bool
filter_reply(void *arg, struct span line, struct buf *to)
{
	struct settings *s = arg;
	struct err err = { .kind = ERR_NONE };

	switch (tables_get(&s->reply_filter, NULL, line, to, &err)) {
	case TABLE_FOUND:
		return true;
	case TABLE_ABSENT:
		return false;
	default:
		log_warning(s->program, "smtp_reply_filter: %s", err.text);
		return false;
	}
}

static bool
take_filters(struct settings *s, const struct view *v, bool lmtp, struct err *err)
{
	const struct {
		enum param	 param;
		struct tables	*to;
	} all[] = {
		{ BOTH(lmtp, reply_filter), &s->reply_filter },
		{ BOTH(lmtp, delivery_status_filter), &s->status_filter },
		{ BOTH(lmtp, dns_reply_filter), &s->resolve.filter.tables },
		{ BOTH(lmtp, pix_workaround_maps), &s->pix_maps },
		{ lmtp ? P_lmtp_discard_lhlo_keyword_address_maps : P_smtp_discard_ehlo_keyword_address_maps, &s->discard_maps },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (tables_open(all[i].to, s->conf, conf_str(v, all[i].param), err))
			continue;
		err_prefix(err, "%s", param_row(all[i].param)->name);
		return false;
	}
	if (s->reply_filter.count > 0) {
		s->client.filter_reply = filter_reply;
		s->client.filter_arg = s;
	}
	return true;
}

static void
take_tables(struct settings *s, const struct view *v, bool lmtp)
{
	struct err err = { .kind = ERR_NONE };

	if (take_filters(s, v, lmtp, &err) && rewriting_new(s->conf, v, lmtp, &s->rewriting, &err) && login_rules_new(s->conf, v, lmtp, &s->login, &err))
		return;
	log_warning(s->program, "%s", err.text);
	s->broken = true;
}

static void
warn_tls(void *arg, const char *text)
{
	const struct settings *s = arg;

	log_warning(s->program, "%s", text);
}

static void
take_tls(struct settings *s, const struct view *v, bool lmtp)
{
	tls_client_init(&s->tls, v, lmtp, &(struct tls_warn){ warn_tls, s });
	s->client.no_early_reply = s->tls.watch_early_reply;
	s->plain_after = conf_time(v, P_minimal_backoff_time);
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
	take_debug(s, v);
	take_tables(s, v, lmtp);
	take_tls(s, v, lmtp);
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
	login_rules_free(s->login);
	tls_client_clear(&s->tls);
	tables_clear(&s->reply_filter);
	tables_clear(&s->status_filter);
	tables_clear(&s->resolve.filter.tables);
	tables_clear(&s->discard_maps);
	tables_clear(&s->pix_maps);
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
