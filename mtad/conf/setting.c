#include "conf/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Both strings stand behind the struct, in one piece of memory. */
struct setting *
setting_new(struct span name, struct span value, unsigned line)
{
	struct setting *s = mem_new(sizeof *s + name.len + value.len + 2);

	s->name = (char *)(s + 1);
	s->value = s->name + name.len + 1;
	s->line = line;
	if (name.len > 0)
		memcpy(s->name, name.ptr, name.len);
	if (value.len > 0)
		memcpy(s->value, value.ptr, value.len);
	return s;
}

void
setting_free(struct setting *s)
{
	free(s);
}

struct span
setting_key(const void *item)
{
	return span_str(((const struct setting *)item)->name);
}

void
settings_clear(struct map *m)
{
	size_t at = 0;
	void *s;

	while ((s = map_next(m, &at)) != NULL)
		free(s);
	map_clear(m);
}
