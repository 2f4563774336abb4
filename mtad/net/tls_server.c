#include "net/tls_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_files.h"

#define SEPARATORS	"\t\r\n ,"
#define NAMED_MAX	1000	/* what is asked past that is made anew each time */

struct making {
	struct tls_server *s;
	const struct view *view;
	tls_server_note	*note;
	void		*arg;
	bool		 bad;
};

struct named_creds {
	char		*name;
	struct tls_creds *creds;	/* NULL: there is none of that name */
};

static void __attribute__((format(printf, 3, 4)))
say(struct making *m, bool error, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	m->bad = m->bad || error;
	if (m->note == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	m->note(m->arg, error, text);
}

/* -- the level ----------------------------------------------------------------------------- */

enum tls_level
tls_server_level(const struct view *v, bool *wrapper)
{
	struct span level = span_trim(span_str(conf_str(v, P_smtpd_tls_security_level)));

	*wrapper = conf_bool(v, P_smtpd_tls_wrappermode);
	if (*wrapper)
		return TLS_LEVEL_ENCRYPT;
	if (level.len == 0)
		return conf_bool(v, P_smtpd_enforce_tls) ? TLS_LEVEL_ENCRYPT : conf_bool(v, P_smtpd_use_tls) ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
	if (span_caseeqs(level, "none"))
		return TLS_LEVEL_NONE;
	/* Postfix takes the client's levels as well: those that are more than encrypt count as encrypt. */
	return span_caseeqs(level, "may") ? TLS_LEVEL_MAY : TLS_LEVEL_ENCRYPT;
}

static void
check_level(struct making *m)
{
	static const char *const known[] = { "", "none", "may", "encrypt" }, *const more[] = { "fingerprint", "verify", "secure", "dane", "dane-only" };
	struct span level = span_trim(span_str(conf_str(m->view, P_smtpd_tls_security_level)));

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_caseeqs(level, known[i]))
			return;
	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		if (span_caseeqs(level, more[i])) {
			say(m, false, "smtpd_tls_security_level: \"%.*s\" is a client's level, taken as \"encrypt\"", SPAN_ARG(level));
			return;
		}
	say(m, true, "smtpd_tls_security_level: \"%.*s\" is no level (none, may, encrypt)", SPAN_ARG(span_head(level, 40)));
}

/* -- certificates -------------------------------------------------------------------------- */

static bool
is_file(const char *path)
{
	return path[0] != '\0' && strcmp(path, "none") != 0;
}

static void
add_pair(struct making *m, const char *name, enum param cert, enum param key)
{
	const char *cert_path = conf_str(m->view, cert), *key_path = conf_str(m->view, key);
	struct buf certs = BUF_INIT(TLS_FILE_MAX), keys = BUF_INIT(TLS_FILE_MAX);
	struct err err = { ERR_NONE, "" };

	if (!is_file(cert_path))
		return;
	if (!is_file(key_path))
		key_path = cert_path;
	if (!tls_file_read(cert_path, false, &certs, &err) || !tls_file_read(key_path, false, &keys, &err))
		say(m, true, "%s: %s", name, err.text);
	else if (!tls_creds_add_pair(m->s->creds, buf_view(&certs), buf_view(&keys), &err))
		say(m, true, "%s = %s with the key of %s: %s", name, cert_path, key_path, err.text);
	buf_clear(&certs);
	if (keys.ptr != NULL)
		explicit_bzero(keys.ptr, keys.len);
	buf_clear(&keys);
}

static void
add_chains(struct making *m)
{
	struct span rest = span_str(conf_str(m->view, P_smtpd_tls_chain_files)), word;
	struct buf all = BUF_INIT(TLS_FILE_MAX), path = BUF_INIT(8192);
	struct err err = { ERR_NONE, "" };
	bool ok = true;

	while (ok && span_word(&rest, SEPARATORS, &word)) {
		buf_reset(&path);
		buf_span(&path, word);
		ok = tls_file_read(path.ptr, false, &all, &err);
		buf_char(&all, '\n');
	}
	ok = ok && tls_creds_add_chains(m->s->creds, buf_view(&all), &err);
	if (!ok)
		say(m, true, "smtpd_tls_chain_files = %.200s: %s", conf_str(m->view, P_smtpd_tls_chain_files), err.text);
	if (all.ptr != NULL)
		explicit_bzero(all.ptr, all.len);
	buf_clear(&all);
	buf_clear(&path);
}

static void
add_authorities(struct making *m, const char *name, const char *path, bool directory)
{
	struct buf pem = BUF_INIT(TLS_FILE_MAX);
	struct err err = { ERR_NONE, "" };

	if (path[0] != '\0' && (!tls_file_read(path, directory, &pem, &err) || !tls_creds_add_authorities(m->s->creds, buf_view(&pem), &err)))
		say(m, true, "%s = %s: %s", name, path, err.text);
	buf_clear(&pem);
}

static void
say_validity(struct making *m)
{
	int64_t now = clock_wall() / SECOND, from = tls_creds_valid_from(m->s->creds), until = tls_creds_valid_until(m->s->creds);

	if (from > now)
		say(m, false, "smtpd_tls_cert_file or smtpd_tls_chain_files: a certificate is not valid yet");
	if (until > 0 && until < now)
		say(m, false, "smtpd_tls_cert_file or smtpd_tls_chain_files: a certificate has expired");
}

static void
make_creds(struct making *m)
{
	const struct view *v = m->view;
	struct err err = { ERR_NONE, "" };

	m->s->creds = tls_creds_new();
	if (*conf_str(v, P_smtpd_tls_chain_files) != '\0') {
		add_chains(m);
	} else {
		add_pair(m, "smtpd_tls_cert_file", P_smtpd_tls_cert_file, P_smtpd_tls_key_file);
		add_pair(m, "smtpd_tls_eccert_file", P_smtpd_tls_eccert_file, P_smtpd_tls_eckey_file);
		if (is_file(conf_str(v, P_smtpd_tls_dcert_file)))
			say(m, false, "smtpd_tls_dcert_file: nobody takes DSA certificates any more; it is not used");
	}
	add_authorities(m, "smtpd_tls_CAfile", conf_str(v, P_smtpd_tls_CAfile), false);
	add_authorities(m, "smtpd_tls_CApath", conf_str(v, P_smtpd_tls_CApath), true);
	if (conf_bool(v, P_tls_append_default_CA))
		add_authorities(m, "tls_append_default_CA", TLS_DEFAULT_CA, false);
	if (!tls_creds_ready(m->s->creds, &err))
		say(m, true, "smtpd_tls_cert_file or smtpd_tls_chain_files: %s", err.text);
	if (!m->bad && !tls_creds_has_certificate(m->s->creds))
		say(m, m->s->level == TLS_LEVEL_ENCRYPT, "smtpd_tls_security_level: there is no certificate (smtpd_tls_chain_files, smtpd_tls_cert_file); "
		    "STARTTLS is answered with a temporary error");
	else
		say_validity(m);
}

/* -- what is negotiated -------------------------------------------------------------------- */

static void
on_priority(void *arg, const char *text)
{
	say(arg, false, "smtpd_tls_ciphers, smtpd_tls_protocols: %s", text);
}

static void
make_priority(struct making *m)
{
	const struct view *v = m->view;
	bool must = m->s->level == TLS_LEVEL_ENCRYPT;
	struct buf text = BUF_INIT(4096);
	struct err err = { ERR_NONE, "" };
	const struct tls_choice c = {
		.view = v, .server = true,
		.protocols = conf_str(v, must ? P_smtpd_tls_mandatory_protocols : P_smtpd_tls_protocols),
		.grade = conf_str(v, must ? P_smtpd_tls_mandatory_ciphers : P_smtpd_tls_ciphers),
		.exclude = conf_str(v, P_smtpd_tls_exclude_ciphers),
		.exclude_too = must ? conf_str(v, P_smtpd_tls_mandatory_exclude_ciphers) : NULL,
		.cipherlist = conf_str(v, P_smtpd_tls_cipherlist),
		.eecdh_grade = conf_str(v, P_smtpd_tls_eecdh_grade),
	};

	/* What does not map is worth telling in the master only; a role takes what is there. */
	if (m->note != NULL && !tls_priority_text(&c, &text, on_priority, m, &err))
		say(m, true, "%s: %s", must ? "smtpd_tls_mandatory_protocols, smtpd_tls_mandatory_ciphers" : "smtpd_tls_protocols, smtpd_tls_ciphers", err.text);
	else if ((m->s->priority = tls_priority_get(&c, &err)) == NULL)
		say(m, true, "smtpd_tls_protocols, smtpd_tls_ciphers: %s", err.text);
	buf_clear(&text);
}

static int
loglevel(const struct view *v)
{
	int n = atoi(conf_str(v, P_smtpd_tls_loglevel));

	return n < 0 ? 0 : n > 4 ? 4 : n;
}

static void
make_rest(struct making *m)
{
	const struct view *v = m->view;
	struct tls_server *s = m->s;
	int64_t lifetime = conf_time(v, P_smtpd_tls_session_cache_timeout) / SECOND;

	s->ask = conf_bool(v, P_smtpd_tls_req_ccert) && s->level == TLS_LEVEL_ENCRYPT ? TLS_REQUIRE :
	    conf_bool(v, P_smtpd_tls_ask_ccert) ? TLS_ASK : TLS_ASK_NOT;
	if (conf_bool(v, P_smtpd_tls_req_ccert) && s->level == TLS_LEVEL_MAY)
		say(m, false, "smtpd_tls_req_ccert: a certificate can be demanded only where TLS is (smtpd_tls_security_level = encrypt); this does nothing");
	s->depth = (unsigned)conf_int(v, P_smtpd_tls_ccert_verifydepth);
	s->server_too = conf_bool(v, P_tls_trust_server_ccerts);
	s->digest = conf_str(v, P_smtpd_tls_fingerprint_digest);
	s->key_print = conf_bool(v, P_tls_legacy_public_key_fingerprints) ? TLS_PRINT_BARE_KEY : TLS_PRINT_KEY;
	if (!tls_digest_known(s->digest))
		say(m, true, "smtpd_tls_fingerprint_digest: \"%.40s\" is no digest of the TLS library", s->digest);
	s->loglevel = loglevel(v);
	s->received = conf_bool(v, P_smtpd_tls_received_header);
	s->timeout = conf_time(v, P_smtpd_starttls_timeout);
	s->ticket_lifetime = lifetime <= 0 || *conf_str(v, P_tls_session_ticket_cipher) == '\0' ? 0 : (unsigned)(lifetime > 172800 ? 172800 : lifetime);
}

/* -- certificates by name -------------------------------------------------------------------- */

static struct span
name_of(const void *item)
{
	return span_str(((const struct named_creds *)item)->name);
}

/* Of a compiled table (postmap -F) the value is the bytes, in base64; of a text, the names of files. */
static bool
sni_bytes(struct span value, struct buf *pem, struct err *err)
{
	struct buf path = BUF_INIT(8192);
	struct span word;
	bool ok = true;

	if (!span_starts(value, "/")) {
		if (base64_decode(pem, value))
			return true;
		err_set(err, ERR_PERM, "neither base64 (postmap -F) nor a list of files");
		return false;
	}
	while (ok && span_word(&value, SEPARATORS, &word)) {
		buf_reset(&path);
		buf_span(&path, word);
		ok = tls_file_read(path.ptr, false, pem, err);
		buf_char(pem, '\n');
	}
	buf_clear(&path);
	return ok;
}

static struct tls_creds *
creds_of(struct span value, struct err *err)
{
	struct buf pem = BUF_INIT(TLS_FILE_MAX);
	struct tls_creds *c = tls_creds_new();

	if (!sni_bytes(value, &pem, err) || !tls_creds_add_chains(c, buf_view(&pem), err) || !tls_creds_ready(c, err)) {
		tls_creds_unref(c);
		c = NULL;
	}
	if (pem.ptr != NULL)
		explicit_bzero(pem.ptr, pem.len);
	buf_clear(&pem);
	return c;
}

/* The name itself, then ".parent" for what is below. */
static bool
sni_value(const struct tls_server *s, struct span name, struct buf *value)
{
	struct err err;

	if (tables_get(&s->sni, NULL, name, value, &err) == TABLE_FOUND)
		return true;
	for (size_t i = 1; i + 1 < name.len; i++)
		if (name.ptr[i] == '.' && tables_get_part(&s->sni, NULL, span_skip(name, i), value, &err) == TABLE_FOUND)
			return true;
	return false;
}

static bool
is_name(const char *name)
{
	for (; *name != '\0'; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') || *name == '-' || *name == '.' ||
		    *name == '_'))
			return false;
	return true;
}

struct tls_creds *
tls_server_by_name(void *arg, const char *name)
{
	struct tls_server *s = arg;
	struct named_creds *n;
	struct buf value = BUF_INIT(TLS_FILE_MAX);

	if (s->sni.count == 0 || !is_name(name))
		return NULL;
	if ((n = map_get(&s->named, span_str(name))) != NULL)
		return n->creds;
	bool found = sni_value(s, span_str(name), &value);
	/* Names that are not there are anybody's to make up: they are not remembered. */
	if (found && s->named.count < NAMED_MAX) {
		MEM_NEW(n);
		n->name = mem_str(name);
		n->creds = creds_of(buf_view(&value), NULL);
		map_add(&s->named, n);
	}
	buf_clear(&value);
	return n == NULL ? NULL : n->creds;
}

static bool
check_named(void *arg, struct span key, struct span value)
{
	struct making *m = arg;
	struct err err = { ERR_NONE, "" };
	struct tls_creds *c = creds_of(value, &err);

	if (c == NULL)
		say(m, true, "tls_server_sni_maps: %.*s: %s", SPAN_ARG(span_head(key, 100)), err.text);
	tls_creds_unref(c);
	return true;
}

static void
make_sni(struct making *m)
{
	struct err err = { ERR_NONE, "" };
	struct tls_server *s = m->s;

	s->named = MAP_INIT(name_of);
	if (*conf_str(m->view, P_tls_server_sni_maps) == '\0')
		return;
	if (!tables_open(&s->sni, view_conf(m->view), conf_str(m->view, P_tls_server_sni_maps), &err)) {
		say(m, true, "tls_server_sni_maps: %s", err.text);
		return;
	}
	for (size_t i = 0; m->note != NULL && i < s->sni.count; i++) {
		struct span name = span_str(table_name(s->sni.list[i])), type = span_head(name, span_find(name, ':'));
		if (table_type_blocks(type))
			say(m, true, "tls_server_sni_maps: %.*s cannot be asked while a client waits in the handshake; use a compiled table (postmap -F)",
			    SPAN_ARG(span_head(name, 200)));
		else if (!table_type_compiled(type))
			(void)table_each(s->sni.list[i], check_named, m, NULL);
	}
}

/* -- the whole ------------------------------------------------------------------------------- */

struct tls_server *
tls_server_new(const struct view *v, tls_server_note *note, void *arg)
{
	struct tls_server *s;

	MEM_NEW(s);
	struct making m = { .s = s, .view = v, .note = note, .arg = arg };
	s->conf = view_conf(v);
	s->level = tls_server_level(v, &s->wrapper);
	check_level(&m);
	s->auth_only = conf_bool(v, P_smtpd_tls_auth_only) || s->level == TLS_LEVEL_ENCRYPT;
	if (s->level == TLS_LEVEL_NONE)
		return s;
	make_creds(&m);
	make_priority(&m);
	make_rest(&m);
	make_sni(&m);
	s->usable = !m.bad && s->priority != NULL && tls_creds_has_certificate(s->creds);
	return s;
}

void
tls_server_free(struct tls_server *s)
{
	struct named_creds *n;
	size_t at = 0;

	if (s == NULL)
		return;
	while ((n = map_next(&s->named, &at)) != NULL) {
		free(n->name);
		tls_creds_unref(n->creds);
		free(n);
	}
	map_clear(&s->named);
	if (s->sni.count > 0)
		tables_clear(&s->sni);
	tls_creds_unref(s->creds);
	free(s);
}

struct check {
	const struct conf *conf;
	struct conf_problems *problems;
	const struct service *service;
};

static void
on_note(void *arg, bool error, const char *text)
{
	const struct check *k = arg;
	struct span name = span_head(span_str(text), strcspn(text, ":, ="));
	const char *dir = conf_dir(k->conf);
	char path[4200];
	unsigned line = conf_line(k->conf, name);

	/* Each once: most lines of master.cf share main.cf's settings. */
	for (size_t i = 0; i < k->problems->count; i++)
		if (strcmp(k->problems->items[i].text, text) == 0)
			return;
	(void)snprintf(path, sizeof path, "%s/%s", dir, line > 0 ? "main.cf" : "master.cf");
	conf_problem_add(k->problems, error ? PROBLEM_ERROR : PROBLEM_WARNING, path, line > 0 ? line : k->service->line, "%s", text);
}

void
tls_check_conf(const struct conf *conf, struct conf_problems *problems)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		struct check k = { .conf = conf, .problems = problems, .service = conf_service(conf, i) };
		if (strcmp(k.service->command, "smtpd") == 0)
			tls_server_free(tls_server_new(conf_view(conf, k.service), on_note, &k));
	}
}

bool
tls_server_any(const struct conf *conf)
{
	bool wrapper;

	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		if (strcmp(s->command, "smtpd") == 0 && tls_server_level(conf_view(conf, s), &wrapper) != TLS_LEVEL_NONE)
			return true;
	}
	return false;
}
