/*
 * Bodies that are too large for the log, or for the memory that is left, go to a spill file while they come in.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "receive/state.h"

#define WRITE_AT	((size_t)256 << 10)
#define HEADER_MAX	((size_t)4 << 20)	/* a message whose header is longer is refused */

static void
write_out(struct intake *in, bool last)
{
	struct span out = buf_view(&in->content);

	if (intake_checks_body(in))
		out = intake_check_body(in, out, last);
	if (in->fault == NULL && !io_write_all(in->spill->fd, out)) {
		log_warning("cleanup", "spill file: write: %s", strerror(errno));
		in->fault = "452 4.3.1 Insufficient system storage";
	}
	in->spilled += out.len;
	buf_reset(&in->content);
	if (in->content.cap > 2 * WRITE_AT)
		buf_clear(&in->content);
}

static bool
is_short(const struct intake *in)
{
	const struct receive *rx = in->rx;

	return rx->pool.memory + spool_writer_pending(rx->link.writer) > in->generation->memory_limit;
}

static bool
wants_spill(const struct intake *in)
{
	return in->content.len > in->generation->spill_size || (in->content.len > READ_SIZE && is_short(in));
}

/* The header must have come whole before the body can go elsewhere. */
static bool
header_is_whole(const struct intake *in, const struct header_facts *f)
{
	struct span rest = span_skip(buf_view(&in->content), f->length);

	return span_has(rest, '\n');
}

/* It stays in memory until it is whole; so where that is short, one that goes on and on is not waited for. */
static void
unfinished_header(struct intake *in)
{
	if (in->content.len > HEADER_MAX)
		in->fault = "552 5.3.4 Error: message header too large";
	else if (is_short(in))
		in->fault = "452 4.3.1 Insufficient system storage";
	/* Not after each piece: that would be the square of its length. */
	in->look_at = in->content.len + in->content.len / 2;
	if (in->look_at > HEADER_MAX)
		in->look_at = HEADER_MAX + 1;
}

static void
begin(struct intake *in)
{
	struct header_facts f;
	size_t body;

	if (in->content.len < in->look_at && !is_short(in))
		return;
	header_look(buf_view(&in->content), &f);
	if (!header_is_whole(in, &f)) {
		unfinished_header(in);
		return;
	}
	in->look_at = 0;
	in->spill = link_spill_take(&in->rx->link);
	if (in->spill == NULL)
		return;
	if (!intake_header(in, &body))
		return;
	in->has_header = true;
	buf_drop(&in->content, body);
}

void
intake_spill(struct intake *in, bool last)
{
	/* Nothing of a refused message is kept. */
	if (in->fault != NULL) {
		buf_clear(&in->content);
		return;
	}
	if (in->spill == NULL) {
		if (!last && wants_spill(in))
			begin(in);
		if (in->fault != NULL)
			buf_clear(&in->content);
		if (in->spill == NULL || in->fault != NULL)
			return;
	}
	if (last || in->content.len >= WRITE_AT)
		write_out(in, last);
}
