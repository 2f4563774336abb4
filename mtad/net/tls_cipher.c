#include "net/tls_cipher.h"

#include <stddef.h>

#define BIT(n)		(1u << (n))
#define ALL		0xffffffffu
#define COUNT(a)	(sizeof(a) / sizeof *(a))

static const char *const kx_names[KX_COUNT] = { "ECDHE-ECDSA-", "ECDHE-RSA-", "DHE-RSA-", "" };

#define ECDHE	(BIT(KX_ECDHE_ECDSA) | BIT(KX_ECDHE_RSA))
#define DHE	BIT(KX_DHE_RSA)
#define RSA	BIT(KX_RSA)

/* What there is beside each kind of key exchange. */
static const struct {
	unsigned	 enc, mac, kx;
	const char	*name;
} rows[] = {
	{ ENC_AES256_GCM, MAC_AEAD, ECDHE | DHE | RSA, "AES256-GCM-SHA384" },
	{ ENC_CHACHA20, MAC_AEAD, ECDHE | DHE, "CHACHA20-POLY1305" },
	{ ENC_AES256_CCM, MAC_AEAD, BIT(KX_ECDHE_ECDSA) | DHE | RSA, "AES256-CCM" },
	{ ENC_AES128_GCM, MAC_AEAD, ECDHE | DHE | RSA, "AES128-GCM-SHA256" },
	{ ENC_AES128_CCM, MAC_AEAD, BIT(KX_ECDHE_ECDSA) | DHE | RSA, "AES128-CCM" },
	{ ENC_AES256, MAC_SHA384, ECDHE, "AES256-SHA384" },
	{ ENC_AES256, MAC_SHA256, DHE | RSA, "AES256-SHA256" },
	{ ENC_AES128, MAC_SHA256, ECDHE | DHE | RSA, "AES128-SHA256" },
	{ ENC_AES256, MAC_SHA1, ECDHE | DHE | RSA, "AES256-SHA" },
	{ ENC_AES128, MAC_SHA1, ECDHE | DHE | RSA, "AES128-SHA" },
	{ ENC_NULL, MAC_SHA256, RSA, "NULL-SHA256" },
	{ ENC_NULL, MAC_SHA1, ECDHE | RSA, "NULL-SHA" },
	{ ENC_NULL, MAC_MD5, RSA, "NULL-MD5" },
};
#define SUITES_MAX	(COUNT(rows) * KX_COUNT)

static struct tls_suite suites[SUITES_MAX];
static unsigned suite_rows[SUITES_MAX];
static unsigned suite_count;

static void
make_suites(void)
{
	for (unsigned r = 0; suite_count < SUITES_MAX && r < COUNT(rows); r++)
		for (unsigned kx = 0; kx < KX_COUNT; kx++)
			if (rows[r].kx & BIT(kx)) {
				suite_rows[suite_count] = r;
				suites[suite_count++] = (struct tls_suite){ kx, rows[r].enc, rows[r].mac };
			}
}

const struct tls_suite *
tls_suite(unsigned n)
{
	if (suite_count == 0)
		make_suites();
	return n < suite_count ? &suites[n] : NULL;
}

void
tls_suite_name(const struct tls_suite *s, struct buf *out)
{
	buf_printf(out, "%s%s", kx_names[s->kx], rows[suite_rows[s - suites]].name);
}

#define ENC_GCM		(BIT(ENC_AES256_GCM) | BIT(ENC_AES128_GCM))
#define ENC_CCM		(BIT(ENC_AES256_CCM) | BIT(ENC_AES128_CCM))
#define ENC_CBC		(BIT(ENC_AES256) | BIT(ENC_AES128))
#define ENC_128		(BIT(ENC_AES128_GCM) | BIT(ENC_AES128_CCM) | BIT(ENC_AES128))
#define ENC_256		(BIT(ENC_AES256_GCM) | BIT(ENC_AES256_CCM) | BIT(ENC_AES256))
#define SECRET		(ENC_GCM | ENC_CCM | ENC_CBC | BIT(ENC_CHACHA20))

/* OpenSSL's words. A mask of 0: known there, and nothing of the kind is here. */
static const struct {
	const char	*word;
	unsigned	 kx, enc, mac;
} words[] = {
	{ "ALL", ALL, SECRET, ALL }, { "DEFAULT", ALL, SECRET, ALL }, { "HIGH", ALL, SECRET, ALL }, { "MEDIUM", 0, 0, 0 }, { "LOW", 0, 0, 0 },
	{ "EXPORT", 0, 0, 0 }, { "EXP", 0, 0, 0 }, { "EXPORT40", 0, 0, 0 }, { "EXPORT56", 0, 0, 0 },
	{ "COMPLEMENTOFALL", ALL, BIT(ENC_NULL), ALL }, { "COMPLEMENTOFDEFAULT", 0, 0, 0 },
	{ "eNULL", ALL, BIT(ENC_NULL), ALL }, { "NULL", ALL, BIT(ENC_NULL), ALL }, { "aNULL", 0, 0, 0 }, { "ADH", 0, 0, 0 }, { "AECDH", 0, 0, 0 },
	{ "kRSA", RSA, ALL, ALL }, { "RSA", RSA, ALL, ALL }, { "aRSA", RSA | DHE | BIT(KX_ECDHE_RSA), ALL, ALL },
	{ "kDHE", DHE, ALL, ALL }, { "kEDH", DHE, ALL, ALL }, { "DHE", DHE, ALL, ALL }, { "EDH", DHE, ALL, ALL }, { "DH", DHE, ALL, ALL },
	{ "kECDHE", ECDHE, ALL, ALL }, { "kEECDH", ECDHE, ALL, ALL }, { "ECDHE", ECDHE, ALL, ALL }, { "EECDH", ECDHE, ALL, ALL }, { "ECDH", ECDHE, ALL, ALL },
	{ "aECDSA", BIT(KX_ECDHE_ECDSA), ALL, ALL }, { "ECDSA", BIT(KX_ECDHE_ECDSA), ALL, ALL },
	{ "aDSS", 0, 0, 0 }, { "DSS", 0, 0, 0 }, { "aECDH", 0, 0, 0 }, { "kECDHr", 0, 0, 0 }, { "kECDHe", 0, 0, 0 }, { "kDHd", 0, 0, 0 }, { "kDHr", 0, 0, 0 },
	{ "kPSK", 0, 0, 0 }, { "PSK", 0, 0, 0 }, { "aPSK", 0, 0, 0 }, { "kSRP", 0, 0, 0 }, { "SRP", 0, 0, 0 }, { "aSRP", 0, 0, 0 }, { "kGOST", 0, 0, 0 },
	{ "aGOST", 0, 0, 0 }, { "aGOST01", 0, 0, 0 }, { "kECDHEPSK", 0, 0, 0 }, { "kDHEPSK", 0, 0, 0 }, { "kRSAPSK", 0, 0, 0 },
	{ "AES", ALL, ENC_128 | ENC_256, ALL }, { "AES128", ALL, ENC_128, ALL }, { "AES256", ALL, ENC_256, ALL }, { "AESGCM", ALL, ENC_GCM, ALL },
	{ "AESCCM", ALL, ENC_CCM, ALL }, { "AESCCM8", 0, 0, 0 }, { "CHACHA20", ALL, BIT(ENC_CHACHA20), ALL }, { "CBC", ALL, ENC_CBC, ALL },
	{ "3DES", 0, 0, 0 }, { "DES", 0, 0, 0 }, { "RC4", 0, 0, 0 }, { "RC2", 0, 0, 0 }, { "IDEA", 0, 0, 0 }, { "SEED", 0, 0, 0 }, { "CAMELLIA", 0, 0, 0 },
	{ "CAMELLIA128", 0, 0, 0 }, { "CAMELLIA256", 0, 0, 0 }, { "ARIA", 0, 0, 0 }, { "ARIA128", 0, 0, 0 }, { "ARIA256", 0, 0, 0 }, { "ARIAGCM", 0, 0, 0 },
	{ "MD5", ALL, ALL, BIT(MAC_MD5) }, { "SHA", ALL, ALL, BIT(MAC_SHA1) }, { "SHA1", ALL, ALL, BIT(MAC_SHA1) }, { "SHA256", ALL, ALL, BIT(MAC_SHA256) },
	{ "SHA384", ALL, ALL, BIT(MAC_SHA384) }, { "FIPS", ALL, SECRET, ALL }, { "SUITEB128", BIT(KX_ECDHE_ECDSA), ENC_GCM, ALL },
	{ "SUITEB192", BIT(KX_ECDHE_ECDSA), BIT(ENC_AES256_GCM), ALL }, { "SSLv2", 0, 0, 0 },
	{ "SSLv3", ALL, ALL, BIT(MAC_SHA1) | BIT(MAC_MD5) }, { "TLSv1", ALL, ALL, BIT(MAC_SHA1) | BIT(MAC_MD5) }, { "TLSv1.0", ALL, ALL, BIT(MAC_SHA1) | BIT(MAC_MD5) },
	{ "TLSv1.2", ALL, ALL, BIT(MAC_AEAD) | BIT(MAC_SHA384) | BIT(MAC_SHA256) },
};

/* Suites that OpenSSL knows and we do not have, by how their names begin. */
static bool
is_foreign_suite(struct span word)
{
	static const char *const starts[] = { "ADH-", "AECDH-", "DES-", "EDH-", "EXP-", "RC4-", "RC2-", "IDEA-", "SEED-", "CAMELLIA", "ARIA", "PSK-",
		"SRP-", "DHE-", "ECDHE-", "ECDH-", "DH-", "RSA-PSK-", "AES", "GOST", "NULL-", "KRB5-", "TLS_" };

	for (size_t i = 0; i < COUNT(starts); i++)
		if (span_starts(word, starts[i]) && span_has(word, starts[i][0] == 'T' ? '_' : '-'))
			return true;
	return false;
}

static uint64_t
by_masks(unsigned kx, unsigned enc, unsigned mac)
{
	const struct tls_suite *s;
	uint64_t set = 0;

	for (unsigned n = 0; (s = tls_suite(n)) != NULL; n++)
		if ((kx & BIT(s->kx)) && (enc & BIT(s->enc)) && (mac & BIT(s->mac)))
			set |= (uint64_t)1 << n;
	return set;
}

static bool
by_name(struct span word, uint64_t *set)
{
	struct buf name = BUF_INIT(64);
	const struct tls_suite *s;
	bool found = false;

	for (unsigned n = 0; !found && (s = tls_suite(n)) != NULL; n++) {
		buf_reset(&name);
		tls_suite_name(s, &name);
		found = span_caseeq(buf_view(&name), word);
		if (found)
			*set = (uint64_t)1 << n;
	}
	buf_clear(&name);
	return found;
}

static bool
one_word(struct span word, uint64_t *set)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_caseeqs(word, words[i].word)) {
			*set = by_masks(words[i].kx, words[i].enc, words[i].mac);
			return true;
		}
	*set = 0;
	return by_name(word, set) || is_foreign_suite(word);
}

bool
tls_suites_named(struct span element, uint64_t *set)
{
	struct span word;
	uint64_t each;
	bool known = element.len > 0;

	*set = UINT64_MAX;
	while (span_cut(&element, '+', &word)) {
		known = one_word(word, &each) && known;
		*set &= each;
	}
	return known;
}

void
tls_suites_read(struct span list, uint64_t *set, uint64_t *killed, struct buf *unknown)
{
	struct span word;
	uint64_t which;

	while (span_word(&list, ":;, \t\r\n", &word)) {
		char sign = word.ptr[0];
		if (sign == '@')
			continue;	/* the order is the library's own: the strongest first */
		if (sign == '!' || sign == '-' || sign == '+')
			word = span_skip(word, 1);
		if (!tls_suites_named(word, &which)) {
			buf_printf(unknown, "%s%.*s", unknown->len > 0 ? ", " : "", SPAN_ARG(word));
			continue;
		}
		if (sign == '!')
			*killed |= which;
		if (sign == '!' || sign == '-')
			*set &= ~which;
		else if (sign != '+')
			*set |= which & ~*killed;
	}
}
