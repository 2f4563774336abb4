#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "smtp/tls_client.h"

#define PEM_MAX		((size_t)16 << 20)
#define LIST_SEPS	"\t\r\n ,"
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

static void
invalid(struct tls_plan *p, const char *why)
{
	p->level = TLS_LEVEL_INVALID;
	(void)snprintf(p->dsn, sizeof p->dsn, "4.7.5");
	(void)snprintf(p->why, sizeof p->why, "%s", why);
}

static void
misconfigured(struct tls_plan *p)
{
	invalid(p, "client TLS configuration problem");
}

/* -- which level --------------------------------------------------------------------------- */

static enum table_result
by_site(struct tls_plan *p, struct facts *facts, const struct tls_route *r, enum tls_level *level)
{
	const struct tls_client *c = p->client;
	const char *title = c->lmtp ? "lmtp_tls_per_site" : "smtp_tls_per_site";
	enum table_result found = tls_site_find(level, &c->sites, title, facts, r->nexthop, "next-hop destination", &c->warn);

	if (found == TABLE_FAILED || found == TABLE_PENDING || span_caseeqs(span_str(r->nexthop), r->host))
		return found;
	found = tls_site_find(level, &c->sites, title, facts, r->host, "server hostname", &c->warn);
	/* A wild card of a table gives way to what main.cf demands. */
	if (*level == TLS_LEVEL_MAY && c->level > TLS_LEVEL_MAY)
		*level = c->level;
	return found;
}

static enum table_result
find_level(struct tls_plan *p, struct facts *facts, const struct tls_route *r)
{
	const struct tls_client *c = p->client;
	enum tls_level site = TLS_LEVEL_NOT_FOUND;
	enum table_result found = TABLE_ABSENT;

	if (c->by_policy) {
		found = tls_policy_find(&p->policy, &c->policies, c->lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps", facts,
		    r->nexthop, &c->warn);
		site = p->policy.level;
	} else if (c->by_site) {
		found = by_site(p, facts, r, &site);
	}
	p->level = site == TLS_LEVEL_NOT_FOUND ? c->level : site;
	return found;
}

/* -- what the level needs ------------------------------------------------------------------- */

/* Names for SNI are host names only. */
static bool
is_host_name(const char *s)
{
	bool letter = false;

	for (const char *at = s; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;
		if (!isalnum(c) && c != '-' && c != '.' && c != '_')
			return false;
		letter = letter || isalpha(c);
	}
	return letter && strlen(s) < 256;
}

static void
take_servername(struct tls_plan *p)
{
	const char *name = p->policy.servername != NULL ? p->policy.servername :
	    conf_str(p->client->view, BOTH(p->client->lmtp, tls_servername));

	if (p->base != NULL)
		name = p->base;
	else if (strcmp(name, "hostname") == 0)
		name = p->host;
	else if (strcmp(name, "nexthop") == 0)
		name = p->domain;
	if (name[0] == '\0')
		return;
	if (is_host_name(name))
		p->servername = mem_str(name);
	else
		tls_warn(&p->client->warn, "%s: not sent as server name: \"%s\" is no host name", p->nexthop, name);
}

static void
take_priority(struct tls_plan *p)
{
	const struct tls_client *c = p->client;
	const struct tls_policy *policy = &p->policy;
	bool mandatory = tls_level_encrypts(p->level), lmtp = c->lmtp;
	struct err err = { ERR_NONE, "" };

	p->priority = mandatory ? c->mandatory : c->optional;
	if (policy->protocols == NULL && policy->ciphers == NULL && policy->exclude == NULL)
		return;
	struct tls_choice choice = { .view = c->view,
		.protocols = policy->protocols != NULL ? policy->protocols :
		    conf_str(c->view, mandatory ? BOTH(lmtp, tls_mandatory_protocols) : BOTH(lmtp, tls_protocols)),
		.grade = policy->ciphers != NULL ? policy->ciphers :
		    conf_str(c->view, mandatory ? BOTH(lmtp, tls_mandatory_ciphers) : BOTH(lmtp, tls_ciphers)),
		.exclude = policy->exclude != NULL ? policy->exclude : conf_str(c->view, BOTH(lmtp, tls_exclude_ciphers)),
		.exclude_too = mandatory && policy->exclude == NULL ? conf_str(c->view, BOTH(lmtp, tls_mandatory_exclude_ciphers)) : NULL };
	p->priority = tls_priority_get(&choice, &err);
	if (p->priority == NULL)
		tls_warn(&c->warn, "%s: TLS protocols or ciphers: %s", p->nexthop, err.text);
}

static void
add_name(struct tls_plan *p, const char *prefix, const char *name)
{
	struct buf b = BUF_INIT(1024);

	buf_printf(&b, "%s%s", prefix, name);
	if (!b.over)
		(void)tls_words_add(&p->names, buf_view(&b), " ");
	buf_clear(&b);
}

static void
add_match(struct tls_plan *p, const char *word)
{
	if (strcmp(word, "nexthop") == 0)
		add_name(p, "", p->domain);
	else if (strcmp(word, "dot-nexthop") == 0)
		add_name(p, ".", p->domain);
	else if (strcmp(word, "hostname") == 0)
		add_name(p, "", p->host);
	else
		add_name(p, "", word);
}

static void
take_names(struct tls_plan *p)
{
	const struct tls_client *c = p->client;
	struct tls_words words = { NULL, 0 };
	const struct tls_words *match = &p->policy.match;

	if (match->count == 0) {
		(void)tls_words_add(&words, span_str(conf_str(c->view, p->level == TLS_LEVEL_VERIFY ?
		    BOTH(c->lmtp, tls_verify_cert_match) : BOTH(c->lmtp, tls_secure_cert_match))), LIST_SEPS ":");
		match = &words;
	}
	for (size_t i = 0; i < match->count; i++)
		add_match(p, match->list[i]);
	tls_words_clear(&words);
}

static void
take_fingerprints(struct tls_plan *p)
{
	const struct tls_client *c = p->client;

	for (size_t i = 0; i < p->policy.match.count; i++)
		(void)tls_words_add(&p->prints, span_str(p->policy.match.list[i]), " ");
	if (p->prints.count == 0)
		(void)tls_words_add(&p->prints, span_str(conf_str(c->view, BOTH(c->lmtp, tls_fingerprint_cert_match))), LIST_SEPS "|");
	if (p->prints.count > 0)
		return;
	tls_warn(&c->warn, "nexthop domain %s: configured at fingerprint security level, but with no fingerprints to match.",
	    p->nexthop);
	misconfigured(p);
}

static bool
add_tafile(struct tls_plan *p, const char *path)
{
	const struct tls_client *c = p->client;
	struct buf pem = BUF_INIT(PEM_MAX);
	struct err err = { ERR_NONE, "" };
	bool ok = tls_file_read(path, false, &pem, &err) && tls_creds_add_authorities(p->trust, buf_view(&pem), &err);

	if (!ok)
		tls_warn(&c->warn, "error loading trust anchors from %s: %s", path, err.text);
	buf_clear(&pem);
	return ok;
}

/* tafile= of the entry, else smtp_tls_trust_anchor_file, else the authorities. */
static void
take_trust(struct tls_plan *p)
{
	const struct tls_client *c = p->client;
	struct err err = { ERR_NONE, "" };
	bool ok = true;

	if (p->policy.tafiles.count == 0) {
		p->trust = tls_creds_ref(c->anchors != NULL ? c->anchors : c->own);
		return;
	}
	p->trust = tls_creds_new();
	for (size_t i = 0; ok && i < p->policy.tafiles.count; i++)
		ok = add_tafile(p, p->policy.tafiles.list[i]);
	if (!ok || !tls_creds_ready(p->trust, &err))
		misconfigured(p);
}

static void
complete(struct tls_plan *p)
{
	const struct tls_client *c = p->client;

	p->reuse = p->policy.connection_reuse >= 0 ? p->policy.connection_reuse > 0 : c->reuse;
	if (c->broken && p->level == TLS_LEVEL_MAY)
		p->level = TLS_LEVEL_NONE;
	else if (c->broken && tls_level_encrypts(p->level))
		invalid(p, "TLS is required, but our TLS engine is unavailable");
	if (p->level <= TLS_LEVEL_NONE)
		return;
	take_priority(p);
	take_servername(p);
	if (p->level == TLS_LEVEL_FINGERPRINT) {
		take_fingerprints(p);
	} else if (tls_level_is_pkix(p->level)) {
		take_names(p);
		take_trust(p);
	} else if (!tls_level_matches(p->level)) {
		p->trust = tls_creds_ref(c->own);
	}
}

/* -- DANE ------------------------------------------------------------------------------------- */

enum dane_lack { DANE_UNCHECKABLE, DANE_MISSING, DANE_UNUSABLE };

/* Without what DANE needs, dane does with less and dane-only with nothing. */
static void
no_dane(struct tls_plan *p, enum dane_lack lack, const char *why)
{
	if (lack == DANE_UNCHECKABLE)
		tls_warn(&p->client->warn, "%s", why);
	if (p->asked == TLS_LEVEL_DANE) {
		p->level = lack == DANE_UNUSABLE ? TLS_LEVEL_ENCRYPT : TLS_LEVEL_MAY;
		(void)snprintf(p->why, sizeof p->why, "%s", why);
	} else if (lack == DANE_UNCHECKABLE) {
		misconfigured(p);
	} else {
		invalid(p, why);
	}
}

static enum tls_plan_state
begin_dane(struct tls_plan *p, const struct tls_route *r)
{
	const struct tls_client *c = p->client;
	char text[400];

	if (r->port == 0) {
		tls_warn(&c->warn, "%s: the \"dane\" security level is invalid for delivery via unix-domain sockets", r->nexthop);
		misconfigured(p);
	} else if (!c->dnssec || c->ignores_mx_error) {
		(void)snprintf(text, sizeof text, "%s: %s configured with %s", r->nexthop, tls_level_name(p->asked),
		    c->dnssec ? "MX lookup errors ignored" : "dnssec lookups disabled");
		no_dane(p, DANE_UNCHECKABLE, text);
	} else if (r->mx && !r->mx_secure && (p->asked == TLS_LEVEL_DANE_ONLY || c->insecure_mx <= TLS_LEVEL_MAY)) {
		no_dane(p, DANE_MISSING, "non DNSSEC destination");
	} else {
		return TLS_PLAN_DANE;
	}
	complete(p);
	return TLS_PLAN_READY;
}

/* RFC 7672 section 3.2.2: the base domain, and with an MX the domain of the mail and what that is an alias of. */
static void
dane_names(struct tls_plan *p, const struct tls_route *r)
{
	add_name(p, "", p->base);
	if (!r->mx)
		return;
	if (r->mx_final != NULL && r->mx_final[0] != '\0' && !span_caseeqs(span_str(r->mx_final), r->domain))
		add_name(p, "", r->mx_final);
	add_name(p, "", r->domain);
}

static void
take_dane(struct tls_plan *p, const struct tls_route *r, const struct dane_answer *a)
{
	p->level = TLS_LEVEL_DANE;
	if (r->mx && !r->mx_secure)
		p->level = p->client->insecure_mx == TLS_LEVEL_ENCRYPT ? TLS_LEVEL_ENCRYPT : TLS_LEVEL_HALF_DANE;
	p->base = mem_str(a->base);
	if (p->dane.has_ta)
		dane_names(p, r);
}

void
tls_plan_dane(struct tls_plan *p, const struct tls_route *r, const struct dane_answer *a)
{
	char text[400];

	if (a->found == DANE_RECORDS_ERROR) {
		(void)snprintf(text, sizeof text, "TLSA lookup error for %s:%u", r->host, r->port);
		invalid(p, text);
		return;
	}
	if (a->found == DANE_RECORDS_FOUND)
		dane_take(&p->dane, a->records, a->count, &p->client->rules);
	if (a->found == DANE_RECORDS_NONE)
		no_dane(p, DANE_MISSING, "no TLSA records found");
	else if (p->dane.usable == 0)
		no_dane(p, DANE_UNUSABLE, "TLSA records unusable");
	else
		take_dane(p, r, a);
	complete(p);
}

/* -- the whole ----------------------------------------------------------------------------------- */

static void
prepare(struct tls_plan *p, const struct tls_client *c, const struct tls_route *r)
{
	*p = (struct tls_plan){ .client = c, .level = TLS_LEVEL_NONE, .policy = TLS_POLICY_INIT };
	p->nexthop = mem_str(r->nexthop);
	p->domain = mem_str(r->domain);
	p->host = mem_str(r->host);
}

static enum tls_plan_state
go_on(struct tls_plan *p, const struct tls_route *r)
{
	p->asked = p->level;
	if (p->level == TLS_LEVEL_INVALID) {
		misconfigured(p);
		return TLS_PLAN_READY;
	}
	if (p->level == TLS_LEVEL_DANE || p->level == TLS_LEVEL_DANE_ONLY)
		return begin_dane(p, r);
	complete(p);
	return TLS_PLAN_READY;
}

enum tls_plan_state
tls_plan_begin(struct tls_plan *p, const struct tls_client *c, struct facts *facts, const struct tls_route *r)
{
	prepare(p, c, r);
	if (!c->used)
		return TLS_PLAN_READY;
	enum table_result found = c->misconfigured ? TABLE_FAILED : find_level(p, facts, r);
	if (found == TABLE_PENDING)
		return TLS_PLAN_PENDING;
	if (found == TABLE_FAILED)
		p->level = TLS_LEVEL_INVALID;
	return go_on(p, r);
}

enum table_result
tls_plan_holds(const struct tls_plan *p, struct facts *facts)
{
	struct tls_plan now = { .client = p->client, .policy = TLS_POLICY_INIT };
	struct tls_route r = { .nexthop = p->nexthop, .host = p->host };
	enum table_result found = find_level(&now, facts, &r);

	if (found != TABLE_FAILED && found != TABLE_PENDING)
		found = now.level == p->asked && tls_policy_same(&now.policy, &p->policy) ? TABLE_FOUND : TABLE_ABSENT;
	tls_policy_clear(&now.policy);
	return found;
}

enum tls_plan_state
tls_plan_at(struct tls_plan *p, const struct tls_client *c, enum tls_level level, const struct tls_route *r)
{
	prepare(p, c, r);
	p->level = level;
	return go_on(p, r);
}

void
tls_plan_clear(struct tls_plan *p)
{
	tls_policy_clear(&p->policy);
	free(p->servername);
	free(p->nexthop);
	free(p->domain);
	free(p->host);
	free(p->base);
	tls_words_clear(&p->names);
	tls_words_clear(&p->prints);
	tls_creds_unref(p->trust);
	dane_clear(&p->dane);
	*p = (struct tls_plan){ .level = TLS_LEVEL_NONE };
}
