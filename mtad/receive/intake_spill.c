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
}

static bool
wants_spill(const struct intake *in)
{
	const struct receive *rx = in->rx;

	if (in->content.len > in->generation->spill_size)
		return true;
	return in->content.len > READ_SIZE &&
	    rx->pool.memory + spool_writer_pending(rx->link.writer) > in->generation->memory_limit;
}

/* The header must have come whole before the body can go elsewhere. */
static bool
header_is_whole(const struct intake *in, const struct header_facts *f)
{
	struct span rest = span_skip(buf_view(&in->content), f->length);

	return span_has(rest, '\n');
}

static void
begin(struct intake *in)
{
	struct header_facts f;
	size_t body;

	header_look(buf_view(&in->content), &f);
	if (!header_is_whole(in, &f)) {
		if (in->content.len > HEADER_MAX)
			in->fault = "552 5.3.4 Error: message header too large";
		return;
	}
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
		buf_reset(&in->content);
		return;
	}
	if (in->spill == NULL) {
		if (!last && wants_spill(in))
			begin(in);
		if (in->spill == NULL || in->fault != NULL)
			return;
	}
	if (last || in->content.len >= WRITE_AT)
		write_out(in, last);
}
