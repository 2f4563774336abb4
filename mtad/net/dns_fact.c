#include "net/dns_fact.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"

#define HOST_ADDRESSES	16

struct dns_facts {
	struct dns_facts *next, **prev;
	struct dns_query *query;
	dns_facts_fn	*fn;
	void		*arg;
	uint64_t	 id;
	enum dns_type	 type;
};

static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_NS, DNS_PTR, DNS_TXT, DNS_CNAME };

bool
dns_fact_key(struct span key, enum dns_type *type, char name[DNS_NAME])
{
	size_t at = span_find(key, ' ');
	struct span what = span_skip(key, at + 1);

	if (what.len == 0 || what.len >= DNS_NAME || span_has(what, '\0'))
		return false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!span_eqs(span_head(key, at), dns_type_name(types[i])))
			continue;
		*type = types[i];
		memcpy(name, what.ptr, what.len);
		name[what.len] = '\0';
		return true;
	}
	return false;
}

static void
put_item(const struct dns_item *item, enum dns_type type, struct buf *out)
{
	char text[NET_ADDR_TEXT];

	if (type == DNS_A || type == DNS_AAAA)
		buf_str(out, net_addr_text(&item->addr, text));
	else if (type == DNS_MX)
		buf_printf(out, "%u %s", item->preference, item->name);
	else
		buf_str(out, item->name);
	buf_char(out, '\n');
}

enum fact_state
dns_fact_value(const struct dns_answer *a, enum dns_type type, struct buf *out)
{
	if (a->status != DNS_FOUND) {
		buf_str(out, a->text == NULL ? "" : a->text);
		return a->status == DNS_TEMPORARY ? FACT_FAILED : FACT_ABSENT;
	}
	for (size_t i = 0; i < a->count; i++)
		put_item(&a->items[i], type, out);
	return out->over ? FACT_FAILED : FACT_KNOWN;
}

bool
dns_fact_hosts(const struct dns *dns, const char *name, enum dns_type type, struct buf *out)
{
	struct net_addr found[HOST_ADDRESSES];
	char text[NET_ADDR_TEXT];
	size_t n = dns_hosts(dns, name, found, HOST_ADDRESSES);

	for (size_t i = 0; i < n; i++)
		if ((found[i].sa.sa_family == AF_INET6) == (type == DNS_AAAA))
			buf_printf(out, "%s\n", net_addr_text(&found[i], text));
	return n > 0;
}

bool
dns_fact_mx(struct span line, unsigned *preference, struct span *name)
{
	size_t at = span_find(line, ' ');
	uint32_t n;

	if (at == line.len || !num_u32(span_head(line, at), &n))
		return false;
	*preference = n;
	*name = span_skip(line, at + 1);
	return true;
}

bool
dns_fact_null_mx(struct span value)
{
	size_t end = span_find(value, '\n');
	unsigned preference;
	struct span name;

	return end + 1 == value.len && dns_fact_mx(span_head(value, end), &preference, &name) && name.len == 0;
}

/* -- fetching ------------------------------------------------------------------------------------ */

static void
unlink_query(struct dns_facts *f)
{
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
}

static void
on_answer(void *arg, const struct dns_answer *a)
{
	struct dns_facts *f = arg;
	struct buf value = BUF_INIT(65536);
	enum fact_state state = dns_fact_value(a, f->type, &value);

	unlink_query(f);
	f->fn(f->arg, f->id, state, buf_view(&value));
	buf_clear(&value);
	free(f);
}

static void
ask(struct dns *dns, struct dns_facts **list, const struct fact_want *w, enum dns_type type, const char *name, dns_facts_fn *fn,
    void *arg)
{
	struct dns_facts *f;

	MEM_NEW(f);
	*f = (struct dns_facts){ .next = *list, .prev = list, .fn = fn, .arg = arg, .id = w->id, .type = type };
	if (f->next != NULL)
		f->next->prev = &f->next;
	*list = f;
	struct dns_query *q = dns_lookup(dns, name, type, on_answer, f);
	/* NULL: it is answered, and f is gone. */
	if (q != NULL)
		f->query = q;
}

bool
dns_facts_fetch(struct dns *dns, struct dns_facts **list, const struct fact_want *w, dns_facts_fn *fn, void *arg)
{
	bool host = span_eqs(w->source, "host");
	char name[DNS_NAME];
	enum dns_type type;

	if (!host && !span_eqs(w->source, "dns"))
		return false;
	if (dns == NULL) {
		fn(arg, w->id, FACT_FAILED, SPAN("there is no resolver"));
		return true;
	}
	if (!dns_fact_key(w->key, &type, name)) {
		fn(arg, w->id, FACT_ABSENT, SPAN_NONE);
		return true;
	}
	struct buf known = BUF_INIT(65536);
	if (host && dns_fact_hosts(dns, name, type, &known))
		fn(arg, w->id, known.len > 0 ? FACT_KNOWN : FACT_ABSENT, buf_view(&known));
	else
		ask(dns, list, w, type, name, fn, arg);
	buf_clear(&known);
	return true;
}

void
dns_facts_drop(struct dns_facts **list)
{
	struct dns_facts *f;

	while ((f = *list) != NULL) {
		unlink_query(f);
		dns_cancel(f->query);
		free(f);
	}
}
