#include "smtp/content.h"

#include <string.h>

/* So many CRs in a row no longer wait for their LF. */
#define CRS_MAX		1024

static char *
put_spaces(struct smtp_content *c, char *to)
{
	memset(to, ' ', c->crs);
	to += c->crs;
	c->crs = 0;
	return to;
}

/* Text of a line, without its end. CRs at its end wait, for an LF may follow. */
static char *
put_text(struct smtp_content *c, const char *at, size_t len, char *to)
{
	size_t crs = 0;

	if (len == 0)
		return to;
	while (crs < len && at[len - 1 - crs] == '\r')
		crs++;
	if (crs == len) {
		c->crs += (uint32_t)len;
		return c->crs > CRS_MAX ? put_spaces(c, to) : to;
	}
	to = put_spaces(c, to);
	len -= crs;
	memcpy(to, at, len);
	for (char *cr = to; (cr = memchr(cr, '\r', (size_t)(to + len - cr))) != NULL; )
		*cr = ' ';
	to += len;
	c->crs = (uint32_t)crs;
	return c->crs > CRS_MAX ? put_spaces(c, to) : to;
}

static char *
put_line_end(struct smtp_content *c, char *to)
{
	c->last_bare = c->crs == 0;
	c->bare_lf |= c->last_bare;
	c->crs = 0;
	c->mid_line = false;
	c->lines++;
	*to++ = '\n';
	return to;
}

/* A whole line of a dot alone. True where it ends the message, else the line is as if it had not been sent. */
static bool
dot_line(struct smtp_content *c, bool bare)
{
	bool end = !bare && !c->last_bare;

	c->bare_lf |= bare;
	c->last_bare = bare;
	return end;
}

/* A line that begins with a dot and has come whole; bare: it ends with LF alone. */
static bool
is_dot_line(const char *at, size_t len, bool *bare)
{
	*bare = len == 1;
	return len == 1 || (len == 2 && at[1] == '\r');
}

size_t
smtp_content_data(struct smtp_content *c, struct span in, char *out, size_t *filled, bool *end)
{
	const char *at = in.ptr, *stop = in.ptr + in.len;
	char *to = out;

	*end = false;
	while (at < stop && !*end) {
		const char *lf = memchr(at, '\n', (size_t)(stop - at));
		size_t len = (size_t)((lf == NULL ? stop : lf) - at);
		bool bare;

		if (!c->mid_line && *at == '.') {
			if (lf == NULL && (len == 1 || (len == 2 && at[1] == '\r')))
				break;		/* what comes next decides */
			if (lf != NULL && is_dot_line(at, len, &bare)) {
				*end = dot_line(c, bare);
				at = lf + 1;
				continue;
			}
			at++;
			len--;
		}
		to = put_text(c, at, len, to);
		c->mid_line = true;
		at += len;
		if (lf != NULL) {
			to = put_line_end(c, to);
			at++;
		}
	}
	*filled = (size_t)(to - out);
	c->bytes += *filled;
	return (size_t)(at - in.ptr);
}

void
smtp_content_chunk(struct smtp_content *c, struct span in, char *out, size_t *filled)
{
	const char *at = in.ptr, *stop = in.ptr + in.len;
	char *to = out;

	while (at < stop) {
		const char *lf = memchr(at, '\n', (size_t)(stop - at));
		size_t len = (size_t)((lf == NULL ? stop : lf) - at);

		to = put_text(c, at, len, to);
		c->mid_line = true;
		at += len;
		if (lf != NULL) {
			to = put_line_end(c, to);
			at++;
		}
	}
	*filled = (size_t)(to - out);
	c->bytes += *filled;
}

void
smtp_content_last(struct smtp_content *c, char *out, size_t *filled)
{
	char *to = out;

	if (c->mid_line) {
		to = put_spaces(c, to);
		*to++ = '\n';
		c->lines++;
		c->mid_line = false;
	}
	*filled = (size_t)(to - out);
	c->bytes += *filled;
}
