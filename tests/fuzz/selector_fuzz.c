/*
 * Selectors: any text is refused or compiles, and what compiles can be asked of any row.
 */
#include <stddef.h>
#include <stdint.h>

#include "ctl/selector.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint32_t
recipients(const void *row)
{
	(void)row;
	return 2;
}

/* The text itself is every value: regular expressions meet something like themselves. */
static bool
text(const void *row, enum selector_field field, uint32_t rcpt, struct span *out)
{
	*out = *(const struct span *)row;
	return ((unsigned)field + rcpt) % 5 != 0;
}

static bool
number(const void *row, enum selector_field field, uint32_t rcpt, int64_t *out)
{
	(void)row;
	*out = (int64_t)field * 1000 + rcpt;
	return ((unsigned)field + rcpt) % 5 != 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct selector_row_ops ops = { recipients, text, number };
	struct span input = span_of(data, size);
	struct err err = { .kind = ERR_NONE };
	struct qid ids[8];
	size_t n;

	struct selector *sel = selector_new(input, &err);
	if (sel == NULL) {
		if (err.kind == ERR_NONE || err.text[0] == '\0')
			__builtin_trap();
		return 0;
	}
	struct span row = span_head(input, 300);
	if (selector_all(sel) && !selector_match(sel, &ops, &row))
		__builtin_trap();
	(void)selector_match(sel, &ops, &row);
	(void)selector_ids(sel, ids, 8, &n);
	selector_free(sel);
	return 0;
}
