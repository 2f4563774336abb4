/*
 * tls probe DEST: a server's TLS as the daemon's client would meet it, and what each level would say. Nothing is sent but EHLO, STARTTLS and QUIT.
 */
#include "mtactl/tls_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "mtactl/display.h"

#define TARGETS		10u	/* addresses that are tried until one answers */
#define TIMEOUT		(15 * SECOND)
#define WRAPPER_PORT	465

/* -- the configuration ------------------------------------------------------------------- */

static void
warn(void *arg, const char *text)
{
	session_say(arg, "%s", text);
}

static const struct service *
service_of(struct session *s, const struct request *req)
{
	struct span name = SPAN("smtp");

	(void)request_get(req, "service", &name);
	const struct service *found = conf_transport(s->conf, name);
	if (found != NULL && (strcmp(found->command, "smtp") == 0 || strcmp(found->command, "lmtp") == 0))
		return found;
	session_say(s, "master.cf has no transport \"%.*s\" of smtp or lmtp", SPAN_ARG(name));
	return NULL;
}

static bool
take_names(struct probe *p, const struct request *req, struct nexthop *n)
{
	struct span nexthop = p->given;
	struct nexthop names;

	(void)request_get(req, "nexthop", &nexthop);
	if (!nexthop_parse(p->given, p->resolve, n) || n->is_unix || !nexthop_parse(nexthop, p->resolve, &names)) {
		session_say(p->session, "\"%.*s\" is no destination: example.com, [mx.example.com] or [mx.example.com]:587", SPAN_ARG(p->given));
		return false;
	}
	p->nexthop = span_dup(nexthop);
	p->domain = span_dup(names.host);
	p->wrapper = local_flag(req, "wrapper") || (!local_flag(req, "starttls") && (p->client.wrapper || n->port == WRAPPER_PORT));
	return true;
}

static bool
set_up(struct probe *p, const struct request *req, struct nexthop *n)
{
	struct session *s = p->session;

	const struct service *service = service_of(s, req);
	if (service == NULL)
		return false;
	p->view = conf_view(s->conf, service);
	p->lmtp = strcmp(service->command, "lmtp") == 0;
	MEM_NEW(p->resolve);
	resolve_settings_take(p->resolve, s->conf, p->view, p->lmtp);
	tls_client_init(&p->client, p->view, p->lmtp, &(struct tls_warn){ warn, s });
	tls_client_force(&p->trial, p->view, p->lmtp);
	p->checks = p->client.dnssec || conf_str(p->view, P_mtad_dns_anchor)[0] != '\0';
	p->trial.dnssec = p->checks;
	p->dns = local_dns_checked(s, p->checks);
	return p->dns != NULL && take_names(p, req, n);
}

/* -- what is told ---------------------------------------------------------------------------- */

static void
put_print(struct jsonl *j, const char *key, struct span der, bool of_key)
{
	struct buf print = BUF_INIT(1024);

	if (tls_fingerprint(der, "sha256", of_key ? TLS_PRINT_KEY : TLS_PRINT_CERTIFICATE, &print))
		jsonl_str(j, key, buf_view(&print));
	buf_clear(&print);
}

static void
put_certificate(struct jsonl *j, struct span der)
{
	struct tls_cert_names names;
	struct buf text = BUF_INIT(4096);
	int64_t from, until;

	jsonl_object(j, NULL);
	if (tls_cert_names(der, &names)) {
		jsonl_str(j, "subject", span_str(names.subject_cn));
		jsonl_str(j, "issuer", span_str(names.issuer_cn));
		tls_cert_names_clear(&names);
	}
	if (tls_cert_times(der, &from, &until)) {
		jsonl_i64(j, "from", from);
		jsonl_i64(j, "until", until);
	}
	jsonl_array(j, "names");
	for (size_t i = 0; i < 100; i++) {
		buf_reset(&text);
		if (!tls_cert_dns(der, i, &text))
			break;
		jsonl_str(j, NULL, buf_view(&text));
	}
	jsonl_end_array(j);
	put_print(j, "sha256", der, false);
	put_print(j, "key_sha256", der, true);
	jsonl_end_object(j);
	buf_clear(&text);
}

static void
put_session(struct tls_session *s, struct jsonl *j)
{
	static const char *const reached[] = { "nothing", "server", "offer", "tls" };
	struct buf text = BUF_INIT(4096);

	jsonl_str(j, "reached", span_str(reached[s->reached]));
	if (s->error[0] != '\0')
		jsonl_str(j, "error", span_str(s->error));
	if (s->reached != REACHED_TLS)
		return;
	const struct tls_facts *f = tls_facts(s->tls);
	tls_describe(s->tls, &text);
	jsonl_str(j, "protocol", span_str(f->protocol));
	jsonl_str(j, "cipher", span_str(f->cipher));
	jsonl_i64(j, "bits", f->bits_used);
	jsonl_str(j, "summary", buf_view(&text));
	jsonl_array(j, "chain");
	for (size_t i = 0; i < tls_peer_count(s->tls) && i < DANE_CHAIN; i++)
		put_certificate(j, tls_peer_der(s->tls, i));
	jsonl_end_array(j);
	buf_clear(&text);
}

static void
put_host(struct probe *p, const struct tls_route *r, const struct target *t, const struct tls_plan *plan, struct tls_session *s)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	char text[NET_ADDR_TEXT];

	jsonl_object(&j, NULL);
	jsonl_str(&j, "host", span_str(t->host));
	jsonl_str(&j, "address", span_str(net_addr_text(&t->addr, text)));
	jsonl_i64(&j, "port", r->port);
	jsonl_str(&j, "nexthop", span_str(p->nexthop));
	jsonl_bool(&j, "mx", r->mx);
	jsonl_bool(&j, "wrapper", p->wrapper);
	if (plan->servername != NULL)
		jsonl_str(&j, "server_name", span_str(plan->servername));
	jsonl_bool(&j, "from_configuration", p->level.len == 0);
	put_session(s, &j);
	if (s->error[0] == '\0' || s->reached != REACHED_NOTHING || s->handshake_failed) {
		probe_put_dane(p, r, s->reached == REACHED_TLS ? s->tls : NULL, &j);
		probe_put_levels(p, plan, r, s, &j);
	}
	jsonl_end_object(&j);
	session_row(p->session, buf_view(&row));
	buf_clear(&row);
}

/* -- hosts ------------------------------------------------------------------------------------ */

/* True where it was reached, whatever came of it. */
static bool
probe_target(struct probe *p, const struct targets *all, const struct target *t)
{
	struct tls_route r = { .nexthop = p->nexthop, .domain = p->domain, .host = t->host, .final = t->final, .secure = t->secure,
		.port = net_addr_port(&t->addr), .mx = all->mx, .mx_secure = all->mx_secure, .mx_final = all->mx_final };
	enum tls_level level = p->level.len > 0 ? tls_level_find(p->level) : TLS_LEVEL_INVALID;
	struct tls_session s;
	struct tls_plan plan;

	probe_plan(p, level, &r, &plan);
	struct tls_session_options o = { .helo = conf_str(p->view, P_myhostname), .lmtp = p->lmtp, .wrapper = p->wrapper, .creds = p->trial.own,
		.priority = plan.priority != NULL ? plan.priority : p->trial.optional, .servername = plan.servername, .timeout = TIMEOUT };
	tls_session_run(&s, t, &o);
	put_host(p, &r, t, &plan, &s);
	bool reached = s.reached != REACHED_NOTHING || s.handshake_failed;
	tls_session_clear(&s);
	tls_plan_clear(&plan);
	return reached;
}

struct hosts {
	struct targets	 targets;	/* copied, with their names */
	char		*names, *mx_final;
	bool		 waiting;
};

static void
on_targets(void *arg, const struct targets *t)
{
	struct hosts *h = arg;
	size_t bytes = 1;

	h->targets = *t;
	h->targets.mx_final = h->mx_final = mem_str(t->mx_final);
	h->targets.list = mem_array(t->count + 1, sizeof *t->list);
	for (size_t i = 0; i < t->count; i++)
		bytes += strlen(t->list[i].host) + strlen(t->list[i].final) + 2;
	char *at = h->names = mem_new(bytes);
	for (size_t i = 0; i < t->count; i++) {
		h->targets.list[i] = t->list[i];
		h->targets.list[i].host = strcpy(at, t->list[i].host);
		at += strlen(at) + 1;
		h->targets.list[i].final = strcpy(at, t->list[i].final);
		at += strlen(at) + 1;
	}
	h->waiting = false;
	loop_stop(0);
}

static int
probe(struct probe *p, const struct nexthop *n)
{
	struct hosts h = { .waiting = true };
	bool reached = false;

	(void)resolve_start(p->dns, p->resolve, n, on_targets, &h);
	while (h.waiting)
		(void)loop_run();
	if (h.targets.count == 0)
		session_say(p->session, "%s", h.targets.trouble.text);
	for (size_t i = 0; i < h.targets.count && i < TARGETS && !reached; i++)
		reached = probe_target(p, &h.targets, &h.targets.list[i]);
	int status = h.targets.count == 0 && h.targets.trouble.dsn[0] == '4' ? 75 : reached && p->delivered ? 0 : 1;
	free(h.targets.list);
	free(h.names);
	free(h.mx_final);
	return status;
}

int
tls_probe_run(struct session *s, const struct request *req)
{
	struct probe p = { .session = s };
	struct nexthop n;
	int status = 78;

	table_use(&(struct table_env){ .open = NULL });
	(void)request_get(req, "dest", &p.given);
	if (request_get(req, "level", &p.level) && tls_level_find(p.level) == TLS_LEVEL_INVALID) {
		session_say(s, "\"%.*s\" is no level: none, may, encrypt, dane, dane-only, fingerprint, verify, secure", SPAN_ARG(p.level));
		return 64;
	}
	if (session_configure(s))
		status = set_up(&p, req, &n) ? probe(&p, &n) : 65;
	if (p.dns != NULL)
		dns_free(p.dns);
	tls_client_clear(&p.client);
	tls_client_clear(&p.trial);
	free(p.resolve);
	free(p.nexthop);
	free(p.domain);
	return status;
}
