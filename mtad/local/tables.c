#include "local/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "table/build.h"
#include "table/compiled.h"

/* A compiled table that is not there is made of its text in memory, as the master does it for the other roles. */
static int
open_table(const char *path)
{
	size_t n = strlen(path), suffix = strlen(COMPILED_SUFFIX);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct buf text = BUF_INIT(4096);

	if (fd >= 0 || errno != ENOENT || n <= suffix || strcmp(path + n - suffix, COMPILED_SUFFIX) != 0)
		return fd;
	buf_put(&text, path, n - suffix);
	const struct build_options options = { .aliases = true };
	struct err err;
	if (access(text.ptr, R_OK) != 0)
		fd = -1;
	else if (!table_build_memory(text.ptr, &options, &fd, &err))
		fd = -1;
	buf_clear(&text);
	if (fd < 0)
		errno = ENOENT;
	return fd;
}

void
local_tables_use(void)
{
	table_use(&(struct table_env){ .open = open_table, .blocks = true });
}

/* Root reads no answers: it lends itself to mail_owner meanwhile, as Postfix does. */
static bool
lower(const struct job *job)
{
	struct passwd *pw = geteuid() == 0 ? getpwnam(conf_str(job->view, P_mail_owner)) : NULL;

	if (pw == NULL)
		return false;
	if (setgroups(1, &pw->pw_gid) == 0 && setegid(pw->pw_gid) == 0 && seteuid(pw->pw_uid) == 0)
		return true;
	(void)!seteuid(0);
	(void)!setegid(0);
	return false;
}

static void
restore(bool lowered)
{
	if (lowered && (seteuid(0) != 0 || setegid(0) != 0))
		_exit(1);	/* the parent reports a process that gave no report */
}

static enum table_result
ask(const struct job *job, enum param p, struct span key, bool address, struct buf *value, const char *failure, struct report *r)
{
	struct tables t;
	struct err err = { ERR_NONE, "" };
	enum table_result got = TABLE_FAILED;

	if (conf_str(job->view, p)[0] == '\0')
		return TABLE_ABSENT;
	if (tables_open(&t, view_conf(job->view), conf_str(job->view, p), &err)) {
		bool lowered = lower(job);
		got = address ? tables_get_address(&t, NULL, key, conf_str(job->view, P_recipient_delimiter), false, value, &err) :
		    tables_get(&t, NULL, key, value, &err);
		restore(lowered);
		tables_clear(&t);
	}
	if (got == TABLE_FOUND || got == TABLE_ABSENT)
		return got;
	report_warn(r, "%s: %s", param_row(p)->name, err.text);
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "%s", failure);
	return TABLE_FAILED;
}

enum table_result
local_ask(const struct job *job, enum param p, struct span key, struct buf *value, const char *failure, struct report *r)
{
	return ask(job, p, key, false, value, failure, r);
}

enum table_result
local_ask_address(const struct job *job, enum param p, struct span address, struct buf *value, const char *failure,
    struct report *r)
{
	return ask(job, p, address, true, value, failure, r);
}
