#include "table/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "table/shared.h"
#include "table/type.h"

#define SEPS	"\t\r\n ,"

struct table {
	const struct table_type *type;
	void		*state;
	char		*name;		/* "type:name" */
	unsigned	 flags;
};

static const struct table_type *const types[] = {
	&table_btree, &table_cdb, &table_cidr, &table_dbm, &table_environ, &table_fail, &table_gdbm, &table_hash, &table_inline, &table_ldap,
	&table_lmdb, &table_memcache, &table_mysql, &table_pcre, &table_pgsql, &table_pipemap, &table_randmap, &table_regexp, &table_socketmap,
	&table_sqlite, &table_static, &table_tcp, &table_texthash, &table_unionmap, &table_unix,
};
#define TYPES	(sizeof types / sizeof *types)

/* Types that Postfix has and this version does not. */
static const char *const others[] = {
	"sdbm", "nis", "nisplus", "netinfo", "internal", "debug", "mongodb", "proxy",
};

static struct table_env env;
static unsigned matched;	/* of the rule that answered last */

void
table_use(const struct table_env *e)
{
	env = *e;
}

void
table_matched(unsigned line)
{
	matched = line;
}

const struct table_env *
table_env(void)
{
	return &env;
}

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
	for (size_t i = 0; i < TYPES; i++)
		if (span_eqs(name, types[i]->name))
			return types[i];
	return NULL;
}

bool
table_type_known(struct span type)
{
	return find_type(type) != NULL;
}

const char *
table_type_name(size_t index)
{
	return index < TYPES ? types[index]->name : NULL;
}

bool
table_type_compiled(struct span type)
{
	const struct table_type *t = find_type(type);
	return t != NULL && t->open == table_hash.open;
}

unsigned
table_type_flags(struct span type)
{
	const struct table_type *t = find_type(type);
	return t == NULL ? 0 : t->flags;
}

bool
table_type_blocks(struct span type)
{
	return (table_type_flags(type) & TABLE_BLOCKS) != 0;
}

bool
table_find(const struct conf *conf, struct span spec, const struct table_type **type, struct span *name)
{
	while (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	size_t colon = span_find(spec, ':');
	bool path = span_starts(spec, "/");
	*name = path ? spec : span_skip(spec, colon + 1);
	*type = path ? find_type(span_str(conf_str(conf_main(conf), P_default_database_type))) :
	    colon == spec.len ? NULL : find_type(span_head(spec, colon));
	return *type != NULL;
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
	const struct table_type *type;
	struct span name;
	void *state = NULL;
	struct table *t;

	while (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	if (!table_find(conf, spec, &type, &name)) {
		fail_type(spec, span_head(spec, span_find(spec, ':')), err);
		return NULL;
	}
	if (name.len == 0) {
		err_set(err, ERR_SYS, "expecting \"type:name\" form instead of \"%.*s\"", SPAN_ARG(span_head(spec, 100)));
		return NULL;
	}
	if (!shared_open(type, conf, name, &state, err))
		return NULL;
	MEM_NEW(t);
	t->type = type;
	t->state = state;
	t->name = span_dup(spec);
	t->flags = type->flags_of != NULL ? type->flags_of(state) : type->flags;
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	shared_close(t->type, t->state);
	free(t->name);
	free(t);
}

const char *
table_name(const struct table *t)
{
	return t->name;
}

unsigned
table_flags(const struct table *t)
{
	return t->flags;
}

enum table_result
table_get(const struct table *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	char space[TABLE_KEY_MAX];

	if (!(t->flags & TABLE_RAW_KEY) && (key.len > TABLE_KEY_MAX || (!env.keep_case && !table_fold(key, space, &key))))
		return TABLE_ABSENT;
	if (env.told == NULL)
		return t->type->get(t->state, span_str(t->name), facts, key, value, err);
	size_t before = value->len;
	matched = 0;
	enum table_result result = t->type->get(t->state, span_str(t->name), facts, key, value, err);
	if (result == TABLE_FOUND)
		env.told(env.arg, t, key, matched, span_skip(buf_view(value), before));
	return result;
}

enum table_result
table_get_part(const struct table *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	return t->flags & TABLE_PATTERN ? TABLE_ABSENT : table_get(t, facts, key, value, err);
}

bool
table_type_lists(struct span type)
{
	const struct table_type *t = find_type(type);

	return t != NULL && t->each != NULL;
}

bool
table_each(const struct table *t, table_each_fn *fn, void *arg, struct err *err)
{
	if (t->type->each != NULL)
		return t->type->each(t->state, fn, arg, err);
	err_set(err, ERR_SYS, "tables of type %s cannot be listed", t->type->name);
	return false;
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

static enum table_result
get_from(const struct tables *t, bool part, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		enum table_result r = part ? table_get_part(t->list[i], facts, key, value, err) :
		    table_get(t->list[i], facts, key, value, err);
		if (r != TABLE_ABSENT)
			return r;
	}
	return TABLE_ABSENT;
}

enum table_result
tables_get(const struct tables *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	return get_from(t, false, facts, key, value, err);
}

enum table_result
tables_get_part(const struct tables *t, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	return get_from(t, true, facts, key, value, err);
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
	return tables_get_part(t, facts, span_of(key, local.len + 1 + domain.len), value, err);
}

enum table_result
tables_find_address(const struct tables *t, struct facts *facts, struct span address, const char *delimiters, bool local,
    struct buf *value, struct span *unmatched, struct err *err)
{
	struct span user, ext, name, domain;
	enum table_result r = TABLE_ABSENT;

	*unmatched = SPAN_NONE;
	if (t->count == 0)
		return TABLE_ABSENT;
	bool has_domain = address_split(address, &name, &domain);
	bool has_ext = address_extension(name, delimiters, &user, &ext);
	if (has_domain)
		r = tables_get(t, facts, address, value, err);
	if (r == TABLE_ABSENT && has_domain && has_ext &&
	    (r = get_joined(t, facts, user, domain, value, err)) == TABLE_FOUND)
		*unmatched = span_skip(name, user.len);
	if (r == TABLE_ABSENT && (local || !has_domain)) {
		r = get_from(t, has_domain, facts, name, value, err);
		if (r == TABLE_ABSENT && has_ext && (r = tables_get_part(t, facts, user, value, err)) == TABLE_FOUND)
			*unmatched = span_skip(name, user.len);
	}
	if (r == TABLE_ABSENT && has_domain)	/* of "@domain" the whole local part is unmatched, or none of it */
		r = get_joined(t, facts, SPAN_NONE, domain, value, err);
	return r;
}

enum table_result
tables_get_address(const struct tables *t, struct facts *facts, struct span address, const char *delimiters, bool local,
    struct buf *value, struct err *err)
{
	struct span unmatched;

	return tables_find_address(t, facts, address, delimiters, local, value, &unmatched, err);
}
