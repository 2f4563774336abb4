#include "conf/conf.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

#define PROBLEMS_MAX	1000	/* a file of nonsense needs no more */

void
conf_problem_add(struct conf_problems *p, enum problem_level level, const char *file, unsigned line,
    const char *fmt, ...)
{
	struct buf text = BUF_INIT(4096);
	va_list ap;

	if (level == PROBLEM_ERROR)
		p->errors++;
	if (p->count >= PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	p->items = mem_grow(p->items, p->count + 1, sizeof *p->items);
	p->items[p->count++] = (struct conf_problem){ level, mem_str(file), line,
	    text.over ? mem_str("a message too long to be shown") : buf_take(&text) };
	buf_clear(&text);
}

void
conf_problems_clear(struct conf_problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].file);
		free(p->items[i].text);
	}
	free(p->items);
	*p = (struct conf_problems){ NULL, 0, 0 };
}

void
conf_problems_print(const struct conf_problems *p, struct buf *out)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct conf_problem *item = &p->items[i];
		buf_str(out, item->file == NULL ? "command line" : item->file);
		if (item->line > 0)
			buf_printf(out, ":%u", item->line);
		buf_printf(out, ": %s: %s\n", item->level == PROBLEM_ERROR ? "error" : "warning",
		    item->text);
	}
}
