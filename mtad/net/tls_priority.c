#include "net/tls_priority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "net/tls_cipher.h"
#include "net/tls_private.h"

#define COUNT(a)	(sizeof(a) / sizeof *(a))
#define BIT(n)		(1u << (n))
#define SEPARATORS	"\t\r\n ,:"

struct making {
	const struct tls_choice *choice;
	struct buf	*out;
	tls_priority_note *note;
	void		*arg;
	struct err	*err;
};

static void __attribute__((format(printf, 2, 3)))
note(const struct making *m, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (m->note == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	m->note(m->arg, text);
}

static struct span
text(const char *s)
{
	return span_trim(span_str(s));
}

/* -- protocols ------------------------------------------------------------------------------- */

/* The oldest first. An option without a name is none that the library speaks. */
static const struct {
	const char	*name, *option;
	uint64_t	 number;
} versions[] = {
	{ "SSLv2", NULL, 0x0002 }, { "SSLv3", NULL, 0x0300 }, { "TLSv1", "VERS-TLS1.0", 0x0301 }, { "TLSv1.1", "VERS-TLS1.1", 0x0302 },
	{ "TLSv1.2", "VERS-TLS1.2", 0x0303 }, { "TLSv1.3", "VERS-TLS1.3", 0x0304 },
};
#define VERSION_TLS13	(COUNT(versions) - 1)
#define VERSIONS_ALL	(BIT(COUNT(versions)) - 1u)

static bool
version_named(struct span word, size_t *at)
{
	for (size_t i = 0; i < COUNT(versions); i++)
		if (span_caseeqs(word, versions[i].name)) {
			*at = i;
			return true;
		}
	return false;
}

/* A limit may also be the version's number: ">=0x0303", ">=771". */
static bool
limit_named(struct span word, size_t *at)
{
	char digits[16];
	char *end;

	if (version_named(word, at))
		return true;
	if (word.len == 0 || word.len >= sizeof digits || word.ptr[0] < '0' || word.ptr[0] > '9')
		return false;
	(void)snprintf(digits, sizeof digits, "%.*s", SPAN_ARG(word));
	uint64_t number = strtoull(digits, &end, 0);
	for (size_t i = 0; *end == '\0' && i < COUNT(versions); i++)
		if (versions[i].number == number) {
			*at = i;
			return true;
		}
	return false;
}

static bool
read_version(struct span word, unsigned *with, unsigned *without)
{
	size_t at;

	if (span_starts(word, ">=") || span_starts(word, "<=")) {
		if (word.len == 2)
			return true;
		if (!limit_named(span_skip(word, 2), &at))
			return false;
		*without |= word.ptr[0] == '>' ? BIT(at) - 1u : VERSIONS_ALL & ~(BIT(at + 1) - 1u);
		return true;
	}
	bool no = span_starts(word, "!");
	if (!version_named(span_skip(word, no ? 1 : 0), &at))
		return false;
	*(no ? without : with) |= BIT(at);
	return true;
}

/* Which are wanted, as bits; 0 with the err. */
static unsigned
read_versions(const struct making *m)
{
	struct span list = text(m->choice->protocols), word;
	unsigned with = 0, without = 0, wanted;

	while (span_word(&list, SEPARATORS, &word))
		if (!read_version(word, &with, &without)) {
			err_set(m->err, ERR_PERM, "\"%.*s\" is no TLS protocol (TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, with ! before it, or >= and <= for limits)",
			    SPAN_ARG(span_head(word, 40)));
			return 0;
		}
	if (with & 3u)
		note(m, "SSLv2 and SSLv3 are not in the TLS library and are not used");
	wanted = (with == 0 ? VERSIONS_ALL : with) & ~without & ~3u;
	if (wanted == 0)
		err_set(m->err, ERR_PERM, "\"%s\" leaves no TLS protocol", m->choice->protocols);
	return wanted;
}

/* -- ciphers --------------------------------------------------------------------------------- */

static const struct {
	const char	*name;
	enum param	 list;
} grades[] = {
	{ "high", P_tls_high_cipherlist }, { "medium", P_tls_medium_cipherlist }, { "low", P_tls_low_cipherlist },
	{ "export", P_tls_export_cipherlist }, { "null", P_tls_null_cipherlist },
};

static const char *const kx_options[KX_COUNT] = { "ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA", "RSA" };
static const char *const enc_options[ENC_COUNT] = { "AES-256-GCM", "CHACHA20-POLY1305", "AES-256-CCM", "AES-128-GCM", "AES-128-CCM", "AES-256-CBC",
	"AES-128-CBC", "NULL" };
static const char *const mac_options[MAC_COUNT] = { "AEAD", "SHA384", "SHA256", "SHA1", "MD5" };
#define ENC_TLS13	(BIT(ENC_AES256_GCM) | BIT(ENC_CHACHA20) | BIT(ENC_AES128_GCM) | BIT(ENC_AES128_CCM))

/* What the library is told: any of each with any of the others. */
struct parts {
	unsigned	 part[3];	/* key exchanges, ciphers, MACs */
};

static bool
grade_list(const struct making *m, const char **list)
{
	struct span grade = text(m->choice->grade);

	*list = m->choice->cipherlist;
	if (*list != NULL && **list != '\0')
		return true;
	for (size_t i = 0; i < COUNT(grades); i++)
		if (span_caseeqs(grade, grades[i].name)) {
			*list = conf_str(m->choice->view, grades[i].list);
			return true;
		}
	err_set(m->err, ERR_PERM, "\"%.*s\" is no cipher grade (high, medium, low, export, null)", SPAN_ARG(span_head(grade, 40)));
	return false;
}

/* The elements of an exclude list are those of OpenSSL's language without their "!". */
static void
exclude(const char *list, uint64_t *set, uint64_t *killed, struct buf *unknown)
{
	struct span rest = span_str(list), word;
	struct buf element = BUF_INIT(256);

	while (span_word(&rest, SEPARATORS, &word)) {
		buf_reset(&element);
		buf_char(&element, '!');
		buf_span(&element, word);
		tls_suites_read(buf_view(&element), set, killed, unknown);
	}
	buf_clear(&element);
}

static bool
wanted_suites(const struct making *m, uint64_t *set)
{
	uint64_t killed = 0;
	struct buf unknown = BUF_INIT(256);
	const char *list;

	*set = 0;
	if (!grade_list(m, &list))
		return false;
	tls_suites_read(span_str(list), set, &killed, &unknown);
	exclude(m->choice->exclude, set, &killed, &unknown);
	exclude(m->choice->exclude_too, set, &killed, &unknown);
	if (unknown.len > 0)
		note(m, "ciphers that nothing knows: %.200s", unknown.ptr);
	buf_clear(&unknown);
	if (m->choice->eecdh_grade != NULL && span_eqs(text(m->choice->eecdh_grade), "none"))
		for (unsigned n = 0; tls_suite(n) != NULL; n++)
			if (tls_suite(n)->kx == KX_ECDHE_ECDSA || tls_suite(n)->kx == KX_ECDHE_RSA)
				*set &= ~((uint64_t)1 << n);
	if (*set == 0)
		err_set(m->err, ERR_PERM, "no cipher is left");
	return *set != 0;
}

static bool
within(const struct parts *p, const struct tls_suite *s)
{
	return (p->part[0] & BIT(s->kx)) && (p->part[1] & BIT(s->enc)) && (p->part[2] & BIT(s->mac));
}

static uint64_t
product(const struct parts *p)
{
	uint64_t set = 0;

	for (unsigned n = 0; tls_suite(n) != NULL; n++)
		if (within(p, tls_suite(n)))
			set |= (uint64_t)1 << n;
	return set;
}

static unsigned
bits_in(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

/* The part without which the most of what is not wanted goes, for the least of what is. */
static struct parts
without_worst(const struct parts *p, uint64_t want)
{
	struct parts best = { { 0, 0, 0 } };
	double score = -1;
	uint64_t has = product(p);

	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned bit = 0; bit < 32; bit++) {
			struct parts try = *p;
			if (!(try.part[kind] & BIT(bit)))
				continue;
			try.part[kind] &= ~BIT(bit);
			uint64_t gone = has & ~product(&try);
			double is = bits_in(gone & ~want) / (1.0 + bits_in(gone & want));
			if (is > score) {
				score = is;
				best = try;
			}
		}
	return best;
}

static void
say_lost(const struct making *m, uint64_t lost)
{
	struct buf names = BUF_INIT(1024);
	unsigned told = 0;

	for (unsigned n = 0; tls_suite(n) != NULL && told < 4; n++)
		if (lost & ((uint64_t)1 << n)) {
			buf_str(&names, told++ > 0 ? ", " : "");
			tls_suite_name(tls_suite(n), &names);
		}
	note(m, "the TLS library cannot choose single cipher suites: with what is excluded, %s%s are not used either", names.ptr,
	    bits_in(lost) > told ? " and others" : "");
	buf_clear(&names);
}

/* Never more than what is wanted; what is lost by that is told of. False with the err: nothing is left. */
static bool
choose_parts(const struct making *m, uint64_t want, struct parts *p)
{
	*p = (struct parts){ { 0, 0, 0 } };
	for (unsigned n = 0; tls_suite(n) != NULL; n++)
		if (want & ((uint64_t)1 << n)) {
			p->part[0] |= BIT(tls_suite(n)->kx);
			p->part[1] |= BIT(tls_suite(n)->enc);
			p->part[2] |= BIT(tls_suite(n)->mac);
		}
	while (product(p) & ~want)
		*p = without_worst(p, want);
	uint64_t lost = want & ~product(p);
	if (product(p) == 0) {
		err_set(m->err, ERR_PERM, "these cipher suites cannot be had without others");
		return false;
	}
	if (lost != 0)
		say_lost(m, lost);
	return true;
}

/* -- curves ---------------------------------------------------------------------------------- */

static const struct { const char *name, *option; } groups[] = {
	{ "X25519", "GROUP-X25519" }, { "X448", "GROUP-X448" }, { "prime256v1", "GROUP-SECP256R1" }, { "secp256r1", "GROUP-SECP256R1" },
	{ "P-256", "GROUP-SECP256R1" }, { "secp384r1", "GROUP-SECP384R1" }, { "P-384", "GROUP-SECP384R1" }, { "secp521r1", "GROUP-SECP521R1" },
	{ "P-521", "GROUP-SECP521R1" }, { "ffdhe2048", "GROUP-FFDHE2048" }, { "ffdhe3072", "GROUP-FFDHE3072" }, { "ffdhe4096", "GROUP-FFDHE4096" },
	{ "ffdhe6144", "GROUP-FFDHE6144" }, { "ffdhe8192", "GROUP-FFDHE8192" },
};

static unsigned
add_groups(const struct making *m, const char *list)
{
	struct span rest = span_str(list), word;
	unsigned known = 0;

	while (span_word(&rest, SEPARATORS, &word)) {
		const char *option = NULL;
		for (size_t i = 0; option == NULL && i < COUNT(groups); i++)
			if (span_caseeqs(word, groups[i].name))
				option = groups[i].option;
		if (option == NULL) {
			note(m, "the TLS library has no curve or group \"%.*s\"", SPAN_ARG(span_head(word, 40)));
			continue;
		}
		buf_printf(m->out, ":+%s", option);
		known++;
	}
	return known;
}

static bool
put_groups(const struct making *m)
{
	const struct view *v = m->choice->view;
	struct span grade = m->choice->eecdh_grade == NULL ? SPAN("auto") : text(m->choice->eecdh_grade);
	const char *curves = conf_str(v, P_tls_eecdh_auto_curves);

	if (span_eqs(grade, "strong"))
		curves = conf_str(v, P_tls_eecdh_strong_curve);
	else if (span_eqs(grade, "ultra"))
		curves = conf_str(v, P_tls_eecdh_ultra_curve);
	else if (grade.len > 0 && !span_eqs(grade, "auto") && !span_eqs(grade, "none")) {
		err_set(m->err, ERR_PERM, "\"%.*s\" is no grade of curves (auto, strong, ultra, none)", SPAN_ARG(span_head(grade, 40)));
		return false;
	}
	size_t before = m->out->len;
	buf_str(m->out, ":-GROUP-ALL");
	if (add_groups(m, curves) + add_groups(m, conf_str(v, P_tls_ffdhe_auto_groups)) == 0)
		buf_cut(m->out, before);
	return true;
}

/* -- options --------------------------------------------------------------------------------- */

/* Of tls_ssl_options. "": that is how it is anyway; NULL: the library has nothing of the kind. */
static const struct { const char *name, *option; } options[] = {
	{ "NO_TICKET", "%NO_TICKETS" }, { "NO_COMPRESSION", "" }, { "NO_RENEGOTIATION", "" }, { "ENABLE_MIDDLEBOX_COMPAT", "" },
	{ "NO_ENCRYPT_THEN_MAC", "%NO_ETM" }, { "LEGACY_SERVER_CONNECT", "" }, { "PRIORITIZE_CHACHA", NULL }, { "TLSEXT_PADDING", NULL },
	{ "MICROSOFT_SESS_ID_BUG", NULL }, { "NETSCAPE_CHALLENGE_BUG", NULL }, { "NETSCAPE_REUSE_CIPHER_CHANGE_BUG", NULL },
	{ "SSLREF2_REUSE_CERT_TYPE_BUG", NULL }, { "MICROSOFT_BIG_SSLV3_BUFFER", NULL }, { "MSIE_SSLV2_RSA_PADDING", NULL }, { "SSLEAY_080_CLIENT_DH_BUG", NULL },
	{ "TLS_D5_BUG", NULL }, { "TLS_BLOCK_PADDING_BUG", NULL }, { "TLS_ROLLBACK_BUG", NULL }, { "DONT_INSERT_EMPTY_FRAGMENTS", NULL },
	{ "CRYPTOPRO_TLSEXT_BUG", NULL }, { "ALLOW_UNSAFE_LEGACY_RENEGOTIATION", NULL }, { "NO_ANTI_REPLAY", NULL }, { "CLEANSE_PLAINTEXT", NULL },
};

/* What a hexadecimal mask of OpenSSL's bits means is OpenSSL's own affair. */
static void
put_options(const struct making *m)
{
	struct span rest = span_str(conf_str(m->choice->view, P_tls_ssl_options)), word;

	while (span_word(&rest, SEPARATORS, &word)) {
		size_t i = 0;
		while (i < COUNT(options) && !span_caseeqs(word, options[i].name))
			i++;
		if (i == COUNT(options) || options[i].option == NULL)
			note(m, "tls_ssl_options: \"%.*s\" means nothing to the TLS library (GnuTLS) and has no effect", SPAN_ARG(span_head(word, 60)));
		else if (options[i].option[0] != '\0')
			buf_printf(m->out, ":%s", options[i].option);
	}
}

/* -- the whole ------------------------------------------------------------------------------- */

static void
put_parts(struct buf *out, const char *kind, const char *const *names, unsigned count, unsigned set)
{
	buf_printf(out, ":-%s-ALL", kind);
	for (unsigned i = 0; i < count; i++)
		if (set & BIT(i))
			buf_printf(out, ":+%s", names[i]);
}

/* TLS 1.3 has the ciphers of its own in common with TLS 1.2: without any it cannot be spoken. */
static unsigned
versions_for(const struct making *m, unsigned wanted, const struct parts *p)
{
	const unsigned tls13 = BIT(VERSION_TLS13);

	if (!(wanted & tls13) || ((p->part[1] & ENC_TLS13) && (p->part[2] & BIT(MAC_AEAD)) && !(p->part[1] & BIT(ENC_NULL))))
		return wanted;
	note(m, "with these ciphers the TLS library does not speak TLSv1.3");
	return wanted & ~tls13;
}

bool
tls_priority_text(const struct tls_choice *choice, struct buf *out, tls_priority_note *fn, void *arg, struct err *err)
{
	const struct making m = { .choice = choice, .out = out, .note = fn, .arg = arg, .err = err };
	struct parts parts;
	uint64_t want;

	unsigned wanted = read_versions(&m);
	if (wanted == 0 || !wanted_suites(&m, &want) || !choose_parts(&m, want, &parts))
		return false;
	wanted = versions_for(&m, wanted, &parts);
	if (wanted == 0) {
		err_set(err, ERR_PERM, "no TLS protocol is left with these ciphers");
		return false;
	}
	buf_str(out, "NORMAL:-VERS-ALL");
	for (size_t i = COUNT(versions); i-- > 0;)
		if (wanted & BIT(i))
			buf_printf(out, ":+%s", versions[i].option);
	put_parts(out, "KX", kx_options, KX_COUNT, parts.part[0]);
	put_parts(out, "CIPHER", enc_options, ENC_COUNT, parts.part[1]);
	put_parts(out, "MAC", mac_options, MAC_COUNT, parts.part[2]);
	if (!put_groups(&m))
		return false;
	if (choice->server && conf_bool(choice->view, P_tls_preempt_cipherlist))
		buf_str(out, ":%SERVER_PRECEDENCE");
	put_options(&m);
	return true;
}

static struct span
priority_key(const void *item)
{
	return span_str(((const struct tls_priority *)item)->text);
}

/* Bounded by how often somebody changes the configuration of a running process. */
static struct map made = MAP_INIT(priority_key);

const struct tls_priority *
tls_priority_get(const struct tls_choice *choice, struct err *err)
{
	struct buf string = BUF_INIT(4096);
	struct tls_priority *p = NULL;
	const char *at = NULL;

	if (tls_priority_text(choice, &string, NULL, NULL, err) && (p = map_get(&made, buf_view(&string))) == NULL) {
		MEM_NEW(p);
		int rc = gnutls_priority_init(&p->priority, string.ptr, &at);
		if (rc == 0) {
			p->text = mem_str(string.ptr);
			map_add(&made, p);
		} else {
			err_set(err, ERR_SYS, "the TLS library refuses its priorities at \"%.80s\": %s", at == NULL ? "" : at, gnutls_strerror(rc));
			free(p);
			p = NULL;
		}
	}
	buf_clear(&string);
	return p;
}
