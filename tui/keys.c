/*
 * Keys and their names.
 */
#include "tui/nc.h"

#include <stdio.h>

#include "base/num.h"
#include "tui/console.h"

static const struct {
	int		 code;
	const char	*name;
} names[] = {
	{ KEY_RETURN, "Enter" }, { KEY_ESCAPE, "Esc" }, { '\t', "Tab" }, { ' ', "Space" },
	{ FN(KEY_UP), "Up" }, { FN(KEY_DOWN), "Down" }, { FN(KEY_LEFT), "Left" }, { FN(KEY_RIGHT), "Right" },
	{ FN(KEY_PPAGE), "PgUp" }, { FN(KEY_NPAGE), "PgDn" }, { FN(KEY_HOME), "Home" }, { FN(KEY_END), "End" },
	{ FN(KEY_BACKSPACE), "BS" }, { FN(KEY_DC), "Del" }, { FN(KEY_BTAB), "BackTab" },
};

const char *
key_label(int code, char out[16])
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].code != code)
			continue;
		snprintf(out, 16, "%s", names[i].name);
		return out;
	}
	if (code > FN(KEY_F0) && code <= FN(KEY_F(12)))
		snprintf(out, 16, "F%d", code - FN(KEY_F0));
	else if (code < 0x20)
		snprintf(out, 16, "Ctrl-%c", code + '@');
	else
		snprintf(out, 16, "%c", code < 0x7f ? code : '?');
	return out;
}

int
key_named(struct span name)
{
	uint32_t n;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_caseeqs(name, names[i].name))
			return names[i].code;
	if (name.len > 1 && *name.ptr == 'F' && num_u32(span_skip(name, 1), &n) && n >= 1 && n <= 12)
		return FN(KEY_F((int)n));
	if (name.len == 3 && name.ptr[0] == 'C' && name.ptr[1] == '-')
		return CTRL(name.ptr[2]);
	return 0;
}
