#include "smtp/tls_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#define PEM_MAX		((size_t)16 << 20)
#define LIST_SEPS	"\t\r\n ,"

/* Each parameter has two names: the smtp client's and the lmtp client's. */
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

/* -- level --------------------------------------------------------------------------------- */

/* The newer parameter counts where it is set, the old ones where it is not. */
static enum tls_level
global_level(const struct view *v, bool lmtp, const struct tls_warn *warn)
{
	struct span text = span_trim(span_str(conf_str(v, BOTH(lmtp, tls_security_level))));

	if (text.len > 0) {
		enum tls_level level = tls_level_find(text);
		if (level == TLS_LEVEL_INVALID)
			tls_warn(warn, "invalid TLS security level: \"%.*s\"", SPAN_ARG(text));
		return level;
	}
	if (conf_bool(v, BOTH(lmtp, enforce_tls)))
		return conf_bool(v, BOTH(lmtp, tls_enforce_peername)) ? TLS_LEVEL_VERIFY : TLS_LEVEL_ENCRYPT;
	return conf_bool(v, BOTH(lmtp, use_tls)) ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
}

static enum tls_level
insecure_mx_level(const struct view *v, const struct tls_warn *warn)
{
	struct span text = span_trim(span_str(conf_str(v, P_smtp_tls_dane_insecure_mx_policy)));
	enum tls_level level = tls_level_find(text);

	if (level == TLS_LEVEL_MAY || level == TLS_LEVEL_ENCRYPT || level == TLS_LEVEL_DANE || level == TLS_LEVEL_NONE)
		return level;
	tls_warn(warn, "smtp_tls_dane_insecure_mx_policy: \"%.*s\" is none of may, encrypt, dane; using may", SPAN_ARG(text));
	return TLS_LEVEL_MAY;
}

/* A number, or a word for one. */
static int
log_level(const char *text)
{
	static const struct { const char *word; int level; } words[] = {
		{ "none", 0 }, { "routine", 1 }, { "debug", 2 }, { "ssl-expert", 3 }, { "ssl-developer", 4 },
	};
	struct span s = span_trim(span_str(text));
	uint32_t n;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (span_caseeqs(s, words[i].word))
			return words[i].level;
	return num_u32(s, &n) && n <= 4 ? (int)n : 0;
}

/* -- certificates ----------------------------------------------------------------------------- */

static bool
read_file(struct tls_client *c, const char *path, bool directory, struct buf *out)
{
	struct err err = { ERR_NONE, "" };

	if (tls_file_read(path, directory, out, &err))
		return true;
	tls_warn(&c->warn, "%s", err.text);
	return false;
}

static bool
load_pair(struct tls_client *c, const char *cert, const char *key)
{
	struct buf certs = BUF_INIT(PEM_MAX), keys = BUF_INIT(PEM_MAX);
	struct err err = { ERR_NONE, "" };
	bool ok = true;

	if (cert[0] == '\0')
		return true;
	ok = read_file(c, cert, false, &certs) && read_file(c, key, false, &keys);
	if (ok && !tls_creds_add_pair(c->own, buf_view(&certs), buf_view(&keys), &err)) {
		tls_warn(&c->warn, "cannot use certificate %s with key %s: %s", cert, key, err.text);
		ok = false;
	}
	buf_clear(&certs);
	buf_clear(&keys);
	return ok;
}

static bool
load_chains(struct tls_client *c, const char *list)
{
	struct buf pem = BUF_INIT(PEM_MAX);
	struct span rest = span_str(list), word;
	struct err err = { ERR_NONE, "" };
	bool ok = true;

	while (ok && span_word(&rest, LIST_SEPS, &word)) {
		char *path = span_dup(word);
		ok = read_file(c, path, false, &pem);
		buf_char(&pem, '\n');
		free(path);
	}
	if (ok && !tls_creds_add_chains(c->own, buf_view(&pem), &err)) {
		tls_warn(&c->warn, "cannot use %s: %s", list, err.text);
		ok = false;
	}
	buf_clear(&pem);
	return ok;
}

static bool
load_authorities(struct tls_client *c, struct tls_creds *to, const char *list, bool directory)
{
	struct span rest = span_str(list), word;
	bool ok = true;

	while (span_word(&rest, LIST_SEPS, &word)) {
		struct buf pem = BUF_INIT(PEM_MAX);
		struct err err = { ERR_NONE, "" };
		char *path = span_dup(word);
		if (!read_file(c, path, directory, &pem)) {
			ok = false;
		} else if (!tls_creds_add_authorities(to, buf_view(&pem), &err) && !directory) {
			tls_warn(&c->warn, "cannot load trusted certificates of %s: %s", path, err.text);
			ok = false;
		}
		free(path);
		buf_clear(&pem);
	}
	return ok;
}

/* A client certificate that cannot be loaded, or authorities that cannot, leave Postfix without TLS; so here. */
static bool
load_own(struct tls_client *c)
{
	const struct view *v = c->view;
	const char *chains = conf_str(v, BOTH(c->lmtp, tls_chain_files));
	struct err err = { ERR_NONE, "" };
	bool ok = true;

	c->own = tls_creds_new();
	if (chains[0] != '\0')
		ok = load_chains(c, chains);
	for (size_t i = 0; ok && chains[0] == '\0' && i < 2; i++)
		ok = load_pair(c, conf_str(v, tls_client_pairs[c->lmtp][i].cert), conf_str(v, tls_client_pairs[c->lmtp][i].key));
	ok = ok && load_authorities(c, c->own, conf_str(v, BOTH(c->lmtp, tls_CAfile)), false) &&
	    load_authorities(c, c->own, conf_str(v, BOTH(c->lmtp, tls_CApath)), true) &&
	    (!tls_client_wants_default(v, c->lmtp) || load_authorities(c, c->own, TLS_DEFAULT_CA, false));
	if (ok && !tls_creds_ready(c->own, &err)) {
		tls_warn(&c->warn, "TLS: %s", err.text);
		ok = false;
	}
	return ok;
}

static bool
load_anchors(struct tls_client *c)
{
	const char *list = conf_str(c->view, BOTH(c->lmtp, tls_trust_anchor_file));
	struct err err = { ERR_NONE, "" };

	if (list[0] == '\0')
		return true;
	c->anchors = tls_creds_new();
	return load_authorities(c, c->anchors, list, false) && tls_creds_ready(c->anchors, &err);
}

static bool
open_tables(struct tls_client *c)
{
	const char *policies = conf_str(c->view, BOTH(c->lmtp, tls_policy_maps)), *sites = conf_str(c->view, BOTH(c->lmtp, tls_per_site));
	struct err err = { ERR_NONE, "" };

	if (policies[0] != '\0') {
		c->by_policy = tables_open(&c->policies, view_conf(c->view), policies, &err);
		if (!c->by_policy)
			tls_warn(&c->warn, "%s: %s", c->lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps", err.text);
		return c->by_policy;
	}
	if (sites[0] != '\0') {
		c->by_site = tables_open(&c->sites, view_conf(c->view), sites, &err);
		if (!c->by_site)
			tls_warn(&c->warn, "%s: %s", c->lmtp ? "lmtp_tls_per_site" : "smtp_tls_per_site", err.text);
		return c->by_site;
	}
	return true;
}

static const struct tls_priority *
priority(const struct tls_client *c, bool mandatory)
{
	const struct view *v = c->view;
	bool lmtp = c->lmtp;
	struct err err = { ERR_NONE, "" };
	struct tls_choice choice = { .view = v, .exclude = conf_str(v, BOTH(lmtp, tls_exclude_ciphers)),
		.protocols = conf_str(v, mandatory ? BOTH(lmtp, tls_mandatory_protocols) : BOTH(lmtp, tls_protocols)),
		.grade = conf_str(v, mandatory ? BOTH(lmtp, tls_mandatory_ciphers) : BOTH(lmtp, tls_ciphers)),
		.exclude_too = mandatory ? conf_str(v, BOTH(lmtp, tls_mandatory_exclude_ciphers)) : NULL };
	const struct tls_priority *p = tls_priority_get(&choice, &err);

	if (p == NULL)
		tls_warn(&c->warn, "TLS protocols or ciphers: %s", err.text);
	return p;
}

static void
take_rest(struct tls_client *c)
{
	const struct view *v = c->view;
	bool lmtp = c->lmtp;
	int64_t depth = conf_int(v, BOTH(lmtp, tls_scert_verifydepth));

	c->note_offer = conf_bool(v, BOTH(lmtp, tls_note_starttls_offer));
	c->reuse = conf_bool(v, BOTH(lmtp, tls_connection_reuse));
	c->watch_early_reply = conf_bool(v, BOTH(lmtp, tls_block_early_mail_reply));
	c->dnssec = span_caseeqs(span_trim(span_str(conf_str(v, BOTH(lmtp, dns_support_level)))), "dnssec");
	c->ignores_mx_error = !lmtp && conf_bool(v, P_ignore_mx_lookup_error);
	c->force_tlsa = conf_bool(v, BOTH(lmtp, tls_force_insecure_host_tlsa_lookup));
	c->insecure_mx = insecure_mx_level(v, &c->warn);
	c->rules = (struct dane_rules){ .digests = conf_str(v, P_tls_dane_digests),
		.agility = !span_caseeqs(span_str(conf_str(v, P_tls_dane_digest_agility)), "off"),
		.ta_digest = conf_bool(v, P_tls_dane_trust_anchor_digest_enable) };
	c->loglevel = log_level(conf_str(v, BOTH(lmtp, tls_loglevel)));
	c->timeout = conf_time(v, BOTH(lmtp, starttls_timeout));
	if (conf_str(v, BOTH(lmtp, tls_session_cache_database))[0] != '\0')
		c->session_time = conf_time(v, BOTH(lmtp, tls_session_cache_timeout));
	c->depth = depth < 0 ? 0 : depth > 100 ? 100 : (unsigned)depth;
	c->many_labels = conf_bool(v, P_tls_wildcard_matches_multiple_labels);
	c->digest = conf_str(v, BOTH(lmtp, tls_fingerprint_digest));
	c->key_print = conf_bool(v, P_tls_legacy_public_key_fingerprints) ? TLS_PRINT_BARE_KEY : TLS_PRINT_KEY;
}

/* Nothing else of it is looked at. */
static bool
is_used(const struct tls_client *c)
{
	return c->level != TLS_LEVEL_NONE || conf_bool(c->view, BOTH(c->lmtp, tls_wrappermode)) || conf_str(c->view, BOTH(c->lmtp, tls_policy_maps))[0] != '\0' ||
	    conf_str(c->view, BOTH(c->lmtp, tls_per_site))[0] != '\0';
}

bool
tls_client_loads(const struct view *v, bool lmtp, const struct tls_warn *warn)
{
	struct tls_client c = { .view = v, .lmtp = lmtp, .warn = *warn, .level = global_level(v, lmtp, NULL) };
	bool ok = !is_used(&c) || (load_own(&c) && load_anchors(&c));

	tls_client_clear(&c);
	return ok;
}

void
tls_client_init(struct tls_client *c, const struct view *v, bool lmtp, const struct tls_warn *warn)
{
	*c = (struct tls_client){ .view = v, .lmtp = lmtp, .warn = *warn };
	c->level = global_level(v, lmtp, warn);
	c->wrapper = conf_bool(v, BOTH(lmtp, tls_wrappermode));
	c->used = is_used(c);
	c->note_offer = conf_bool(v, BOTH(lmtp, tls_note_starttls_offer));
	if (!c->used)
		return;
	take_rest(c);
	c->optional = priority(c, false);
	c->mandatory = priority(c, true);
	c->misconfigured = !open_tables(c);
	c->broken = !load_own(c) || !load_anchors(c);
	if (!tls_digest_known(c->digest))
		tls_warn(warn, "unknown message digest \"%s\" for fingerprints", c->digest);
}

void
tls_client_force(struct tls_client *c, const struct view *v, bool lmtp)
{
	*c = (struct tls_client){ .view = v, .lmtp = lmtp, .used = true };
	take_rest(c);
	c->optional = priority(c, false);
	c->mandatory = priority(c, true);
	c->broken = !load_own(c) || !load_anchors(c);
}

void
tls_client_clear(struct tls_client *c)
{
	if (c->by_policy)
		tables_clear(&c->policies);
	if (c->by_site)
		tables_clear(&c->sites);
	tls_creds_unref(c->own);
	tls_creds_unref(c->anchors);
	*c = (struct tls_client){ .level = TLS_LEVEL_NONE };
}
