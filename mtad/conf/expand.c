#include "conf/expand.h"

#include <string.h>

#include "base/num.h"

#define DEPTH_MAX	100	/* names within names, and braces within braces, together */
#define STEPS_MAX	100000	/* lookups for one text: $a$a $b$b ... grows with powers of two */
#define BLANKS		" \t\r\n"

/* The names on the way from the text to here, innermost first. */
struct frame {
	struct span	 name;
	const struct frame *up;
};

struct expansion {
	expand_lookup	*lookup;
	void		*arg;
	struct buf	*out;
	struct err	*err;
	unsigned	 steps;
	bool		*undefined;	/* NULL: nobody asks */
	/* Only walking over the names: nothing is looked up or put out. */
	void		(*found)(void *arg, struct span name);
};

static bool expand(struct expansion *, struct span text, const struct frame *, unsigned depth);

static bool
fail(struct expansion *x, const char *what, struct span where)
{
	err_set(x->err, ERR_SYS, "%s at \"%.*s\"", what, (int)(where.len > 60 ? 60 : where.len),
	    where.len == 0 ? "" : where.ptr);
	return false;
}

/* "a -> b -> a" into the err. */
static bool
fail_cycle(struct expansion *x, struct span name, const struct frame *up)
{
	char way[160] = "";
	size_t at = sizeof way - 1;

	way[at] = '\0';
	for (const struct frame *f = up; f != NULL; f = f->up) {
		if (f->name.len + 4 > at)
			break;
		at -= f->name.len + 4;
		memcpy(way + at, f->name.ptr, f->name.len);
		memcpy(way + at + f->name.len, " -> ", 4);
		if (span_eq(f->name, name))
			break;
	}
	err_set(x->err, ERR_SYS, "a value that needs itself: %s%.*s", way + at, SPAN_ARG(name));
	return false;
}

static bool
expand_name(struct expansion *x, struct span name, const struct frame *up, unsigned depth)
{
	if (x->found != NULL) {
		x->found(x->arg, name);
		return true;
	}
	for (const struct frame *f = up; f != NULL; f = f->up)
		if (span_eq(f->name, name))
			return fail_cycle(x, name, up);
	if (++x->steps > STEPS_MAX)
		return fail(x, "too many names", name);
	const char *value = x->lookup(x->arg, name);
	if (value == NULL && x->undefined != NULL)
		*x->undefined = true;
	if (value == NULL)
		return true;
	struct frame frame = { name, up };
	return expand(x, span_str(value), &frame, depth + 1);
}

/* An operand of a comparison, expanded into its own buffer. */
static bool
operand(struct expansion *x, struct span text, struct buf *out, const struct frame *up, unsigned depth)
{
	struct buf *whole = x->out;
	x->out = out;
	bool ok = expand(x, text, up, depth + 1);
	x->out = whole;
	return ok;
}

static bool
take_level(struct span text, uint32_t part[3])
{
	struct span rest = span_trim(text), word;
	unsigned n = 0;

	part[0] = part[1] = part[2] = 0;
	while (span_cut(&rest, '.', &word))
		if (n == 3 || !num_u32(word, &part[n++]))
			return false;
	return n > 0;
}

bool
expand_level_cmp(struct span a, struct span b, int *order)
{
	uint32_t x[3], y[3];

	if (!take_level(a, x) || !take_level(b, y))
		return false;
	*order = 0;
	for (int i = 0; i < 3 && *order == 0; i++)
		*order = x[i] < y[i] ? -1 : x[i] > y[i];
	return true;
}

enum op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT, OP_NONE };
static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };

static enum op
take_op(struct span *rest, bool *level)
{
	int op = OP_EQ;
	while (op < OP_NONE && !span_starts(*rest, ops[op]))
		op++;
	if (op == OP_NONE)
		return OP_NONE;
	*rest = span_skip(*rest, strlen(ops[op]));
	*level = span_starts(*rest, "level");
	if (*level)
		*rest = span_skip(*rest, 5);
	*rest = span_ltrim(*rest);
	return (enum op)op;
}

static bool
all_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

/* Digits on both sides compare as numbers of any length, all else bytewise. */
static int
compare(struct span a, struct span b)
{
	if (all_digits(a) && all_digits(b)) {
		while (a.len > 1 && a.ptr[0] == '0')
			a = span_skip(a, 1);
		while (b.len > 1 && b.ptr[0] == '0')
			b = span_skip(b, 1);
		if (a.len != b.len)
			return a.len < b.len ? -1 : 1;
	}
	return span_cmp(a, b);
}

static bool
holds(enum op op, int order)
{
	switch (op) {
	case OP_EQ: return order == 0;
	case OP_NE: return order != 0;
	case OP_LE: return order <= 0;
	case OP_GE: return order >= 0;
	case OP_LT: return order < 0;
	case OP_GT: return order > 0;
	case OP_NONE: break;
	}
	return false;
}

/* {a} OP {b} off the front of *rest. */
static bool
relation(struct expansion *x, struct span *rest, bool *result, const struct frame *up, unsigned depth)
{
	struct span left, right;
	bool level = false, ok = false;
	struct buf a = BUF_INIT(x->out == NULL ? 0 : x->out->max), b = BUF_INIT(a.max);

	if (!span_group(rest, &left))
		return fail(x, "a missing }", *rest);
	*rest = span_ltrim(*rest);
	enum op op = take_op(rest, &level);
	if (op == OP_NONE)
		return fail(x, "expected == != < <= > or >=", *rest);
	if (rest->len == 0 || rest->ptr[0] != '{' || !span_group(rest, &right))
		return fail(x, "expected {text} after the comparison", *rest);
	int order = 0;
	if (!operand(x, left, &a, up, depth) || !operand(x, right, &b, up, depth))
		goto out;
	if (!level || x->found != NULL)
		order = compare(buf_view(&a), buf_view(&b));
	else if (!expand_level_cmp(buf_view(&a), buf_view(&b), &order)) {
		fail(x, "not a compatibility level", left);
		goto out;
	}
	*result = holds(op, order);
	ok = true;
out:
	buf_clear(&a);
	buf_clear(&b);
	return ok;
}

/* What stands after ? or : is {text}, or all the rest. */
static bool
take_text(struct span *rest, struct span *text)
{
	struct span after = span_ltrim(*rest);

	if (after.len > 0 && after.ptr[0] == '{') {
		if (!span_group(&after, text))
			return false;
		*rest = span_ltrim(after);
		return true;
	}
	*text = *rest;
	*rest = span_skip(*rest, rest->len);
	return true;
}

/* ?text, ?{text}:{text} or :text behind a name or comparison that was true (not empty) or not. */
static bool
choice(struct expansion *x, struct span rest, bool yes, const struct frame *up, unsigned depth)
{
	struct span first, second = SPAN_NONE;
	bool question = rest.ptr[0] == '?';

	rest = span_skip(rest, 1);
	if (!take_text(&rest, &first))
		return fail(x, "a missing }", rest);
	if (rest.len > 0 && question) {
		if (rest.ptr[0] != ':')
			return fail(x, "expected :", rest);
		rest = span_skip(rest, 1);
		if (!take_text(&rest, &second))
			return fail(x, "a missing }", rest);
	}
	if (rest.len > 0)
		return fail(x, "text after the closing }", rest);
	if (x->found != NULL)
		return expand(x, first, up, depth + 1) && expand(x, second, up, depth + 1);
	if (!question)
		return yes || expand(x, first, up, depth + 1);
	return expand(x, yes ? first : second, up, depth + 1);
}

/* The inside of ${...} or $(...). */
static bool
expand_body(struct expansion *x, struct span body, const struct frame *up, unsigned depth)
{
	struct span rest = span_ltrim(body), name = SPAN_NONE;
	bool yes = false;

	if (rest.len > 0 && rest.ptr[0] == '{') {
		if (!relation(x, &rest, &yes, up, depth))
			return false;
		rest = span_ltrim(rest);
		if (rest.len == 0) {
			if (yes && x->found == NULL)
				buf_str(x->out, "true");
			return true;
		}
	} else {
		name = span_name(&rest);
		if (name.len == 0)
			return fail(x, "expected a parameter name", body);
		rest = span_ltrim(rest);
		if (rest.len == 0)
			return expand_name(x, name, up, depth);
	}
	if (rest.ptr[0] != '?' && rest.ptr[0] != ':')
		return fail(x, "not part of a parameter name", rest);
	if (name.len > 0 && x->found != NULL) {
		x->found(x->arg, name);
	} else if (name.len > 0) {
		/* As in Postfix the test is of the value as written, before its own names are filled in. */
		const char *value = x->lookup(x->arg, name);
		yes = value != NULL && value[0] != '\0';
		if (++x->steps > STEPS_MAX)
			return fail(x, "too many names", name);
	}
	return choice(x, rest, yes, up, depth);
}

/* What follows a dollar sign; *rest begins behind it. */
static bool
expand_dollar(struct expansion *x, struct span *rest, const struct frame *up, unsigned depth)
{
	struct span body;

	if (rest->len > 0 && rest->ptr[0] == '$') {
		*rest = span_skip(*rest, 1);
		if (x->found == NULL)
			buf_char(x->out, '$');
		return true;
	}
	if (rest->len > 0 && (rest->ptr[0] == '{' || rest->ptr[0] == '(')) {
		struct span whole = *rest;
		if (!span_group(rest, &body))
			return fail(x, whole.ptr[0] == '{' ? "a missing }" : "a missing )", whole);
		return expand_body(x, body, up, depth);
	}
	body = span_name(rest);
	if (body.len == 0)
		return fail(x, "a $ without a name behind it (write $$ for a dollar sign)", *rest);
	return expand_name(x, body, up, depth);
}

/* Recursion is bounded by DEPTH_MAX, whatever the text. */
static bool
expand(struct expansion *x, struct span text, const struct frame *up, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return fail(x, "names within names, too many levels", text);
	while (text.len > 0) {
		size_t plain = span_find(text, '$');
		if (x->found == NULL)
			buf_span(x->out, span_head(text, plain));
		text = span_skip(text, plain);
		if (text.len == 0)
			break;
		text = span_skip(text, 1);
		if (!expand_dollar(x, &text, up, depth))
			return false;
	}
	if (x->found == NULL && x->out->over)
		return fail(x, "the value grows too long", text);
	return true;
}

bool
expand_text(struct span text, expand_lookup *lookup, void *arg, struct buf *out, struct err *err)
{
	struct expansion x = { .lookup = lookup, .arg = arg, .out = out, .err = err };
	return expand(&x, text, NULL, 0);
}

bool
expand_defined(struct span text, expand_lookup *lookup, void *arg, struct buf *out, bool *undefined, struct err *err)
{
	struct expansion x = { .lookup = lookup, .arg = arg, .out = out, .err = err, .undefined = undefined };

	*undefined = false;
	return expand(&x, text, NULL, 0);
}

bool
expand_names(struct span text, void (*fn)(void *arg, struct span name), void *arg)
{
	struct expansion x = { .arg = arg, .found = fn };
	return expand(&x, text, NULL, 0);
}
