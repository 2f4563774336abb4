#include "base/heap.h"

#include <stdlib.h>

#include "base/mem.h"

static void
put(struct heap *h, size_t i, struct heap_node *n)
{
	h->nodes[i] = n;
	n->index = (uint32_t)(i + 1);
}

static void
up(struct heap *h, size_t i)
{
	struct heap_node *n = h->nodes[i];

	while (i > 0 && h->nodes[(i - 1) / 2]->at > n->at) {
		put(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, n);
}

static void
down(struct heap *h, size_t i)
{
	struct heap_node *n = h->nodes[i];

	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->nodes[child + 1]->at < h->nodes[child]->at)
			child++;
		if (h->nodes[child]->at >= n->at)
			break;
		put(h, i, h->nodes[child]);
		i = child;
	}
	put(h, i, n);
}

void
heap_clear(struct heap *h)
{
	for (size_t i = 0; i < h->count; i++)
		h->nodes[i]->index = 0;
	free(h->nodes);
	*h = (struct heap){ 0 };
}

void
heap_set(struct heap *h, struct heap_node *n, int64_t at)
{
	n->at = at;
	if (n->index == 0) {
		if (h->count == h->cap) {
			h->cap = h->cap == 0 ? 64 : h->cap * 2;
			h->nodes = mem_grow(h->nodes, h->cap, sizeof *h->nodes);
		}
		put(h, h->count++, n);
	}
	size_t i = n->index - 1u;
	up(h, i);
	if (n->index - 1u == i)
		down(h, i);
}

void
heap_del(struct heap *h, struct heap_node *n)
{
	if (n->index == 0)
		return;
	size_t i = n->index - 1u;
	struct heap_node *last = h->nodes[--h->count];
	n->index = 0;
	if (last == n)
		return;
	put(h, i, last);
	up(h, i);
	if (last->index - 1u == i)
		down(h, i);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->count == 0 ? NULL : h->nodes[0];
}
