/*
 * The server's certificates and keys, as they are on disk: what the daemon would say of them (net/tls_server.h), and what clients will.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lint/private.h"
#include "net/tls_files.h"
#include "net/tls_inspect.h"
#include "net/tls_server.h"

#define SOON_DAYS	21
#define VERY_SOON_DAYS	7

/* What a line says of files: the rest of what tls_check_conf knows is other rules' affair. */
static const enum param file_params[] = { P_smtpd_tls_chain_files, P_smtpd_tls_cert_file, P_smtpd_tls_key_file, P_smtpd_tls_eccert_file, P_smtpd_tls_eckey_file,
	P_smtpd_tls_CAfile };

static struct span
text_of(const struct view *v, enum param p)
{
	return span_trim(span_str(conf_str(v, p)));
}

static bool
uses_tls(const struct view *v)
{
	bool wrapper;

	return tls_server_level(v, &wrapper) != TLS_LEVEL_NONE || wrapper;
}

/* -- what the daemon would say ----------------------------------------------------------------- */

struct reading {
	struct lint	*l;
	bool		 denied;	/* a file is there, and not for who looks: root may find no fault with it */
};

static bool
read_from_host(void *arg, const char *path, bool directory, struct buf *out, struct err *err)
{
	struct reading *r = arg;
	const struct lint_host *host = r->l->host;
	struct lint_stat st;

	/* Which authorities stand in a directory is not what is asked here. */
	if (directory)
		path = TLS_DEFAULT_CA;
	if (host->read(host->arg, path, out, err))
		return true;
	r->denied = r->denied || (host->uid != 0 && host->stat(host->arg, path, true, &st) && st.type == 'f');
	return false;
}

static void
on_problem(struct lint *l, const char *text)
{
	struct span name = span_head(span_str(text), strcspn(text, ":, ="));

	if (span_eqs(name, "tls_server_sni_maps"))
		lint_find(l, LINT_S145, at_param(l, NULL, P_tls_server_sni_maps), "%s", text);
	for (size_t i = 0; i < sizeof file_params / sizeof *file_params; i++)
		if (span_eqs(name, param_row(file_params[i])->name))
			lint_find(l, LINT_S101, at_param(l, NULL, file_params[i]), "%s", text);
}

static void
ask_the_daemon(struct lint *l)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct reading r = { l, false };

	tls_files_use(read_from_host, &r);
	tls_check_conf(l->conf, &problems);
	tls_files_use(NULL, NULL);
	for (size_t i = 0; i < problems.count && !r.denied; i++)
		if (problems.items[i].level == PROBLEM_ERROR)
			on_problem(l, problems.items[i].text);
	conf_problems_clear(&problems);
}

/* -- what clients will ---------------------------------------------------------------------------- */

/* A certificate's file, where it is configured. */
struct file {
	struct lint	*l;
	const struct lint_service *service;
	enum param	 param;
	struct span	 path;
	struct place	 place;
};

static void
check_dates(const struct file *f, const struct tls_inspection *t)
{
	int64_t now = clock_wall() / SECOND, day = DAY / SECOND;

	if (t->until < now)
		lint_find(f->l, LINT_S104, f->place, "%.*s expired %lld days ago", SPAN_ARG(f->path), (long long)((now - t->until) / day));
	else if (t->from > now)
		lint_find(f->l, LINT_S106, f->place, "%.*s is valid in %lld days only", SPAN_ARG(f->path), (long long)((t->from - now + day - 1) / day));
	else if (t->until - now < SOON_DAYS * day && t->until - now < (t->until - t->from) / 3)
		lint_find_as(f->l, LINT_S105, t->until - now < VERY_SOON_DAYS * day ? LINT_ERROR : LINT_WARNING, f->place, "%.*s expires in %lld days",
		    SPAN_ARG(f->path), (long long)((t->until - now) / day));
}

static bool
is_by_a_root(struct lint *l, const struct tls_inspection *t)
{
	struct buf roots = BUF_INIT(TLS_FILE_MAX);
	bool found = l->host->read(l->host->arg, TLS_DEFAULT_CA, &roots, NULL) && tls_signed_by(buf_view(&t->der), buf_view(&roots));

	buf_clear(&roots);
	return found;
}

static void
check_chain(const struct file *f, const struct tls_inspection *t)
{
	if (t->authority_first || t->out_of_order > 0)
		lint_find(f->l, LINT_S109, f->place, "%.*s: certificate %u is out of order", SPAN_ARG(f->path), t->authority_first ? 1 : t->out_of_order);
	else if (t->self_signed)
		lint_find(f->l, LINT_S107, f->place, "%.*s is signed by itself", SPAN_ARG(f->path));
	else if (t->count == 1 && !is_by_a_root(f->l, t))
		lint_find(f->l, LINT_S108, f->place, "%.*s has the server's certificate alone, not the one that vouches for it", SPAN_ARG(f->path));
	if (t->weak > 0)
		lint_find(f->l, LINT_S112, f->place, "%.*s: certificate %u has %s", SPAN_ARG(f->path), t->weak, t->weakness);
}

/* Names that others reach this machine by have a dot. */
static void
check_name(const struct file *f, const struct tls_inspection *t)
{
	const char *host = conf_str(view_of(f->l, f->service), P_myhostname);

	if (strchr(host, '.') != NULL && t->out_of_order == 0 && !t->authority_first && !tls_cert_matches(buf_view(&t->der), host, true))
		lint_find(f->l, LINT_S110, f->place, "%.*s is not for %s", SPAN_ARG(f->path), host);
}

static void
check_file(struct file *f)
{
	struct buf pem = BUF_INIT(TLS_FILE_MAX);
	struct tls_inspection t;

	char *path = span_dup(f->path);
	if (f->l->host->read(f->l->host->arg, path, &pem, NULL)) {
		if (tls_inspect(buf_view(&pem), &t)) {
			check_dates(f, &t);
			check_chain(f, &t);
			check_name(f, &t);
		}
		buf_clear(&t.der);
	}
	if (pem.ptr != NULL)
		explicit_bzero(pem.ptr, pem.len);
	buf_clear(&pem);
	free(path);
}

static void
check_param(struct lint *l, const struct lint_service *s, enum param p)
{
	struct span rest = text_of(view_of(l, s), p), word;

	while (span_word(&rest, LINT_SEPS, &word)) {
		struct file f = { l, s, p, word, at_word_of(l, s, p, word) };
		if (span_starts(word, "/"))
			check_file(&f);
	}
}

/* Of each service its own; what main.cf says counts once. */
static void
check_service(struct lint *l, const struct lint_service *s, bool *main_seen)
{
	static const enum param certs[] = { P_smtpd_tls_cert_file, P_smtpd_tls_eccert_file };
	bool chains = text_of(view_of(l, s), P_smtpd_tls_chain_files).len > 0;

	for (size_t i = 0; i < (chains ? 1 : sizeof certs / sizeof *certs); i++) {
		enum param p = chains ? P_smtpd_tls_chain_files : certs[i];
		bool own = option_of(s, param_row(p)->name) != NULL;
		if (own || !main_seen[i + !chains])
			check_param(l, s, p);
		main_seen[i + !chains] = main_seen[i + !chains] || !own;
	}
}

static void
check_any(struct lint *l)
{
	bool wrapper;

	if (is_set(l, P_smtpd_tls_security_level) && tls_server_level(l->main, &wrapper) != TLS_LEVEL_NONE && text_of(l->main, P_smtpd_tls_chain_files).len == 0 &&
	    text_of(l->main, P_smtpd_tls_cert_file).len == 0 && text_of(l->main, P_smtpd_tls_eccert_file).len == 0)
		lint_find(l, LINT_S115, at_param(l, NULL, P_smtpd_tls_security_level), "there is no certificate: clients that want TLS are sent away");
}

void
lint_certificates(struct lint *l)
{
	bool main_seen[3] = { false, false, false }, any = false;

	check_any(l);
	for (size_t i = 0; i < l->service_count; i++) {
		const struct lint_service *s = &l->services[i];
		if (!s->counts || s->view == NULL || !runs(s, "smtpd") || !uses_tls(view_of(l, s)))
			continue;
		any = true;
		check_service(l, s, main_seen);
	}
	if (any)
		ask_the_daemon(l);
}
