/* Restriction lists, compiled. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/num.h"
#include "policy/private.h"

#define RULES_MAX	1000
#define CLASSES_DEEP	20	/* classes within classes */

static const struct restriction all[] = {
#define RESTRICTION(name, has_arg, check)	{ #name, has_arg, check },
#include "policy/restrictions.def"
#undef RESTRICTION
};
#define COUNT	(sizeof all / sizeof *all)

const struct restriction *
restriction_find(struct span name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (span_caseeqs(name, all[i].name))
			return &all[i];
	return NULL;
}

const char *
restriction_nearest(struct span name)
{
	struct near near = { .word = name };

	for (size_t i = 0; i < COUNT; i++)
		near_try(&near, all[i].name);
	return near.best;
}

static bool
is_class(const struct view *v, struct span name)
{
	struct span rest = span_str(conf_str(v, P_smtpd_restriction_classes)), word;
	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_eq(word, name))
			return true;
	return false;
}

static bool
fail_unknown(struct span word, struct err *err)
{
	const char *near = restriction_nearest(word);

	if (near != NULL)
		err_set(err, ERR_SYS, "\"%.*s\" is no restriction; did you mean %s?",
		    SPAN_ARG(span_head(word, 80)), near);
	else if (span_has(word, ':'))
		err_set(err, ERR_SYS, "\"%.*s\": access tables are not supported in this version; remove it to start",
		    SPAN_ARG(span_head(word, 80)));
	else
		err_set(err, ERR_SYS, "\"%.*s\" is no restriction; see access restrictions in the manual",
		    SPAN_ARG(span_head(word, 80)));
	return false;
}

static bool
check_arg(const struct restriction *what, struct span arg, struct err *err)
{
	uint32_t seconds;

	if (what->check == check_sleep && (!num_u32(arg, &seconds) || seconds > 3600)) {
		err_set(err, ERR_SYS, "sleep %.*s: write a number of seconds up to 3600",
		    SPAN_ARG(span_head(arg, 40)));
		return false;
	}
	return true;
}

static bool
add_rule(struct rules *r, const struct restriction *what, struct span *rest, struct err *err)
{
	struct span arg = SPAN_NONE;

	if (what->check == NULL) {
		err_set(err, ERR_SYS, "\"%s\" is not supported in this version; remove it to start", what->name);
		return false;
	}
	if (what->has_arg && !table_word(rest, &arg)) {
		err_set(err, ERR_SYS, "%s wants an argument behind it", what->name);
		return false;
	}
	if (what->has_arg && !check_arg(what, arg, err))
		return false;
	if (r->count == RULES_MAX) {
		err_set(err, ERR_SYS, "more than %d restrictions", RULES_MAX);
		return false;
	}
	r->list = mem_grow(r->list, r->count + 1, sizeof *r->list);
	r->list[r->count++] = (struct rule){ what, what->has_arg ? span_dup(arg) : NULL };
	return true;
}

static bool add_words(struct rules *, const struct view *, struct span text, unsigned depth, struct err *);

static bool
add_class(struct rules *r, const struct view *v, struct span name, unsigned depth, struct err *err)
{
	struct buf value = BUF_INIT(65536);
	bool ok = conf_expanded(v, name, &value, err) && add_words(r, v, buf_view(&value), depth + 1, err);

	buf_clear(&value);
	if (!ok)
		err_prefix(err, "%.*s", SPAN_ARG(span_head(name, 60)));
	return ok;
}

/* Recursion ends at CLASSES_DEEP. A group in braces is a list of its own words. */
static bool
add_words(struct rules *r, const struct view *v, struct span text, unsigned depth, struct err *err)
{
	struct span word;

	if (depth > CLASSES_DEEP) {
		err_set(err, ERR_SYS, "restriction classes within each other, more than %d deep", CLASSES_DEEP);
		return false;
	}
	while (table_word(&text, &word)) {
		const struct restriction *what;
		bool ok;
		if (word.ptr[0] == '{' && word.ptr[word.len - 1] == '}')
			ok = add_words(r, v, span_of(word.ptr + 1, word.len - 2), depth + 1, err);
		else if (is_class(v, word))
			ok = add_class(r, v, word, depth, err);
		else if ((what = restriction_find(word)) != NULL)
			ok = add_rule(r, what, &text, err);
		else
			ok = fail_unknown(word, err);
		if (!ok)
			return false;
	}
	return true;
}

bool
rules_open(struct rules *r, const struct view *v, const char *value, struct err *err)
{
	*r = (struct rules){ NULL, 0 };
	if (add_words(r, v, span_str(value), 0, err))
		return true;
	rules_clear(r);
	return false;
}

void
rules_clear(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].arg);
	free(r->list);
	*r = (struct rules){ NULL, 0 };
}

bool
rules_have(const struct rules *r, const char *const *names)
{
	for (size_t i = 0; i < r->count; i++)
		for (size_t n = 0; names[n] != NULL; n++)
			if (strcmp(r->list[i].what->name, names[n]) == 0)
				return true;
	return false;
}
