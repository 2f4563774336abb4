/* A message as the console shows it. Nothing in it may reach a terminal but text and the colour codes of our own. */
#include <stdint.h>
#include <stdlib.h>

#include "ctl/jsonl.h"
#include "tui/mime.h"
#include "tui/mime_text.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(struct span s)
{
	while (s.len > 0) {
		size_t n = utf8_length(s);
		unsigned char c = (unsigned char)*s.ptr;
		if (c == 033 && s.len > 3 && s.ptr[1] == '[' && s.ptr[2] >= '0' && s.ptr[2] <= '9')
			n = 1;
		else if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0))
			abort();
		s = span_skip(s, n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT(0), tree = BUF_INIT(0);

	mime_show(&out, &tree, span_of(data, size), size % 2 == 1);
	check(buf_view(&out));
	check(buf_view(&tree));
	free(mime_parameter(span_of(data, size), "filename"));
	buf_clear(&out);
	buf_clear(&tree);
	return 0;
}
