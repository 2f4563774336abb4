#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void *
mem_new(size_t size)
{
	void *p = calloc(1, size == 0 ? 1 : size);
	if (p == NULL)
		fatal("out of memory (%zu bytes wanted)", size);
	return p;
}

void *
mem_array(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size);
	if (p == NULL)
		fatal("out of memory (%zu times %zu bytes wanted)", n, size);
	return p;
}

void *
mem_grow(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n == 0 ? 1 : n, size);
	if (p == NULL)
		fatal("out of memory (%zu times %zu bytes wanted)", n, size);
	return p;
}

char *
mem_str(const char *s)
{
	if (s == NULL)
		return NULL;
	char *copy = strdup(s);
	if (copy == NULL)
		fatal("out of memory (%zu bytes wanted)", strlen(s));
	return copy;
}
