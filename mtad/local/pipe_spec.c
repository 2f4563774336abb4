#include <stdio.h>

#include "base/num.h"
#include "local/pipe.h"

/* "\n", "\r\n", "\072" ... */
static bool
set_eol(struct pipe_spec *p, struct span s)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";

	p->eol_len = 0;
	while (s.len > 0 && p->eol_len < sizeof p->eol) {
		char c = s.ptr[0];
		s = span_skip(s, 1);
		if (c == '\\' && s.len > 0 && s.ptr[0] >= '0' && s.ptr[0] <= '7') {
			unsigned code = 0;
			for (int i = 0; i < 3 && s.len > 0 && s.ptr[0] >= '0' && s.ptr[0] <= '7'; i++) {
				code = code * 8 + (unsigned)(s.ptr[0] - '0');
				s = span_skip(s, 1);
			}
			c = (char)code;
		} else if (c == '\\' && s.len > 0) {
			const char *known = memchr(from, s.ptr[0], sizeof from - 1);
			c = known != NULL ? to[known - from] : s.ptr[0];
			s = span_skip(s, 1);
		}
		p->eol[p->eol_len++] = c;
	}
	return s.len == 0;
}

static bool
set_flags(struct pipe_spec *p, struct span flags, struct err *err)
{
	for (size_t i = 0; i < flags.len; i++)
		switch (flags.ptr[i]) {
		case 'B': p->flags |= COMMAND_BLANK; break;
		case 'D': p->flags |= COMMAND_DELIVERED_TO; break;
		case 'F': p->flags |= COMMAND_FROM; break;
		case 'O': p->flags |= COMMAND_ORIGINAL_TO; break;
		case 'R': p->flags |= COMMAND_RETURN_PATH; break;
		case 'X': p->final = true; break;
		case '.': p->flags |= COMMAND_DOT; break;
		case '>': p->flags |= COMMAND_QUOTE_FROM; break;
		case 'h': p->lower_domain = true; break;
		case 'u': p->lower_user = true; break;
		case 'q': p->quote = true; break;
		case ',': case ' ': break;
		default:
			err_set(err, ERR_SYS, "flags= has no \"%c\"", flags.ptr[i]);
			return false;
		}
	return true;
}

static bool
set_attribute(struct pipe_spec *p, const char *word, struct err *err)
{
	struct span s = span_str(word);
	size_t eq = span_find(s, '=');
	struct span name = span_head(s, eq), value = span_skip(s, eq + 1);
	const char *text = word + (eq < s.len ? eq + 1 : eq);

	if (span_eqs(name, "flags"))
		return set_flags(p, value, err);
	if (span_eqs(name, "user") && value.len < sizeof p->user)
		return snprintf(p->user, sizeof p->user, "%s", text) > 0;
	if (span_eqs(name, "size") && num_u64(value, &p->size))
		return true;
	if (span_eqs(name, "eol") && set_eol(p, value))
		return true;
	if (span_eqs(name, "directory"))
		p->directory = text;
	else if (span_eqs(name, "chroot"))
		p->chroot = text;
	else if (span_eqs(name, "null_sender"))
		p->null_sender = text;
	else {
		err_set(err, ERR_SYS, "\"%.100s\" is not understood", word);
		return false;
	}
	return true;
}

bool
pipe_parse(char *const *words, struct pipe_spec *p, struct err *err)
{
	*p = (struct pipe_spec){ .eol = "\n", .eol_len = 1, .null_sender = "MAILER-DAEMON" };
	while (*words != NULL && strncmp(*words, "argv=", 5) != 0)
		if (!set_attribute(p, *words++, err))
			return false;
	if (*words == NULL || (*words)[5] == '\0') {
		err_set(err, ERR_SYS, "there is no argv=");
		return false;
	}
	if (p->user[0] == '\0') {
		err_set(err, ERR_SYS, "there is no user=");
		return false;
	}
	p->argv = words;
	return true;
}

/* -- macros ------------------------------------------------------------------------------------------ */

static bool
name_char(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* After "$": the name, and the length of all of it. 0: none. */
static size_t
macro_name(struct span s, struct span *name)
{
	char close = s.len > 0 && s.ptr[0] == '{' ? '}' : s.len > 0 && s.ptr[0] == '(' ? ')' : '\0';
	size_t from = close != '\0', to = from;

	while (to < s.len && name_char(s.ptr[to]))
		to++;
	*name = span_of(s.ptr + from, to - from);
	if (name->len == 0 || (close != '\0' && (to == s.len || s.ptr[to] != close)))
		return 0;
	return to + (close != '\0');
}

bool
pipe_expand(struct span word, pipe_macro_fn *fn, void *arg, struct span recipient, struct buf *out, struct span *bad)
{
	struct span name;

	while (word.len > 0) {
		size_t dollar = span_find(word, '$');
		buf_span(out, span_head(word, dollar));
		if (dollar == word.len)
			return true;
		word = span_skip(word, dollar + 1);
		if (word.len > 0 && word.ptr[0] == '$') {
			buf_char(out, '$');
			word = span_skip(word, 1);
			continue;
		}
		size_t n = macro_name(word, &name);
		const char *value = n == 0 ? NULL : fn(arg, name, recipient);
		*bad = n == 0 ? word : name;
		if (value == NULL)
			return false;
		buf_str(out, value);
		word = span_skip(word, n);
	}
	return true;
}

bool
pipe_has_recipient(struct span word)
{
	static const char *const names[] = { "recipient", "user", "domain", "extension", "mailbox", "original_recipient" };
	struct span name;

	while (word.len > 0) {
		word = span_skip(word, span_find(word, '$') + 1);
		if (word.len > 0 && word.ptr[0] == '$') {
			word = span_skip(word, 1);
			continue;
		}
		if (macro_name(word, &name) == 0)
			continue;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (span_eqs(name, names[i]))
				return true;
	}
	return false;
}
