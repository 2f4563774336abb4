#include "policy/action.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

static const struct { const char *name; const char *dsn; } actions[] = {
	[ACCESS_DUNNO] = { "DUNNO", "" }, [ACCESS_OK] = { "OK", "" }, [ACCESS_REJECT] = { "REJECT", "5.7.1" },
	[ACCESS_DEFER] = { "DEFER", "4.7.1" }, [ACCESS_DEFER_IF_PERMIT] = { "DEFER_IF_PERMIT", "4.7.1" },
	[ACCESS_DEFER_IF_REJECT] = { "DEFER_IF_REJECT", "4.7.1" }, [ACCESS_BCC] = { "BCC", "" }, [ACCESS_DISCARD] = { "DISCARD", "" },
	[ACCESS_FILTER] = { "FILTER", "" }, [ACCESS_HOLD] = { "HOLD", "" }, [ACCESS_INFO] = { "INFO", "" },
	[ACCESS_PREPEND] = { "PREPEND", "" }, [ACCESS_REDIRECT] = { "REDIRECT", "" }, [ACCESS_WARN] = { "WARN", "" },
};

const char *
access_action_name(enum access_action a)
{
	return (size_t)a < sizeof actions / sizeof *actions && actions[a].name != NULL ? actions[a].name : "";
}

static size_t
digits(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n;
}

/* RFC 3463: a class of 2, 4 or 5, two numbers of up to three digits. */
bool
access_dsn(struct span *text, char dsn[12])
{
	size_t at = 2, n;

	if (text->len < 5 || !span_has(SPAN("245"), text->ptr[0]) || text->ptr[1] != '.')
		return false;
	if ((n = digits(span_skip(*text, at))) == 0 || n > 3)
		return false;
	at += n;
	if (at >= text->len || text->ptr[at] != '.')
		return false;
	at++;
	if ((n = digits(span_skip(*text, at))) == 0 || n > 3)
		return false;
	at += n;
	if (at < text->len && text->ptr[at] != ' ' && text->ptr[at] != '\t')
		return false;
	(void)snprintf(dsn, 12, "%.*s", (int)at, text->ptr);
	*text = span_ltrim(span_skip(*text, at));
	return true;
}

static void
set_dsn(struct access *a, const char *usual)
{
	(void)snprintf(a->dsn, sizeof a->dsn, "%s", usual);
	(void)access_dsn(&a->text, a->dsn);
}

void
access_parse(struct span value, struct access *a)
{
	struct span word, rest = value = span_trim(value);
	uint32_t code;

	*a = (struct access){ .action = ACCESS_EMPTY };
	if (!span_word(&rest, " \t\r\n", &word))
		return;
	a->text = span_trim(rest);
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (actions[i].name != NULL && span_caseeqs(word, actions[i].name)) {
			a->action = (enum access_action)i;
			if (actions[i].dsn[0] != '\0')
				set_dsn(a, actions[i].dsn);
			return;
		}
	if (word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') && a->text.len > 0 && num_u32(word, &code)) {
		a->action = ACCESS_CODE;
		a->code = (int)code;
		set_dsn(a, code >= 500 ? "5.7.1" : "4.7.1");
		return;
	}
	/* Schemes that let a client relay after it read mail write the time. */
	a->action = digits(value) == value.len ? ACCESS_OK : ACCESS_LIST;
	a->text = value;
}
