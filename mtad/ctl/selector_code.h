/*
 * What a selector is made of: tests, and a program of them for a machine with one register, the truth of the last test.
 * "a and b" is a, "jump to the end if false", b. No stack and no recursion at run time.
 * Private to selector.c and selector_parse.c.
 */
#ifndef CTL_SELECTOR_CODE_H
#define CTL_SELECTOR_CODE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "ctl/selector.h"

enum test_op { TEST_ALL, TEST_EQ, TEST_NE, TEST_LT, TEST_LE, TEST_GT, TEST_GE, TEST_LIKE, TEST_UNLIKE, TEST_IN };

struct value {
	struct span	text;
	int64_t		number;
};

struct test {
	enum selector_field field;
	enum test_op	 op;
	uint32_t	 value;		/* the first of them, in selector.values */
	uint32_t	 count;
	pcre2_code	*regex;
};

enum code_op { CODE_TEST, CODE_NOT, CODE_JUMP_FALSE, CODE_JUMP_TRUE };

struct code {
	enum code_op	 op;
	uint32_t	 arg;		/* a test, or where to go */
};

struct selector {
	enum selector_kind kind;
	struct arena	 arena;		/* texts */
	struct test	*tests;
	struct value	*values;
	struct code	*code;
	uint32_t	 test_count, value_count, code_count;
	uint32_t	 test_cap, value_cap, code_cap;
	bool		 per_recipient;
	pcre2_match_data *match;	/* NULL while there is no regular expression */
	pcre2_match_context *limits;
};

/* A part of a chain of one operator: its code, without the jump before it. */
struct code_part {
	uint32_t	 from, to;
	unsigned	 cost;		/* selector_order's */
};
#define CODE_PARTS	32u		/* of a chain: a longer one stays as it is written */

/* Puts the parts of a chain, the last that was parsed, in the order of their cost; `jump` stands between them, to the end. */
void	selector_order(struct selector *, struct code_part *, unsigned n, enum code_op jump);
/* Fills an empty selector. */
bool	selector_parse(struct selector *, struct span text, struct err *);

#endif
