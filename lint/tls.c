/*
 * TLS in the server: what is set and does not do what it looks like, or does harm.
 */
#include <stdio.h>
#include <string.h>

#include "lint/private.h"
#include "net/tls_priority.h"
#include "net/tls_server.h"

static struct span
value(const struct view *v, enum param p)
{
	return span_trim(span_str(conf_str(v, p)));
}

/* -- keys that others may read ------------------------------------------------------------- */

static void
check_key(struct lint *l, enum param p, struct span path)
{
	struct lint_stat st;
	char text[4096];

	if (path.len == 0 || path.len >= sizeof text || path.ptr[0] != '/')
		return;
	(void)snprintf(text, sizeof text, "%.*s", SPAN_ARG(path));
	if (l->host->stat(l->host->arg, text, true, &st) && st.type == 'f' && (st.mode & 07) != 0)
		lint_find(l, LINT_S111, at_param(l, NULL, p), "%.*s holds a private key and has mode %04o: everybody on this machine may use it", SPAN_ARG(path), st.mode);
}

static void
check_keys(struct lint *l)
{
	static const enum param keys[] = { P_smtpd_tls_key_file, P_smtpd_tls_eckey_file, P_smtpd_tls_chain_files, P_smtp_tls_key_file, P_smtp_tls_eckey_file,
		P_smtp_tls_chain_files };
	struct span rest, word;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (is_set(l, keys[i]))
			for (rest = value(l->main, keys[i]); span_word(&rest, LINT_SEPS, &word);)
				check_key(l, keys[i], word);
}

static void
check_legacy(struct lint *l)
{
	static const enum param old[] = { P_smtpd_tls_cert_file, P_smtpd_tls_key_file, P_smtpd_tls_eccert_file, P_smtpd_tls_eckey_file, P_smtpd_tls_dcert_file };

	if (value(l->main, P_smtpd_tls_chain_files).len == 0)
		return;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		if (is_set(l, old[i]) && value(l->main, old[i]).len > 0)
			lint_find(l, LINT_S113, at_param(l, NULL, old[i]), "%s is not used, as smtpd_tls_chain_files is set", param_row(old[i])->name);
}

/* -- levels, protocols, ciphers ------------------------------------------------------------- */

static void
check_level(struct lint *l, const struct lint_service *s)
{
	const struct view *v = view_of(l, s);
	bool wrapper;

	if (tls_server_level(v, &wrapper) == TLS_LEVEL_ENCRYPT && !wrapper && is_public(l, s) && port_of(l, s->field[0]) == 25)
		lint_find(l, LINT_S116, at_param(l, s, P_smtpd_tls_security_level), "port 25 refuses mail from servers that do not use TLS");
}

static void
check_protocols(struct lint *l, const struct lint_service *s)
{
	static const enum param both[] = { P_smtpd_tls_protocols, P_smtpd_tls_mandatory_protocols };
	const struct view *v = view_of(l, s);

	for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
		struct buf text = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		const struct tls_choice c = { .view = v, .protocols = conf_str(v, both[i]), .grade = "medium", .server = true };
		if (!tls_priority_text(&c, &text, NULL, NULL, &err))
			lint_find(l, LINT_S125, at_param(l, s, both[i]), "%s", err.text);
		else if (strstr(text.ptr, "+VERS-TLS1.2") == NULL && strstr(text.ptr, "+VERS-TLS1.3") == NULL)
			lint_find(l, LINT_S125, at_param(l, s, both[i]), "\"%s\" leaves obsolete protocols alone", conf_str(v, both[i]));
		else if (strstr(text.ptr, "+VERS-TLS1.1") != NULL || strstr(text.ptr, "+VERS-TLS1.0") != NULL)
			lint_find_as(l, LINT_S124, both[i] == P_smtpd_tls_protocols ? LINT_INFO : LINT_WARNING, at_param(l, s, both[i]),
			    "\"%s\" allows TLS 1.0 or 1.1", conf_str(v, both[i]));
		buf_clear(&text);
	}
}

static void
check_grades(struct lint *l)
{
	static const enum param grades[] = { P_smtpd_tls_ciphers, P_smtpd_tls_mandatory_ciphers, P_smtp_tls_ciphers, P_smtp_tls_mandatory_ciphers };
	static const enum param lists[] = { P_tls_high_cipherlist, P_tls_medium_cipherlist, P_tls_low_cipherlist, P_tls_export_cipherlist, P_tls_null_cipherlist };

	for (size_t i = 0; i < sizeof grades / sizeof *grades; i++) {
		struct span grade = value(l->main, grades[i]);
		if (is_set(l, grades[i]) && (span_caseeqs(grade, "export") || span_caseeqs(grade, "low") || span_caseeqs(grade, "null")))
			lint_find(l, LINT_S126, at_param(l, NULL, grades[i]), "\"%.*s\" asks for ciphers that protect nothing", SPAN_ARG(grade));
	}
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (is_set(l, lists[i]))
			lint_find(l, LINT_S128, at_param(l, NULL, lists[i]), "%s is one's own list of ciphers, which nobody keeps up to date", param_row(lists[i])->name);
}

/* -- clients' certificates ------------------------------------------------------------------ */

/* The list of the service in which such a restriction stands. */
static bool
asks_for_certificates(const struct view *v, enum param *where)
{
	static const enum param lists[] = { P_smtpd_client_restrictions, P_smtpd_helo_restrictions, P_smtpd_sender_restrictions, P_smtpd_relay_restrictions,
		P_smtpd_recipient_restrictions, P_smtpd_data_restrictions };
	struct span rest, word;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		for (rest = value(v, lists[i]); span_word(&rest, LINT_SEPS, &word);)
			if (span_eqs(word, "permit_tls_clientcerts") || span_eqs(word, "permit_tls_all_clientcerts") || span_eqs(word, "check_ccert_access")) {
				*where = lists[i];
				return true;
			}
	return false;
}

static void
check_certificates(struct lint *l, const struct lint_service *s)
{
	const struct view *v = view_of(l, s);
	struct span digest = value(v, P_smtpd_tls_fingerprint_digest);
	bool asks = conf_bool(v, P_smtpd_tls_ask_ccert), demands = conf_bool(v, P_smtpd_tls_req_ccert), wrapper;
	enum tls_level level = tls_server_level(v, &wrapper);
	enum param where;

	if (demands && level != TLS_LEVEL_ENCRYPT)
		lint_find(l, LINT_S130, at_param(l, s, P_smtpd_tls_req_ccert), "a certificate is demanded only where TLS is: smtpd_tls_security_level = encrypt");
	if (!asks_for_certificates(v, &where))
		return;
	if (!asks && !demands)
		lint_find(l, LINT_S129, at_param(l, s, where), "clients are never asked for a certificate (smtpd_tls_ask_ccert)");
	if (span_caseeqs(digest, "md5") || span_caseeqs(digest, "sha1"))
		lint_find(l, LINT_S134, at_param(l, s, P_smtpd_tls_fingerprint_digest), "certificates are told apart by %.*s, which can be forged", SPAN_ARG(digest));
}

void
lint_tls(struct lint *l)
{
	check_keys(l);
	check_legacy(l);
	check_grades(l);
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (!s->counts || s->view == NULL || !runs(s, "smtpd"))
			continue;
		check_level(l, s);
		check_protocols(l, s);
		check_certificates(l, s);
	}
}
