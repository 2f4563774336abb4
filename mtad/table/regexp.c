/*
 * regexp:/path: POSIX expressions, as regexp_table(5). The C library's own are used, as Postfix does: another engine would differ in what "\d" or
 * "[\]]" mean and in which alternative wins.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/patterns.h"

/*
 * The C library follows nested groups with its stack, and writes repetitions out: "((((..." would end the process, "a{1,999}{1,999}" its memory. So both are
 * bounded before it sees them. Nothing is checked here but that: what is wrong is counted somehow, and left to the library to say.
 */
#define DEPTH_MAX	250u
#define COST_MAX	65536u

struct cost {
	unsigned	 group[DEPTH_MAX + 1];	/* atoms of each open group */
	unsigned	 depth, last;		/* of the atom before */
};

static unsigned
bounded(unsigned long long n)
{
	return n > COST_MAX ? COST_MAX + 1 : (unsigned)n;
}

static void
add_atom(struct cost *c, unsigned atoms)
{
	c->last = atoms;
	c->group[c->depth] = bounded((unsigned long long)c->group[c->depth] + atoms);
}

/* Behind "{": the highest count. */
static const char *
repeat(struct cost *c, const char *at)
{
	unsigned long long n = 0, most = 1;

	for (; *at != '\0' && *at != '}'; at++) {
		n = *at >= '0' && *at <= '9' ? (n > COST_MAX ? n : n * 10 + (unsigned)(*at - '0')) : 0;
		most = n > most ? n : most;
	}
	unsigned atoms = bounded(c->last * most);
	c->group[c->depth] = bounded((unsigned long long)c->group[c->depth] + atoms);
	c->last = atoms;
	return at;
}

static const char *
bracket(const char *at)
{
	if (*at == '^')
		at++;
	if (*at == ']')
		at++;
	while (*at != '\0' && *at != ']')
		at++;
	return at;
}

/* Extended expressions group with "(" and "{", the others with a backslash before. NULL, or the reason. */
static const char *
too_much(const char *at, bool extended)
{
	struct cost c = { .depth = 0 };

	for (; *at != '\0'; at++) {
		bool escaped = *at == '\\' && at[1] != '\0';
		at += escaped;
		if (*at == '(' && escaped != extended) {
			if (c.depth == DEPTH_MAX)
				return "parentheses are too deeply nested";
			c.group[++c.depth] = 0;
		} else if (*at == ')' && escaped != extended && c.depth > 0) {
			c.depth--;
			add_atom(&c, c.group[c.depth + 1]);
		} else if (*at == '{' && escaped != extended) {
			at = repeat(&c, at + 1);
		} else if (*at == '[' && !escaped) {
			at = bracket(at + 1);
			add_atom(&c, 1);
		} else {
			add_atom(&c, 1);
		}
		if (c.group[c.depth] > COST_MAX)
			return "the expression, its repetitions written out, is too large";
		if (*at == '\0')
			break;
	}
	return NULL;
}

static void
regexp_free(void *pattern)
{
	if (pattern != NULL)
		regfree(pattern);
	free(pattern);
}

static void *
regexp_compile(const char *pattern, const char *letters, unsigned want, unsigned *groups, char *why, size_t why_size)
{
	int flags = REG_EXTENDED | REG_ICASE | (want == 0 ? REG_NOSUB : 0);
	regex_t *re;

	for (; *letters != '\0'; letters++) {
		if (*letters == 'i') {
			flags ^= REG_ICASE;
		} else if (*letters == 'm') {
			flags ^= REG_NEWLINE;
		} else if (*letters == 'x') {
			flags ^= REG_EXTENDED;
		} else {
			(void)snprintf(why, why_size, "unknown regexp option \"%c\"", *letters);
			return NULL;
		}
	}
	const char *refused = too_much(pattern, (flags & REG_EXTENDED) != 0);
	if (refused != NULL) {
		(void)snprintf(why, why_size, "%s", refused);
		return NULL;
	}
	MEM_NEW(re);
	int rc = regcomp(re, pattern, flags);
	if (rc == 0) {
		*groups = (unsigned)re->re_nsub;
		return re;
	}
	(void)regerror(rc, re, why, why_size);
	free(re);
	return NULL;
}

static bool
regexp_match(void *pattern, struct span subject, struct pattern_span *groups, unsigned count)
{
	regmatch_t found[PATTERN_GROUPS];

	/* The bounds are given by the first match, so a subject need not be terminated. */
	found[0] = (regmatch_t){ .rm_so = 0, .rm_eo = (regoff_t)subject.len };
	if (regexec(pattern, subject.len == 0 ? "" : subject.ptr, count == 0 ? 1 : count, found, REG_STARTEND) != 0)
		return false;
	for (unsigned i = 0; i < count; i++)
		groups[i] = (struct pattern_span){ found[i].rm_so, found[i].rm_eo };
	return true;
}

static const struct pattern_engine engine = { "regexp", regexp_compile, regexp_free, regexp_match };

static bool
regexp_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	return patterns_open(&engine, conf, name, state, err);
}

const struct table_type table_regexp = { "regexp", regexp_open, patterns_close, patterns_get,
    .flags = TABLE_RAW_KEY | TABLE_PATTERN | TABLE_TEXT };
