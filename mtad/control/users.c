#include "control/users.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ctl/rights.h"

#define NAMES_MAX	20000	/* of a directory service that lists its users, this many */

void
users_init(struct users *u)
{
	struct passwd *pw;
	size_t cap = 0;

	*u = (struct users){ .owner = geteuid() };
	setpwent();
	while (u->name_count < NAMES_MAX && (pw = getpwent()) != NULL) {
		struct span name = span_str(pw->pw_name);
		if (name.len == 0 || name.len >= sizeof u->names->name)
			continue;
		if (u->name_count == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			u->names = mem_grow(u->names, cap, sizeof *u->names);
		}
		struct user_name *slot = &u->names[u->name_count++];
		slot->uid = pw->pw_uid;
		memcpy(slot->name, name.ptr, name.len + 1);
	}
	endpwent();
}

static void
list_clear(struct user_list *list)
{
	free(list->rules);
	*list = (struct user_list){ .count = 0 };
}

void
users_clear(struct users *u)
{
	free(u->names);
	list_clear(&u->view);
	list_clear(&u->flush);
	list_clear(&u->read);
	list_clear(&u->administer);
	*u = (struct users){ .names = NULL };
}

static bool
find_uid(const struct users *u, struct span name, uid_t *uid)
{
	uint32_t n;

	for (size_t i = 0; i < u->name_count; i++) {
		if (!span_eqs(name, u->names[i].name))
			continue;
		*uid = u->names[i].uid;
		return true;
	}
	if (!num_u32(name, &n))
		return false;
	*uid = n;
	return true;
}

static bool
make_rule(const struct users *u, const char *parameter, struct span word, struct user_rule *rule)
{
	*rule = (struct user_rule){ .negated = word.len > 0 && *word.ptr == '!' };
	struct span name = rule->negated ? span_skip(word, 1) : word;

	if (span_starts(name, "static:")) {
		rule->anyone = true;
		return true;
	}
	if (find_uid(u, name, &rule->uid))
		return true;
	log_warning(NULL, "%s: \"%.*s\" is not a user known when mtad started; it lets nobody in", parameter,
	    SPAN_ARG(word));
	return false;
}

static void
list_make(const struct users *u, struct user_list *list, const char *parameter, const char *text)
{
	struct span left = span_str(text), word;

	list_clear(list);
	while (span_word(&left, "\t\r\n ,", &word)) {
		struct user_rule rule;
		if (!make_rule(u, parameter, word, &rule))
			continue;
		list->rules = mem_grow(list->rules, list->count + 1, sizeof *list->rules);
		list->rules[list->count++] = rule;
	}
}

void
users_configure(struct users *u, const struct view *v)
{
	list_make(u, &u->view, "authorized_mailq_users", conf_str(v, P_authorized_mailq_users));
	list_make(u, &u->flush, "authorized_flush_users", conf_str(v, P_authorized_flush_users));
	list_make(u, &u->read, "mtad_read_users", conf_str(v, P_mtad_read_users));
	list_make(u, &u->administer, "mtad_admin_users", conf_str(v, P_mtad_admin_users));
}

/* The first rule that fits decides, as in Postfix's lists of users. */
static bool
listed(const struct user_list *list, uid_t uid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->rules[i].anyone || list->rules[i].uid == uid)
			return !list->rules[i].negated;
	return false;
}

uint8_t
users_rights(const struct users *u, uid_t uid)
{
	unsigned rights = 0;

	if (uid == 0 || (u->owner != 0 && uid == u->owner) || listed(&u->administer, uid))
		return CTL_ALL;
	if (listed(&u->view, uid))
		rights |= CTL_VIEW;
	if (listed(&u->flush, uid))
		rights |= CTL_FLUSH;
	if (listed(&u->read, uid))
		rights |= CTL_READ;
	return (uint8_t)rights;
}

void
users_name(const struct users *u, uid_t uid, struct buf *out)
{
	for (size_t i = 0; i < u->name_count; i++) {
		if (u->names[i].uid != uid)
			continue;
		buf_str(out, u->names[i].name);
		return;
	}
	buf_printf(out, "uid %u", (unsigned)uid);
}
