/* Aliases, :include: and .forward files: any text yields items that are bounded and end. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "local/alias_text.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct buf out = BUF_INIT(65536);
	enum alias_kind kind;
	size_t items = 0;

	while (alias_next(&rest, &kind, &out))
		if (++items > size || out.len > 8192 || (kind == ALIAS_FILE && out.ptr[0] != '/') || (kind != ALIAS_BAD && out.len == 0))
			abort();
	buf_clear(&out);
	return 0;
}
