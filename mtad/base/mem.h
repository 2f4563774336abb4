/*
 * Allocation that ends the process when memory is out (the master restarts a
 * role), so that callers have no error path for it. Sizes that come from
 * outside are bounded by the caller before they get here.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void	*mem_new(size_t size);			/* zeroed */
void	*mem_array(size_t n, size_t size);	/* zeroed, overflow-checked */
void	*mem_grow(void *, size_t n, size_t size);	/* realloc to n elements; new ones not cleared */
char	*mem_str(const char *);			/* NULL stays NULL */

/* A zeroed object of the type that `ptr` points to. */
#define MEM_NEW(ptr)	((ptr) = mem_new(sizeof *(ptr)))

#endif
