#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mtactl/explain.h"
#include "mtactl/present.h"

static void
run(const struct request *req, bool tty, const char *const *rows, struct buf *out)
{
	struct display d = { .tty = tty, .request = req };
	const struct presenter *p = presenter_of(req->command);
	struct buf note = BUF_INIT(0);
	int status = 0;

	if (p->begin != NULL)
		p->begin(&d);
	for (; *rows != NULL; rows++, d.rows++)
		p->row(&d, span_str(*rows));
	if (p->end != NULL)
		p->end(&d, &note, &status);
	buf_reset(out);
	buf_span(out, buf_view(&d.out));
	if (note.len > 0)
		buf_printf(out, "NOTE %s", note.ptr);
	buf_clear(&note);
	display_clear(&d);
}

static void
test_shows(void **state)
{
	static const struct { enum command command; bool tty; const char *arg, *value; const char *rows[4]; const char *want; } cases[] = {
		{ CMD_map_ls, false, NULL, NULL, { "{\"table\":\"hash:/a\",\"entries\":3,\"users\":\"alias_maps\",\"editable\":true,\"state\":\"out of date\"}" },
		  "hash:/a\t3\tout of date\ttrue\talias_maps\n" },
		{ CMD_map_ls, true, NULL, NULL, { "{\"table\":\"cidr:/a\",\"users\":\"x\",\"problem\":\"/a:1: \\u001b[0m\"}" },
		  "TABLE                                     ENTRIES  STATE         USED BY\n"
		  "cidr:/a                                         -  -             x\n    /a:1: \\x1b[0m\n" },
		{ CMD_map_ls, false, NULL, NULL, { NULL }, "NOTE the configuration names no table" },
		{ CMD_map_types, false, NULL, NULL, { "{\"type\":\"cidr\",\"how\":\"read as it is\"}" }, "cidr\tread as it is\n" },
		{ CMD_map_build, false, NULL, NULL, { "{\"file\":\"/a.gdbm\",\"entries\":3}" }, "built /a.gdbm: 3 entries\n" },
		{ CMD_map_dump, true, NULL, NULL, { "{\"key\":\"k\",\"value\":\"v\",\"line\":12}" }, "   12  k\tv\n" },
		{ CMD_map_check, false, NULL, NULL, { "{\"table\":\"t\",\"file\":\"/a\",\"line\":2,\"level\":\"warning\",\"message\":\"m\\u001b\"}",
		  "{\"table\":\"t\",\"level\":\"error\",\"message\":\"x\"}" }, "/a:2: warning: m\\x1b\nerror: x\n" },
		{ CMD_map_look, false, NULL, NULL, { "{\"text\":\"refused: /a:1: \\u001b\"}" }, "refused: /a:1: \\x1b\n" },
		{ CMD_map_query, false, NULL, NULL, { "{\"table\":\"t\",\"key\":\"k\",\"value\":\"a \\\"b\\\"\"}" }, "a \"b\"\n" },
		{ CMD_map_query, true, NULL, NULL, { "{\"value\":\"a\\u001b\"}" }, "a\\x1b\n" },
		{ CMD_map_get, true, NULL, NULL, { "{\"key\":\"k\",\"value\":\"v\",\"line\":12}" }, "   12  k\tv\n" },
		{ CMD_map_put, false, "table", "transport_maps", { "{\"file\":\"/a\",\"old\":\"x\",\"diff\":\"-k x\\n+k \\u001by\\n\",\"done\":true}" },
		  "-k x\n+k \\x1by\nNOTE the value was: x\nwritten. Take it back with: mtactl map undo transport_maps" },
		{ CMD_map_del, false, "table", "t", { "{\"file\":\"/a\",\"old\":\"x\",\"diff\":\"-k x\\n\",\"done\":false}" },
		  "-k x\nNOTE the value was: x\nnothing is written" },
		{ CMD_map_diff, false, "table", "t", { "{\"file\":\"/a\",\"diff\":\"+k\\n\",\"done\":false}" }, "+k\nNOTE map undo would change this" },
		{ CMD_config_undo, false, NULL, NULL, { "{\"file\":\"/a\",\"diff\":\"+k\\n\",\"done\":true}" },
		  "+k\nNOTE written. Take it back with: mtactl config undo" },
		{ CMD_config_get, false, NULL, NULL, { "{\"name\":\"a\",\"value\":\"b c\"}", "{\"name\":\"d\",\"value\":\"\"}" }, "a = b c\nd =\n" },
		{ CMD_config_get, false, "value", "1", { "{\"name\":\"a\",\"value\":\"b c\"}" }, "b c\n" },
		{ CMD_config_explain, true, NULL, NULL, { "{\"name\":\"a\",\"summary\":\"s\",\"default\":\"\",\"value\":\"v\",\"min\":1,\"max\":9,\"set\":"
		  "[{\"file\":\"/m\",\"line\":3,\"value\":\"v\",\"counts\":false}]}" },
		  "a\n              s\n       value  v\n      set in  /m:3: v  (a later line counts)\n     default  (empty)\n       range  1 to 9\n" },
		{ CMD_config_comment, false, NULL, NULL, { "{\"file\":\"/a\",\"diff\":\"-k\\n+#k\\n\",\"done\":true}" },
		  "-k\n+#k\nNOTE written. Take it back with: mtactl config undo" },
		{ CMD_config_support, false, NULL, NULL, { "{\"name\":\"a\",\"standing\":\"planned\",\"summary\":\"TLS: x.\"}" }, "a\tplanned\tTLS: x.\n" },
		{ CMD_config_support, true, NULL, NULL, { "{\"name\":\"a\",\"standing\":\"honoured\",\"summary\":\"x.\"}" },
		  "a                                             honoured     x.\n" },
		{ CMD_config_check, false, NULL, NULL, { "{\"level\":\"error\",\"file\":\"/m\",\"line\":3,\"message\":\"bad\"}",
		  "{\"level\":\"error\",\"message\":\"b\",\"code\":\"R101\"}" }, "/m:3: error: bad\nerror: b [R101]\n" },
		{ CMD_config_diff, false, NULL, NULL, { "{\"file\":\"main.cf\",\"name\":\"a\",\"here\":\"x\",\"there\":\"\"}",
		  "{\"file\":\"master.cf\",\"name\":\"b/inet\",\"there\":\"y z\"}" }, "-a = x\n+a =\n+b/inet = y z\n" },
		{ CMD_route, true, NULL, NULL, { "{\"address\":\"a\",\"rewritten\":\"a@b\",\"class\":\"local\",\"transport\":\"local\",\"nexthop\":\"b\","
		  "\"accepted\":false,\"code\":550,\"dsn\":\"5.1.1\",\"reply\":\"no\",\"restriction\":\"r\",\"hosts\":[{\"host\":\"h\",\"address\":\"192.0.2.1\",\"port\":25,\"preference\":5},{\"path\":\"/p\"}],"
		  "\"steps\":[{\"text\":\"one\",\"set\":4,\"table\":\"cidr:/t\",\"key\":\"k\",\"line\":7},{\"text\":\"two\"}]}" },
		  "a\n   recipient  a@b\n       class  local\n   transport  local\n    next hop  b\n       hosts  h[192.0.2.1]:25  (MX 5)\n              /p\n     refused  550 5.1.1 no\n          by  r\n"
		  "       steps  one  [main.cf:4; cidr:/t, line 7]\n              two\n" },
		{ CMD_lint, false, NULL, NULL, { "{\"code\":\"P101\",\"level\":\"error\",\"file\":\"/m\",\"line\":3,\"message\":\"bad\"}" },
		  "/m:3: error: bad [P101]\n" },
	};
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct request req = { .command = cases[i].command };
		if (cases[i].arg != NULL)
			assert_true(request_add(&req, span_str(cases[i].arg), span_str(cases[i].value), NULL));
		run(&req, cases[i].tty, cases[i].rows, &out);
		if (!span_eqs(buf_view(&out), cases[i].want))
			fail_msg("%s: got\n%s", command_row(cases[i].command)->name, out.ptr);
		request_clear(&req);
	}
	buf_clear(&out);
}

static void
test_words(void **state)
{
	static const struct { const char *words[6]; size_t n; enum command command; const char *arg, *value; } cases[] = {
		{ { "config", "set", "a", "b,", "c" }, 5, CMD_config_set, "value", "b, c" },
		{ { "config", "set", "a=b" }, 3, CMD_config_set, "name", "a=b" },
		{ { "config", "get", "-h", "a", "b" }, 5, CMD_config_get, "name", "a b" },
		{ { "config", "get", "-h", "a", "b" }, 5, CMD_config_get, "value", "1" },
		{ { "map", "put", "t", "k", "a", "b" }, 6, CMD_map_put, "value", "a b" },
		{ { "m", "q", "t", "k" }, 4, CMD_map_query, "key", "k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span words[6], value;
		struct request req;
		struct err err;
		for (size_t k = 0; k < cases[i].n; k++)
			words[k] = span_str(cases[i].words[k]);
		assert_true(request_parse(&req, words, cases[i].n, &err));
		assert_int_equal(req.command, cases[i].command);
		assert_true(request_get(&req, cases[i].arg, &value));
		assert_true(span_eqs(value, cases[i].value));
		request_clear(&req);
	}
}

static void
test_explain(void **state)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct conf *c = conf_parse("/nowhere", SPAN("own = x\nmyhostname = a.example\n"),
	    SPAN("smtp inet n - n - - smtpd -o myhostname=b.example\n"), &problems);
	struct buf row = BUF_INIT(0);
	struct err err = { .kind = ERR_NONE };
	struct span value;

	(void)state;
	assert_non_null(c);
	assert_true(config_explain_row(&row, "/nowhere", c, SPAN("myhostname"), &err));
	assert_true(jsonl_find(buf_view(&row), "set", &value) && strstr(row.ptr, "b.example") != NULL && strstr(row.ptr, "smtp inet") != NULL);
	buf_reset(&row);
	assert_true(config_explain_row(&row, "/nowhere", c, SPAN("own"), &err));
	buf_reset(&row);
	assert_false(config_explain_row(&row, "/nowhere", c, SPAN("myhostnam"), &err));
	assert_string_equal(err.text, "myhostnam: unknown parameter; did you mean myhostname?");
	buf_clear(&row);
	conf_unref(c);
	conf_problems_clear(&problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shows),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_explain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
