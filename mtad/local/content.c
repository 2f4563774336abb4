#include "local/content.h"

#include "mail/address.h"

static void
put_address_header(struct file_writer *w, const char *name, struct span address, const char *open, const char *close)
{
	struct buf b = BUF_INIT(8 * ADDRESS_MAX);
	buf_str(&b, name);
	buf_str(&b, open);
	address_quote(&b, address);
	buf_str(&b, close);
	file_writer_raw(w, buf_view(&b));
	buf_clear(&b);
}

void
content_put(struct file_writer *w, const struct job *job, const struct message *m)
{
	put_address_header(w, "Return-Path: ", job->sender, "<", ">\n");
	if (job->original.len > 0)
		put_address_header(w, "X-Original-To: ", job->original, "", "\n");
	if (job->delivered.len > 0)
		put_address_header(w, "Delivered-To: ", job->delivered, "", "\n");
	file_writer_put(w, m->header);
	file_writer_put(w, m->body);
	if (m->spill_length > 0)
		file_writer_copy(w, job->spill_fd, m->spill_length);
}
