/*
 * Why a certificate is not trusted, in the words of Postfix's log.
 */
#include <string.h>

#include "base/clock.h"
#include "net/tls_private.h"

#define PARTS_MAX	64	/* of a name */

/* The parts of names that have short ones; others are told by their numbers. */
static const struct { const char *oid, *name; } short_names[] = {
	{ GNUTLS_OID_X520_COMMON_NAME, "CN" }, { GNUTLS_OID_X520_COUNTRY_NAME, "C" }, { GNUTLS_OID_X520_LOCALITY_NAME, "L" },
	{ GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, "ST" }, { GNUTLS_OID_X520_ORGANIZATION_NAME, "O" }, { GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, "OU" },
	{ GNUTLS_OID_LDAP_DC, "DC" }, { GNUTLS_OID_LDAP_UID, "UID" }, { GNUTLS_OID_PKCS9_EMAIL, "emailAddress" }, { GNUTLS_OID_X520_TITLE, "title" },
	{ GNUTLS_OID_X520_SURNAME, "SN" }, { GNUTLS_OID_X520_GIVEN_NAME, "GN" }, { GNUTLS_OID_X520_INITIALS, "initials" }, { "2.5.4.5", "serialNumber" },
	{ "2.5.4.97", "organizationIdentifier" },
};

static void
put_type(struct buf *out, struct span oid)
{
	for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++)
		if (span_eqs(oid, short_names[i].oid)) {
			buf_str(out, short_names[i].name);
			return;
		}
	buf_span(out, oid);
}

/* As OpenSSL writes names in one line; what is no printable ASCII is written as \xHH. */
static void
put_value(struct buf *out, gnutls_datum_t value)
{
	for (unsigned i = 0; i < value.size; i++)
		if (value.data[i] < ' ' || value.data[i] > '~')
			buf_printf(out, "\\x%02X", value.data[i]);
		else
			buf_char(out, (char)value.data[i]);
}

static struct span
oid_of(gnutls_datum_t d)
{
	struct span s = { (const char *)d.data, d.size };

	return span_head(s, span_find(s, '\0'));
}

static void
put_issuer(gnutls_x509_crt_t crt, struct buf *out)
{
	gnutls_x509_dn_t dn;
	gnutls_x509_ava_st part;

	if (gnutls_x509_crt_get_issuer(crt, &dn) < 0)
		return;
	for (int i = 0; i < PARTS_MAX; i++)
		for (int k = 0; k < PARTS_MAX && gnutls_x509_dn_get_rdn_ava(dn, i, k, &part) == 0; k++) {
			buf_char(out, '/');
			put_type(out, oid_of(part.oid));
			buf_char(out, '=');
			put_value(out, part.value);
		}
}

void
tls_issuer_line(struct span der, struct buf *out)
{
	gnutls_x509_crt_t crt;

	if (!tls_import(der, &crt))
		return;
	put_issuer(crt, out);
	gnutls_x509_crt_deinit(crt);
}

static const struct { unsigned fault; const char *text; } texts[] = {
	{ TLS_FAULT_NO_CERTIFICATE, "no certificate" }, { TLS_FAULT_SELF_SIGNED, "self-signed certificate" },
	{ TLS_FAULT_EXPIRED, "certificate has expired" }, { TLS_FAULT_NOT_YET, "certificate not yet valid" },
	{ TLS_FAULT_REVOKED, "num=23:certificate revoked" }, { TLS_FAULT_INSECURE, "insecure algorithm or key size" },
	{ TLS_FAULT_OTHER, "certificate chain cannot be verified" },
};

void
tls_fault_text(const struct tls_complaint *c, struct buf *out)
{
	unsigned first_of_all = TLS_FAULT_NO_CERTIFICATE | TLS_FAULT_SELF_SIGNED | TLS_FAULT_EXPIRED | TLS_FAULT_NOT_YET | TLS_FAULT_REVOKED;

	if (c->faults & TLS_FAULT_UNKNOWN_ISSUER) {
		buf_str(out, "untrusted issuer ");
		tls_issuer_line(c->top, out);
	} else if (!(c->faults & first_of_all) && (c->faults & TLS_FAULT_PURPOSE)) {
		buf_printf(out, "not designated for use as a %s certificate", c->side);
	} else if (!(c->faults & first_of_all) && (c->faults & TLS_FAULT_TOO_DEEP)) {
		buf_printf(out, "certificate chain longer than limit(%u)", c->depth);
	} else {
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			if (c->faults & texts[i].fault) {
				buf_str(out, texts[i].text);
				return;
			}
	}
}

/* An end whose own dates are right has an authority above it whose are not. */
static bool
is_own_fault(const struct tls_complaint *c)
{
	int64_t from, until, now = clock_wall() / SECOND;

	if (!(c->faults & (TLS_FAULT_EXPIRED | TLS_FAULT_NOT_YET)) || !tls_cert_times(c->end, &from, &until))
		return true;
	return now < from || now > until;
}

void
tls_fault_subject(const struct tls_complaint *c, const char *text, struct buf *out)
{
	/* Only of these it says whose certificate it is. */
	if (span_starts(span_str(text), "num=") || strcmp(text, "certificate has expired") == 0 || strcmp(text, "certificate not yet valid") == 0)
		buf_printf(out, "%s ", is_own_fault(c) ? c->side : "CA");
	buf_str(out, "certificate verification failed");
}
