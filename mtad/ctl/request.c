#include "ctl/commands.h"

#include <ctype.h>
#include <stdio.h>

#include "base/near.h"
#include "base/num.h"
#include "ctl/selector.h"
#include "mail/queue_id.h"

#define VALUE_MAX	((size_t)60 << 10)
#define REQUEST_BYTES	((size_t)128 << 10)	/* room for a selector and its copy */

void
request_clear(struct request *req)
{
	arena_clear(&req->arena);
	*req = (struct request){ .count = 0 };
}

bool
request_get(const struct request *req, const char *name, struct span *value)
{
	for (size_t i = 0; i < req->count; i++) {
		if (!span_eqs(req->args[i].name, name))
			continue;
		*value = req->args[i].value;
		return true;
	}
	return false;
}

/* -- finding the command -------------------------------------------------- */

/* The n-th word of a command's name; empty: there is none. */
static struct span
name_word(enum command c, size_t n)
{
	struct span rest = span_str(command_row(c)->name), word = SPAN_NONE;

	for (size_t i = 0; i <= n; i++)
		if (!span_word(&rest, " ", &word))
			return SPAN_NONE;
	return word;
}

static bool
is_prefix(struct span s, struct span of)
{
	return s.len > 0 && s.len <= of.len && memcmp(s.ptr, of.ptr, s.len) == 0;
}

/* Those of `among` whose n-th word begins with this one; where some are equal to it, only those. */
static command_set
narrow(command_set among, size_t n, struct span word)
{
	command_set begins = 0, equal = 0;

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		struct span own = name_word((enum command)i, n);
		if (!(among >> i & 1) || !is_prefix(word, own))
			continue;
		begins |= (command_set)1 << i;
		if (word.len == own.len)
			equal |= (command_set)1 << i;
	}
	return equal != 0 ? equal : begins;
}

static command_set
having_word(command_set among, size_t n)
{
	command_set with = 0;

	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		if ((among >> i & 1) && name_word((enum command)i, n).len > 0)
			with |= (command_set)1 << i;
	return with;
}

static bool
say_ambiguous(command_set among, struct span word, struct err *err)
{
	struct buf list = BUF_INIT(160);

	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		if (among >> i & 1)
			buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", command_row((enum command)i)->name);
	if (word.len > 0)
		err_set(err, ERR_PERM, "\"%.*s\" may be any of: %s", SPAN_ARG(span_head(word, 40)),
		    list.ptr == NULL ? "" : list.ptr);
	else
		err_set(err, ERR_PERM, "the command is not complete; there are: %s",
		    list.ptr == NULL ? "" : list.ptr);
	buf_clear(&list);
	return false;
}

static bool
say_unknown(command_set among, size_t n, struct span word, struct err *err)
{
	struct near near = { .word = word };
	char names[COMMAND_COUNT][NEAR_MAX + 1];

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		struct span own = name_word((enum command)i, n);
		if (!(among >> i & 1) || own.len > NEAR_MAX)
			continue;
		snprintf(names[i], sizeof names[i], "%.*s", SPAN_ARG(own));
		near_try(&near, names[i]);
	}
	err_set(err, ERR_PERM, "there is no command \"%.*s\"%s%s%s", SPAN_ARG(span_head(word, 40)),
	    near.best != NULL ? "; did you mean \"" : "", near.best != NULL ? near.best : "",
	    near.best != NULL ? "\"?" : "; \"help\" lists them");
	return false;
}

/*
 * Takes the command's words; *used says how many. Where "s" may still be "status" or "spool dump", the next word decides, if there is one
 * and it fits.
 */
static bool
find_command(const struct span *words, size_t n, enum command *out, size_t *used, struct err *err)
{
	command_set left = COMMAND_SET_ALL;
	size_t at = 0;

	for (;;) {
		command_set with = having_word(left, at);
		if (with == 0)
			break;
		if (at == n)
			return say_ambiguous(left, at > 0 && left != with ? words[at - 1] : SPAN_NONE, err);
		command_set next = narrow(with, at, words[at]);
		if (next == 0 && left != with) {
			left &= ~with;
			break;
		}
		if (next == 0)
			return say_unknown(with, at, words[at], err);
		left = next;
		at++;
	}
	if (!command_set_single(left))
		return say_ambiguous(left, words[at - 1], err);
	*out = command_set_first(left);
	*used = at;
	return true;
}

/* -- values --------------------------------------------------------------- */

static bool
check_field(struct span value, struct err *err)
{
	enum selector_field field;
	const char *near;

	if (selector_field_find(value, &field))
		return true;
	near = selector_field_nearest(value);
	err_set(err, ERR_PERM, "there is no field \"%.*s\"%s%s%s", SPAN_ARG(span_head(value, 40)),
	    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
	return false;
}

enum selector_kind
request_selects(enum command c)
{
	return c == CMD_log ? SELECTOR_LOG : SELECTOR_QUEUE;
}

static bool
check_selector(enum selector_kind kind, struct span value, struct err *err)
{
	struct selector *sel = selector_new_in(kind, value, err);

	selector_free(sel);
	return sel != NULL;
}

static bool
check_value(enum command c, enum placeholder place, struct span value, struct err *err)
{
	struct qid id;
	int64_t time;
	uint32_t n;

	switch (place) {
	case PLACE_SELECTOR:
		return check_selector(request_selects(c), value, err);
	case PLACE_FIELD:
		return check_field(value, err);
	case PLACE_ID:
		if (qid_parse(value, &id))
			return true;
		err_set(err, ERR_PERM, "\"%.*s\" is not a queue ID; \"queue ls\" lists them", SPAN_ARG(span_head(value, 60)));
		return false;
	case PLACE_COUNT:
		if (num_u32(value, &n))
			return true;
		err_set(err, ERR_PERM, "\"%.*s\" is not a number", SPAN_ARG(span_head(value, 40)));
		return false;
	case PLACE_TIME:
		if (duration_parse(value, &time) && time > 0)
			return true;
		err_set(err, ERR_PERM, "\"%.*s\" is not a time, as 90s, 10m, 1h30m or 2d", SPAN_ARG(span_head(value, 40)));
		return false;
	case PLACE_TEXT:
	case PLACE_FILE:
	case PLACE_COMMAND:
	case PLACE_DEST:
	case PLACE_COLUMN:
		if (value.len <= 1024)
			return true;
		err_set(err, ERR_PERM, "a text of %zu bytes is too long", value.len);
		return false;
	case PLACE_TABLE:
	case PLACE_KEY:
	case PLACE_PARAM:
	case PLACE_VALUE:
	case PLACE_ADDRESS:
	case PLACE_FORMAT:
	case PLACE_CODE:
		if (value.len <= VALUE_MAX)
			return true;
		err_set(err, ERR_PERM, "a text of %zu bytes is too long", value.len);
		return false;
	case PLACE_NONE:
		break;
	}
	if (span_eqs(value, "1"))
		return true;
	err_set(err, ERR_PERM, "it takes no value");
	return false;
}

/* An argument's name: the option's, or the placeholder in lower case. */
static bool
is_named(const struct grammar *g, struct span name)
{
	return g->option.len > 0 ? span_eq(g->option, name) : span_caseeq(g->word, name);
}

static bool
find_argument(enum command c, struct span name, struct grammar *g)
{
	*g = (struct grammar){ .left = span_str(command_row(c)->grammar) };
	while (grammar_next(g))
		if (is_named(g, name))
			return true;
	return false;
}

static struct span
lower(struct arena *arena, struct span s)
{
	char *copy = arena_str(arena, s);

	if (copy == NULL)
		return SPAN_NONE;
	for (size_t i = 0; i < s.len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return span_of(copy, s.len);
}

bool
request_add(struct request *req, struct span name, struct span value, struct err *err)
{
	struct grammar g;
	struct span old;

	if (req->arena.max == 0)
		req->arena = ARENA_INIT(REQUEST_BYTES);
	if (!find_argument(req->command, name, &g)) {
		err_set(err, ERR_PERM, "%s takes no \"%.*s\"", command_row(req->command)->name,
		    SPAN_ARG(span_head(name, 40)));
		return false;
	}
	if (!check_value(req->command, g.place, value, err)) {
		if (g.option.len > 0)
			err_prefix(err, "--%.*s", SPAN_ARG(g.option));
		return false;
	}
	struct request_arg arg = { lower(&req->arena, name), arena_span(&req->arena, value) };
	if (req->count == REQUEST_ARGS || arg.name.ptr == NULL || arg.value.ptr == NULL) {
		err_set(err, ERR_PERM, "the command is too long");
		return false;
	}
	if (request_get(req, arg.name.ptr, &old)) {
		err_set(err, ERR_PERM, "%s is given twice", arg.name.ptr);
		return false;
	}
	req->args[req->count++] = arg;
	return true;
}

bool
request_complete(const struct request *req, struct err *err)
{
	struct grammar g = { .left = span_str(command_row(req->command)->grammar) };

	while (grammar_next(&g)) {
		bool there = false;
		for (size_t i = 0; i < req->count; i++)
			there = there || is_named(&g, req->args[i].name);
		if (there || g.optional)
			continue;
		struct span what = g.option.len > 0 ? g.option : g.word;
		err_set(err, ERR_PERM, "%s needs %s %s%.*s, as in: %s", command_row(req->command)->name,
		    what.ptr[0] == 'A' || what.ptr[0] == 'E' ? "an" : "a", g.place == PLACE_ID ? "queue " : "", SPAN_ARG(what),
		    command_row(req->command)->example);
		return false;
	}
	return true;
}

/* -- words ---------------------------------------------------------------- */

static bool
is_operator(struct span word)
{
	static const char *const ops[] = { "=", "==", "!=", "<>", "<", "<=", ">", ">=", "~", "!~" };

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (span_eqs(word, ops[i]))
			return true;
	return false;
}

static bool
needs_quotes(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (strchr(" \t\r\n(),\"'", word.ptr[i]) != NULL)
			return true;
	return word.len == 0;
}

/*
 * The shell took the quotes of `reason ~ "421 4.7"`: a word behind an operator is one value, so it gets them back.
 */
static void
join_words(struct buf *out, const struct span *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_char(out, ' ');
		bool quote = i > 0 && is_operator(words[i - 1]) && needs_quotes(words[i])
		    && !span_starts(words[i], "\"");
		if (!quote) {
			buf_span(out, words[i]);
			continue;
		}
		buf_char(out, '"');
		for (size_t k = 0; k < words[i].len; k++) {
			if (words[i].ptr[k] == '"')
				buf_char(out, '\\');
			buf_char(out, words[i].ptr[k]);
		}
		buf_char(out, '"');
	}
}

struct words {
	const struct span *word;
	size_t		 left;
	struct span	*plain;		/* those that are no options, in order */
	size_t		 plain_count;
};

/* "--name value", "--name=value", "--flag"; `word` is the first of them. */
static bool
take_option(struct request *req, struct words *w, struct span word, struct err *err)
{
	struct span body = span_skip(word, 2);
	struct span name = span_head(body, span_find(body, '='));
	struct span value = SPAN("1");
	struct grammar g;

	w->word++;
	w->left--;
	if (!find_argument(req->command, name, &g) || g.option.len == 0) {
		err_set(err, ERR_PERM, "%s has no option --%.*s", command_row(req->command)->name,
		    SPAN_ARG(span_head(name, 40)));
		return false;
	}
	if (name.len < body.len) {
		value = span_skip(body, name.len + 1);
	} else if (g.word.len > 0) {
		if (w->left == 0) {
			err_set(err, ERR_PERM, "--%.*s needs a value", SPAN_ARG(name));
			return false;
		}
		value = *w->word++;
		w->left--;
	}
	return request_add(req, name, value, err);
}

/* Options that have a letter, too. */
static const struct { enum command command; const char *letter, *option; } letters[] = {
	{ CMD_log, "-f", "--follow" },
	{ CMD_config_get, "-h", "--value" },
	{ CMD_config_get, "-x", "--expanded" },
	{ CMD_config_get, "-d", "--default" },
	{ CMD_config_get, "-n", "--changed" },
};

static struct span
whole_option(enum command c, struct span word)
{
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (letters[i].command == c && span_eqs(word, letters[i].letter))
			return span_str(letters[i].option);
	return word;
}

/* "for 10m" at the end is --for 10m. */
static bool
take_for(struct request *req, struct words *w, struct err *err)
{
	struct grammar g;

	if (w->plain_count < 3 || !span_eqs(w->plain[w->plain_count - 2], "for")
	    || !find_argument(req->command, SPAN("for"), &g) || g.option.len == 0)
		return true;
	w->plain_count -= 2;
	return request_add(req, SPAN("for"), w->plain[w->plain_count + 1], err);
}

static bool
split_options(struct request *req, struct words *w, struct err *err)
{
	bool options = true;

	while (w->left > 0) {
		struct span word = whole_option(req->command, *w->word);
		if (options && span_eqs(*w->word, "--")) {
			options = false;
			w->word++;
			w->left--;
		} else if (options && span_starts(word, "--")) {
			if (!take_option(req, w, word, err))
				return false;
		} else {
			w->plain[w->plain_count++] = *w->word++;
			w->left--;
		}
	}
	return true;
}

static bool
add_many(struct request *req, const struct grammar *g, const struct span *words, size_t n, struct err *err)
{
	struct buf joined = BUF_INIT(VALUE_MAX);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_char(&joined, ' ');
		buf_span(&joined, words[i]);
	}
	bool ok = !joined.over && request_add(req, g->word, buf_view(&joined), err);
	if (joined.over)
		err_set(err, ERR_PERM, "a text of more than %zu bytes is too long", VALUE_MAX);
	buf_clear(&joined);
	return ok;
}

/* A selector and a command's name take all words that are left. */
static bool
add_positional(struct request *req, const struct grammar *g, struct words *w, size_t *at, struct err *err)
{
	struct buf joined = BUF_INIT(SELECTOR_MAX * 2);
	size_t take = w->plain_count - *at;
	bool ok;

	if (take == 0)
		return true;
	if (g->many) {
		*at += take;
		return add_many(req, g, w->plain + *at - take, take, err);
	}
	if (g->place != PLACE_SELECTOR && g->place != PLACE_COMMAND)
		take = 1;
	join_words(&joined, w->plain + *at, take);
	*at += take;
	if (joined.over) {
		err_set(err, ERR_PERM, "the selector is longer than %zu bytes", SELECTOR_MAX);
		ok = false;
	} else {
		ok = request_add(req, g->word, buf_view(&joined), err);
	}
	buf_clear(&joined);
	return ok;
}

static bool
add_positionals(struct request *req, struct words *w, struct err *err)
{
	struct grammar g = { .left = span_str(command_row(req->command)->grammar) };
	size_t at = 0;

	while (grammar_next(&g))
		if (g.option.len == 0 && !add_positional(req, &g, w, &at, err))
			return false;
	if (at == w->plain_count)
		return true;
	err_set(err, ERR_PERM, "%s does not take \"%.*s\"", command_row(req->command)->name,
	    SPAN_ARG(span_head(w->plain[at], 40)));
	return false;
}

bool
request_parse(struct request *req, const struct span *words, size_t n, struct err *err)
{
	size_t used = 0;

	*req = (struct request){ .arena = ARENA_INIT(REQUEST_BYTES) };
	if (!find_command(words, n, &req->command, &used, err))
		return false;
	struct words w = { .word = words + used, .left = n - used };
	if (w.left > 4096) {
		err_set(err, ERR_PERM, "more than 4096 words");
		return false;
	}
	if (w.left > 0 && (w.plain = arena_new(&req->arena, w.left * sizeof *w.plain)) == NULL) {
		err_set(err, ERR_PERM, "the command is too long");
		return false;
	}
	return split_options(req, &w, err) && take_for(req, &w, err) && add_positionals(req, &w, err) && request_complete(req, err);
}
