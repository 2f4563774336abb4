#include "smtp/command.h"

#define BLANKS	" \t\r"

static const char *const verbs[SMTP_VERB_COUNT] = {
	[SMTP_HELO] = "HELO", [SMTP_EHLO] = "EHLO", [SMTP_LHLO] = "LHLO", [SMTP_XCLIENT] = "XCLIENT",
	[SMTP_XFORWARD] = "XFORWARD", [SMTP_STARTTLS] = "STARTTLS", [SMTP_AUTH] = "AUTH", [SMTP_MAIL] = "MAIL",
	[SMTP_RCPT] = "RCPT", [SMTP_DATA] = "DATA", [SMTP_BDAT] = "BDAT", [SMTP_RSET] = "RSET",
	[SMTP_NOOP] = "NOOP", [SMTP_VRFY] = "VRFY", [SMTP_ETRN] = "ETRN",
	[SMTP_QUIT] = "QUIT", [SMTP_UNKNOWN] = "UNKNOWN",
};

const char *
smtp_verb_name(enum smtp_verb v)
{
	return verbs[v];
}

static enum smtp_verb
find_verb(struct span word)
{
	for (int v = 0; v < SMTP_UNKNOWN; v++)
		if (span_caseeqs(word, verbs[v]))
			return (enum smtp_verb)v;
	return SMTP_UNKNOWN;
}

bool
smtp_command_parse(struct span line, struct smtp_command *c)
{
	struct span rest = line;

	if (!span_word(&rest, BLANKS, &c->word))
		return false;
	c->verb = find_verb(c->word);
	c->args = span_trim(rest);
	return true;
}

bool
smtp_param_next(struct span *rest, struct smtp_param *p)
{
	if (!span_word(rest, BLANKS, &p->raw))
		return false;
	size_t eq = span_find(p->raw, '=');
	p->name = span_head(p->raw, eq);
	p->value = eq == p->raw.len ? SPAN_NONE : span_skip(p->raw, eq + 1);
	return true;
}

bool
smtp_path_arg(struct span args, const char *prefix, struct span *path)
{
	if (!span_casestarts(args, prefix))
		return false;
	*path = span_trim(span_skip(args, strlen(prefix)));
	return path->len > 0;
}

struct span
smtp_command_line(const struct smtp_command *c)
{
	return c->args.len == 0 ? c->word : span_of(c->word.ptr, (size_t)(c->args.ptr + c->args.len - c->word.ptr));
}
