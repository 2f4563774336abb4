/* bounce_template_file: any bytes leave four templates that can stand in a header and a text, and what is written of them reads the same again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/notice_template.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
told(void *arg, unsigned line, const char *text)
{
	unsigned *count = arg;

	if (text[0] == '\0' || (line == 0 && *count > 0))
		abort();
	(*count)++;
}

static bool
is_line(struct span s)
{
	return !span_has(s, '\n') && !span_has(s, '\r') && !span_has(s, '\0') && s.len <= 400;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notice_templates t, again;
	struct buf out = BUF_INIT(0), from = BUF_INIT(0);
	unsigned faults = 0, none = 0;

	notice_templates_own(&t, size % 2 == 0);
	(void)notice_templates_parse(&t, span_of(data, size), told, &faults);
	for (size_t i = 0; i < TEMPLATES; i++) {
		const struct notice_template *o = &t.of[i];
		if (!is_line(o->charset) || !is_line(o->from) || !is_line(o->subject) || !is_line(o->postmaster_subject) || o->from.len == 0 ||
		    o->subject.len == 0 || o->text.len == 0 || span_has(o->text, '\0'))
			abort();
		notice_from_put(&from, o->from, SPAN("site.test"));
		notice_template_put(&out, (enum template_kind)i, o);
		buf_char(&out, '\n');
	}
	if (!is_line(span_head(buf_view(&from), 400)))
		abort();
	/* A text may hold the marker that is written; without it nothing may be lost. */
	notice_templates_own(&again, size % 2 == 0);
	if (faults == 0 && size > 0 && notice_templates_parse(&again, buf_view(&out), told, &none) && none == 0)
		for (size_t i = 0; i < TEMPLATES; i++)
			if (!span_eq(again.of[i].subject, t.of[i].subject))
				abort();
	buf_clear(&out);
	buf_clear(&from);
	return 0;
}
