#include "net/dns_hosts.h"

#include <stdlib.h>

#include "base/mem.h"

#define HOSTS_MAX	65536	/* names; what a list of blocked sites adds beyond is of no use for mail */

struct hosts_name {
	char		*name;
	struct net_addr	 addr;
};

struct hosts {
	struct hosts_name *names;
	size_t		 count;
	size_t		 cap;
};

static void
add(struct hosts *h, struct span name, const struct net_addr *addr)
{
	if (h->count == HOSTS_MAX)
		return;
	if (h->count == h->cap) {
		h->cap = h->cap == 0 ? 16 : 2 * h->cap;
		h->names = mem_grow(h->names, h->cap, sizeof *h->names);
	}
	h->names[h->count++] = (struct hosts_name){ .name = span_dup(name), .addr = *addr };
}

struct hosts *
hosts_new(struct span text)
{
	struct hosts *h;
	struct span line, word;
	struct net_addr addr;

	MEM_NEW(h);
	while (span_cut(&text, '\n', &line)) {
		line = span_head(line, span_find(line, '#'));
		if (!span_word(&line, " \t\r", &word) || !net_addr_parse(word, 0, &addr))
			continue;
		while (span_word(&line, " \t\r", &word))
			add(h, word, &addr);
	}
	return h;
}

void
hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->count; i++)
		free(h->names[i].name);
	free(h->names);
	free(h);
}

size_t
hosts_find(const struct hosts *h, struct span name, struct net_addr *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count && n < max; i++)
		if (span_caseeqs(name, h->names[i].name))
			out[n++] = h->names[i].addr;
	return n;
}

const char *
hosts_name(const struct hosts *h, const struct net_addr *addr)
{
	char want[NET_ADDR_TEXT], have[NET_ADDR_TEXT];

	net_addr_text(addr, want);
	for (size_t i = 0; i < h->count; i++)
		if (h->names[i].addr.sa.sa_family == addr->sa.sa_family && strcmp(net_addr_text(&h->names[i].addr, have), want) == 0)
			return h->names[i].name;
	return NULL;
}
