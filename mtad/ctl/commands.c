#include "ctl/commands.h"

#include "base/pack.h"

static const struct command_row rows[COMMAND_COUNT] = {
#define COMMAND(ident, name, grammar, right, where, summary, example) \
	[CMD_##ident] = { name, grammar, right, where, summary, example },
#include "ctl/commands.def"
#undef COMMAND
};

const struct command_row *
command_row(enum command c)
{
	return &rows[c];
}

bool
command_find(struct span name, enum command *out)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (!span_eqs(name, rows[i].name))
			continue;
		*out = (enum command)i;
		return true;
	}
	return false;
}

/* -- the grammar ---------------------------------------------------------- */

static enum placeholder
placeholder(struct span word)
{
	static const struct {
		const char	*word;
		enum placeholder place;
	} types[] = {
		{ "SELECTOR", PLACE_SELECTOR },
		{ "ID", PLACE_ID },
		{ "N", PLACE_COUNT },
		{ "NUMBER", PLACE_COUNT },
		{ "FIELD", PLACE_FIELD },
		{ "TEXT", PLACE_TEXT },
		{ "PEER", PLACE_TEXT },
		{ "CACHE", PLACE_TEXT },
		{ "USER", PLACE_TEXT },
		{ "LEVEL", PLACE_COUNT },
		{ "FILE", PLACE_FILE },
		{ "COMMAND", PLACE_COMMAND },
		{ "TABLE", PLACE_TABLE },
		{ "KEY", PLACE_KEY },
		{ "NAME", PLACE_PARAM },
		{ "VALUE", PLACE_VALUE },
		{ "ADDRESS", PLACE_ADDRESS },
		{ "FORMAT", PLACE_FORMAT },
		{ "CODE", PLACE_CODE },
		{ "DIR", PLACE_FILE },
		{ "TIME", PLACE_TIME },
		{ "DEST", PLACE_DEST },
		{ "COLUMN", PLACE_COLUMN },
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (span_eqs(word, types[i].word))
			return types[i].place;
	return PLACE_NONE;
}

bool
grammar_next(struct grammar *g)
{
	struct span item;

	g->left = span_ltrim(g->left);
	if (g->left.len == 0)
		return false;
	g->optional = *g->left.ptr == '[';
	if (g->optional) {
		size_t end = span_find(g->left, ']');
		item = span_of(g->left.ptr + 1, end - 1);
		g->left = span_skip(g->left, end + 1);
	} else {
		item = span_head(g->left, span_find(g->left, ' '));
		g->left = span_skip(g->left, item.len);
	}
	g->option = g->word = SPAN_NONE;
	if (span_starts(item, "--")) {
		item = span_skip(item, 2);
		g->option = span_head(item, span_find(item, ' '));
		g->word = span_ltrim(span_skip(item, g->option.len));
	} else {
		g->word = item;
	}
	g->many = span_ends(g->word, "...");
	if (g->many)
		g->word.len -= 3;
	g->place = placeholder(g->word);
	return true;
}

/* -- arguments as packed bytes -------------------------------------------- */

void
args_pack(struct buf *out, const struct request *req)
{
	for (size_t i = 0; i < req->count; i++) {
		pack_span(out, req->args[i].name);
		pack_span(out, req->args[i].value);
	}
}

bool
args_get(struct span packed, const char *name, struct span *value)
{
	struct unpack u = { .left = packed };

	while (unpack_more(&u)) {
		struct span n = unpack_span(&u);
		struct span v = unpack_span(&u);
		if (u.fault)
			return false;
		if (!span_eqs(n, name))
			continue;
		*value = v;
		return true;
	}
	return false;
}
