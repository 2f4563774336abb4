/* master.cf's bytes through the parser and the evaluation of each line's view; and any bytes as a frozen configuration. */
#include <stdint.h>

#include "base/err.h"
#include "conf/private.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problems p = { NULL, 0, 0 };
	struct conf *c = conf_new("/nonexistent");
	struct err err;

	master_cf_parse(c, span_of(data, size), "master.cf", &p);
	/* Each line with -o costs a whole evaluation: one input in sixteen, and few lines, show all there is. */
	if (c->line_count <= 4 && size % 16 == 0) {
		values_evaluate(c, &p);
		values_check_names(c, &p);
	}
	conf_problems_clear(&p);
	conf_unref(c);
	conf_unref(conf_thaw(span_of(data, size), &err));
	return 0;
}
