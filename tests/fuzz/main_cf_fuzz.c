/*
 * main.cf's bytes through the parser, expansion, evaluation, the lists and tables made of the values, and the frozen form.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/private.h"
#include "policy/policy.h"
#include "route/route.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
use(struct conf *c)
{
	struct conf_problems p = { NULL, 0, 0 };
	struct err err = { ERR_NONE, "" };
	struct route r = { .text = BUF_INIT(0) };
	struct router *router = router_new(c, &err);

	policy_check_conf(c, &p);
	conf_problems_clear(&p);
	if (router == NULL)
		return;
	struct facts *f = facts_new();
	route_resolve(router, f, SPAN("user%a!b@example.com@localhost"), SPAN(""), &r, NULL);
	route_resolve(router, f, SPAN("user@example.com"), SPAN(""), &r, NULL);
	route_clear(&r);
	facts_free(f);
	router_free(router);
}

/* The bytes that were frozen give the same bytes again; damaged ones never more than an error. */
static void
freeze_and_thaw(struct conf *c, size_t damage)
{
	struct buf once = BUF_INIT(0);
	struct err err;

	conf_freeze(c, &once);
	struct conf *again = conf_thaw(buf_view(&once), &err);
	if (again == NULL)
		abort();
	conf_unref(again);
	once.ptr[damage % once.len] ^= 0x10;
	conf_unref(conf_thaw(buf_view(&once), &err));
	buf_clear(&once);
}

/* Each setting by itself, as the evaluation of all parameters would treat it: a hundred times as fast. */
static void
each_setting(struct conf *c)
{
	struct buf text = BUF_INIT(CONF_VALUE_MAX);
	size_t at = 0;
	struct setting *s;

	while ((s = map_next(&c->settings, &at)) != NULL) {
		struct err err;
		union value v;
		enum param p;
		buf_reset(&text);
		bool ok = view_expand(&c->main, span_str(s->value), &text, &err);
		if (ok && param_find(span_str(s->name), &p))
			value_parse(param_row(p), buf_view(&text), &v, &err);
	}
	buf_clear(&text);
}

/* One input in thirty-two, by its bytes, so that it stays the same one. */
static bool
goes_all_the_way(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	return (sum >> 8) % 32 == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problems p = { NULL, 0, 0 };
	struct buf out = BUF_INIT(0);
	struct conf *c = conf_new("/nonexistent");

	main_cf_parse(c, span_of(data, size), "main.cf", &p);
	each_setting(c);
	if (goes_all_the_way(data, size)) {
		master_cf_parse(c, span_str(master_cf_builtin), "master.cf", &p);
		values_evaluate(c, &p);
		values_check_names(c, &p);
		/* No files are read: the fuzzer should not name paths of this machine. */
		for (size_t i = 0; i < c->line_count; i++)
			if (c->lines[i]->service.maxproc < 0)
				c->lines[i]->service.maxproc = 100;
		if (p.errors == 0) {
			use(c);
			freeze_and_thaw(c, size * 7);
		}
	}
	conf_problems_print(&p, &out);
	conf_problems_clear(&p);
	buf_clear(&out);
	conf_unref(c);
	return 0;
}
