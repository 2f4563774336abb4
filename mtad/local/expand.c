#include "local/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "local/tables.h"
#include "mail/address.h"
#include "mail/forward.h"

/* -- lists ------------------------------------------------------------------------------------------- */

static char *
dup_or_null(const char *s)
{
	return s == NULL ? NULL : mem_str(s);
}

void
expand_add(struct expand *x, const struct item *from, enum alias_kind kind, enum expand_from how, struct span text)
{
	struct report r = { .status = OUTCOME_DEFERRED };

	if (x->count >= EXPAND_ITEMS || from->depth >= EXPAND_DEPTH) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "possible alias database loop for %.*s",
		    SPAN_ARG(span_head(x->job->recipient, 200)));
		expand_result(x, &r);
		return;
	}
	/* The caller's item may be in the list that grows. */
	struct item it = *from;
	it.kind = kind;
	it.from = how;
	it.text = span_dup(text);
	it.parent = dup_or_null(from->parent);
	it.owner = dup_or_null(from->owner);
	it.ext = dup_or_null(from->ext);
	it.depth++;
	x->items = mem_grow(x->items, x->count + 1, sizeof *x->items);
	x->items[x->count++] = it;
}

void
expand_list(struct expand *x, const struct item *from, enum expand_from how, struct span text)
{
	struct buf one = BUF_INIT(65536);
	enum alias_kind kind;

	while (x->count < EXPAND_ITEMS && alias_next(&text, &kind, &one))
		expand_add(x, from, kind, how, buf_view(&one));
	buf_clear(&one);
}

void
expand_result(struct expand *x, const struct report *r)
{
	if (r->warning[0] != '\0')
		report_warn(&x->last, "%s", r->warning);
	if (r->status == OUTCOME_DEFERRED || r->status == OUTCOME_BOUNCED) {
		if (!x->failed || (x->worst.status == OUTCOME_BOUNCED && r->status == OUTCOME_DEFERRED))
			x->worst = *r;
		x->failed = true;
		return;
	}
	char warning[sizeof x->last.warning];
	memcpy(warning, x->last.warning, sizeof warning);
	x->last = *r;
	memcpy(x->last.warning, warning, sizeof warning);
	x->done++;
}

bool
expand_once(struct expand *x, const char *what, const char *name)
{
	char key[1400];

	snprintf(key, sizeof key, "%s %s", what, name);
	for (size_t i = 0; i < x->seen_count; i++)
		if (strcasecmp(x->seen[i], key) == 0)
			return false;
	x->seen = mem_grow(x->seen, x->seen_count + 1, sizeof *x->seen);
	x->seen[x->seen_count++] = mem_str(key);
	return true;
}

void
expand_forward(struct expand *x, const struct item *it, struct span address, struct span filter)
{
	struct report r = { .status = OUTCOME_EXPANDED };
	char *to = span_dup(filter);
	struct span sender = it->owner != NULL ? span_str(it->owner) : x->job->sender;
	size_t g = 0;

	while (g < x->group_count && !(span_eqs(sender, x->group[g].sender) && strcmp(to, x->group[g].filter) == 0))
		g++;
	if (g == sizeof x->group / sizeof *x->group || (g < x->group_count && x->group[g].count >= FORWARD_ADDRESSES_MAX)) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "aliases have too many owners or addresses");
	} else {
		if (g == x->group_count) {
			x->group[g].sender = span_dup(sender);
			x->group[g].filter = mem_str(to);
			x->group_count++;
		}
		pack_span(&x->groups[g], address);
		x->group[g].count++;
		report_set(&r, OUTCOME_EXPANDED, SCOPE_RECIPIENT, "2.0.0", "forwarded as a new message");
	}
	free(to);
	expand_result(x, &r);
}

bool
expand_slurp(const struct actor *a, const char *path, bool careful, struct buf *out)
{
	bool root = geteuid() == 0;
	struct stat st;

	/* Root's other groups would open what the user may not read. */
	if (root && (setgroups(1, &a->gid) != 0 || setegid(a->gid) != 0 || seteuid(a->uid) != 0))
		_exit(1);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int error = errno;
	if (root && (seteuid(0) != 0 || setegid(0) != 0))
		_exit(1);
	if (fd < 0) {
		errno = error;
		return false;
	}
	char piece[16384];
	ssize_t n = -1;
	bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (!careful || ((st.st_uid == a->uid || st.st_uid == 0) && (st.st_mode & S_IWOTH) == 0));
	while (ok && !out->over && (n = read(fd, piece, sizeof piece)) > 0)
		buf_put(out, piece, (size_t)n);
	error = !ok ? EPERM : n < 0 ? errno : EFBIG;
	close(fd);
	errno = error;
	return ok && n == 0 && !out->over;
}

/* -- aliases -------------------------------------------------------------------------------------------- */

/* The system's file is asked only where it is there, or where the site names it. */
static enum table_result
ask_aliases(const struct job *job, struct span name, struct buf *value, struct report *r)
{
	if (conf_line(view_conf(job->view), SPAN("alias_maps")) == 0 && access("/etc/aliases", R_OK) != 0)
		return TABLE_ABSENT;
	return local_ask(job, P_alias_maps, name, value, "alias database unavailable", r);
}

static struct span
fold(struct span s, char room[512])
{
	size_t n = s.len < 512 ? s.len : 512;

	for (size_t i = 0; i < n; i++)
		room[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + ('a' - 'A')) : s.ptr[i];
	return span_of(room, n);
}

static bool
default_actor(const struct job *job, struct actor *a)
{
	const struct passwd *pw = getpwnam(conf_str(job->view, P_default_privs));

	if (pw != NULL)
		*a = (struct actor){ pw->pw_uid, pw->pw_gid, NULL };
	return pw != NULL;
}

static void
add_alias(struct expand *x, const struct item *it, struct span name, struct span value, struct span unmatched)
{
	struct item from = *it;
	struct buf key = BUF_INIT(2048), owner = BUF_INIT(65536);
	struct report r = { .status = OUTCOME_DEFERRED };
	char *alias = span_dup(name), *ext = span_dup(unmatched);

	from.parent = alias;
	from.ext = unmatched.len > 0 ? ext : NULL;
	/* Of a user's .forward only what it names itself has that user's rights. */
	from.as_user = false;
	if (!default_actor(x->job, &from.actor)) {
		report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
		report_warn(&r, "default_privs: there is no such account");
		expand_result(x, &r);
	} else {
		buf_str(&key, "owner-");
		buf_span(&key, name);
		enum table_result got = span_starts(name, "owner-") ? TABLE_ABSENT : ask_aliases(x->job, buf_view(&key), &owner, &r);
		buf_reset(&owner);
		buf_span(&owner, buf_view(&key));
		buf_char(&owner, '@');
		buf_str(&owner, conf_str(x->job->view, P_myorigin));
		if (got == TABLE_FOUND)
			from.owner = owner.ptr;
		if (got == TABLE_FAILED)
			expand_result(x, &r);
		else
			expand_list(x, &from, FROM_ALIAS, value);
	}
	buf_clear(&key);
	buf_clear(&owner);
	free(alias);
	free(ext);
}

/* True: an alias was found (or cannot be asked for). */
static bool
expand_alias(struct expand *x, const struct item *it, struct span name, struct span unmatched)
{
	char room[512], text[520];
	struct span key = fold(name, room);
	struct buf value = BUF_INIT((size_t)1 << 20);
	struct report r = { .status = OUTCOME_DEFERRED };

	/* An alias that names itself means the user. */
	if (key.len == 0 || name.len > 500 || (it->parent != NULL && it->from != FROM_FORWARD && span_caseeqs(key, it->parent)))
		return false;
	enum table_result got = ask_aliases(x->job, key, &value, &r);
	snprintf(text, sizeof text, "%.*s", SPAN_ARG(key));
	if (got == TABLE_FAILED)
		expand_result(x, &r);
	else if (got == TABLE_FOUND && expand_once(x, "alias", text))
		add_alias(x, it, key, buf_view(&value), unmatched);
	buf_clear(&value);
	return got != TABLE_ABSENT;
}

/* -- items --------------------------------------------------------------------------------------------------- */

static void
local_name(struct expand *x, const struct item *it, struct span local)
{
	struct span user, ext;

	if (it->kind != ALIAS_USER && expand_alias(x, it, local, SPAN_NONE))
		return;
	bool has = address_extension(local, conf_str(x->job->view, P_recipient_delimiter), &user, &ext);
	if (has && it->kind != ALIAS_USER && expand_alias(x, it, user, span_skip(local, user.len)))
		return;
	expand_user(x, it, local, user, ext);
}

static bool
propagates(const struct expand *x, const struct item *it)
{
	static const char *const names[] = { [FROM_ALIAS] = "alias", [FROM_FORWARD] = "forward", [FROM_INCLUDE] = "include" };
	struct span list = span_str(conf_str(x->job->view, P_propagate_unmatched_extensions)), word;

	while (it->from != FROM_ENVELOPE && span_word(&list, "\t\r\n ,", &word))
		if (span_caseeqs(word, names[it->from]))
			return true;
	return false;
}

/* Whether it is delivered to here; else it goes into a new message. False with the report set. */
static bool
is_local(struct expand *x, struct span address, bool *local, struct report *r)
{
	struct route route = { .text = BUF_INIT(0) };
	struct err err;

	if (x->router == NULL && (x->router = router_new(view_conf(x->job->view), &err)) == NULL) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "cannot route %.*s", SPAN_ARG(span_head(address, 200)));
		return false;
	}
	bool known = route_resolve(x->router, NULL, address, x->job->sender, &route, NULL) == ROUTE_DONE && !route.failed;
	*local = known && route.class == ROUTE_LOCAL && span_eqs(route.transport, x->job->transport);
	route_clear(&route);
	return true;	/* what cannot be told now, the queue tells */
}

static void
an_address(struct expand *x, const struct item *it, struct span address)
{
	struct buf whole = BUF_INIT(4 * ADDRESS_MAX);
	struct report r = { .status = OUTCOME_DEFERRED };
	struct span local = address_local(address);
	bool here = false;

	buf_span(&whole, local);
	if (it->ext != NULL && propagates(x, it))
		buf_str(&whole, it->ext);
	size_t local_len = whole.len;
	if (local.len < address.len) {
		buf_span(&whole, span_skip(address, local.len));
	} else {
		buf_char(&whole, '@');
		buf_str(&whole, conf_str(x->job->view, P_myorigin));
	}
	char *text = buf_take(&whole);
	if (!is_local(x, span_str(text), &here, &r))
		expand_result(x, &r);
	else if (here && it->owner == NULL)
		local_name(x, it, span_of(text, local_len));
	else if (expand_once(x, "address", text))
		expand_forward(x, it, span_str(text), SPAN_NONE);
	free(text);
}

static void
an_include(struct expand *x, const struct item *it)
{
	struct buf text = BUF_INIT((size_t)1 << 20);
	struct report r = { .status = OUTCOME_DEFERRED };

	buf_str(&text, "");
	if (it->text[0] != '/')
		report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
	else if (expand_slurp(&it->actor, it->text, it->as_user, &text))
		expand_list(x, it, FROM_INCLUDE, buf_view(&text));
	else
		report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.2.0", "cannot open include file %.200s: %s", it->text, strerror(errno));
	if (r.text[0] != '\0')
		expand_result(x, &r);
	buf_clear(&text);
}

static void
one_item(struct expand *x, const struct item *it)
{
	struct report r = { .status = OUTCOME_DEFERRED };

	switch (it->kind) {
	case ALIAS_ADDRESS:
		an_address(x, it, span_str(it->text));
		break;
	case ALIAS_USER:
		local_name(x, it, address_local(span_str(it->text)));
		break;
	case ALIAS_COMMAND:
		expand_command(x, it, it->text, NULL);
		break;
	case ALIAS_FILE:
		expand_file(x, it, it->text);
		break;
	case ALIAS_INCLUDE:
		an_include(x, it);
		break;
	case ALIAS_BAD:
		report_set(&r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "an alias cannot be understood: \"%.200s\"", it->text);
		expand_result(x, &r);
		break;
	}
}

/* -- the end ---------------------------------------------------------------------------------------------------- */

/* What is to be made of it, for the parent; nothing where it will be tried again. */
static bool
write_forwards(const struct expand *x)
{
	struct buf all = BUF_INIT(FORWARD_BYTES_MAX);

	for (size_t i = 0; i < x->group_count; i++) {
		struct forward f = { .sender = span_str(x->group[i].sender), .filter = span_str(x->group[i].filter),
			.delivered = x->group[i].filter[0] != '\0' ? SPAN_NONE : x->job->recipient, .count = x->group[i].count,
			.addresses = buf_view(&x->groups[i]) };
		struct buf one = BUF_INIT(FORWARD_BYTES_MAX);
		forward_pack(&one, &f);
		pack_span(&all, buf_view(&one));
		buf_clear(&one);
	}
	bool ok = !all.over && (all.len == 0 || (x->job->forwards_fd > 0 &&
	    write(x->job->forwards_fd, all.ptr, all.len) == (ssize_t)all.len));
	buf_clear(&all);
	return ok;
}

/* Before anything is made of a message: did it come by here already? Never as root. */
static void
look_for_loop(void *arg, struct report *r)
{
	struct job *job = arg;
	struct message m = { 0 };

	if (job_read(job, &m, r))
		report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "no loop");
	message_clear(&m);
}

static bool
loops(struct expand *x, struct report *r)
{
	struct actor a;

	if (!default_actor(x->job, &a)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
		report_warn(r, "default_privs: there is no such account");
		return true;
	}
	actor_run(x->job, &a, look_for_loop, x->job, r);
	return r->status != OUTCOME_SENT;
}

static void
conclude(struct expand *x, struct report *r)
{
	if (x->failed && x->worst.status == OUTCOME_DEFERRED)
		*r = x->worst;
	else if (!write_forwards(x))
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.0", "local resources: the list of new messages cannot be kept");
	else if (x->failed)
		*r = x->worst;
	else if (x->done > 0)
		*r = x->last;
	else
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "alias database loop: nothing is left of %.*s",
		    SPAN_ARG(span_head(x->job->recipient, 200)));
	if (x->group_count > 0 && r->status == OUTCOME_SENT)
		report_set(r, OUTCOME_EXPANDED, SCOPE_RECIPIENT, "2.0.0", "forwarded as a new message");
	memcpy(r->warning, x->last.warning, sizeof r->warning);
}

void
local_deliver(struct job *job, struct report *r)
{
	struct expand *x;
	struct item first = { .kind = ALIAS_ADDRESS, .from = FROM_ENVELOPE };
	struct span local = address_local(job->recipient);

	MEM_NEW(x);
	x->job = job;
	for (size_t i = 0; i < sizeof x->groups / sizeof *x->groups; i++)
		x->groups[i] = BUF_INIT(FORWARD_BYTES_MAX);
	if (loops(x, r)) {
		free(x);
		return;
	}
	if (span_starts(local, "\\")) {
		first.kind = ALIAS_USER;
		local = span_skip(local, 1);
	}
	local_name(x, &first, local);
	while (x->at < x->count) {
		struct item it = x->items[x->at++];	/* the list may grow */
		one_item(x, &it);
		if (x->failed && x->worst.status == OUTCOME_DEFERRED && x->worst.scope == SCOPE_MESSAGE)
			break;
	}
	conclude(x, r);
	router_free(x->router);
	/* The process ends: the lists go with it. */
}
