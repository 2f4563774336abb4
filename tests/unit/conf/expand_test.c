/* Expectations marked P were read off Debian's postconf -x (3.7). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "conf/expand.h"

static const char *
lookup(void *arg, struct span name)
{
	static const struct { const char *name, *value; } known[] = {
		{ "set", "1" }, { "empty", "" }, { "ind", "$empty" }, { "two", "a $set b" },
		{ "loop", "x$pool" }, { "pool", "${loop}" }, { "self", "$self" },
		{ "d0", "$d1$d1$d1$d1" }, { "d1", "$d2$d2$d2$d2$d2$d2" }, { "d2", "$d3$d3$d3$d3$d3$d3" },
		{ "d3", "$d4$d4$d4$d4$d4$d4" }, { "d4", "$d5$d5$d5$d5$d5" }, { "d5", "$d6$d6$d6$d6$d6" }, { "d6", "$d7$d7$d7$d7$d7" },
		{ "d7", "$empty$empty$empty" },
	};
	(void)arg;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_eqs(name, known[i].name))
			return known[i].value;
	return NULL;
}

static void
good(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "", "" },
		{ "plain { } ( )", "plain { } ( )" },
		{ "$set", "1" }, { "${set}x", "1x" }, { "$(set)b", "1b" }, { "$set.y", "1.y" },
		{ "$$foo", "$foo" },					/* P */
		{ "$none z", " z" },					/* P */
		{ "<$two>", "<a 1 b>" },
		{ "${{a} == {b} ? {x} : {y}}", "y" },			/* P */
		{ "${{ a } == {a} ? { x y } : {y}}.", "y." },		/* P */
		{ "${{a}=={a}}.", "true." },				/* P */
		{ "${{a} == {b}}.", "." },				/* P */
		{ "${{a} == {b}?{x}}.", "." },				/* P */
		{ "${{1}=={1}:{b}}", "" },				/* P */
		{ "x${empty?{yes}:{ no }}.", "x no ." },		/* P */
		{ "${ set ?{yes}:{no}}.", "yes." },			/* P */
		{ "a${set? yes }b", "a yes b" },			/* P */
		{ "${set ? {yes} : {no} }.", "yes." },			/* P */
		{ "x${empty : { no } }.", "x no ." },			/* P */
		{ "${{10} > {9} ? {num} : {str}}", "num" },		/* P */
		{ "${{a10} > {a9} ? {num} : {str}}", "str" },		/* P */
		{ "${{007} == {7} ?{n}}", "n" },			/* P */
		{ "${{10} >= {9} ?{n}:{s}}", "n" },			/* P */
		{ "${{9} <= {10} ?{n}:{s}}", "n" },
		{ "${{9} < {9} ?{n}:{s}}", "s" },
		{ "${{} == {} ?{n}:{s}}", "n" },			/* P */
		{ "${{99999999999999999999999} > {9} ?{n}:{s}}", "n" },
		{ "${set:{dflt}}|${empty:{dflt}}|${empty:d f}", "|dflt|d f" },	/* P */
		{ "${{a} == {b} ? x : y}", "" },			/* P */
		{ "${{a} != {b}?{x}}", "x" },				/* P */
		{ "${set?{a}:b}", "a" }, { "${empty?{a}:b}", "b" },	/* P */
		{ "${empty?a:b}", "" },					/* P */
		{ "${{$set} == {1} ? {${empty?{q}:{w}}} : {y}}", "w" },	/* P */
		{ "$(set?a b)", "a b" }, { "$(set?(a b))", "(a b)" },	/* P */
		{ "$(set ? {a} : {b})", "a" },				/* P */
		{ "${set?}x", "x" },					/* P */
		{ "${ind?yes}", "yes" }, { "a${ind:no}b", "ab" },	/* P: the test is of the value as written */
		{ "a${{$ind} == {} ? {e}}", "ae" },			/* P */
		{ "${{3.6} <level {3.10} ? {y}:{n}}", "y" },		/* P */
		{ "${{3} ==level {3.0} ? {y}:{n}}", "y" },		/* P */
		{ "${{3.6.1} >level {3.6} ? {y}:{n}}", "y" },		/* P */
		{ "${set?$self2}", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		buf_str(&out, "");
		if (!expand_text(span_str(cases[i].text), lookup, NULL, &out, &err))
			fail_msg("%s: %s", cases[i].text, err.text);
		if (strcmp(out.ptr, cases[i].want) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].text, out.ptr, cases[i].want);
		buf_clear(&out);
	}
}

static void
bad(void **state)
{
	static const struct { const char *text, *says; } cases[] = {
		{ "$", "a $ without a name" }, { "a$", "a $ without a name" }, { "$-x", "a $ without a name" },	/* P */
		{ "$ set", "a $ without a name" },			/* P */
		{ "${", "a missing }" }, { "${set", "a missing }" }, { "$(set}", "a missing )" },	/* P */
		{ "${}", "expected a parameter name" },
		{ "${my-set}", "not part of a parameter name" },	/* P */
		{ "${set!x}", "not part of a parameter name" },		/* P */
		{ "${(set)}", "expected a parameter name" },		/* P */
		{ "${set?{a}{b}}", "expected :" },			/* P */
		{ "${set?{yes} x}", "expected :" },			/* P */
		{ "${set?{yes}:{b} x}", "text after" },			/* P */
		{ "${set:{b} x}", "text after" },			/* P */
		{ "${{a} =! {b}?x}", "expected ==" },			/* P */
		{ "${{a} == b?x}", "expected {text}" },
		{ "${{x} ==level {3.0} ? {y}:{n}}", "compatibility level" },	/* P */
		{ "$self", "self -> self" },
		{ "$loop", "loop -> pool -> loop" },
		{ "${two?$pool}", "pool -> loop -> pool" },
		{ "$d0", "too many names" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		if (expand_text(span_str(cases[i].text), lookup, NULL, &out, &err))
			fail_msg("%s: \"%s\", not an error", cases[i].text, out.ptr);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\" says nothing of \"%s\"", cases[i].text, err.text, cases[i].says);
		buf_clear(&out);
	}
}

/* Braces within braces end at a bound, not at the end of the stack. */
static void
deep(void **state)
{
	struct buf text = BUF_INIT(0), out = BUF_INIT(4096);
	struct err err = { ERR_NONE, "" };

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_str(&text, "${set?{");
	for (int i = 0; i < 200000; i++)
		buf_str(&text, "}}");
	assert_false(expand_text(buf_view(&text), lookup, NULL, &out, &err));
	assert_non_null(strstr(err.text, "too many levels"));
	buf_clear(&text);
	buf_clear(&out);
}

static void
add_name(void *arg, struct span name)
{
	buf_span(arg, name);
	buf_char(arg, ' ');
}

static void
names(void **state)
{
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_true(expand_names(SPAN("$a ${b?{$c}:{$d}} ${{$e}=={$f}?$g} $$h"), add_name, &out));
	assert_string_equal(out.ptr, "a b c d e f g ");
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(deep), cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
