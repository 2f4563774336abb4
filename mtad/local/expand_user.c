/* What becomes of mail for a user: .forward, then the parameters for mailboxes; and of mail for nobody. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "local/expand.h"
#include "local/tables.h"
#include "mail/address.h"

struct recipient_of {
	struct expand	*x;
	const struct item *it;
	struct names	 names;
	char		 user[300];
};

/* -- .forward ------------------------------------------------------------------------------------------ */

/* Between commas and white space, {} kept whole. */
static bool
next_path(struct span *list, struct span *one)
{
	int depth = 0;
	size_t n = 0;

	while (list->len > 0 && strchr(", \t\r\n", list->ptr[0]) != NULL)
		*list = span_skip(*list, 1);
	for (; n < list->len && (depth > 0 || strchr(", \t\r\n", list->ptr[n]) == NULL); n++)
		depth += list->ptr[n] == '{' ? 1 : list->ptr[n] == '}' ? -1 : 0;
	*one = span_head(*list, n);
	*list = span_skip(*list, n);
	return n > 0;
}

/* As the user: whether there is something by that name. */
static bool
is_there(const struct actor *a, const char *path, struct stat *st)
{
	bool root = geteuid() == 0;

	if (root && (setegid(a->gid) != 0 || seteuid(a->uid) != 0))
		_exit(1);
	bool there = lstat(path, st) == 0;
	if (root && (seteuid(0) != 0 || setegid(0) != 0))
		_exit(1);
	return there;
}

/* The first of forward_path that is there, into path. */
static bool
find_forward(struct recipient_of *to, const struct actor *user, struct buf *path, struct stat *st, struct report *r)
{
	const struct view *view = to->x->job->view;
	struct span list = span_str(conf_raw(view, SPAN("forward_path"))), one;
	bool undefined;

	to->names.filter = conf_str(view, P_forward_expansion_filter);
	while (next_path(&list, &one))
		if (names_expand(&to->names, one, path, &undefined, r) && !undefined && path->len > 0 && path->ptr[0] == '/' &&
		    is_there(user, path->ptr, st))
			return true;
	return false;
}

/* Whether its words may be followed. */
static bool
trusted(const char *path, const struct stat *st, const struct actor *user, struct report *r)
{
	if (!S_ISREG(st->st_mode))
		report_warn(r, "file %.300s is not a regular file", path);
	else if (st->st_uid != 0 && st->st_uid != user->uid)
		report_warn(r, "file %.300s has bad owner uid %u", path, (unsigned)st->st_uid);
	else if ((st->st_mode & S_IWOTH) != 0)
		report_warn(r, "file %.300s is world writable", path);
	else
		return true;
	return false;
}

/* True: its items were added. */
static bool
forwarded(struct recipient_of *to, struct passwd *pw)
{
	struct expand *x = to->x;
	struct buf path = BUF_INIT(4096), text = BUF_INIT((size_t)1 << 20);
	struct item from = *to->it;
	struct report r = { .status = OUTCOME_DEFERRED };
	struct stat st;
	bool done = false;

	from.actor = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
	from.pw = pw;
	from.from = FROM_FORWARD;
	from.owner = from.parent = to->user;
	buf_str(&text, "");
	if (find_forward(to, &from.actor, &path, &st, &r) && trusted(path.ptr, &st, &from.actor, &r)) {
		if (to->names.extended || !expand_lists(x, P_propagate_unmatched_extensions, "forward"))
			from.ext = NULL;
		if (!expand_slurp(&from.actor, path.ptr, &text))
			report_warn(&r, "cannot open file %.300s: %s", path.ptr, strerror(errno));
		else
			done = expand_list(x, &from, buf_view(&text)) > 0;
	}
	if (r.warning[0] != '\0')
		report_warn(&x->last, "%s", r.warning);
	buf_clear(&path);
	buf_clear(&text);
	return done;
}

/* -- mailboxes ------------------------------------------------------------------------------------------- */

/* A transport of the tables, else of the parameter. True: it goes there, or cannot be told. */
static bool
passed(struct recipient_of *to, enum param maps, enum param single)
{
	struct expand *x = to->x;
	struct buf where = BUF_INIT(4096);
	struct report r = { .status = OUTCOME_DEFERRED };
	enum table_result got = local_ask(x->job, maps, span_str(to->user), &where, "mailbox transport lookup failure", &r);

	if (got == TABLE_ABSENT)
		buf_str(&where, conf_str(x->job->view, single));
	if (got == TABLE_FAILED)
		expand_result(x, to->it, &r);
	else if (where.len > 0 && !span_has(buf_view(&where), ':')) {
		buf_char(&where, ':');
		buf_span(&where, x->job->nexthop);
	}
	if (got != TABLE_FAILED && where.len > 0)
		expand_forward(x, to->it, span_str(to->it->rcpt), buf_view(&where));
	bool done = got == TABLE_FAILED || where.len > 0;
	buf_clear(&where);
	return done;
}

static void
to_mailbox(struct recipient_of *to, struct passwd *pw)
{
	struct expand *x = to->x;
	struct buf command = BUF_INIT(8192);
	struct report r = { .status = OUTCOME_DEFERRED };
	enum table_result got = local_ask(x->job, P_mailbox_command_maps, span_str(to->user), &command,
	    "mailbox command lookup failure", &r);

	if (got == TABLE_ABSENT)
		buf_str(&command, conf_str(x->job->view, P_mailbox_command));
	if (got == TABLE_FAILED) {
		expand_result(x, to->it, &r);
	} else if (command.len > 0) {
		struct item mine = *to->it;
		mine.kind = ALIAS_USER;		/* no alias's command: it need not be allowed */
		mine.actor = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
		mine.pw = pw;
		expand_command(x, &mine, command.ptr);
	} else {
		struct job job = expand_job(x, to->it, expand_lists(x, P_prepend_delivered_header, "file"));
		user_deliver(&job, pw, &r);
		expand_result(x, to->it, &r);
	}
	buf_clear(&command);
}

/* -- nobody ------------------------------------------------------------------------------------------------ */

static bool
relayed(struct recipient_of *to)
{
	struct expand *x = to->x;
	struct buf where = BUF_INIT(4096);
	struct report r = { .status = OUTCOME_DEFERRED };
	struct span relay = span_str(conf_raw(x->job->view, SPAN("luser_relay")));
	struct item from = *to->it;
	bool undefined, done = false;

	to->names.filter = NULL;
	if (relay.len > 0 && names_expand(&to->names, relay, &where, &undefined, &r) && where.len > 0) {
		from.ext = NULL;
		expand_add(x, &from, ALIAS_ADDRESS, buf_view(&where));
		done = true;
	}
	if (r.warning[0] != '\0')
		report_warn(&x->last, "%s", r.warning);
	buf_clear(&where);
	return done;
}

static void
to_nobody(struct recipient_of *to)
{
	struct report r = { .status = OUTCOME_DEFERRED };
	struct span user = to->names.user;

	if (passed(to, P_fallback_transport_maps, P_fallback_transport) || relayed(to))
		return;
	if (span_caseeqs(user, "postmaster") || span_caseeqs(user, "mailer-daemon")) {
		report_set(&r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "discarded");
		report_warn(&r, "required alias not found: %s", to->user);
	} else {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.1.1", "unknown user: \"%.200s\"", to->user);
	}
	expand_result(to->x, to->it, &r);
}

void
expand_user(struct expand *x, const struct item *it)
{
	struct passwd found, *pw = NULL;
	char room[USER_ROOM];
	struct report r = { .status = OUTCOME_DEFERRED };
	struct recipient_of *to;

	MEM_NEW(to);	/* items keep its strings */
	to->x = x;
	to->it = it;
	names_of(&to->names, x->job, span_str(it->rcpt), NULL);
	snprintf(to->user, sizeof to->user, "%.*s", SPAN_ARG(span_head(to->names.user, sizeof to->user - 1)));
	switch (user_find(to->names.user, &found, room, sizeof room, &r)) {
	case USER_FAILED:
		expand_result(x, it, &r);
		return;
	case USER_UNKNOWN:
		break;
	case USER_FOUND:
		to->names.pw = pw = user_keep(&found);
		break;
	}
	if (pw != NULL && it->kind != ALIAS_USER && expand_once(x, "forward %s", to->user) && forwarded(to, pw))
		return;
	if (!expand_once(x, "mailbox %s", to->user))
		return;
	if (passed(to, P_mailbox_transport_maps, P_mailbox_transport))
		return;
	if (pw != NULL)
		to_mailbox(to, pw);
	else
		to_nobody(to);
}
