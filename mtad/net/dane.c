#include "net/dane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/mem.h"
#include "net/tls.h"

#define DEPTH_MAX	9u	/* as smtp_tls_scert_verifydepth is by default */

static const struct {
	const char	*name;
	uint8_t		 matching;
	gnutls_digest_algorithm_t algorithm;
	size_t		 size;
} digests[] = {
	{ "sha256", 1, GNUTLS_DIG_SHA256, 32 },
	{ "sha512", 2, GNUTLS_DIG_SHA512, 64 },
};

/* -- records ------------------------------------------------------------------------------ */

/* The place of a matching type in tls_dane_digests, from 0 (the strongest); -1: it is not in it. "name=code" as Postfix has it. */
static int
rank(const struct dane_rules *rules, unsigned matching)
{
	struct span rest = span_str(rules->digests), word;

	for (int at = 0; span_word(&rest, "\t\r\n ,:", &word); at++) {
		struct span name = span_head(word, span_find(word, '='));
		for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
			if (digests[i].matching == matching && span_caseeqs(name, digests[i].name))
				return at;
	}
	return -1;
}

static bool
is_certificate(struct span der)
{
	struct buf key = BUF_INIT(DANE_RECORD_MAX);
	bool ok = tls_public_key(der, &key);

	buf_clear(&key);
	return ok;
}

static bool
is_public_key(struct span der)
{
	gnutls_datum_t data = { NULL, (unsigned)der.len };
	gnutls_pubkey_t key;
	void *copy = span_dup(der);
	bool ok = false;

	data.data = copy;
	if (gnutls_pubkey_init(&key) == 0) {
		ok = gnutls_pubkey_import(key, &data, GNUTLS_X509_FMT_DER) == 0;
		gnutls_pubkey_deinit(key);
	}
	free(copy);
	return ok;
}

static enum tlsa_fault
judge(const struct tlsa *t, const struct dane_rules *rules)
{
	if (t->usage != TLSA_DANE_TA && t->usage != TLSA_DANE_EE)
		return TLSA_USAGE;
	if (t->selector > 1)
		return TLSA_SELECTOR;
	if (t->matching == 0)
		return (t->selector == 0 ? is_certificate(t->data) : is_public_key(t->data)) ? TLSA_USABLE : TLSA_DATA;
	if (rank(rules, t->matching) < 0 || (t->usage == TLSA_DANE_TA && !rules->ta_digest))
		return TLSA_MATCHING;
	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
		if (digests[i].matching == t->matching)
			return t->data.len == digests[i].size ? TLSA_USABLE : TLSA_DATA;
	return TLSA_MATCHING;
}

/* Of one usage and selector only the strongest digest counts; whole certificates and keys always do. */
static void
drop_weaker(struct dane *d, const struct dane_rules *rules)
{
	for (size_t i = 0; i < d->count; i++) {
		struct tlsa *t = &d->list[i];
		for (size_t j = 0; j < d->count && t->fault == TLSA_USABLE && t->matching != 0; j++) {
			const struct tlsa *o = &d->list[j];
			if (o->fault == TLSA_USABLE && o->matching != 0 && o->usage == t->usage && o->selector == t->selector &&
			    rank(rules, o->matching) < rank(rules, t->matching))
				t->fault = TLSA_WEAKER;
		}
	}
}

static void
count_usable(struct dane *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->list[i].fault != TLSA_USABLE)
			continue;
		d->usable++;
		d->has_ta = d->has_ta || d->list[i].usage == TLSA_DANE_TA;
		d->has_ee = d->has_ee || d->list[i].usage == TLSA_DANE_EE;
	}
}

static struct tlsa *
block(size_t count, size_t bytes, char **data)
{
	struct tlsa *list = mem_new(count * sizeof *list + bytes + 1);

	*data = (char *)(list + count);
	return list;
}

void
dane_take(struct dane *d, const struct span *records, size_t count, const struct dane_rules *rules)
{
	size_t bytes = 0;
	char *data;

	*d = (struct dane){ .count = count < DANE_RECORDS ? count : DANE_RECORDS };
	for (size_t i = 0; i < d->count; i++)
		bytes += records[i].len;
	d->list = block(d->count, bytes, &data);
	for (size_t i = 0; i < d->count; i++) {
		struct tlsa *t = &d->list[i];
		struct span r = records[i];
		if (r.len < 3 || r.len > DANE_RECORD_MAX) {
			t->fault = TLSA_MALFORMED;
			continue;
		}
		t->usage = (uint8_t)r.ptr[0];
		t->selector = (uint8_t)r.ptr[1];
		t->matching = (uint8_t)r.ptr[2];
		t->data = span_of(data, r.len - 3);
		memcpy(data, r.ptr + 3, r.len - 3);
		data += r.len - 3;
		t->fault = judge(t, rules);
	}
	if (rules->agility)
		drop_weaker(d, rules);
	count_usable(d);
}

void
dane_copy(struct dane *to, const struct dane *from)
{
	size_t bytes = 0;
	char *data;

	*to = *from;
	for (size_t i = 0; i < from->count; i++)
		bytes += from->list[i].data.len;
	to->list = block(from->count, bytes, &data);
	for (size_t i = 0; i < from->count; i++) {
		to->list[i] = from->list[i];
		to->list[i].data.ptr = data;
		if (from->list[i].data.len > 0)
			memcpy(data, from->list[i].data.ptr, from->list[i].data.len);
		data += from->list[i].data.len;
	}
}

void
dane_clear(struct dane *d)
{
	free(d->list);
	*d = (struct dane){ .count = 0 };
}

void
dane_text(const struct tlsa *t, size_t most, struct buf *out)
{
	size_t n = most > 0 && t->data.len > most ? most : t->data.len;

	buf_printf(out, "%u %u %u ", t->usage, t->selector, t->matching);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02X", (unsigned char)t->data.ptr[i]);
	if (n < t->data.len)
		buf_str(out, "...");
}

const char *
tlsa_fault_text(enum tlsa_fault fault)
{
	static const char *const texts[] = {
		[TLSA_USABLE] = "usable",
		[TLSA_USAGE] = "usage is not for SMTP (only 2 and 3 are)",
		[TLSA_SELECTOR] = "unknown selector",
		[TLSA_MATCHING] = "unknown or disabled matching type",
		[TLSA_DATA] = "its data do not fit its type",
		[TLSA_WEAKER] = "a stronger digest is published beside it",
		[TLSA_MALFORMED] = "malformed",
	};

	return texts[fault];
}

/* -- matching ------------------------------------------------------------------------------- */

static bool
digest_is(const struct tlsa *t, struct span what)
{
	unsigned char out[64];

	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
		if (digests[i].matching == t->matching)
			return gnutls_hash_fast((gnutls_digest_algorithm_t)digests[i].algorithm, what.ptr, what.len, out) == 0 &&
			    t->data.len == digests[i].size && memcmp(out, t->data.ptr, digests[i].size) == 0;
	return false;
}

static bool
fits(const struct tlsa *t, struct span der)
{
	struct buf key = BUF_INIT(DANE_RECORD_MAX);
	struct span what = der;
	bool ok = true;

	if (t->selector == 1) {
		ok = tls_public_key(der, &key);
		what = buf_view(&key);
	}
	if (ok)
		ok = t->matching == 0 ? span_eq(what, t->data) : digest_is(t, what);
	buf_clear(&key);
	return ok;
}

/*
 * The chain up to the anchor, with the anchor as the only authority. Certificates that the server sent beyond it are none of its:
 * a record's authority that merely stands somewhere behind a foreign chain must not vouch for that chain.
 */
static bool
try_anchor(const struct tlsa *t, struct span anchor, size_t depth, const struct span *chain, size_t count, struct dane_result *out)
{
	unsigned faults = tls_verify_anchor(chain, count, anchor, DEPTH_MAX, TLS_FOR_SERVER);

	if (faults == 0) {
		*out = (struct dane_result){ .verdict = DANE_MATCH_TA, .record = t, .depth = depth };
		return true;
	}
	if (out->verdict != DANE_NOT_TRUSTED)
		*out = (struct dane_result){ .verdict = DANE_NOT_TRUSTED, .record = t, .depth = depth, .faults = faults };
	return false;
}

static bool
check_ta(const struct tlsa *t, const struct span *chain, size_t count, struct dane_result *out)
{
	/* Never the server's own certificate: that is what usage 3 is for. */
	for (size_t i = 1; i < count; i++)
		if (fits(t, chain[i]) && try_anchor(t, chain[i], i, chain, i, out))
			return true;
	/* A whole certificate in the record need not be sent by the server: RFC 7671 section 5.2.2. */
	return t->selector == 0 && t->matching == 0 && try_anchor(t, t->data, count, chain, count, out);
}

void
dane_check(const struct dane *d, const struct span *chain, size_t count, struct dane_result *out)
{
	*out = (struct dane_result){ .verdict = DANE_NO_MATCH };
	if (count == 0)
		return;
	if (count > DANE_CHAIN)
		count = DANE_CHAIN;
	for (size_t i = 0; i < d->count; i++) {
		const struct tlsa *t = &d->list[i];
		if (t->fault == TLSA_USABLE && t->usage == TLSA_DANE_EE && fits(t, chain[0])) {
			*out = (struct dane_result){ .verdict = DANE_MATCH_EE, .record = t };
			return;
		}
	}
	for (size_t i = 0; i < d->count; i++)
		if (d->list[i].fault == TLSA_USABLE && d->list[i].usage == TLSA_DANE_TA && check_ta(&d->list[i], chain, count, out))
			return;
}
