/* virtual(8): mailboxes of addresses that have no account, by three tables. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "local/actor.h"
#include "local/mailbox.h"
#include "local/tables.h"

#define CONFIG_ERROR	"mail system configuration error"
#define PATH_ROOM	1024

/* A number of virtual_uid_maps or virtual_gid_maps; false with the report set. */
static bool
number(const struct job *job, enum param p, int64_t least, uint32_t *id, struct report *r)
{
	struct buf value = BUF_INIT(4096);
	enum table_result got = local_ask_address(job, p, job->recipient, &value, CONFIG_ERROR, r);
	bool ok = got == TABLE_FOUND && num_u32(span_trim(buf_view(&value)), id) && (int64_t)*id >= least && *id < UINT32_MAX;

	if (!ok && got == TABLE_ABSENT)
		report_warn(r, "recipient %.*s: not found in %s", SPAN_ARG(job->recipient), param_row(p)->name);
	else if (!ok && got == TABLE_FOUND)
		report_warn(r, "recipient %.*s: bad number %.*s in %s", SPAN_ARG(job->recipient), SPAN_ARG(buf_view(&value)),
		    param_row(p)->name);
	if (!ok)
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, got == TABLE_FAILED ? "4.3.0" : "4.3.5", CONFIG_ERROR);
	buf_clear(&value);
	return ok;
}

/* Below virtual_mailbox_base. A path that leaves it is the site's own business, as the tables are; an empty one is none. */
static bool
find_path(const struct job *job, char path[PATH_ROOM], struct report *r)
{
	const char *base = conf_str(job->view, P_virtual_mailbox_base);
	struct buf value = BUF_INIT(4096);
	enum table_result got = local_ask_address(job, P_virtual_mailbox_maps, job->recipient, &value, CONFIG_ERROR, r);

	if (got == TABLE_ABSENT)
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.1.1", "unknown user: \"%.*s\"", SPAN_ARG(span_head(job->recipient, 300)));
	int n = got != TABLE_FOUND || span_has(buf_view(&value), '\0') ? -1 :
	    *base != '\0' ? snprintf(path, PATH_ROOM, "%s/%s", base, value.ptr) : snprintf(path, PATH_ROOM, "%s", value.ptr);
	buf_clear(&value);
	if (got == TABLE_FOUND && (n < 0 || n >= PATH_ROOM || path[0] != '/')) {
		report_warn(r, "recipient %.*s: no usable path; see virtual_mailbox_base", SPAN_ARG(job->recipient));
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
		return false;
	}
	return got == TABLE_FOUND;
}

static void
deliver(const struct job *job, const char *path, struct report *r)
{
	struct message m = { 0 };
	struct mbox box = { .fd = -1 };

	if (job_read(job, &m, r)) {
		if (path[strlen(path) - 1] == '/') {
			maildir_deliver(job, &m, path, r);
		} else if (mbox_open(&box, job, path, NULL, geteuid(), getegid(), conf_bool(job->view, P_strict_mailbox_ownership), r)) {
			mbox_append(&box, job, &m, r);
			mbox_close(&box);
		}
	}
	message_clear(&m);
}

void
virtual_deliver(struct job *job, struct report *r)
{
	char path[PATH_ROOM];
	uint32_t uid, gid;

	job->loops = true;	/* nothing goes on from here */
	if (!find_path(job, path, r) || !number(job, P_virtual_uid_maps, conf_int(job->view, P_virtual_minimum_uid), &uid, r) ||
	    !number(job, P_virtual_gid_maps, 1, &gid, r))
		return;
	if (job->probe) {
		report_probed(r, path[strlen(path) - 1] == '/' ? "delivers to maildir" : "delivers to mailbox", "");
		return;
	}
	struct actor owner = { uid, gid, NULL };
	if (actor_become(&owner, r))
		deliver(job, path, r);
}
