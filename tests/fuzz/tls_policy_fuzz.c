/*
 * What says how TLS is wanted: an entry of smtp_tls_policy_maps, or TLSA records (two bytes of length before each; the first byte of the input picks). A
 * policy that is taken has a level; a record that is called usable is of usage 2 or 3.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dane.h"
#include "smtp/tls_policy.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
hear(void *arg, const char *text)
{
	*(size_t *)arg += strlen(text);
}

static void
policy(struct span text)
{
	struct tls_policy p = TLS_POLICY_INIT;
	size_t heard = 0;
	bool ok = tls_policy_parse(&p, text, "fuzz", &(struct tls_warn){ hear, &heard });

	if (ok == (p.level < TLS_LEVEL_NONE) || (!ok && heard == 0))
		abort();
	if (p.match.count > TLS_POLICY_WORDS || p.tafiles.count > TLS_POLICY_WORDS)
		abort();
	if (ok && p.match.count > 0 && p.level != TLS_LEVEL_FINGERPRINT && !tls_level_is_pkix(p.level))
		abort();
	tls_policy_clear(&p);
}

static void
records(struct span bytes, bool agility)
{
	struct dane_rules rules = { .digests = "sha512 sha256", .agility = agility, .ta_digest = true };
	struct span list[DANE_RECORDS], left = bytes;
	struct buf text = BUF_INIT(65536);
	struct dane_result result;
	struct dane d;
	size_t n = 0, usable = 0;

	while (left.len >= 2 && n < DANE_RECORDS) {
		size_t len = (size_t)(unsigned char)left.ptr[0] << 8 | (unsigned char)left.ptr[1];
		left = span_skip(left, 2);
		list[n++] = span_head(left, len);
		left = span_skip(left, len);
	}
	dane_take(&d, list, n, &rules);
	for (size_t i = 0; i < d.count; i++) {
		if (d.list[i].fault == TLSA_USABLE && (d.list[i].usage < TLSA_DANE_TA || d.list[i].usage > TLSA_DANE_EE))
			abort();
		usable += d.list[i].fault == TLSA_USABLE;
		dane_text(&d.list[i], 20, &text);
	}
	if (usable != d.usable || (usable > 0) != (d.has_ta || d.has_ee))
		abort();
	dane_check(&d, &bytes, 1, &result);
	dane_clear(&d);
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (size > 0) {
		memcpy(copy, data, size);
		if (data[0] & 1)
			records(span_of(copy + 1, size - 1), data[0] & 2);
		else
			policy(span_of(copy + 1, size - 1));
	}
	free(copy);
	return 0;
}
