/*
 * The files that the clients' TLS reads, and whether they can be used: for who opens and watches them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "smtp/tls_client.h"
#include "smtp/tls_client_files.h"

#define LIST_SEPS	"\t\r\n ,"

/* Each parameter has two names: the smtp client's and the lmtp client's. */
#define BOTH(lmtp, name)	((lmtp) ? P_lmtp_##name : P_smtp_##name)

const struct tls_client_pair tls_client_pairs[2][2] = {
	{ { P_smtp_tls_eccert_file, P_smtp_tls_eckey_file }, { P_smtp_tls_cert_file, P_smtp_tls_key_file } },
	{ { P_lmtp_tls_eccert_file, P_lmtp_tls_eckey_file }, { P_lmtp_tls_cert_file, P_lmtp_tls_key_file } },
};

/* The system's authorities come beside one's own, never alone. */
bool
tls_client_wants_default(const struct view *v, bool lmtp)
{
	return conf_bool(v, P_tls_append_default_CA) && (conf_str(v, BOTH(lmtp, tls_CAfile))[0] != '\0' || conf_str(v, BOTH(lmtp, tls_CApath))[0] != '\0');
}

typedef void file_fn(void *arg, const char *path, bool directory);

static void
each_word(const char *list, bool directory, file_fn *fn, void *arg)
{
	struct span rest = span_str(list), word;

	while (span_word(&rest, LIST_SEPS, &word)) {
		char *path = span_dup(word);
		fn(arg, path, directory);
		free(path);
	}
}

/* Of what the tables say, as far as they can be listed. */
struct tafiles {
	file_fn *fn;
	void		*arg;
};

static bool
entry_files(void *arg, struct span key, struct span value)
{
	const struct tafiles *t = arg;
	struct tls_policy p = TLS_POLICY_INIT;

	(void)key;
	if (tls_policy_parse(&p, value, "", NULL))
		for (size_t i = 0; i < p.tafiles.count; i++)
			t->fn(t->arg, p.tafiles.list[i], false);
	tls_policy_clear(&p);
	return true;
}

static void
table_tafiles(const struct view *v, bool lmtp, file_fn *fn, void *arg)
{
	struct tafiles t = { fn, arg };
	struct tables maps;
	struct err err;

	if (!tables_open(&maps, view_conf(v), conf_str(v, BOTH(lmtp, tls_policy_maps)), &err))
		return;
	for (size_t i = 0; i < maps.count; i++)
		(void)table_each(maps.list[i], entry_files, &t, &err);
	tables_clear(&maps);
}

static void
view_files(const struct view *v, bool lmtp, file_fn *fn, void *arg)
{
	each_word(conf_str(v, BOTH(lmtp, tls_chain_files)), false, fn, arg);
	for (size_t i = 0; i < 2; i++) {
		each_word(conf_str(v, tls_client_pairs[lmtp][i].cert), false, fn, arg);
		each_word(conf_str(v, tls_client_pairs[lmtp][i].key), false, fn, arg);
	}
	each_word(conf_str(v, BOTH(lmtp, tls_CAfile)), false, fn, arg);
	each_word(conf_str(v, BOTH(lmtp, tls_CApath)), true, fn, arg);
	each_word(conf_str(v, BOTH(lmtp, tls_trust_anchor_file)), false, fn, arg);
	if (tls_client_wants_default(v, lmtp))
		fn(arg, TLS_DEFAULT_CA, false);
	if (conf_str(v, BOTH(lmtp, tls_policy_maps))[0] != '\0')
		table_tafiles(v, lmtp, fn, arg);
}

/* -- of a configuration ------------------------------------------------------------------------ */

static void
add_file(void *arg, const char *path, bool directory)
{
	tls_files_put(arg, span_str(path), directory);
}

typedef void each_fn(const struct view *, bool lmtp, void *arg);

static void
each_client(const struct conf *conf, each_fn *fn, void *arg)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *service = conf_service(conf, i);
		bool lmtp = strcmp(service->command, "lmtp") == 0;
		if (lmtp || strcmp(service->command, "smtp") == 0)
			fn(conf_view(conf, service), lmtp, arg);
	}
}

static void
list_view(const struct view *v, bool lmtp, void *arg)
{
	view_files(v, lmtp, add_file, arg);
}

size_t
tls_client_list(const struct conf *conf, struct tls_file **out)
{
	struct tls_file_list list = { NULL, 0 };

	each_client(conf, list_view, &list);
	*out = list.items;
	return list.count;
}

static void
add_problem(void *arg, const char *text)
{
	conf_problem_add(arg, PROBLEM_ERROR, "", 0, "%s", text);
}

static void
check_view(const struct view *v, bool lmtp, void *arg)
{
	(void)tls_client_loads(v, lmtp, &(struct tls_warn){ add_problem, arg });
}

void
tls_client_check(const struct conf *conf, struct conf_problems *problems)
{
	each_client(conf, check_view, problems);
}
