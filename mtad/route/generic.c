#include "route/generic.h"

#include <stdlib.h>

#include "base/mem.h"
#include "route/private.h"

struct generic {
	struct conf	*conf;
	struct router	*router;
	struct tables	 tables;
	const char	*name;
	bool		 propagate;
};

static bool
propagates(const struct view *v)
{
	struct span rest = span_str(conf_str(v, P_propagate_unmatched_extensions)), word;

	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_caseeqs(word, "generic"))
			return true;
	return false;
}

bool
generic_new(struct conf *conf, const struct view *v, enum param maps, struct generic **out, struct err *err)
{
	struct generic *g;

	*out = NULL;
	if (span_trim(span_str(conf_str(v, maps))).len == 0)
		return true;
	MEM_NEW(g);
	g->conf = conf_ref(conf);
	g->name = param_row(maps)->name;
	g->propagate = propagates(v);
	if (!tables_open(&g->tables, conf, conf_str(v, maps), err))
		err_prefix(err, "%s", g->name);
	else if ((g->router = router_new(conf, err)) != NULL) {
		*out = g;
		return true;
	}
	generic_free(g);
	return false;
}

void
generic_free(struct generic *g)
{
	if (g == NULL)
		return;
	tables_clear(&g->tables);
	router_free(g->router);
	conf_unref(g->conf);
	free(g);
}

/* Once, unlike canonical maps: what comes of it is not looked up again. */
enum map_status
generic_map(const struct generic *g, struct facts *facts, struct span address, struct buf *out, struct err *err)
{
	struct map_list found = { .text = BUF_INIT((size_t)1 << 20) };
	struct span rest, first = address;
	enum map_status status = MAP_DONE;

	if (address.len > 0)
		status = map_lookup(g->router, facts, &g->tables, g->name, g->propagate, address, &found, err);
	rest = buf_view(&found.text);
	if (found.count > 0)
		(void)map_list_next(&rest, &first);
	buf_reset(out);
	buf_span(out, first);
	map_list_clear(&found);
	return status;
}
