/*
 * Tables made of tables: unionmap:{...} has the values of all that know the key, joined by commas; pipemap:{...} asks the first for the key and each
 * other for what the one before answered. randmap:{...} gives one of its values by chance.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"
#include "table/type.h"

#define PARTS_MAX	100
#define DEEP_MAX	10	/* tables within tables */

struct composite {
	struct table	**parts;	/* or */
	char		**values;
	size_t		 count;
};

static unsigned depth;		/* of the table that is being opened */

static void
composite_close(void *state)
{
	struct composite *c = state;

	for (size_t i = 0; i < c->count; i++) {
		if (c->parts != NULL)
			table_free(c->parts[i]);
		if (c->values != NULL)
			free(c->values[i]);
	}
	free(c->parts);
	free(c->values);
	free(c);
}

static bool
unbrace(struct span name, const char *example, struct span *inside, struct err *err)
{
	name = span_trim(name);
	if (name.len >= 2 && name.ptr[0] == '{' && name.ptr[name.len - 1] == '}') {
		*inside = span_trim(span_of(name.ptr + 1, name.len - 2));
		if (inside->len > 0)
			return true;
	}
	err_set(err, ERR_SYS, "write %s", example);
	return false;
}

/* "{ type:name with spaces }" counts as well as type:name. */
static struct span
part_spec(struct span word)
{
	if (word.len >= 2 && word.ptr[0] == '{' && word.ptr[word.len - 1] == '}')
		return span_trim(span_of(word.ptr + 1, word.len - 2));
	return word;
}

static bool
open_parts(const struct conf *conf, struct composite *c, struct span rest, struct err *err)
{
	struct span word;

	c->parts = mem_array(PARTS_MAX, sizeof(struct table *));
	while (table_word(&rest, &word)) {
		if (c->count == PARTS_MAX) {
			err_set(err, ERR_SYS, "more than %d tables in one", PARTS_MAX);
			return false;
		}
		if ((c->parts[c->count] = table_open(conf, part_spec(word), err)) == NULL)
			return false;
		c->count++;
	}
	return true;
}

static bool
open_composite(const struct conf *conf, struct span name, const char *example, void **state, struct err *err)
{
	struct composite *c;
	struct span inside;

	if (!unbrace(name, example, &inside, err))
		return false;
	if (depth == DEEP_MAX) {
		err_set(err, ERR_SYS, "tables within tables, more than %d deep", DEEP_MAX);
		return false;
	}
	MEM_NEW(c);
	depth++;
	bool ok = open_parts(conf, c, inside, err);
	depth--;
	if (ok)
		*state = c;
	else
		composite_close(c);
	return ok;
}

static bool
unionmap_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	return open_composite(conf, name, "unionmap:{ type:name, type:name ... }", state, err);
}

static bool
pipemap_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	return open_composite(conf, name, "pipemap:{ type:name, type:name ... }", state, err);
}

/* Which keys make sense is said by the first; each part folds for itself. */
static unsigned
composite_flags(const void *state)
{
	const struct composite *c = state;
	return TABLE_RAW_KEY | (table_flags(c->parts[0]) & TABLE_PATTERN);
}

static enum table_result
unionmap_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct composite *c = state;
	struct buf one = BUF_INIT(1 << 20);
	enum table_result result = TABLE_ABSENT;
	size_t start = value->len;

	(void)self;
	for (size_t i = 0; i < c->count; i++) {
		buf_reset(&one);
		enum table_result r = table_get(c->parts[i], facts, key, &one, err);
		if (r == TABLE_PENDING && result != TABLE_FAILED)
			result = TABLE_PENDING;		/* go on: the others are asked for at the same time */
		if (r == TABLE_FAILED)
			result = TABLE_FAILED;
		if (r != TABLE_FOUND || result == TABLE_PENDING || result == TABLE_FAILED)
			continue;
		if (result == TABLE_FOUND)
			buf_char(value, ',');
		buf_span(value, buf_view(&one));
		result = TABLE_FOUND;
	}
	if (result != TABLE_FOUND)
		buf_cut(value, start);
	buf_clear(&one);
	return result;
}

static enum table_result
pipemap_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct composite *c = state;
	struct buf bufs[2] = { BUF_INIT(1 << 20), BUF_INIT(1 << 20) };
	enum table_result r = TABLE_FOUND;

	(void)self;
	for (size_t i = 0; r == TABLE_FOUND && i < c->count; i++) {
		struct buf *to = &bufs[i % 2];
		buf_reset(to);
		r = table_get(c->parts[i], facts, key, to, err);
		key = buf_view(to);
	}
	if (r == TABLE_FOUND)
		buf_span(value, key);
	buf_clear(&bufs[0]);
	buf_clear(&bufs[1]);
	return r;
}

static bool
randmap_open(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct composite *c;
	struct span rest, word;

	(void)conf;
	if (!unbrace(name, "randmap:{ value, value ... }", &rest, err))
		return false;
	MEM_NEW(c);
	while (table_word(&rest, &word)) {
		c->values = mem_grow(c->values, c->count + 1, sizeof *c->values);
		c->values[c->count++] = span_dup(part_spec(word));
	}
	*state = c;
	return true;
}

static enum table_result
randmap_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct composite *c = state;
	unsigned chance = 0;

	(void)self;
	(void)facts;
	(void)key;
	(void)err;
	(void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
	buf_str(value, c->values[chance % c->count]);
	return TABLE_FOUND;
}

const struct table_type table_unionmap = { "unionmap", unionmap_open, composite_close, unionmap_get, .flags_of = composite_flags };
const struct table_type table_pipemap = { "pipemap", pipemap_open, composite_close, pipemap_get, .flags_of = composite_flags };
const struct table_type table_randmap = { "randmap", randmap_open, composite_close, randmap_get, .flags = TABLE_PATTERN };
