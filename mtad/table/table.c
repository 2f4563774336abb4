#include "table/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "table/type.h"

#define SEPS	"\t\r\n ,"

struct table {
	const struct table_type *type;
	void		*state;
	char		*name;		/* "type:name" */
};

static const struct table_type *const types[] = {
	&table_inline, &table_texthash, &table_static, &table_cidr, &table_fail, &table_unix,
};

/* Types that Postfix has and this version does not. */
static const char *const others[] = {
	"hash", "btree", "lmdb", "cdb", "gdbm", "dbm", "sdbm", "regexp", "pcre", "environ", "unionmap", "pipemap", "randmap",
	"tcp", "socketmap", "memcache", "ldap", "mysql", "pgsql", "sqlite", "nis", "nisplus", "netinfo", "internal", "debug",
	"mongodb", "proxy",
};

bool
table_fold(struct span s, char space[TABLE_KEY_MAX], struct span *folded)
{
	if (s.len > TABLE_KEY_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		space[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + 32) : s.ptr[i];
	*folded = span_of(space, s.len);
	return true;
}

static const struct table_type *
find_type(struct span name)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (span_eqs(name, types[i]->name))
			return types[i];
	return NULL;
}

bool
table_type_known(struct span type)
{
	return find_type(type) != NULL;
}

static void
fail_type(struct span spec, struct span type, struct err *err)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (span_eqs(type, others[i])) {
			err_set(err, ERR_SYS, "table type \"%s\" (%.*s) is not supported in this version; "
			    "use texthash:/path with the text of the table", others[i],
			    SPAN_ARG(span_head(spec, 100)));
			return;
		}
	err_set(err, ERR_SYS, "\"%.*s\" is no table: there is no type \"%.*s\"; write texthash:/path, inline:{...} or the like",
	    SPAN_ARG(span_head(spec, 60)), SPAN_ARG(span_head(type, 40)));
}

struct table *
table_open(const struct conf *conf, struct span spec, struct err *err)
{
	if (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	size_t colon = span_find(spec, ':');
	const struct table_type *type = colon == spec.len ? NULL : find_type(span_head(spec, colon));
	void *state = NULL;
	struct table *t;

	if (type == NULL) {
		fail_type(spec, span_head(spec, colon), err);
		return NULL;
	}
	if (!type->open(conf, span_skip(spec, colon + 1), &state, err))
		return NULL;
	MEM_NEW(t);
	t->type = type;
	t->state = state;
	t->name = span_dup(spec);
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	t->type->close(t->state);
	free(t->name);
	free(t);
}

const char *
table_name(const struct table *t)
{
	return t->name;
}

enum table_result
table_get(const struct table *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	char space[TABLE_KEY_MAX];

	if (!table_fold(key, space, &key))
		return TABLE_ABSENT;
	return t->type->get(t->state, span_str(t->name), facts, key, value, err);
}

bool
table_word(struct span *rest, struct span *word)
{
	size_t start = 0, end, depth = 0;

	while (start < rest->len && span_has(SPAN(SEPS), rest->ptr[start]))
		start++;
	for (end = start; end < rest->len; end++) {
		char c = rest->ptr[end];
		if (depth == 0 && span_has(SPAN(SEPS), c))
			break;
		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
	}
	*word = span_of(rest->ptr + start, end - start);
	*rest = span_skip(*rest, end);
	return word->len > 0;
}

bool
tables_open(struct tables *t, const struct conf *conf, const char *value, struct err *err)
{
	struct span rest = span_str(value), word;

	*t = (struct tables){ NULL, 0 };
	while (table_word(&rest, &word)) {
		struct table *one = table_open(conf, word, err);
		if (one == NULL) {
			tables_clear(t);
			return false;
		}
		t->list = mem_grow(t->list, t->count + 1, sizeof(struct table *));
		t->list[t->count++] = one;
	}
	return true;
}

void
tables_clear(struct tables *t)
{
	for (size_t i = 0; i < t->count; i++)
		table_free(t->list[i]);
	free(t->list);
	*t = (struct tables){ NULL, 0 };
}

enum table_result
tables_get(const struct tables *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		enum table_result r = table_get(t->list[i], facts, key, value, err);
		if (r != TABLE_ABSENT)
			return r;
	}
	return TABLE_ABSENT;
}

/* local, then "@", then domain, as one key. */
static enum table_result
get_joined(const struct tables *t, struct facts *facts, struct span local, struct span domain, struct buf *value,
    struct err *err)
{
	char key[TABLE_KEY_MAX];

	if (local.len + 1 + domain.len > sizeof key)
		return TABLE_ABSENT;
	if (local.len > 0)
		memcpy(key, local.ptr, local.len);
	key[local.len] = '@';
	if (domain.len > 0)
		memcpy(key + local.len + 1, domain.ptr, domain.len);
	return tables_get(t, facts, span_of(key, local.len + 1 + domain.len), value, err);
}

enum table_result
tables_get_address(const struct tables *t, struct facts *facts, struct span address, const char *delimiters, bool local,
    struct buf *value, struct err *err)
{
	struct span user, ext, name, domain;
	enum table_result r = TABLE_ABSENT;

	if (t->count == 0)
		return TABLE_ABSENT;
	bool has_domain = address_split(address, &name, &domain);
	bool has_ext = address_extension(name, delimiters, &user, &ext);
	if (has_domain) {
		r = tables_get(t, facts, address, value, err);
		if (r == TABLE_ABSENT && has_ext)
			r = get_joined(t, facts, user, domain, value, err);
	}
	if (r == TABLE_ABSENT && (local || !has_domain)) {
		r = tables_get(t, facts, name, value, err);
		if (r == TABLE_ABSENT && has_ext)
			r = tables_get(t, facts, user, value, err);
	}
	if (r == TABLE_ABSENT && has_domain)
		r = get_joined(t, facts, SPAN_NONE, domain, value, err);
	return r;
}
