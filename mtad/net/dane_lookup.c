#include "net/dane_lookup.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct dane_lookup {
	struct dns	*dns;
	dane_lookup_fn	*fn;
	void		*arg;
	struct dns_query *query;
	char		*name, *final;
	const char	*base;		/* whose records are asked for now */
	const struct dns_filter *filter;
	uint16_t	 port;
	bool		 starting, finished;
};

static void	ask(struct dane_lookup *, const char *base);

static void
dane_lookup_free(struct dane_lookup *l)
{
	free(l->name);
	free(l->final);
	free(l);
}

static void
finish(struct dane_lookup *l, const struct dane_answer *a)
{
	l->finished = true;
	l->fn(l->arg, a);
	if (!l->starting)
		dane_lookup_free(l);
}

static void
finish_text(struct dane_lookup *l, enum dane_found found, const char *text)
{
	finish(l, &(struct dane_answer){ .found = found, .base = "", .text = text });
}

static void
take_records(struct dane_lookup *l, const struct dns_answer *a)
{
	struct span records[DANE_RECORDS];
	size_t n = 0;

	for (; n < a->count && n < DANE_RECORDS; n++)
		records[n] = a->items[n].data;
	finish(l, &(struct dane_answer){ .found = DANE_RECORDS_FOUND, .base = l->base, .records = records, .count = n });
}

static void
on_tlsa(void *arg, const struct dns_answer *a)
{
	struct dane_lookup *l = arg;

	l->query = NULL;
	if (a->status == DNS_TEMPORARY || a->status == DNS_POLICY)
		finish_text(l, DANE_RECORDS_ERROR, a->text);
	else if (a->status == DNS_FOUND && a->secure)
		take_records(l, a);
	else if (l->base == l->final && l->final != l->name && !span_caseeqs(span_str(l->final), l->name))
		ask(l, l->name);
	else
		finish_text(l, DANE_RECORDS_NONE, a->status == DNS_FOUND ? "its TLSA records are not signed" : "no TLSA records found");
}

static void
ask(struct dane_lookup *l, const char *base)
{
	char name[DNS_NAME + 20];

	l->base = base;
	(void)snprintf(name, sizeof name, "_%u._tcp.%s", l->port, base);
	struct dns_query *q = dns_lookup_filtered(l->dns, name, DNS_TLSA, l->filter, on_tlsa, l);
	if (q != NULL)
		l->query = q;
}

/* The alias itself, where what it leads to is not signed. */
static void
on_cname(void *arg, const struct dns_answer *a)
{
	struct dane_lookup *l = arg;

	l->query = NULL;
	if (a->status == DNS_TEMPORARY || a->status == DNS_POLICY)
		finish_text(l, DANE_RECORDS_ERROR, a->text);
	else if (a->status == DNS_FOUND && a->secure)
		ask(l, l->name);
	else
		finish_text(l, DANE_RECORDS_NONE, "its addresses are not signed");
}

struct dane_lookup *
dane_lookup_start(struct dns *dns, const struct dane_host *h, dane_lookup_fn *fn, void *arg)
{
	bool alias = !span_caseeqs(span_str(h->final), h->name);
	struct dane_lookup *l;

	MEM_NEW(l);
	*l = (struct dane_lookup){ .dns = dns, .fn = fn, .arg = arg, .name = mem_str(h->name), .final = mem_str(h->final),
		.filter = h->filter, .port = h->port, .starting = true };
	if (h->secure)
		ask(l, l->final);
	else if (alias && !h->force) {
		struct dns_query *q = dns_lookup_filtered(dns, l->name, DNS_CNAME, l->filter, on_cname, l);
		if (q != NULL)
			l->query = q;
	} else if (h->force)
		ask(l, l->name);
	else
		finish_text(l, DANE_RECORDS_NONE, "its addresses are not signed");
	l->starting = false;
	if (!l->finished)
		return l;
	dane_lookup_free(l);
	return NULL;
}

void
dane_lookup_cancel(struct dane_lookup *l)
{
	if (l == NULL)
		return;
	dns_cancel(l->query);
	dane_lookup_free(l);
}
