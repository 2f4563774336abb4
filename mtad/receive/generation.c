#include "receive/generation.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "receive/before_queue.h"
#include "receive/session_filter.h"
#include "receive/session_notice.h"
#include "smtp/ehlo.h"

static struct span
str(const struct view *v, enum param p)
{
	return span_str(conf_str(v, p));
}

static uint32_t
small(const struct view *v, enum param p)
{
	int64_t n = conf_int(v, p);

	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static enum smtp_bare_lf
bare_lf(const struct view *v)
{
	struct span s = str(v, P_smtpd_forbid_bare_newline);

	if (span_eqs(s, "no"))
		return SMTP_BARE_LF_NO;
	if (span_eqs(s, "reject"))
		return SMTP_BARE_LF_REJECT;
	return span_eqs(s, "note") ? SMTP_BARE_LF_NOTE : SMTP_BARE_LF_NORMALIZE;
}

static void
smtp_settings(struct settings *s, struct buf *scratch)
{
	const struct view *v = s->view;

	s->smtp = (struct smtp_server_config){
		.hostname = conf_str(v, P_myhostname),
		.banner = conf_str(v, P_smtpd_banner),
		.noop_commands = conf_str(v, P_smtpd_noop_commands),
		.forbidden_commands = conf_str(v, P_smtpd_forbidden_commands),
		.verp_delimiters = conf_str(v, P_default_verp_delimiters),
		.verp_filter = conf_str(v, P_verp_delimiter_filter),
		.helo_required = conf_bool(v, P_smtpd_helo_required),
		.disable_vrfy = conf_bool(v, P_disable_vrfy_command),
		.smtputf8 = conf_bool(v, P_smtputf8_enable),
		.strict_smtputf8 = conf_bool(v, P_strict_smtputf8),
		.strict_envelopes = conf_bool(v, P_strict_rfc821_envelopes),
		.soft_bounce = conf_bool(v, P_soft_bounce),
		.forbid_pipelining = span_caseeqs(str(v, P_smtpd_forbid_unauth_pipelining), "yes"),
		.message_size_limit = (uint64_t)conf_int(v, P_message_size_limit),
		.recipient_limit = small(v, P_smtpd_recipient_limit),
		.recipient_overshoot = small(v, P_smtpd_recipient_overshoot_limit),
		.line_length_limit = small(v, P_line_length_limit),
		.soft_error_limit = small(v, P_smtpd_soft_error_limit),
		.hard_error_limit = small(v, P_smtpd_hard_error_limit),
		.junk_limit = small(v, P_smtpd_junk_command_limit),
		.broken_auth_clients = conf_bool(v, P_broken_sasl_auth_clients),
		.auth_response_limit = small(v, P_smtpd_sasl_response_limit),
		.bare_lf_code = small(v, P_smtpd_forbid_bare_newline_reject_code),
		.scratch = scratch,
	};
	s->notify = trouble_classes(str(v, P_notify_classes));
	s->history_lines = small(v, P_smtpd_history_flush_threshold);
	s->notice_recipient = conf_str(v, P_error_notice_recipient);
	s->bare_lf = bare_lf(v);
	s->discard = smtp_ehlo_list(str(v, P_smtpd_discard_ehlo_keywords));
	s->timeout = conf_time(v, P_smtpd_timeout);
	s->data_rate = conf_bool(v, P_smtpd_per_request_deadline) ? (uint64_t)conf_int(v, P_smtpd_min_data_rate) : 0;
	s->error_sleep = conf_time(v, P_smtpd_error_sleep_time);
	s->connection_count_limit = small(v, P_smtpd_client_connection_count_limit);
	rate_limits_read(&s->rates, v);
	s->connection_rate_limit = small(v, P_smtpd_client_connection_rate_limit);
	s->port_logging = conf_bool(v, P_smtpd_client_port_logging);
	s->name_lookup = conf_bool(v, P_smtpd_peername_lookup);
	s->has_footer = *conf_str(v, P_smtpd_reject_footer) != '\0' || *conf_str(v, P_smtpd_reject_footer_maps) != '\0' ||
	    *conf_str(v, P_smtpd_reject_filter_maps) != '\0';
}

/* The cleanup service that this one names (cleanup_service_name): its view has the header parameters. */
static const struct view *
cleanup_view(const struct conf *conf, const struct view *v)
{
	const struct service *service = conf_transport(conf, str(v, P_cleanup_service_name));

	return service != NULL ? conf_view(conf, service) : conf_program(conf, "cleanup");
}

static bool
has_word(struct span list, const char *word)
{
	struct span each;

	while (span_word(&list, "\t\r\n ,", &each))
		if (span_caseeqs(each, word))
			return true;
	return false;
}

static unsigned
strict_bits(const struct view *cleanup)
{
	bool all = conf_bool(cleanup, P_strict_8bitmime);

	if (conf_bool(cleanup, P_disable_mime_input_processing))
		return 0;
	return (all || conf_bool(cleanup, P_strict_7bit_headers) ? WALK_STRICT(WALK_8BIT_HEADER) : 0u) |
	    (all || conf_bool(cleanup, P_strict_8bitmime_body) ? WALK_STRICT(WALK_8BIT_BODY) : 0u) |
	    (conf_bool(cleanup, P_strict_mime_encoding_domain) ? WALK_STRICT(WALK_ENCODING) : 0u);
}

/* Header and body checks; nothing where nothing is set. */
static bool
set_checks(struct settings *s, const struct view *cleanup, struct err *err)
{
	struct intake_settings *in = &s->intake;

	if (!content_checks_new(s->generation->conf, cleanup, CHECK_CLEANUP, &in->checks, err))
		return false;
	unsigned strict = strict_bits(cleanup);
	if (in->checks == NULL && strict == 0)
		return true;
	in->refuse_deep = strict != 0 || content_checks_has(in->checks, CHECK_HEADER) || content_checks_has(in->checks, CHECK_MIME) ||
	    content_checks_has(in->checks, CHECK_NESTED);
	in->walk = (struct walk_options){
		.strict = strict,
		.structure = !conf_bool(cleanup, P_disable_mime_input_processing) && (strict != 0 || content_checks_has(in->checks, CHECK_MIME) ||
		    content_checks_has(in->checks, CHECK_NESTED) || content_checks_has(in->checks, CHECK_BODY)),
		.lines = content_checks_has(in->checks, CHECK_BODY),
		.lines_limit = (uint64_t)conf_int(cleanup, P_body_checks_size_limit),
		.line_limit = (size_t)conf_int(cleanup, P_line_length_limit),
		.header_limit = in->header_limit,
		.nesting_limit = small(cleanup, P_mime_nesting_limit),
	};
	return true;
}

/* What is done to addresses; nothing where nothing is set. */
static bool
set_mapper(struct settings *s, const struct view *cleanup, struct err *err)
{
	struct mapper *m = mapper_new(s->generation->conf, cleanup, s->generation->router, err);

	if (m == NULL)
		return false;
	if (mapper_expands(m) || mapper_concerns(m, MAP_HEADER_SENDER) || mapper_concerns(m, MAP_HEADER_RECIPIENT))
		s->intake.mapper = m;
	else
		mapper_free(m);
	return true;
}

static bool
intake_settings(struct settings *s, const char *service, struct err *err)
{
	const struct view *v = s->view, *cleanup = cleanup_view(s->generation->conf, v);

	s->intake = (struct intake_settings){
		.hostname = str(v, P_myhostname),
		.mail_name = str(v, P_mail_name),
		.origin = str(cleanup, P_myorigin),
		.service = span_str(service),
		.drop_headers = str(cleanup, P_message_drop_headers),
		.undisclosed = str(cleanup, P_undisclosed_recipients_header),
		.add_missing = conf_bool(cleanup, P_always_add_missing_headers),
		.hopcount_limit = small(cleanup, P_hopcount_limit),
		.header_limit = (size_t)conf_int(cleanup, P_header_size_limit),
		.in_flow_delay = conf_time(cleanup, P_in_flow_delay),
		.duplicate_limit = (size_t)conf_int(cleanup, P_duplicate_filter_limit),
		.keep_original = conf_bool(cleanup, P_enable_original_recipient),
		.rewrite_remote = *conf_str(cleanup, P_remote_header_rewrite_domain) != '\0',
		.router = s->generation->router,
		.hide_client = conf_bool(v, P_smtpd_hide_client_session),
		.sasl_header = conf_bool(v, P_smtpd_sasl_authenticated_header),
		.content_filter = span_trim(str(v, P_content_filter)),
	};
	struct span off = str(v, P_receive_override_options);
	if (!has_word(off, "no_header_body_checks"))
		s->intake.bytes = (struct byte_rules){ byte_set_from(str(cleanup, P_message_reject_characters)),
		    byte_set_from(str(cleanup, P_message_strip_characters)) };
	return (has_word(off, "no_address_mappings") || set_mapper(s, cleanup, err)) &&
	    (has_word(off, "no_header_body_checks") || set_checks(s, cleanup, err));
}

/* Postfix has a process a session: as many as the line says. */
static void
service_limit(struct settings *s, const struct service *service)
{
	struct buf key = BUF_INIT(512);

	buf_printf(&key, "%d %s", (int)service->type, service->name);
	s->name = service->name;
	s->limit = (uint32_t)service->maxproc;
	s->parks = conf_bool(s->view, P_mtad_park_idle_sessions);
	s->seats = seats_row(s->generation->seats, buf_view(&key));
	buf_clear(&key);
}

/* A service with a syslog_name of its own (-o syslog_name=mtad/submission) has it before the program's name. */
static char *
program_of(const struct generation *g, const struct view *v, const char *program)
{
	const char *name = conf_str(v, P_syslog_name);
	struct buf tag = BUF_INIT(128);

	if (strcmp(name, conf_str(conf_main(g->conf), P_syslog_name)) != 0)
		buf_printf(&tag, "%s/", name);
	buf_str(&tag, program);
	if (!tag.over)
		return buf_take(&tag);
	buf_clear(&tag);
	return mem_str(program);
}

/* The master has said it before, where it could be known. */
static void
on_tls_note(void *arg, bool error, const char *text)
{
	const struct settings *s = arg;

	if (error)
		log_warning(s->program, "%s", text);
}

static void
take_ticket_key(struct generation *g)
{
	int fd = role_fd("tls-tickets");

	g->has_ticket_key = fd >= 0 && pread(fd, g->ticket_key, sizeof g->ticket_key, 0) == (ssize_t)sizeof g->ticket_key;
}

/* Who may say who is behind it; most sites trust nobody, and ask nothing at each connection. */
static bool
trusted_hosts(const struct settings *s, enum param p, struct match_list **list, struct err *err)
{
	const char *name = param_row(p)->name, *value = conf_str(s->view, p);

	if (value[0] == '\0')
		return true;
	*list = match_list_new(s->generation->conf, name, value, MATCH_CLIENT, err);
	if (*list == NULL)
		err_prefix(err, "%s", name);
	return *list != NULL;
}

static bool
set_proxy(struct settings *s, struct err *err)
{
	const char *protocol = conf_str(s->view, P_smtpd_upstream_proxy_protocol);

	s->proxy = strcmp(protocol, "haproxy") == 0;
	s->proxy_timeout = conf_time(s->view, P_smtpd_upstream_proxy_timeout);
	if (s->proxy || protocol[0] == '\0')
		return true;
	err_set(err, ERR_PERM, "smtpd_upstream_proxy_protocol: \"%.60s\" is no protocol; write haproxy, or nothing", protocol);
	return false;
}

static bool
service_settings(struct generation *g, struct settings *s, const struct service *service, struct buf *scratch,
    struct err *err)
{
	s->generation = g;
	s->view = conf_view(g->conf, service);
	s->program = program_of(g, s->view, "smtpd");
	service_limit(s, service);
	smtp_settings(s, scratch);
	if (!intake_settings(s, service->name, err) || !set_proxy(s, err) || !filters_open(s, err) || !before_queue_open(s, err) ||
	    !trusted_hosts(s, P_smtpd_authorized_xclient_hosts, &s->xclient_hosts, err) ||
	    !trusted_hosts(s, P_smtpd_authorized_xforward_hosts, &s->xforward_hosts, err) ||
	    !trusted_hosts(s, P_smtpd_authorized_verp_clients, &s->verp_hosts, err))
		return false;
	s->tls = tls_server_new(s->view, on_tls_note, s);
	s->policy = policy_new(s->view, g->router, err);
	if (s->policy == NULL || !sasl_new(s->view, &s->sasl, err))
		return false;
	s->debug_level = (int)small(s->view, P_debug_peer_level);
	s->debug_peers = match_list_new(g->conf, "debug_peer_list", conf_str(s->view, P_debug_peer_list),
	    MATCH_CLIENT, err);
	if (s->debug_peers == NULL)
		err_prefix(err, "debug_peer_list");
	return s->debug_peers != NULL;
}

/* Of the daemon's own: local submission (pickup's view) and notices (bounce's). */
static bool
own_settings(struct generation *g, struct settings *s, const char *program, struct buf *scratch, struct err *err)
{
	s->generation = g;
	s->view = conf_program(g->conf, program);
	s->name = program;
	s->program = program_of(g, s->view, program);
	smtp_settings(s, scratch);
	s->smtp.helo_required = false;
	s->smtp.forbid_pipelining = false;
	s->smtp.recipient_limit = 0;
	s->bare_lf = SMTP_BARE_LF_NORMALIZE;
	s->discard = 0;
	return intake_settings(s, program, err);
}

/* A line that runs postscreen has the sessions of the line that it hands its clients to. */
static bool
screen_settings(struct generation *g, struct settings *s, const struct service *service, struct buf *scratch, struct err *err)
{
	const struct view *v = conf_view(g->conf, service);
	const struct service *behind = screen_behind(g->conf, v);

	if (behind == NULL) {
		err_set(err, ERR_PERM, "smtpd_service_name: master.cf has no smtpd service \"%s\" of type pass for postscreen",
		    conf_str(v, P_smtpd_service_name));
		return false;
	}
	return service_settings(g, s, behind, scratch, err) && (s->screen = screen_new(v, err)) != NULL;
}

/* The master has told of it when it read the configuration. */
static void
no_fault(void *arg, unsigned line, const char *text)
{
	(void)arg;
	(void)line;
	(void)text;
}

static bool
fill(struct generation *g, struct buf *scratch, struct err *err)
{
	const struct view *main_cf = conf_main(g->conf);

	g->router = router_new(g->conf, err);
	if (g->router == NULL)
		return false;
	g->service_count = conf_service_count(g->conf);
	take_ticket_key(g);
	g->services = mem_array(g->service_count + 1, sizeof *g->services);
	for (size_t i = 0; i < g->service_count; i++) {
		const struct service *service = conf_service(g->conf, i);
		if (span_eqs(span_str(service->command), "smtpd") &&
		    !service_settings(g, &g->services[i], service, scratch, err))
			return false;
		if (service->type == SERVICE_INET && span_eqs(span_str(service->command), "postscreen") &&
		    !screen_settings(g, &g->services[i], service, scratch, err))
			return false;
	}
	if (!own_settings(g, &g->submission, "pickup", scratch, err) ||
	    !own_settings(g, &g->bounce, "bounce", scratch, err))
		return false;
	g->flush_domains = match_list_new(g->conf, "fast_flush_domains", conf_str(main_cf, P_fast_flush_domains), MATCH_DOMAIN, err);
	if (g->flush_domains == NULL) {
		err_prefix(err, "fast_flush_domains");
		return false;
	}
	g->check_bounce = has_word(str(main_cf, P_internal_mail_filter_classes), "bounce");
	g->check_notify = has_word(str(main_cf, P_internal_mail_filter_classes), "notify");
	g->spill_size = (size_t)conf_int(main_cf, P_mtad_spill_size);
	g->memory_limit = (size_t)conf_int(main_cf, P_mtad_memory_limit);
	g->bounce_size_limit = (uint64_t)conf_int(g->bounce.view, P_bounce_size_limit);
	/* Without a domain it is of this host, whatever myorigin is. */
	buf_span(&g->double_bounce, str(g->bounce.view, P_double_bounce_sender));
	if (!span_has(buf_view(&g->double_bounce), '@'))
		buf_printf(&g->double_bounce, "@%s", conf_str(g->bounce.view, P_myhostname));
	g->double_bounce_sender = buf_view(&g->double_bounce);
	notice_texts_make(&g->texts, g->bounce.view, no_fault, NULL);
	g->threaded = conf_bool(g->bounce.view, P_enable_threaded_bounces);
	return true;
}

static struct generation *
make(struct conf *conf, const struct user_names *users, struct seats *seats, struct buf *scratch, struct err *err)
{
	struct generation *g;

	MEM_NEW(g);
	g->refs = 1;
	g->conf = conf;
	g->seats = seats;
	if (users != NULL)
		user_list_make(&g->submitters, users, "authorized_submit_users", conf_str(conf_main(conf), P_authorized_submit_users));
	g->double_bounce = BUF_INIT(0);
	if (fill(g, scratch, err))
		return g;
	generation_unref(g);
	return NULL;
}

struct generation *
generation_new(struct span frozen, const struct user_names *users, struct seats *seats, struct buf *scratch, struct err *err)
{
	struct conf *conf = conf_thaw(frozen, err);

	return conf == NULL ? NULL : make(conf, users, seats, scratch, err);
}

struct settings *
generation_stress(struct settings *s, struct buf *scratch)
{
	struct generation *g = s->generation;
	struct err err = { .kind = ERR_NONE };

	if (g->stressed == NULL && !g->cannot_stress) {
		struct conf *conf = conf_stressed(g->conf, &err);
		g->stressed = conf == NULL ? NULL : make(conf, NULL, g->seats, scratch, &err);
		g->cannot_stress = g->stressed == NULL;
		if (g->cannot_stress)
			log_warning(NULL, "stress: %s", err.text);
	}
	return g->stressed == NULL ? s : &g->stressed->services[s - g->services];
}

struct generation *
generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

static void
intake_clear(struct intake_settings *s)
{
	mapper_free(s->mapper);
	content_checks_free(s->checks);
}

void
generation_unref(struct generation *g)
{
	if (g == NULL || --g->refs > 0)
		return;
	generation_unref(g->stressed);
	for (size_t i = 0; i < g->service_count; i++) {
		policy_free(g->services[i].policy);
		sasl_free(g->services[i].sasl);
		screen_free(g->services[i].screen);
		tls_server_free(g->services[i].tls);
		filters_clear(&g->services[i]);
		free(g->services[i].filter);
		free(g->services[i].filter_name);
		match_list_free(g->services[i].debug_peers);
		match_list_free(g->services[i].xclient_hosts);
		match_list_free(g->services[i].xforward_hosts);
		match_list_free(g->services[i].verp_hosts);
		free(g->services[i].program);
		intake_clear(&g->services[i].intake);
	}
	free(g->submission.program);
	free(g->bounce.program);
	intake_clear(&g->submission.intake);
	intake_clear(&g->bounce.intake);
	free(g->services);
	match_list_free(g->flush_domains);
	user_list_clear(&g->submitters);
	router_free(g->router);
	conf_unref(g->conf);
	buf_clear(&g->double_bounce);
	notice_texts_clear(&g->texts);
	free(g);
}
