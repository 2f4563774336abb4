/* aliases(5), and the files that they include. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "local/expand.h"
#include "local/tables.h"
#include "mail/address.h"

#define CONFIG_ERROR	"mail system configuration error"
#define TEXT_MAX	((size_t)1 << 20)

/* -- aliases -------------------------------------------------------------------------------------------- */

/* The system's file is asked only where it is there, or where the site names it. */
static enum table_result
ask_aliases(const struct job *job, struct span name, struct buf *value, struct alias_owner *owner, struct report *r)
{
	if (conf_line(view_conf(job->view), SPAN("alias_maps")) == 0 && access("/etc/aliases", R_OK) != 0)
		return TABLE_ABSENT;
	return local_ask_aliases(job, name, value, owner, "alias database unavailable", r);
}

static struct span
fold(struct span s, char room[512])
{
	size_t n = s.len < 512 ? s.len : 512;

	for (size_t i = 0; i < n; i++)
		room[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + ('a' - 'A')) : s.ptr[i];
	return span_of(room, n);
}

/* With the rights of whose database it is: anybody may have been given one of his own. */
static bool
take_rights(struct item *it, const struct alias_owner *owner, struct report *r)
{
	struct passwd *pw = owner->known && owner->uid != 0 ? getpwuid(owner->uid) : NULL;

	it->actor = (struct actor){ 0, 0, NULL };
	it->pw = NULL;
	if (owner->known && owner->uid == 0)
		return true;
	if (!owner->known || pw == NULL) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", owner->known ? "cannot find alias database owner" : CONFIG_ERROR);
		report_warn(r, "%s alias database %.200s", owner->known ? "cannot find the owner of" : "no owner UID for", owner->table);
		return false;
	}
	it->pw = user_keep(pw);
	it->actor = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
	return true;
}

/* Whose list it is, where there is an owner-NAME. False with the report set. */
static bool
take_owner(struct expand *x, struct item *it, struct span name, struct report *r)
{
	struct buf key = BUF_INIT(2048), value = BUF_INIT(65536), owner = BUF_INIT(65536);
	struct alias_owner who;
	enum alias_kind kind;

	buf_str(&key, "owner-");
	buf_span(&key, name);
	enum table_result got = conf_bool(x->job->view, P_owner_request_special) ?
	    ask_aliases(x->job, buf_view(&key), &value, &who, r) : TABLE_ABSENT;
	if (got == TABLE_FOUND) {
		struct span text = buf_view(&value);
		if (!conf_bool(x->job->view, P_expand_owner_alias) || !alias_next(&text, &kind, &owner) || kind != ALIAS_ADDRESS) {
			buf_reset(&owner);
			buf_span(&owner, buf_view(&key));
		}
		if (address_local(buf_view(&owner)).len == owner.len) {
			buf_char(&owner, '@');
			buf_str(&owner, conf_str(x->job->view, P_myorigin));
		}
		it->owner = it->sender = expand_str(buf_view(&owner));
	} else if (conf_bool(x->job->view, P_reset_owner_alias)) {
		it->owner = NULL;
	}
	buf_clear(&key);
	buf_clear(&value);
	buf_clear(&owner);
	return got != TABLE_FAILED;
}

static void
add_alias(struct expand *x, const struct item *it, struct span name, struct span value, const struct alias_owner *owner)
{
	struct item from = *it;
	struct report r = { .status = OUTCOME_DEFERRED };

	if (it->from != FROM_INCLUDE)
		from.from = FROM_ALIAS;
	from.parent = expand_str(name);
	if (!take_rights(&from, owner, &r) || !take_owner(x, &from, name, &r)) {
		expand_result(x, it, &r);
	} else if (expand_list(x, &from, value) == 0) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.3.5", CONFIG_ERROR);
		report_warn(&r, "no recipient in alias lookup result for %.*s", SPAN_ARG(span_head(name, 100)));
		expand_result(x, it, &r);
	}
}

bool
expand_alias(struct expand *x, const struct item *it, struct span name, struct span unmatched)
{
	char room[512];
	struct span key = fold(name, room);
	struct buf value = BUF_INIT(TEXT_MAX);
	struct report r = { .status = OUTCOME_DEFERRED };
	struct alias_owner owner = { .known = false };

	/* An alias that names itself means the user. */
	if (key.len == 0 || name.len > 500 || (it->parent != NULL && span_caseeqs(key, it->parent)))
		return false;
	enum table_result got = ask_aliases(x->job, key, &value, &owner, &r);
	struct item from = *it;
	from.ext = unmatched.len > 0 && expand_lists(x, P_propagate_unmatched_extensions, "alias") ? expand_str(unmatched) : NULL;
	if (got == TABLE_FAILED)
		expand_result(x, it, &r);
	else if (got == TABLE_FOUND && x->job->probe) {
		report_probed(&r, "aliased to ", value.ptr);
		expand_result(x, it, &r);
	} else if (got == TABLE_FOUND)
		add_alias(x, &from, key, buf_view(&value), &owner);
	buf_clear(&value);
	return got != TABLE_ABSENT;
}

/* -- included files ---------------------------------------------------------------------------------------- */

/* Root's other groups would open what the user may not read. */
static void
become_for_now(const struct actor *a)
{
	if (geteuid() == 0 && a->uid != 0 && (setgroups(1, &a->gid) != 0 || setegid(a->gid) != 0 || seteuid(a->uid) != 0))
		_exit(1);
}

static void
become_root_again(bool root)
{
	if (root && (seteuid(0) != 0 || setegid(0) != 0))
		_exit(1);
}

static bool
slurp(int fd, struct buf *out)
{
	char piece[16384];
	struct stat st;
	ssize_t n = -1;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		errno = EPERM;
		return false;
	}
	while (!out->over && (n = read(fd, piece, sizeof piece)) > 0)
		buf_put(out, piece, (size_t)n);
	if (out->over)
		errno = EFBIG;
	return n == 0 && !out->over;
}

bool
expand_slurp(const struct actor *a, const char *path, struct buf *out)
{
	bool root = geteuid() == 0;

	become_for_now(a);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool ok = fd >= 0 && slurp(fd, out);
	int error = errno;
	become_root_again(root);
	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

static bool
look_at(const struct actor *a, const char *path, struct stat *st)
{
	bool root = geteuid() == 0;

	become_for_now(a);
	bool ok = stat(path, st) == 0;
	int error = errno;
	become_root_again(root);
	errno = error;
	return ok;
}

static bool
refuse_include(struct report *r, const char *path, const char *why)
{
	report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.3.5", CONFIG_ERROR);
	report_warn(r, ":include:%.200s %s", path, why);
	return false;
}

/* What a file of root's list names has the rights of that file's owner; a user's own, the user's. */
static bool
check_include(struct item *it, const char *path, struct report *r)
{
	struct stat st;

	if (path[0] != '/')
		return refuse_include(r, path, "uses a relative path");
	if (!look_at(&it->actor, path, &st))
		return refuse_include(r, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse_include(r, path, "is not a regular file");
	if ((st.st_mode & S_IWOTH) != 0)
		return refuse_include(r, path, "is world writable");
	if (it->actor.uid != 0 || st.st_uid == 0 || geteuid() != 0)
		return true;
	struct passwd *pw = getpwuid(st.st_uid);
	if (pw == NULL) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
		report_warn(r, ":include:%.200s: cannot find the user with uid %u", path, (unsigned)st.st_uid);
		return false;
	}
	it->pw = user_keep(pw);
	it->actor = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
	return true;
}

void
expand_include(struct expand *x, const struct item *it)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	struct report r = { .status = OUTCOME_DEFERRED };
	struct item from = *it;

	if (!expand_once(x, "include %u %s", (unsigned)it->actor.uid, it->text))
		return;
	from.from = FROM_INCLUDE;
	if (!expand_lists(x, P_propagate_unmatched_extensions, "include"))
		from.ext = NULL;
	buf_str(&text, "");
	if (!check_include(&from, it->text, &r))
		expand_result(x, it, &r);
	else if (!expand_slurp(&from.actor, it->text, &text)) {
		report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.2.0", "cannot open include file %.200s: %s", it->text, strerror(errno));
		expand_result(x, it, &r);
	} else if (expand_list(x, &from, buf_view(&text)) == 0) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.3.5", CONFIG_ERROR);
		report_warn(&r, ":include:%.200s has no recipient", it->text);
		expand_result(x, it, &r);
	}
	buf_clear(&text);
}
