#include "smtp/ehlo.h"

static const struct {
	const char	*name;
	unsigned	 bit;
} keywords[] = {
	{ "PIPELINING", EHLO_PIPELINING },
	{ "SIZE", EHLO_SIZE },
	{ "VRFY", EHLO_VRFY },
	{ "ETRN", EHLO_ETRN },
	{ "STARTTLS", EHLO_STARTTLS },
	{ "AUTH", EHLO_AUTH },
	{ "ENHANCEDSTATUSCODES", EHLO_ENHANCEDSTATUSCODES },
	{ "8BITMIME", EHLO_8BITMIME },
	{ "DSN", EHLO_DSN },
	{ "SMTPUTF8", EHLO_SMTPUTF8 },
	{ "CHUNKING", EHLO_CHUNKING },
	{ "XCLIENT", EHLO_XCLIENT },
	{ "XFORWARD", EHLO_XFORWARD },
	{ "VERP", EHLO_VERP },
	{ "XVERP", EHLO_VERP },
	{ "SILENT-DISCARD", EHLO_SILENT_DISCARD },
};

unsigned
smtp_ehlo_keyword(struct span word)
{
	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (span_caseeqs(word, keywords[i].name))
			return keywords[i].bit;
	return 0;
}

void
smtp_ehlo_names(unsigned bits, struct buf *out)
{
	unsigned told = EHLO_SILENT_DISCARD;

	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
		if ((keywords[i].bit & bits & ~told) == 0)
			continue;
		if (out->len > 0)
			buf_char(out, ' ');
		buf_str(out, keywords[i].name);
		told |= keywords[i].bit;
	}
}

unsigned
smtp_ehlo_list(struct span list)
{
	struct span word;
	unsigned bits = 0;

	while (span_word(&list, "\t\r\n ,", &word))
		bits |= smtp_ehlo_keyword(word);
	return bits;
}
