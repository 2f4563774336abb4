#include "conf/private.h"

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == ' ' || s.ptr[i] == '\t' || s.ptr[i] == '$' || s.ptr[i] == '{' ||
		    (unsigned char)s.ptr[i] < 32)
			return false;
	return s.len > 0 && s.len <= 256;
}

static void
put(struct conf *c, struct span name, struct span value, unsigned line, const char *file,
    struct conf_problems *problems)
{
	struct setting *old = map_del(&c->settings, name);

	if (old != NULL) {
		conf_problem_add(problems, PROBLEM_WARNING, file, line,
		    "%s is set in line %u too; this line counts; remove one of them", old->name, old->line);
		setting_free(old);
	}
	map_add(&c->settings, setting_new(name, value, line));
}

void
main_cf_parse(struct conf *c, struct span text, const char *file, struct conf_problems *problems)
{
	struct conf_lines lines = { .rest = text, .next = 1, .text = BUF_INIT(CONF_TEXT_MAX) };
	struct span one;
	unsigned line = 0;

	while (conf_lines_next(&lines, &one, &line)) {
		size_t eq = span_find(one, '=');
		struct span name = span_rtrim(span_head(one, eq));
		if (one.ptr[0] == ' ' || one.ptr[0] == '\t')
			conf_problem_add(problems, PROBLEM_ERROR, file, line,
			    "the first setting begins with a blank; begin it at the margin");
		else if (span_has(one, '\0'))
			conf_problem_add(problems, PROBLEM_ERROR, file, line,
			    "a NUL byte; the file should be text");
		else if (eq == one.len)
			conf_problem_add(problems, PROBLEM_ERROR, file, line,
			    "no \"=\" after \"%.*s\"; write: name = value", SPAN_ARG(span_head(one, 60)));
		else if (!is_name(name))
			conf_problem_add(problems, PROBLEM_ERROR, file, line,
			    "\"%.*s\" is no parameter name; write: name = value",
			    SPAN_ARG(span_head(name, 60)));
		else
			put(c, name, span_trim(span_skip(one, eq + 1)), line, file, problems);
	}
	buf_clear(&lines.text);
}
