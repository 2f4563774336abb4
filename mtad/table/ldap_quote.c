#include "table/ldap_quote.h"

void
ldap_quote_filter(void *arg, struct span s, struct buf *out)
{
	(void)arg;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c < ' ' || c == 0x7f || span_has(SPAN("*()\\"), s.ptr[i]))
			buf_printf(out, "\\%02x", c);
		else
			buf_char(out, s.ptr[i]);
	}
}

void
ldap_quote_dn(void *arg, struct span s, struct buf *out)
{
	(void)arg;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == s.len && c == ' ');
		if (c < ' ' || c == 0x7f || edge || span_has(SPAN(",+\"\\<>;="), s.ptr[i]))
			buf_printf(out, "\\%02x", c);
		else
			buf_char(out, s.ptr[i]);
	}
}
