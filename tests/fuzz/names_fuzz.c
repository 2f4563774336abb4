/*
 * $user, $home, $extension and the like in forward_path and other texts of the site, for a recipient that an outsider chose: its words come through the filter,
 * and are never expanded again. The first line is the recipient, the rest the text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "local/names.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define FILTER	"abcdefghijklmnopqrstuvwxyz0123456789.@+-"
#define SECRET	"/HOME/of"	/* capitals and a slash are not in the filter: only the text itself can have asked for it */

static void
all_allowed(const struct buf *out, struct span text)
{
	for (size_t i = 0; i < out->len; i++)
		if (strchr(FILTER "_", out->ptr[i]) == NULL && !span_has(text, out->ptr[i]))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf *conf;
	static char home[] = SECRET, shell[] = "/bin/SHELL", name[] = "user";
	const struct passwd pw = { .pw_name = name, .pw_dir = home, .pw_shell = shell };
	struct span text = span_of(data, size), recipient;
	struct buf out = BUF_INIT(65536);
	struct report report = { .status = 0 };
	struct names n;
	bool undefined = false;

	if (conf == NULL) {
		struct conf_problems problems = { .count = 0 };
		conf = conf_parse("/nowhere", SPAN("recipient_delimiter = +-\n"), SPAN_NONE, &problems);
		conf_problems_clear(&problems);
	}
	if (!span_cut(&text, '\n', &recipient))
		return 0;
	const struct job job = { .view = conf_main(conf), .recipient = recipient };
	names_of(&n, &job, recipient, &pw);
	n.filter = FILTER;
	if (n.user.len + n.ext.len > n.local.len || span_has(n.ext, '/'))
		abort();
	bool ok = names_expand(&n, text, &out, &undefined, &report);
	if (!ok && report.warning[0] == '\0')
		abort();
	if (ok)
		all_allowed(&out, text);
	if (ok && !span_has(text, '$') && !span_eq(buf_view(&out), text))
		abort();
	buf_clear(&out);
	names_clear(&n);
	return 0;
}
