/*
 * The parts of "a and b and c" (or of "or") in the order of what they cost: what memory answers stands before an expression, that before what is
 * read from the files of the queue. Truth does not depend on the order, and most messages are decided by the first part.
 */
#include "ctl/selector_code.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static unsigned
cost_of_test(const struct test *t)
{
	if (t->op == TEST_ALL)
		return 0;
	switch (t->field) {
	case SEL_REASON:
	case SEL_DEST:
	case SEL_TRANSPORT:
		return 2;	/* the journal */
	case SEL_USER:
	case SEL_SERVICE:
	case SEL_SUBJECT:
	case SEL_MESSAGE_ID:
		return 3;	/* the message's own record */
	default:		/* memory; of the client, too, but where there are many */
		return t->regex != NULL;
	}
}

static unsigned
cost_of(const struct selector *sel, const struct code_part *part)
{
	unsigned most = 0;

	for (uint32_t i = part->from; i < part->to; i++) {
		if (sel->code[i].op != CODE_TEST)
			continue;
		unsigned cost = cost_of_test(&sel->tests[sel->code[i].arg]);
		most = cost > most ? cost : most;
	}
	return most;
}

/* Stable: equals stay as they were written. */
static bool
sort_parts(const struct selector *sel, struct code_part *parts, unsigned n)
{
	bool moved = false;

	for (unsigned i = 0; i < n; i++)
		parts[i].cost = cost_of(sel, &parts[i]);
	for (unsigned i = 1; i < n; i++) {
		struct code_part one = parts[i];
		unsigned at = i;
		for (; at > 0 && parts[at - 1].cost > one.cost; at--)
			parts[at] = parts[at - 1];
		moved = moved || at != i;
		parts[at] = one;
	}
	return moved;
}

void
selector_order(struct selector *sel, struct code_part *parts, unsigned n, enum code_op jump)
{
	uint32_t from = parts[0].from, end = sel->code_count, at = from;

	if (!sort_parts(sel, parts, n))
		return;
	struct code *old = mem_new((end - from) * sizeof *old);
	memcpy(old, sel->code + from, (end - from) * sizeof *old);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			sel->code[at++] = (struct code){ jump, end };
		uint32_t by = at - parts[i].from;	/* wraps where it moves forward; so does the sum */
		for (uint32_t k = parts[i].from; k < parts[i].to; k++) {
			struct code c = old[k - from];
			if (c.op == CODE_JUMP_TRUE || c.op == CODE_JUMP_FALSE)
				c.arg += by;
			sel->code[at++] = c;
		}
	}
	free(old);
}
