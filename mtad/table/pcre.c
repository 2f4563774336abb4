/* pcre:/path: Perl-like expressions, as pcre_table(5), with bounds on what one match may cost. Bytes, not UTF-8 characters, are matched, as Postfix 3.7 does. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/log.h"
#include "base/mem.h"
#include "table/patterns.h"

#define STEPS_MAX	1000000u
#define HEAP_MAX	(16u << 10)	/* KiB */
/*
 * A pattern whose match takes this long is made machine code. Most fail at the first byte: a thousand of those are faster in PCRE2's compact form, which stays
 * in the processor's cache; and a start need not wait for all of them to be compiled twice.
 */
#define SLOW_NS		1500
#define LOOK_EVERY	16u	/* matches */

struct pcre {
	pcre2_code	*code;
	unsigned	 uses;
	bool		 jit;		/* it is machine code, or cannot be */
	bool		 told;		/* that a bound was passed */
};

/* One of each serves all patterns: a match is over before the next begins. */
static pcre2_match_data *match_data;
static pcre2_match_context *match_context;

static void
pcre_free(void *pattern)
{
	struct pcre *p = pattern;

	if (p == NULL)
		return;
	pcre2_code_free(p->code);
	free(p);
}

static bool
pcre_flags(const char *letters, uint32_t *flags, char *why, size_t why_size)
{
	static const struct { char letter; uint32_t flag; } known[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED }, { 'A', PCRE2_ANCHORED },
		{ 'E', PCRE2_DOLLAR_ENDONLY }, { 'U', PCRE2_UNGREEDY }, { 'X', 0 },	/* X: always so in PCRE2 */
	};

	for (; *letters != '\0'; letters++) {
		size_t i = 0;
		while (i < sizeof known / sizeof *known && known[i].letter != *letters)
			i++;
		if (i == sizeof known / sizeof *known) {
			(void)snprintf(why, why_size, "unknown pcre option \"%c\"", *letters);
			return false;
		}
		*flags ^= known[i].flag;
	}
	return true;
}

static bool
set_up(void)
{
	if (match_data == NULL)
		match_data = pcre2_match_data_create(PATTERN_GROUPS, NULL);
	if (match_context == NULL && (match_context = pcre2_match_context_create(NULL)) != NULL) {
		pcre2_set_match_limit(match_context, STEPS_MAX);
		pcre2_set_heap_limit(match_context, HEAP_MAX);
	}
	return match_data != NULL && match_context != NULL;
}

static void *
pcre_compile(const char *pattern, const char *letters, unsigned want, unsigned *groups, char *why, size_t why_size)
{
	uint32_t flags = PCRE2_CASELESS | PCRE2_DOTALL;
	char text[120];
	struct pcre *p;
	PCRE2_SIZE at;
	uint32_t n = 0;
	int rc;

	(void)want;
	if (!pcre_flags(letters, &flags, why, why_size))
		return NULL;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, flags, &rc, &at, NULL);
	if (code == NULL || !set_up()) {
		(void)pcre2_get_error_message(rc, (PCRE2_UCHAR *)text, sizeof text);
		(void)snprintf(why, why_size, "error in regex at offset %zu: %s", (size_t)at, text);
		pcre2_code_free(code);
		return NULL;
	}
	(void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &n);
	*groups = n;
	MEM_NEW(p);
	p->code = code;
	return p;
}

static int
run(struct pcre *p, struct span subject)
{
	return pcre2_match(p->code, (PCRE2_SPTR)(subject.len == 0 ? "" : subject.ptr), subject.len, 0, 0, match_data, match_context);
}

static int
run_timed(struct pcre *p, struct span subject)
{
	struct timespec from, to;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	int rc = run(p, subject);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	if ((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec > SLOW_NS) {
		(void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);	/* from now on pcre2_match runs that */
		p->jit = true;
	}
	return rc;
}

static bool
pcre_match(void *pattern, struct span subject, struct pattern_span *groups, unsigned count)
{
	struct pcre *p = pattern;

	int rc = p->jit || ++p->uses % LOOK_EVERY != 0 ? run(p, subject) : run_timed(p, subject);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH && !p->told) {
		p->told = true;
		log_warning(NULL, "pcre map: a pattern was given up on a text of %zu bytes (error %d): too much to try; "
		    "it counts as no match", subject.len, rc);
	}
	if (rc < 0)
		return false;
	const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match_data);
	for (unsigned i = 0; i < count; i++) {
		bool has = (i < (unsigned)rc || rc == 0) && found[2 * i] != PCRE2_UNSET && found[2 * i] <= found[2 * i + 1];
		groups[i] = has ? (struct pattern_span){ (ptrdiff_t)found[2 * i], (ptrdiff_t)found[2 * i + 1] } : (struct pattern_span){ -1, -1 };
	}
	return true;
}

static const struct pattern_engine engine = { "pcre", pcre_compile, pcre_free, pcre_match };

static bool
pcre_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	return patterns_open(&engine, conf, name, state, err);
}

const struct table_type table_pcre = { "pcre", pcre_open, patterns_close, patterns_get,
    .flags = TABLE_RAW_KEY | TABLE_PATTERN | TABLE_TEXT };
