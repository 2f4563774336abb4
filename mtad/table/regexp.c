/*
 * regexp:/path: POSIX expressions, as regexp_table(5). The C library's own are used, as Postfix does: another engine would differ in what "\d" or
 * "[\]]" mean and in which alternative wins.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/patterns.h"

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
regexp_match(const void *pattern, struct span subject, struct pattern_span *groups, unsigned count)
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
