#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "smtp/xclient.h"

/* What was said: index=value, index=? unavailable, index=! temporary; or the reply. */
static void
show(struct span args, bool forward, char *out, size_t size)
{
	struct buf reply = BUF_INIT(500);
	struct smtp_xattrs x;
	size_t n = 0;

	out[0] = '\0';
	if (!smtp_xattrs_parse(args, forward, &x, &reply))
		snprintf(out, size, "%s", reply.ptr);
	else
		for (int i = 0; i < XATTR_COUNT; i++)
			if (x.items[i].state != XSTATE_UNSAID)
				n += (size_t)snprintf(out + n, size - n, "%s%d=%s", n > 0 ? " " : "", i, x.items[i].state == XSTATE_SAID ? x.items[i].text :
				    x.items[i].state == XSTATE_UNAVAILABLE ? "?" : "!");
	buf_clear(&reply);
}

static void
arguments(void **state)
{
	static const struct { const char *in, *client, *forward; } rows[] = {
		{ "NAME=a.test ADDR=192.0.2.7", "0=a.test 1=192.0.2.7", "0=a.test 1=192.0.2.7" },
		{ "name=a PORT=25  proto=esmtp", "0=a 2=25 3=esmtp", "0=a 2=25 3=esmtp" },
		{ "NAME=[UNAVAILABLE] ADDR=[tempunavail]", "0=? 1=!", "0=? 1=!" },
		{ "HELO=a+20b", "4=a b", "4=a b" }, { "HELO=a+0A", "501 5.5.4 Bad HELO syntax: a?", "501 5.5.4 Bad HELO syntax: a?" },
		{ "NAME=", "501 5.5.4 Error: attribute=value expected", "501 5.5.4 Error: attribute=value expected" },
		{ "x", "501 5.5.4 Error: attribute=value expected", "501 5.5.4 Error: attribute=value expected" },
		{ "LOGIN=me", "7=me", "501 5.5.4 Bad XFORWARD attribute name: LOGIN" }, { "IDENT=x", "501 5.5.4 Bad XCLIENT attribute name: IDENT", "5=x" },
		{ "NAME=1.2", "501 5.5.4 Bad NAME syntax: 1.2", "501 5.5.4 Bad NAME syntax: 1.2" },
		{ "NAME=a..b", "501 5.5.4 Bad NAME syntax: a..b", "501 5.5.4 Bad NAME syntax: a..b" },
		{ "NAME=+zz", "501 5.5.4 Bad NAME syntax: +zz", "501 5.5.4 Bad NAME syntax: +zz" },
		{ "ADDR=ipv6:2001:db8::1", "1=ipv6:2001:db8::1", "1=ipv6:2001:db8::1" }, { "ADDR=1.2.3", "501 5.5.4 Bad ADDR syntax: 1.2.3", "501 5.5.4 Bad ADDR syntax: 1.2.3" },
		{ "PROTO=x", "501 5.5.4 Bad PROTO syntax: x", "3=x" }, { "SOURCE=local", "501 5.5.4 Bad XCLIENT attribute name: SOURCE", "6=local" },
	};
	char text[700];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		show(span_str(rows[i].in), false, text, sizeof text);
		assert_string_equal(text, rows[i].client);
		show(span_str(rows[i].in), true, text, sizeof text);
		assert_string_equal(text, rows[i].forward);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(arguments) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
