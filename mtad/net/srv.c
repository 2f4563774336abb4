#include "net/srv.h"

#include <stdbool.h>

static bool
before(const struct dns_item *a, const struct dns_item *b)
{
	return a->preference != b->preference ? a->preference < b->preference : a->weight == 0 && b->weight > 0;
}

static void
swap(size_t *order, size_t a, size_t b)
{
	size_t keep = order[a];

	order[a] = order[b];
	order[b] = keep;
}

/* One of [from, end), which have one priority, comes to the front; those of weight 0 stand first and have a small chance beside others. */
static void
choose(const struct dns_item *items, size_t *order, size_t from, size_t end, uint64_t random)
{
	uint64_t sum = 0, running = 0;
	size_t at = from;

	for (size_t i = from; i < end; i++)
		sum += items[order[i]].weight;
	uint64_t wanted = sum == 0 ? random % (end - from) : random % (sum + 1);
	for (; at + 1 < end; at++) {
		running += sum == 0 ? 1 : items[order[at]].weight;
		if (sum == 0 ? running > wanted : running >= wanted)
			break;
	}
	/* The others keep their order. */
	for (; at > from; at--)
		swap(order, at, at - 1);
}

void
srv_order(const struct dns_item *items, size_t count, size_t *order, uint64_t (*random)(void))
{
	for (size_t i = 0; i < count; i++) {
		order[i] = i;
		for (size_t at = i; at > 0 && before(&items[order[at]], &items[order[at - 1]]); at--)
			swap(order, at, at - 1);
	}
	for (size_t from = 0; from < count; from++) {
		size_t end = from + 1;
		while (end < count && items[order[end]].preference == items[order[from]].preference)
			end++;
		if (end - from > 1)
			choose(items, order, from, end, random());
	}
}
