#include "local/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/status_filter.h"
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

/* The files that a table's word names; the first one that is nobody's own decides. */
static void
find_owner(struct span spec, struct alias_owner *o, int depth)
{
	static const char *const own[] = { "inline", "static", "environ", "unix", "fail" }, *const others[] = { "tcp", "socketmap" };
	struct stat st;
	char path[1200];

	snprintf(o->table, sizeof o->table, "%.*s", SPAN_ARG(spec));
	while (span_starts(spec, "proxy:"))
		spec = span_skip(spec, 6);
	size_t colon = span_find(spec, ':');
	struct span type = span_head(spec, colon), name = span_skip(spec, colon + 1);
	*o = (struct alias_owner){ .known = true };
	snprintf(o->table, sizeof o->table, "%.*s", SPAN_ARG(spec));
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (span_eqs(type, own[i]))
			return;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		o->known = o->known && !span_eqs(type, others[i]);
	if (colon == spec.len)
		name = spec;
	if (depth == 0 && span_starts(name, "{")) {	/* unionmap:{...}: whoever of them is not root */
		struct span list = span_head(span_skip(name, 1), name.len - 2), word;
		struct alias_owner all = *o;
		while (table_word(&list, &word)) {
			find_owner(word, o, depth + 1);
			all.uid = o->uid != 0 ? o->uid : all.uid;
			all.known = all.known && o->known;
		}
		*o = all;
		return;
	}
	snprintf(path, sizeof path, "%.*s%s", SPAN_ARG(name), table_type_compiled(type) || colon == spec.len ? COMPILED_SUFFIX : "");
	bool there = stat(path, &st) == 0;
	if (!there) {
		snprintf(path, sizeof path, "%.*s", SPAN_ARG(name));
		there = stat(path, &st) == 0;
	}
	o->known = o->known && there;
	o->uid = there ? st.st_uid : 0;
}

enum table_result
local_ask_aliases(const struct job *job, struct span name, struct buf *value, struct alias_owner *owner, const char *failure,
    struct report *r)
{
	struct tables t;
	struct err err = { ERR_NONE, "" };
	enum table_result got = TABLE_ABSENT;

	if (conf_str(job->view, P_alias_maps)[0] == '\0')
		return TABLE_ABSENT;
	if (!tables_open(&t, view_conf(job->view), conf_str(job->view, P_alias_maps), &err))
		got = TABLE_FAILED;
	for (size_t i = 0; got == TABLE_ABSENT && i < t.count; i++) {
		bool lowered = lower(job);
		got = table_get(t.list[i], NULL, name, value, &err);
		restore(lowered);
		if (got == TABLE_FOUND)
			find_owner(span_str(table_name(t.list[i])), owner, 0);
	}
	if (got == TABLE_FOUND && geteuid() != 0)
		*owner = (struct alias_owner){ .known = true };
	if (got == TABLE_FOUND || got == TABLE_ABSENT) {
		tables_clear(&t);
		return got;
	}
	report_warn(r, "alias_maps: %s", err.text);
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "%s", failure);
	return TABLE_FAILED;
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

static void
take_status(struct report *r, struct span dsn, struct span text)
{
	if (dsn.len >= sizeof r->dsn)
		return;
	if (r->status > OUTCOME_EXPANDED)
		r->status = dsn.ptr[0] == '5' ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
	(void)memcpy(r->dsn, dsn.ptr, dsn.len);
	r->dsn[dsn.len] = '\0';
	(void)snprintf(r->text, sizeof r->text, "%.*s", SPAN_ARG(span_head(text, sizeof r->text - 1)));
}

void
local_filter_status(const struct job *job, struct report *r)
{
	static const enum param params[] = { [PROGRAM_LOCAL] = P_local_delivery_status_filter, [PROGRAM_VIRTUAL] = P_virtual_delivery_status_filter,
		[PROGRAM_PIPE] = P_pipe_delivery_status_filter };
	const char *value = conf_str(job->view, params[job->program]);
	struct buf to = BUF_INIT(16 << 10);
	char complaint[STATUS_COMPLAINT];
	struct report old = *r;
	struct span dsn = span_str(old.dsn), text = span_str(old.text);
	struct tables t;
	struct err err;

	if (r->filtered || r->status == OUTCOME_EXPANDED || value[0] == '\0')
		return;
	r->filtered = true;
	if (!tables_open(&t, view_conf(job->view), value, &err)) {
		report_warn(r, "%s: %s", param_row(params[job->program])->name, err.text);
		return;
	}
	bool lowered = lower(job);
	bool changed = status_filter(&t, &dsn, &text, &to, complaint);
	restore(lowered);
	tables_clear(&t);
	if (changed)
		take_status(r, dsn, text);
	if (complaint[0] != '\0')
		report_warn(r, "%s", complaint);
	buf_clear(&to);
}
