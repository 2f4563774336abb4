#include "send/login.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "smtp/sasl_client.h"
#include "table/match_list.h"

#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)
#define REFUSALS_MAX	1000u		/* more are a mistake: all are forgotten then */

/* -- a transport's -- */

static const unsigned every[] = { MECH_SCRAM_SHA_256, MECH_SCRAM_SHA_1, MECH_CRAM_MD5, MECH_OAUTHBEARER, MECH_XOAUTH2, MECH_PLAIN,
    MECH_LOGIN };

static bool
names(const char *list, const char *word)
{
	struct span rest = span_str(list), w;

	while (span_word(&rest, "\t\r\n ,", &w))
		if (span_caseeqs(w, word))
			return true;
	return false;
}

/* Mechanisms whose password is a token are used only where the filter has them by name: a password is never sent as a token. */
static bool
take_mechanisms(struct login_rules *r, const struct conf *conf, const struct view *v, enum param p, struct err *err)
{
	const char *filter = conf_str(v, p);
	struct match_list *list;

	for (size_t i = 0; i < sizeof every / sizeof *every; i++)
		if (!(every[i] & MECH_TOKENS) || names(filter, sasl_client_name(every[i])))
			r->mechanisms |= every[i];
	if (span_trim(span_str(filter)).len == 0)
		return true;
	r->filtered = true;
	list = match_list_new(conf, param_row(p)->name, filter, MATCH_STRING, err);
	for (size_t i = 0; list != NULL && i < sizeof every / sizeof *every; i++) {
		switch (match_list_name(list, NULL, span_str(sasl_client_name(every[i])), err)) {
		case MATCH_YES:
			break;
		case MATCH_NO:
			r->mechanisms &= ~every[i];
			break;
		default:
			match_list_free(list);
			err_prefix(err, "%s", param_row(p)->name);
			return false;
		}
	}
	if (list == NULL)
		err_prefix(err, "%s", param_row(p)->name);
	match_list_free(list);
	return list != NULL;
}

static bool
take_forbidden(struct login_rules *r, const struct view *v, bool lmtp, struct err *err)
{
	const enum param p[] = { BOTH(lmtp, sasl_security_options), BOTH(lmtp, sasl_tls_security_options),
	    BOTH(lmtp, sasl_tls_verified_security_options) };
	struct span bad;

	for (size_t i = 0; i <= CLIENT_VERIFIED; i++) {
		if (sasl_client_forbids(span_str(conf_str(v, p[i])), &r->forbidden[i], &bad))
			continue;
		err_set(err, ERR_PERM, "%s: \"%.*s\" is none of noplaintext, noactive, nodictionary, noanonymous, forward_secrecy, "
		    "mutual_auth", param_row(p[i])->name, SPAN_ARG(span_head(bad, 60)));
		return false;
	}
	return true;
}

bool
login_rules_new(struct conf *conf, const struct view *v, bool lmtp, struct login_rules **out, struct err *err)
{
	enum param maps = BOTH(lmtp, sasl_password_maps);
	struct login_rules *r;

	*out = NULL;
	if (!conf_bool(v, BOTH(lmtp, sasl_auth_enable)))
		return true;
	MEM_NEW(r);
	r->name = param_row(maps)->name;
	r->by_sender = conf_bool(v, BOTH(lmtp, sender_dependent_authentication));
	r->delimiters = conf_str(v, P_recipient_delimiter);
	r->delimiter = span_str(conf_str(v, BOTH(lmtp, sasl_password_result_delimiter)));
	r->soft = conf_bool(v, BOTH(lmtp, sasl_auth_soft_bounce));
	r->tell = conf_bool(v, BOTH(lmtp, send_dummy_mail_auth));
	r->remember = conf_str(v, BOTH(lmtp, sasl_auth_cache_name))[0] != '\0';
	r->remember_time = conf_time(v, BOTH(lmtp, sasl_auth_cache_time));
	if (!tables_open(&r->passwords, conf, conf_str(v, maps), err))
		err_prefix(err, "%s", r->name);
	else if (take_mechanisms(r, conf, v, BOTH(lmtp, sasl_mechanism_filter), err) && take_forbidden(r, v, lmtp, err)) {
		*out = r;
		return true;
	}
	login_rules_free(r);
	return false;
}

void
login_rules_free(struct login_rules *r)
{
	if (r == NULL)
		return;
	tables_clear(&r->passwords);
	free(r);
}

enum table_result
login_find(const struct login_rules *r, struct facts *facts, struct span sender, struct span host, struct span destination,
    struct buf *value, struct err *err)
{
	const struct span keys[] = { host, destination };
	enum table_result got = TABLE_ABSENT;

	buf_reset(value);
	if (r->by_sender && sender.len > 0)
		got = tables_get_address(&r->passwords, facts, sender, r->delimiters, false, value, err);
	for (size_t i = 0; i < 2 && got == TABLE_ABSENT; i++)
		got = tables_get(&r->passwords, facts, keys[i], value, err);
	if (got == TABLE_FAILED)
		err_prefix(err, "%s", r->name);
	return got;
}

/* -- refusals -- */

struct refusal {
	char		*key;		/* "host\0user" */
	size_t		 key_len;
	char		*password, *dsn, *reply;
	int64_t		 at;		/* wall */
};

struct span
refusal_key(const void *item)
{
	const struct refusal *r = item;

	return span_of(r->key, r->key_len);
}

static void
refusal_free(struct refusal *r)
{
	if (r == NULL)
		return;
	free(r->key);
	free(r->password);
	free(r->dsn);
	free(r->reply);
	free(r);
}

static struct span
key_of(struct buf *b, const struct login *l)
{
	buf_span(b, l->client.host);
	buf_char(b, '\0');
	buf_span(b, l->client.user);
	return buf_view(b);
}

static const struct refusal *
refusal_of(const struct login *l, const struct map *refusals)
{
	struct buf b = BUF_INIT(8192);
	const struct refusal *r = map_get(refusals, key_of(&b, l));

	buf_clear(&b);
	if (r == NULL || !span_eqs(l->client.password, r->password) || clock_wall() - r->at > l->rules->remember_time)
		return NULL;
	return r;
}

void
login_refused(const struct login *l, struct map *refusals, struct span dsn, struct span reply)
{
	struct buf b = BUF_INIT(8192);
	struct refusal *r;
	size_t at = 0;

	if (!l->rules->remember)
		return;
	refusal_free(map_del(refusals, key_of(&b, l)));
	if (refusals->count >= REFUSALS_MAX) {
		while ((r = map_next(refusals, &at)) != NULL)
			refusal_free(r);
		map_clear(refusals);
	}
	MEM_NEW(r);
	*r = (struct refusal){ .key = span_dup(buf_view(&b)), .key_len = b.len, .password = span_dup(l->client.password),
		.dsn = span_dup(dsn), .reply = span_dup(reply), .at = clock_wall() };
	map_add(refusals, r);
	buf_clear(&b);
}

/* -- a connection's -- */

static size_t
find_delimiter(struct span s, struct span delimiter)
{
	for (size_t i = 0; delimiter.len > 0 && i + delimiter.len <= s.len; i++)
		if (memcmp(s.ptr + i, delimiter.ptr, delimiter.len) == 0)
			return i;
	return s.len;
}

struct login *
login_new(const struct login_rules *r, const struct map *refusals, struct span value, const char *host, unsigned port)
{
	struct login *l;

	MEM_NEW(l);
	l->rules = r;
	l->text = span_dup(value);
	l->host = mem_str(host);
	struct span all = span_str(l->text);
	size_t at = find_delimiter(all, r->delimiter);
	l->client = (struct client_login){ .user = span_head(all, at), .password = span_skip(all, at + r->delimiter.len),
		.host = span_str(l->host), .port = port, .mechanisms = r->mechanisms, .filtered = r->filtered, .soft = r->soft, .tell = r->tell };
	memcpy(l->client.forbidden, r->forbidden, sizeof r->forbidden);
	const struct refusal *before = r->remember ? refusal_of(l, refusals) : NULL;
	if (before != NULL) {
		l->refused = mem_str(before->reply);
		l->client.refused = span_str(l->refused);
		l->refused_dsn = mem_str(before->dsn);
		l->client.refused_dsn = span_str(l->refused_dsn);
	}
	return l;
}

void
login_free(struct login *l)
{
	if (l == NULL)
		return;
	explicit_bzero(l->text, strlen(l->text));
	free(l->text);
	free(l->host);
	free(l->refused);
	free(l->refused_dsn);
	free(l);
}
