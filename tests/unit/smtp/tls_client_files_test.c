#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/tls_client_files.h"

static bool
lists(const struct tls_file *files, size_t count, const char *path, bool directory)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].path, path) == 0 && files[i].directory == directory)
			return true;
	return false;
}

static struct conf *
made_of(const char *main_cf)
{
	struct conf_problems problems = { 0 };
	struct conf *conf = conf_parse("/nonexistent", span_str(main_cf), SPAN("smtp unix - - y - - smtp\nlmtp unix - - y - - lmtp\n"), &problems);

	conf_problems_clear(&problems);
	assert_non_null(conf);
	return conf;
}

static void
which(void **state)
{
	static const struct {
		const char	*main_cf;
		size_t		 count;
		const char	*path;
		bool		 directory;
	} rows[] = {
		{ "", 0, NULL, false },
		{ "smtp_tls_CAfile = /a/ca\nlmtp_tls_CAfile = /a/ca\nsmtp_tls_CApath = /a\n", 2, "/a", true },
		{ "smtp_tls_cert_file = /a/cert\nlmtp_tls_eckey_file = /a/key\n", 2, "/a/key", false },
		{ "smtp_tls_chain_files = /a/one, /a/two\nsmtp_tls_trust_anchor_file = /a/three\n", 3, "/a/two", false },
		/* The system's authorities beside one's own, never alone. */
		{ "tls_append_default_CA = yes\n", 0, NULL, false },
		{ "tls_append_default_CA = yes\nsmtp_tls_CAfile = /a/ca\n", 2, TLS_DEFAULT_CA, false },
		{ "tls_append_default_CA = no\nsmtp_tls_CAfile = /a/ca\n", 1, "/a/ca", false },
		{ "smtp_tls_policy_maps = inline:{ { x.test = secure tafile=/a/anchor } }\n", 1, "/a/anchor", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf *conf = made_of(rows[i].main_cf);
		struct tls_file *files;
		size_t count = tls_client_list(conf, &files);
		if (count != rows[i].count || (rows[i].path != NULL && !lists(files, count, rows[i].path, rows[i].directory)))
			fail_msg("row %zu: %zu files", i, count);
		tls_files_free(files, count);
		conf_unref(conf);
	}
}

/* Only where it is used: a level, and a file that is not there. */
static void
what_is_wrong(void **state)
{
	static const struct { const char *main_cf, *says; } rows[] = {
		{ "smtp_tls_CAfile = /nonexistent/ca\n", NULL },
		{ "smtp_tls_CAfile = /nonexistent/ca\nsmtp_tls_security_level = may\n", "cannot open /nonexistent/ca" },
		{ "smtp_tls_cert_file = /nonexistent/cert\nsmtp_tls_wrappermode = yes\n", "cannot open /nonexistent/cert" },
		{ "smtp_tls_chain_files = /dev/null\nsmtp_tls_security_level = dane\n", "is not a plain file" },
		{ "smtp_tls_security_level = may\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf_problems problems = { 0 };
		struct conf *conf = made_of(rows[i].main_cf);
		tls_client_check(conf, &problems);
		assert_int_equal(problems.count > 0, rows[i].says != NULL);
		assert_true(rows[i].says == NULL || strstr(problems.items[0].text, rows[i].says) != NULL);
		conf_problems_clear(&problems);
		conf_unref(conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(which), cmocka_unit_test(what_is_wrong) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
