#include "local/job.h"

#include "local/tables.h"
#include "mail/header.h"

bool
job_read(const struct job *job, struct message *m, struct report *r)
{
	struct err err;
	if (!message_read(job->segment_fd, job->nonce, job->loc, m, &err)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "cannot read the message: %s", err.text);
		return false;
	}
	if (m->spill_length > 0 && job->spill_fd < 0) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_MESSAGE, "4.3.0", "cannot read the message: its body is missing");
		return false;
	}
	if (!job->loops && header_delivered_to(m->header, job->recipient)) {
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "mail forwarding loop for %.*s",
		    SPAN_ARG(span_head(job->recipient, REPORT_TEXT / 2)));
		return false;
	}
	return true;
}

void
job_run(struct job *job, struct report *r)
{
	static void (*const programs[])(struct job *, struct report *) = {
		[PROGRAM_LOCAL] = local_deliver, [PROGRAM_VIRTUAL] = virtual_deliver, [PROGRAM_PIPE] = pipe_deliver,
	};
	bool is_virtual = job->program == PROGRAM_VIRTUAL;

	*r = (struct report){ .filtered = false };
	local_tables_use();
	job->size_limit = (uint64_t)conf_int(job->view, is_virtual ? P_virtual_mailbox_limit : P_mailbox_size_limit);
	job->locks = conf_str(job->view, is_virtual ? P_virtual_mailbox_lock : P_mailbox_delivery_lock);
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "delivery did not end");
	programs[job->program](job, r);
	local_filter_status(job, r);
}
