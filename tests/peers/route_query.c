/*
 * The routing functions as a filter, for comparing them with trivial-rewrite(8): route_query DIR reads lines, tab-separated,
 *   resolve SENDER ADDRESS   and answers  TRANSPORT NEXTHOP RECIPIENT CLASS   (" routed" behind it where the sender has left a route in it; "error" alone: bad syntax)
 *   rewrite local|remote ADDRESS   and answers  ADDRESS
 */
#include <stdio.h>
#include <string.h>

#include "route/route.h"

static void
resolve(const struct router *r, struct span sender, struct span address)
{
	struct route out = { .text = BUF_INIT(0) };

	if (route_resolve(r, NULL, address, sender, &out, NULL) != ROUTE_DONE)
		printf("pending\n");
	else if (out.failed)
		printf("fail\n");
	else if (out.bad_syntax)
		printf("error\n");
	else
		printf("%.*s\t%.*s\t%.*s\t%s%s\n", SPAN_ARG(out.transport), SPAN_ARG(out.nexthop),
		    SPAN_ARG(out.recipient), route_class_name(out.class), out.routed ? " routed" : "");
	route_clear(&out);
}

static void
rewrite(const struct router *r, struct span rule, struct span address)
{
	struct buf out = BUF_INIT(0);

	route_rewrite(r, address, span_eqs(rule, "local"), &out);
	printf("%.*s\n", SPAN_ARG(buf_view(&out)));
	buf_clear(&out);
}

int
main(int argc, char **argv)
{
	struct conf_problems problems = { 0 };
	struct err err = { 0 };
	char line[8192];

	struct conf *conf = argc == 2 ? conf_load(argv[1], NULL, 0, &problems) : NULL;
	struct router *r = conf == NULL ? NULL : router_new(conf, &err);
	if (r == NULL) {
		struct buf text = BUF_INIT(0);
		conf_problems_print(&problems, &text);
		fprintf(stderr, "usage: route_query DIR\n%.*s%s\n", SPAN_ARG(buf_view(&text)), err.text);
		return 78;
	}
	while (fgets(line, sizeof line, stdin) != NULL) {
		struct span rest = span_of(line, strcspn(line, "\n")), verb, word;
		(void)span_cut(&rest, '\t', &verb);
		(void)span_cut(&rest, '\t', &word);
		if (span_eqs(verb, "resolve"))
			resolve(r, word, rest);
		else
			rewrite(r, word, rest);
	}
	router_free(r);
	conf_unref(conf);
	conf_problems_clear(&problems);
	return 0;
}
