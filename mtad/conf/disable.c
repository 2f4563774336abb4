/* master_service_disable: services that are as if they did not stand in master.cf. */
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

static const char *const types[] = { [SERVICE_INET] = "inet", [SERVICE_UNIX] = "unix", [SERVICE_FIFO] = "fifo", [SERVICE_PASS] = "pass" };

/* "inet", "submission/inet", or as it was written before 2.11: "submission.inet". */
static bool
names_it(struct span pattern, const struct service *s)
{
	const char *type = types[s->type];
	size_t name = strlen(s->name);

	if (span_eqs(pattern, type))
		return true;
	return pattern.len == name + 1 + strlen(type) && span_starts(pattern, s->name) && (pattern.ptr[name] == '/' || pattern.ptr[name] == '.') &&
	    span_ends(pattern, type);
}

/* The first pattern that names it decides. */
static bool
is_disabled(const char *patterns, const struct service *s)
{
	struct span rest = span_str(patterns), word;

	while (span_word(&rest, CONF_LIST_SEPS, &word)) {
		bool off = true;
		while (span_starts(word, "!")) {
			off = !off;
			word = span_skip(word, 1);
		}
		if (names_it(word, s))
			return off;
	}
	return false;
}

static bool
has_type(struct span pattern)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (span_ends(pattern, types[i]))
			return true;
	return false;
}

static void
check_patterns(const struct conf *c, struct conf_problems *problems)
{
	struct span rest = span_str(conf_str(&c->main, P_master_service_disable)), word;
	struct buf path = BUF_INIT(8192);

	buf_printf(&path, "%s/main.cf", c->dir);
	while (span_word(&rest, CONF_LIST_SEPS, &word))
		if (!has_type(word))
			conf_problem_add(problems, PROBLEM_WARNING, path.ptr, conf_line(c, SPAN("master_service_disable")),
			    "master_service_disable: \"%.*s\" names no service; write a type (inet, unix, fifo, pass) or NAME/TYPE",
			    SPAN_ARG(span_head(word, 60)));
	buf_clear(&path);
}

void
services_disable(struct conf *c, struct conf_problems *problems)
{
	const char *patterns = conf_str(&c->main, P_master_service_disable);
	size_t kept = 0;

	if (*patterns == '\0')
		return;
	check_patterns(c, problems);
	for (size_t i = 0; i < c->line_count; i++) {
		struct line *l = c->lines[i];
		if (is_disabled(patterns, &l->service)) {
			if (l->view.values != c->main.values)
				free(l->view.values);
			line_free(l);
			continue;
		}
		l->service.index = (unsigned)kept;
		c->lines[kept++] = l;
	}
	c->line_count = kept;
}
