#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "smtp/tls_client.h"

/* Letters in any case, with or without colons. */
static bool
same_print(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == ':')
			a++;
		while (*b == ':')
			b++;
		if (toupper((unsigned char)*a) != toupper((unsigned char)*b))
			return false;
		if (*a == '\0')
			return true;
	}
}

static bool
has_print(const struct tls_plan *p, struct span der, enum tls_print of)
{
	struct buf print = BUF_INIT(1024);
	bool found = false;

	if (tls_fingerprint(der, p->client->digest, of, &print))
		for (size_t i = 0; i < p->prints.count && !found; i++)
			found = same_print(print.ptr, p->prints.list[i]);
	buf_clear(&print);
	return found;
}

static const char *
fitting_name(const struct tls_plan *p, struct span der)
{
	for (size_t i = 0; i < p->names.count; i++)
		if (tls_cert_matches(der, p->names.list[i], p->client->many_labels))
			return p->names.list[i];
	return NULL;
}

static void
say(struct tls_judgement *j, const char *text)
{
	(void)snprintf(j->reason, sizeof j->reason, "%s", text);
}

static void
say_faults(struct tls_judgement *j, const struct tls_complaint *c)
{
	struct buf text = BUF_INIT(sizeof j->reason);

	tls_fault_text(c, &text);
	say(j, text.ptr == NULL ? "" : text.ptr);
	buf_clear(&text);
}

/* As OpenSSL has it for Postfix: a wrong name makes a certificate untrusted, and is told before wrong dates, but not before a wrong issuer. */
static void
judge_name(const struct tls_plan *p, struct span der, struct tls_judgement *j)
{
	j->name = fitting_name(p, der);
	j->matched = j->trusted && j->name != NULL;
	j->trusted = j->matched;
	if (j->name == NULL && !(j->faults & ~(unsigned)(TLS_FAULT_EXPIRED | TLS_FAULT_NOT_YET)))
		say(j, "num=62:hostname mismatch");
}

static void
judge_chain(const struct tls_plan *p, struct tls *tls, struct tls_judgement *j)
{
	/* Without authorities nobody is trusted, and there is nothing to find out. */
	j->faults = tls_creds_has_authorities(p->trust) ? tls_verify(tls, p->trust, p->client->depth, false) : TLS_FAULT_UNKNOWN_ISSUER;
	j->trusted = j->faults == 0;
	if (!j->trusted)
		say_faults(j, &(struct tls_complaint){ j->faults, "server", tls_peer_der(tls, 0), tls_peer_der(tls, tls_peer_count(tls) - 1), p->client->depth });
}

static void
judge_dane(const struct tls_plan *p, struct tls *tls, struct tls_judgement *j)
{
	struct span chain[DANE_CHAIN];
	size_t n = tls_peer_count(tls);

	for (size_t i = 0; i < n && i < DANE_CHAIN; i++)
		chain[i] = tls_peer_der(tls, i);
	dane_check(&p->dane, chain, n < DANE_CHAIN ? n : DANE_CHAIN, &j->dane);
	j->faults = j->dane.faults;
	j->trusted = j->dane.verdict == DANE_MATCH_EE || j->dane.verdict == DANE_MATCH_TA;
	if (j->dane.verdict == DANE_MATCH_EE)
		j->matched = true;
	else if (j->dane.verdict == DANE_MATCH_TA)
		judge_name(p, chain[0], j);
	else if (j->dane.verdict == DANE_NOT_TRUSTED)
		say_faults(j, &(struct tls_complaint){ j->faults, "server", chain[0], tls_peer_der(tls, n - 1), p->client->depth });
	else
		say(j, "num=65:no matching DANE TLSA records");
}

static void
say_subject(struct tls_judgement *j, struct tls *tls)
{
	struct buf text = BUF_INIT(sizeof j->subject);
	const struct tls_complaint c = { .faults = j->faults, .side = "server", .end = tls_peer_der(tls, 0) };

	tls_fault_subject(&c, j->reason, &text);
	(void)snprintf(j->subject, sizeof j->subject, "%s", text.ptr == NULL ? "" : text.ptr);
	buf_clear(&text);
}

void
tls_judge(const struct tls_plan *p, struct tls *tls, struct tls_judgement *j)
{
	*j = (struct tls_judgement){ .present = tls_peer_count(tls) > 0, .dane.verdict = DANE_NO_MATCH };
	if (!j->present) {
		say(j, "the server sent no certificate");
		return;
	}
	struct span der = tls_peer_der(tls, 0);
	if (p->level == TLS_LEVEL_FINGERPRINT) {
		j->matched = j->trusted = has_print(p, der, TLS_PRINT_CERTIFICATE) || has_print(p, der, p->client->key_print);
		if (!j->matched)
			say(j, "num=65:no matching DANE TLSA records");
	} else if (p->level == TLS_LEVEL_HALF_DANE || p->level == TLS_LEVEL_DANE) {
		judge_dane(p, tls, j);
	} else {
		judge_chain(p, tls, j);
		if (tls_level_is_pkix(p->level))
			judge_name(p, der, j);
	}
	if (j->reason[0] != '\0')
		say_subject(j, tls);
	j->secured = j->trusted && j->matched && p->level != TLS_LEVEL_HALF_DANE;
}

const char *
tls_judgement_word(const struct tls_judgement *j)
{
	return !j->present ? "Anonymous" : j->secured ? "Verified" : j->trusted ? "Trusted" : "Untrusted";
}

const char *
tls_judgement_detail(const struct tls_plan *p, const struct tls_judgement *j)
{
	static const char name[] = "num=62:", record[] = "num=65:";

	if (p->level == TLS_LEVEL_FINGERPRINT && j->present)
		return "its fingerprint is another one";
	if (strncmp(j->reason, name, sizeof name - 1) == 0)
		return "it is for another host name";
	return strncmp(j->reason, record, sizeof record - 1) == 0 ? "it fits no TLSA record" : j->reason;
}

const char *
tls_judgement_refusal(const struct tls_plan *p, const struct tls_judgement *j)
{
	return tls_level_matches(p->level) && !j->matched ? "Server certificate not verified" : NULL;
}
