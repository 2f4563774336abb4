/* What compiling the lists and tables finds, told by file and line. */
#include <stdlib.h>
#include <string.h>

#include "policy/content_check.h"
#include "policy/policy.h"
#include "policy/sasl.h"
#include "policy/screen.h"
#include "route/generic.h"
#include "smtp/sasl_client.h"
#include "table/table.h"

/* The err's text begins with the parameter's name. */
static void
report(const struct conf *conf, const struct view *v, const struct err *err, struct conf_problems *problems)
{
	struct span text = span_str(err->text);
	struct span name = span_head(text, span_find(text, ':'));
	const struct service *s = view_service(v);
	bool own = s != NULL && conf_raw(v, name) != conf_raw(conf_main(conf), name);
	unsigned line = own ? s->line : conf_line(conf, name);
	struct buf file = BUF_INIT(8192);

	buf_printf(&file, "%s/%s", conf_dir(conf), own ? "master.cf" : "main.cf");
	conf_problem_add(problems, PROBLEM_ERROR, file.over ? NULL : file.ptr, line, "%s", err->text);
	buf_clear(&file);
}

/* Programs that a master.cf line can deliver with in this version. */
static bool
is_agent(const char *command)
{
	static const char *const agents[] = { "smtp", "relay", "lmtp", "local", "virtual", "pipe", "error", "retry", "discard" };

	for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
		if (strcmp(command, agents[i]) == 0)
			return true;
	return false;
}

/* A transport that master.cf has not, or that nothing here delivers for: mail would wait for it. */
static void
check_transport(const struct conf *conf, enum param p, struct conf_problems *problems)
{
	struct span all = span_trim(span_str(conf_str(conf_program(conf, "trivial-rewrite"), p)));
	struct span name = span_head(all, span_find(all, ':'));
	struct buf file = BUF_INIT(8192);
	const struct service *s = conf_transport(conf, name);

	if (s != NULL && is_agent(s->command))
		return;
	buf_printf(&file, "%s/main.cf", conf_dir(conf));
	conf_problem_add(problems, PROBLEM_WARNING, file.over ? NULL : file.ptr,
	    conf_line(conf, span_str(param_row(p)->name)),
	    s == NULL ? "%s: master.cf has no service \"%.*s\"; mail for it will wait" :
	    "%s: this version cannot deliver by \"%.*s\"; mail for it will wait", param_row(p)->name, SPAN_ARG(name));
	buf_clear(&file);
}

static void
check_tables(struct conf *conf, const struct view *v, enum param p, struct conf_problems *problems)
{
	struct err err = { ERR_NONE, "" };
	struct tables tables;

	if (tables_open(&tables, conf, conf_str(v, p), &err)) {
		tables_clear(&tables);
		return;
	}
	err_prefix(&err, "%s", param_row(p)->name);
	report(conf, v, &err, problems);
}

/* Logins that a client has for servers. */
static void
check_login(struct conf *conf, const struct view *v, bool lmtp, struct conf_problems *problems)
{
	const enum param options[] = { lmtp ? P_lmtp_sasl_security_options : P_smtp_sasl_security_options,
	    lmtp ? P_lmtp_sasl_tls_security_options : P_smtp_sasl_tls_security_options,
	    lmtp ? P_lmtp_sasl_tls_verified_security_options : P_smtp_sasl_tls_verified_security_options };
	struct err err = { ERR_NONE, "" };
	struct span bad;
	unsigned bits;

	if (!conf_bool(v, lmtp ? P_lmtp_sasl_auth_enable : P_smtp_sasl_auth_enable))
		return;
	check_tables(conf, v, lmtp ? P_lmtp_sasl_password_maps : P_smtp_sasl_password_maps, problems);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		if (sasl_client_forbids(span_str(conf_str(v, options[i])), &bits, &bad))
			continue;
		err_set(&err, ERR_PERM, "%s: \"%.*s\" is no security option", param_row(options[i])->name, SPAN_ARG(span_head(bad, 60)));
		report(conf, v, &err, problems);
	}
}

/* What a client does to mail on its way out. */
static void
check_client(struct conf *conf, const struct view *v, bool lmtp, struct conf_problems *problems)
{
	struct err err = { ERR_NONE, "" };
	struct content_checks *checks;
	struct generic *generic;

	if (!generic_new(conf, v, lmtp ? P_lmtp_generic_maps : P_smtp_generic_maps, &generic, &err))
		report(conf, v, &err, problems);
	generic_free(generic);
	if (!content_checks_new(conf, v, lmtp ? CHECK_LMTP : CHECK_SMTP, &checks, &err))
		report(conf, v, &err, problems);
	content_checks_free(checks);
	check_tables(conf, v, lmtp ? P_lmtp_reply_filter : P_smtp_reply_filter, problems);
	check_tables(conf, v, lmtp ? P_lmtp_pix_workaround_maps : P_smtp_pix_workaround_maps, problems);
	check_tables(conf, v, lmtp ? P_lmtp_dns_reply_filter : P_smtp_dns_reply_filter, problems);
	check_tables(conf, v, lmtp ? P_lmtp_delivery_status_filter : P_smtp_delivery_status_filter, problems);
	check_tables(conf, v, lmtp ? P_lmtp_discard_lhlo_keyword_address_maps : P_smtp_discard_ehlo_keyword_address_maps, problems);
	check_login(conf, v, lmtp, problems);
}

void
policy_check_conf(struct conf *conf, struct conf_problems *problems)
{
	struct err err = { ERR_NONE, "" };
	struct router *router = router_new(conf, &err);

	if (router == NULL) {
		report(conf, conf_main(conf), &err, problems);
		return;
	}
	check_transport(conf, P_local_transport, problems);
	if (conf_str(conf_main(conf), P_relay_domains)[0] != '\0')
		check_transport(conf, P_relay_transport, problems);
	if (conf_str(conf_main(conf), P_virtual_mailbox_domains)[0] != '\0')
		check_transport(conf, P_virtual_transport, problems);
	check_transport(conf, P_default_transport, problems);
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		bool lmtp = strcmp(s->command, "lmtp") == 0;
		if (lmtp || strcmp(s->command, "smtp") == 0)
			check_client(conf, conf_view(conf, s), lmtp, problems);
		if (s->type == SERVICE_INET && strcmp(s->command, "postscreen") == 0) {
			struct screen *screen = screen_new(conf_view(conf, s), &err);
			if (screen == NULL)
				report(conf, conf_view(conf, s), &err, problems);
			screen_free(screen);
		}
		if (strcmp(s->command, "smtpd") != 0)
			continue;
		struct policy *p = policy_new(conf_view(conf, s), router, &err);
		if (p == NULL)
			report(conf, conf_view(conf, s), &err, problems);
		policy_free(p);
		struct sasl *sasl;
		if (!sasl_new(conf_view(conf, s), &sasl, &err))
			report(conf, conf_view(conf, s), &err, problems);
		sasl_free(sasl);
	}
	router_free(router);
}
