/* Open relays: who may send through this server to everybody. Each finding carries a witness where one can be found. */
#include "lint/private.h"
#include "table/network.h"
#include "table/table.h"

static const char *
wide(struct span word)
{
	struct network n;

	if (span_eqs(word, "static:*") || span_starts(word, "static:"))
		return "everybody";
	if (span_starts(word, "!") || !network_parse(word, &n, NULL))
		return NULL;
	if (n.bits == 0)
		return "the whole Internet";
	return (n.ip.len == 4 && n.bits < 8) || (n.ip.len == 16 && n.bits < 16) ? "a large part of the Internet" : NULL;
}

static const char *
shown(struct lint *l, const struct buf *witness)
{
	return witness->len == 0 ? "" : arena_printf(&l->arena, "; %s", witness->ptr);
}

struct networks {
	bool		 wide, excluded;
	struct place	 place;
	struct span	 word;
	const char	*what;
};

static bool
network_row(struct lint *l, const struct table_entry *e, void *arg)
{
	struct networks *x = arg;

	(void)l;
	if (!x->wide && (x->what = wide(e->key)) != NULL) {
		x->wide = true;
		x->word = e->key;
		x->place = e->place;
	}
	return !x->wide;
}

static void
find_wide(struct lint *l, const char *value, struct place (*where)(const struct lint *, struct span), struct networks *x)
{
	struct span rest = span_str(value), word;
	bool excluded = false;

	while (!x->wide && table_word(&rest, &word)) {
		excluded = excluded || span_starts(word, "!");
		x->place = where(l, word);
		x->word = word;
		if ((x->what = wide(word)) != NULL)
			x->wide = !excluded;
		else if (span_starts(word, "cidr:") || span_starts(word, "/")) {
			struct buf spec = BUF_INIT(4096);
			buf_printf(&spec, "%s%.*s", word.ptr[0] == '/' ? "texthash:" : "", SPAN_ARG(word));
			each_entry(l, buf_view(&spec), x->place, network_row, x);
			buf_clear(&spec);
		}
	}
}

static struct place
in_mynetworks(const struct lint *l, struct span word)
{
	return at_word_of(l, NULL, P_mynetworks, word);
}

static void
check_gateways(struct lint *l)
{
	static const char *const gateways[] = { "172.17.0.1", "172.18.0.1", "10.88.0.1", "10.0.2.2", "192.168.65.1" };
	struct span rest = span_str(conf_str(l->main, P_mynetworks)), word;
	struct network n;
	struct ip ip;

	if (!l->host->container(l->host->arg))
		return;
	while (span_word(&rest, LINT_SEPS, &word)) {
		if (!network_parse(word, &n, NULL) || n.bits >= (n.ip.len == 4 ? 32 : 128) || wide(word) != NULL)
			continue;
		for (size_t i = 0; i < sizeof gateways / sizeof *gateways; i++)
			if (ip_parse(span_str(gateways[i]), &ip) && network_has(&n, &ip)) {
				struct buf w = BUF_INIT(4096);
				witness_relay(l, NULL, NULL, NULL, NULL, &w);
				lint_find(l, LINT_R103, in_mynetworks(l, word),
				    "in this container strangers may come from the gateway %s, which %.*s trusts%s", gateways[i],
				    SPAN_ARG(word), shown(l, &w));
				buf_clear(&w);
				break;
			}
	}
}

static void
check_mynetworks(struct lint *l)
{
	struct networks x = { .wide = false };
	struct buf w = BUF_INIT(4096);

	if (!is_set(l, P_mynetworks))
		return;
	find_wide(l, conf_str(l->main, P_mynetworks), in_mynetworks, &x);
	if (x.wide) {
		witness_relay(l, NULL, NULL, NULL, NULL, &w);
		lint_find(l, LINT_R101, x.place, "%.*s trusts %s: an open relay%s", SPAN_ARG(x.word), x.what, shown(l, &w));
	} else {
		check_gateways(l);
	}
	buf_clear(&w);
}

static bool
domain_row(struct lint *l, const struct table_entry *e, void *arg)
{
	(void)l;
	*(bool *)arg = *(bool *)arg || span_eqs(e->key, "*") || span_eqs(e->key, "/^/") || span_eqs(e->key, "/./") ||
	    span_eqs(e->key, "/.*/") || span_eqs(e->key, "/^.*$/");
	return !*(bool *)arg;
}

static void
check_relay_domains(struct lint *l)
{
	struct span rest = span_str(conf_str(l->main, P_relay_domains)), word;

	while (is_set(l, P_relay_domains) && table_word(&rest, &word)) {
		bool all = span_eqs(word, "*") || span_starts(word, "static:");
		struct place p = at_word_of(l, NULL, P_relay_domains, word);
		if (span_has(word, ':'))
			each_entry(l, word, p, domain_row, &all);
		bool tld = !span_has(word, '.') && !span_has(word, ':') && !span_has(word, '/') && !span_has(word, '*') &&
		    !span_starts(word, "!") && !span_caseeqs(word, "localhost") && span_find(word, '$') == word.len;
		if (!all && !tld)
			continue;
		struct buf w = BUF_INIT(4096);
		witness_relay(l, NULL, NULL, NULL, NULL, &w);
		lint_find(l, LINT_R107, p, "relay_domains takes %s%s%s", all ? "every destination: an open relay" :
		    "all that ends in ", all ? shown(l, &w) : arena_str(&l->arena, word), all ? "" : shown(l, &w));
		buf_clear(&w);
	}
}

/* -- checks that can say OK ----------------------------------------------------------------- */

struct verdict {
	bool		 ok, addresses;
	struct span	 key;
	struct place	 place;
};

static bool
ok_row(struct lint *l, const struct table_entry *e, void *arg)
{
	struct verdict *x = arg;
	struct span rest = e->value, word = SPAN_NONE;
	struct network n;
	bool digits = true;

	(void)l;
	if (!span_word(&rest, LINT_BLANKS, &word))
		return true;
	for (size_t i = 0; i < word.len; i++)
		digits = digits && word.ptr[i] >= '0' && word.ptr[i] <= '9';
	/* A three-digit reply of 4xx or 5xx refuses; other numbers say OK. */
	bool refuses = digits && word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5');
	if (!span_caseeqs(word, "OK") && !span_caseeqs(word, "PERMIT") && (!digits || refuses))
		return true;
	*x = (struct verdict){ true, network_parse(e->key, &n, NULL), e->key, e->place };
	return false;
}

static bool
refuses(struct span word)
{
	return span_eqs(word, "reject_unauth_destination") || span_eqs(word, "defer_unauth_destination") || span_eqs(word, "reject") ||
	    span_eqs(word, "defer");
}

static bool
list_refuses(const char *list)
{
	struct span rest = span_str(list), word;
	while (table_word(&rest, &word))
		if (refuses(word))
			return true;
	return false;
}

/* One list, up to where strangers are refused. */
static void
check_list(struct lint *l, const struct lint_service *s, enum param p, enum lint_code code)
{
	const char *list = conf_str(view_of(l, s), p);
	struct span rest = span_str(list), word, table;
	bool relay = p == P_smtpd_relay_restrictions;
	struct buf before = BUF_INIT(65536);

	while (table_word(&rest, &word) && !refuses(word)) {
		bool service = span_eqs(word, "check_policy_service");
		struct verdict v = { .ok = service, .place = at_word_of(l, s, p, word) };
		if (!service && !(span_starts(word, "check_") && span_ends(word, "_access"))) {
			buf_printf(&before, "%.*s ", SPAN_ARG(word));
			continue;
		}
		if (!table_word(&rest, &table))
			break;
		if (!service)
			each_entry(l, table, at_word_of(l, s, p, table), ok_row, &v);
		if (!v.ok)
			continue;
		struct buf w = BUF_INIT(4096);
		buf_printf(&before, "permit reject");
		witness_relay(l, s, relay ? before.ptr : "", relay ? "" : before.ptr, NULL, &w);
		bool mild = v.addresses && span_starts(word, "check_client_access");
		lint_find_as(l, code, mild ? LINT_WARNING : LINT_ERROR, v.place,
		    "%.*s stands before reject_unauth_destination and %s%.*s%s lets mail to everywhere pass%s", SPAN_ARG(word),
		    service ? "what it answers OK to" : "\"", SPAN_ARG(v.key), service ? "," : " OK\"",
		    w.len == 0 ? "" : arena_printf(&l->arena, "; where it says OK, %s", w.ptr));
		buf_clear(&w);
		break;
	}
	buf_clear(&before);
}

static void
check_lists(struct lint *l, const struct lint_service *s)
{
	const struct view *v = view_of(l, s);

	if (s == NULL || option_of(s, "smtpd_relay_restrictions") != NULL)
		check_list(l, s, P_smtpd_relay_restrictions, LINT_R112);
	if (!list_refuses(conf_str(v, P_smtpd_relay_restrictions)) &&
	    (s == NULL || option_of(s, "smtpd_recipient_restrictions") != NULL || option_of(s, "smtpd_relay_restrictions") != NULL))
		check_list(l, s, P_smtpd_recipient_restrictions, LINT_R111);
}

static void
check_service(struct lint *l, const struct lint_service *s)
{
	static const enum param relevant[] = { P_smtpd_relay_restrictions, P_smtpd_recipient_restrictions, P_mynetworks };
	struct networks x = { .wide = false };
	struct buf w = BUF_INIT(4096);
	bool any = false;

	for (size_t i = 0; i < sizeof relevant / sizeof *relevant; i++)
		any = any || option_of(s, param_row(relevant[i])->name) != NULL;
	if (!any || !is_public(l, s))
		return;
	if (option_of(s, "mynetworks") != NULL)
		find_wide(l, conf_str(s->view, P_mynetworks), in_mynetworks, &x);
	bool closed = list_refuses(conf_str(s->view, P_smtpd_relay_restrictions)) ||
	    list_refuses(conf_str(s->view, P_smtpd_recipient_restrictions));
	bool main_open = witness_relay(l, NULL, NULL, NULL, NULL, &w);
	buf_reset(&w);
	bool open = witness_relay(l, s, NULL, NULL, NULL, &w);
	if ((open && !main_open) || x.wide || !closed)
		lint_find(l, LINT_R114, at_span(s->logical, s->field[0]), "%.*s relays for everybody%s", SPAN_ARG(s->field[0]), shown(l, &w));
	buf_clear(&w);
}

static void
check_certificates(struct lint *l)
{
	static const enum param lists[] = { P_smtpd_relay_restrictions, P_smtpd_recipient_restrictions };
	static const char *const bundles[] = { "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	    "/etc/ssl/cert.pem" };
	bool public_ca = conf_bool(l->main, P_tls_append_default_CA);

	for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++)
		public_ca = public_ca || strcmp(conf_str(l->main, P_smtpd_tls_CAfile), bundles[i]) == 0 ||
		    strcmp(conf_str(l->main, P_smtpd_tls_CApath), bundles[i]) == 0;
	for (size_t i = 0; public_ca && i < sizeof lists / sizeof *lists; i++)
		if (is_set(l, lists[i]) && strstr(conf_str(l->main, lists[i]), "permit_tls_all_clientcerts") != NULL)
			lint_find(l, LINT_R115, at_word_of(l, NULL, lists[i], SPAN("permit_tls_all_clientcerts")),
			    "a certificate of any public authority is enough to relay");
}

static bool
is_private_network(struct span word)
{
	static const char *const inner[] = { "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "[fc00::]/7", "[::1]/128",
	    "[fe80::]/10" };
	struct network n, in;

	if (!network_parse(word, &n, NULL))
		return true;	/* a name or a table */
	for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
		if (network_parse(span_str(inner[i]), &in, NULL) && n.bits >= in.bits && network_has(&in, &n.ip))
			return true;
	return false;
}

static void
check_xclient(struct lint *l)
{
	static const enum param lists[] = { P_smtpd_authorized_xclient_hosts, P_smtpd_authorized_xforward_hosts };

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		struct span rest = span_str(conf_str(l->main, lists[i])), word;
		while (is_set(l, lists[i]) && span_word(&rest, LINT_SEPS, &word)) {
			struct network n;
			bool network = network_parse(word, &n, NULL);
			bool single = network && n.bits == (n.ip.len == 4 ? 32 : 128);
			if ((network && !single && !is_private_network(word)) || wide(word) != NULL)
				lint_find(l, LINT_R140, at_word_of(l, NULL, lists[i], word), "clients in %.*s may say that they are anybody else",
				    SPAN_ARG(word));
		}
	}
}

void
lint_relay(struct lint *l)
{
	check_mynetworks(l);
	check_relay_domains(l);
	check_lists(l, NULL);
	for (size_t i = 0; i < l->service_count; i++)
		if (runs(&l->services[i], "smtpd") && l->services[i].view != NULL) {
			check_lists(l, &l->services[i]);
			check_service(l, &l->services[i]);
		}
	check_certificates(l);
	check_xclient(l);
}
