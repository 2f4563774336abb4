/*
 * The last step of a route: the hosts, by the daemon's own functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/mem.h"
#include "mtactl/route.h"
#include "net/resolve.h"

struct looking {
	struct jsonl	*row;
	struct trouble	 trouble;	/* the first next hop's */
	bool		 any;
	bool		 waiting;
};

static void
put_target(struct jsonl *j, const struct target *t, bool mx)
{
	char address[NET_ADDR_TEXT];

	jsonl_object(j, NULL);
	jsonl_str(j, "host", span_str(t->host));
	jsonl_str(j, "address", span_str(net_addr_text(&t->addr, address)));
	jsonl_i64(j, "port", net_addr_port(&t->addr));
	if (mx)
		jsonl_i64(j, "preference", t->preference);
	jsonl_end_object(j);
}

static void
on_targets(void *arg, const struct targets *t)
{
	struct looking *l = arg;

	for (size_t i = 0; i < t->count; i++)
		put_target(l->row, &t->list[i], t->mx);
	if (t->count == 0 && l->trouble.text[0] == '\0')
		l->trouble = t->trouble;
	l->any = l->any || t->count > 0;
	l->waiting = false;
	loop_stop(0);
}

static void
put_path(struct looking *l, struct span path)
{
	jsonl_object(l->row, NULL);
	jsonl_str(l->row, "path", path);
	jsonl_end_object(l->row);
	l->any = true;
}

/* Next hops in their order, as the send role takes them apart. */
static void
look(struct looking *l, struct dns *dns, const struct resolve_settings *settings, struct span nexthops)
{
	struct span word;
	struct nexthop n;

	while (span_word(&nexthops, "\t\r\n ,", &word)) {
		if (!nexthop_parse(word, settings, &n)) {
			(void)snprintf(l->trouble.text, sizeof l->trouble.text, "bad next hop \"%.*s\"", SPAN_ARG(span_head(word, 200)));
			continue;
		}
		if (n.is_unix) {
			put_path(l, n.host);
			continue;
		}
		l->waiting = true;
		(void)resolve_start(dns, settings, &n, on_targets, l);
		while (l->waiting)
			(void)loop_run();
	}
}

enum hosts
route_hosts_put(struct session *s, const struct route *r, struct jsonl *j)
{
	const struct service *service = conf_transport(s->conf, r->transport);
	struct looking l = { .row = j };
	struct resolve_settings *settings;

	if (service == NULL && !span_eqs(r->transport, "error")) {
		(void)snprintf(l.trouble.text, sizeof l.trouble.text, "master.cf has no transport \"%.*s\"", SPAN_ARG(span_head(r->transport, 100)));
		jsonl_str(j, "hosts_failed", span_str(l.trouble.text));
		jsonl_str(j, "hosts_dsn", SPAN("4.3.0"));
		return HOSTS_NONE;
	}
	if (service == NULL || (strcmp(service->command, "smtp") != 0 && strcmp(service->command, "lmtp") != 0))
		return HOSTS_NOT_ASKED;
	struct dns *dns = local_dns(s);
	if (dns == NULL)
		return HOSTS_NOT_ASKED;
	settings = mem_new(sizeof *settings);
	resolve_settings_take(settings, s->conf, conf_view(s->conf, service), strcmp(service->command, "lmtp") == 0);
	jsonl_array(j, "hosts");
	look(&l, dns, settings, r->nexthop);
	jsonl_end_array(j);
	if (!l.any) {
		jsonl_str(j, "hosts_failed", span_str(l.trouble.text));
		jsonl_str(j, "hosts_dsn", span_str(l.trouble.dsn));
	}
	dns_free(dns);
	free(settings);
	return l.any ? HOSTS_FOUND : HOSTS_NONE;
}
