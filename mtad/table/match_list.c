#include "table/match_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "table/network.h"
#include "table/table.h"
#include "table/type.h"

#define FILES_DEEP	8	/* files that name files */
#define SEPS		"\t\r\n ,"

/* Networks of one list, found by their prefix lengths: a long list costs as little as a short one. */
struct network_set {
	struct map	 map;		/* of struct network */
	uint64_t	 v4;		/* bit n: there is a /n */
	uint64_t	 v6[3];
};

enum item_kind { ITEM_NAMES, ITEM_NETWORKS, ITEM_TABLE };

/* Neighbours of one kind are one item; the order of items decides. */
struct item {
	enum item_kind	 kind;
	bool		 negated;
	struct map	 names;		/* of char *, in lower case */
	struct network_set networks;
	struct table	*table;
};

struct match_list {
	const struct conf *conf;
	enum match_kind	 kind;
	bool		 parents;	/* example.com stands for a.example.com too */
	struct item	*items;
	size_t		 count;
};

static struct span
name_key(const void *item)
{
	return span_str(item);
}

static struct span
network_key(const void *item)
{
	return span_of(item, sizeof(struct network));
}

static bool
parents_match(const struct conf *conf, const char *param)
{
	struct span rest = span_str(conf_str(conf_main(conf), P_parent_domain_matches_subdomains)), word;

	while (span_word(&rest, SEPS, &word))
		if (span_eqs(word, param))
			return true;
	return false;
}

/* The last item where it is of that kind, else a new one. */
static struct item *
item_for(struct match_list *l, enum item_kind kind, bool negated)
{
	if (l->count > 0 && kind != ITEM_TABLE) {
		struct item *last = &l->items[l->count - 1];
		if (last->kind == kind && last->negated == negated)
			return last;
	}
	l->items = mem_grow(l->items, l->count + 1, sizeof *l->items);
	l->items[l->count] = (struct item){ .kind = kind, .negated = negated, .names = MAP_INIT(name_key),
	    .networks = { .map = MAP_INIT(network_key) } };
	return &l->items[l->count++];
}

static bool
add_network(struct match_list *l, struct span word, bool negated, struct err *err)
{
	struct network n, *kept;

	memset(&n, 0, sizeof n);
	if (!network_parse(word, &n, err))
		return false;
	struct network_set *set = &item_for(l, ITEM_NETWORKS, negated)->networks;
	if (map_get(&set->map, network_key(&n)) != NULL)
		return true;
	if (n.ip.len == 4)
		set->v4 |= (uint64_t)1 << n.bits;
	else
		set->v6[n.bits / 64] |= (uint64_t)1 << n.bits % 64;
	MEM_NEW(kept);
	memcpy(kept, &n, sizeof n);
	map_add(&set->map, kept);
	return true;
}

static bool
add_name(struct match_list *l, struct span word, bool negated, struct err *err)
{
	char space[TABLE_KEY_MAX];

	if (!table_fold(word, space, &word)) {
		err_set(err, ERR_SYS, "a name of more than %d bytes", TABLE_KEY_MAX);
		return false;
	}
	struct map *names = &item_for(l, ITEM_NAMES, negated)->names;
	if (map_get(names, word) == NULL)
		map_add(names, span_dup(word));
	return true;
}

/* "192.0.2.0/24", "[::1]": digits, dots and a slash, or brackets. */
static bool
looks_like_network(struct span word)
{
	if (word.ptr[0] == '[')
		return true;
	for (size_t i = 0; i < word.len; i++)
		if (!span_has(SPAN("0123456789./"), word.ptr[i]))
			return false;
	return word.ptr[0] != '.' && word.ptr[0] != '/';
}

static bool add_patterns(struct match_list *, struct span text, bool negated, unsigned depth, struct err *);

static bool
add_file(struct match_list *l, struct span path, bool negated, unsigned depth, struct err *err)
{
	struct span text, line;

	if (depth >= FILES_DEEP) {
		err_set(err, ERR_SYS, "%.*s: files that name files, more than %d deep",
		    SPAN_ARG(span_head(path, 100)), FILES_DEEP);
		return false;
	}
	if (!conf_file(l->conf, path, &text)) {
		err_set(err, ERR_SYS, "%.*s was not read with the configuration",
		    SPAN_ARG(span_head(path, 100)));
		return false;
	}
	while (span_cut(&text, '\n', &line))
		if (!span_starts(line, "#") && !add_patterns(l, line, negated, depth + 1, err)) {
			/* The innermost file is named, not the way to it. */
			if (err != NULL && err->text[0] != '/')
				err_prefix(err, "%.*s", SPAN_ARG(span_head(path, 100)));
			return false;
		}
	return true;
}

static bool
add_pattern(struct match_list *l, struct span word, bool negated, unsigned depth, struct err *err)
{
	while (word.len > 0 && word.ptr[0] == '!') {
		negated = !negated;
		word = span_skip(word, 1);
	}
	if (word.len == 0) {
		err_set(err, ERR_SYS, "a \"!\" without a pattern behind it");
		return false;
	}
	if (word.ptr[0] == '/')
		return add_file(l, word, negated, depth, err);
	if (l->kind == MATCH_CLIENT && looks_like_network(word))
		return add_network(l, word, negated, err);
	if (word.ptr[0] == '[' || !span_has(word, ':'))
		return add_name(l, word, negated, err);
	struct table *t = table_open(l->conf, word, err);
	if (t == NULL)
		return false;
	item_for(l, ITEM_TABLE, negated)->table = t;
	return true;
}

/* Recursion ends at FILES_DEEP. */
static bool
add_patterns(struct match_list *l, struct span text, bool negated, unsigned depth, struct err *err)
{
	struct span word;

	while (table_word(&text, &word))
		if (!add_pattern(l, word, negated, depth, err))
			return false;
	return true;
}

struct match_list *
match_list_new(const struct conf *conf, const char *param, const char *patterns, enum match_kind kind, struct err *err)
{
	struct match_list *l;

	MEM_NEW(l);
	l->conf = conf;
	l->kind = kind;
	l->parents = kind != MATCH_STRING && parents_match(conf, param);
	if (add_patterns(l, span_str(patterns), false, 0, err))
		return l;
	match_list_free(l);
	return NULL;
}

static void
free_items(struct map *m)
{
	size_t at = 0;
	void *item;

	while ((item = map_next(m, &at)) != NULL)
		free(item);
	map_clear(m);
}

void
match_list_free(struct match_list *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->count; i++) {
		free_items(&l->items[i].names);
		free_items(&l->items[i].networks.map);
		table_free(l->items[i].table);
	}
	free(l->items);
	free(l);
}

bool
match_list_empty(const struct match_list *l)
{
	return l->count == 0;
}

/* The name, or a domain above it: "example.com" where `parents`, else ".example.com". Next one off *name; false at the end. */
static bool
next_parent(const struct match_list *l, struct span name, size_t *at, struct span *parent)
{
	while (*at < name.len && name.ptr[*at] != '.')
		++*at;
	if (*at + 1 >= name.len)
		return false;
	*parent = span_skip(name, l->parents ? *at + 1 : *at);
	++*at;
	return true;
}

static enum match_result
match_names(const struct match_list *l, const struct item *i, struct span name)
{
	struct span parent;
	size_t at = 1;

	if (map_get(&i->names, name) != NULL)
		return MATCH_YES;
	if (l->kind != MATCH_STRING)
		while (next_parent(l, name, &at, &parent))
			if (map_get(&i->names, parent) != NULL)
				return MATCH_YES;
	return MATCH_NO;
}

static enum match_result
ask_table(const struct table *t, struct facts *facts, bool part, struct span key, struct err *err)
{
	struct buf value = BUF_INIT(65536);
	enum table_result r = part ? table_get_part(t, facts, key, &value, err) : table_get(t, facts, key, &value, err);

	buf_clear(&value);
	switch (r) {
	case TABLE_FOUND: return MATCH_YES;
	case TABLE_ABSENT: return MATCH_NO;
	case TABLE_PENDING: return MATCH_PENDING;
	case TABLE_FAILED: break;
	}
	return MATCH_FAILED;
}

static enum match_result
match_table(const struct match_list *l, const struct item *i, struct facts *facts, struct span name, struct err *err)
{
	enum match_result r = ask_table(i->table, facts, false, name, err);
	struct span parent;
	size_t at = 1;

	while (r == MATCH_NO && l->kind != MATCH_STRING && next_parent(l, name, &at, &parent))
		r = ask_table(i->table, facts, true, parent, err);
	return r;
}

static bool
set_has(const struct network_set *set, const struct ip *ip, unsigned bits)
{
	struct network key;

	memset(&key, 0, sizeof key);
	key.ip = *ip;
	key.bits = (uint8_t)bits;
	ip_mask(&key.ip, bits);
	return map_get(&set->map, network_key(&key)) != NULL;
}

static enum match_result
match_networks(const struct network_set *set, const struct ip *ip)
{
	if (ip->len == 4) {
		for (uint64_t left = set->v4; left != 0; left &= left - 1)
			if (set_has(set, ip, (unsigned)__builtin_ctzll(left)))
				return MATCH_YES;
		return MATCH_NO;
	}
	for (unsigned i = 0; i < 3; i++)
		for (uint64_t left = set->v6[i]; left != 0; left &= left - 1)
			if (set_has(set, ip, i * 64 + (unsigned)__builtin_ctzll(left)))
				return MATCH_YES;
	return MATCH_NO;
}

/* Name and address are in lower case; ip is NULL where there is no address. */
static enum match_result
match(const struct match_list *l, struct facts *facts, struct span name, struct span address, const struct ip *ip,
    struct err *err)
{
	for (size_t n = 0; n < l->count; n++) {
		const struct item *i = &l->items[n];
		enum match_result r = MATCH_NO;
		switch (i->kind) {
		case ITEM_NAMES:
			r = match_names(l, i, name);
			break;
		case ITEM_NETWORKS:
			r = ip == NULL ? MATCH_NO : match_networks(&i->networks, ip);
			break;
		case ITEM_TABLE:
			r = match_table(l, i, facts, name, err);
			if (r == MATCH_NO && ip != NULL)
				r = ask_table(i->table, facts, false, address, err);
			break;
		}
		if (r == MATCH_YES)
			return i->negated ? MATCH_NO : MATCH_YES;
		if (r != MATCH_NO)
			return r;
	}
	return MATCH_NO;
}

enum match_result
match_list_name(const struct match_list *l, struct facts *facts, struct span name, struct err *err)
{
	char space[TABLE_KEY_MAX];

	if (!table_fold(name, space, &name))
		return MATCH_NO;
	return match(l, facts, name, SPAN_NONE, NULL, err);
}

enum match_result
match_list_client(const struct match_list *l, struct facts *facts, struct span name, struct span address,
    struct err *err)
{
	char space[TABLE_KEY_MAX], address_space[TABLE_KEY_MAX];
	struct ip ip;

	if (!table_fold(name, space, &name) || !table_fold(address, address_space, &address))
		return MATCH_NO;
	return match(l, facts, name, address, ip_parse(address, &ip) ? &ip : NULL, err);
}
