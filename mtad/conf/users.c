#include "conf/users.h"

#include <pwd.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

#define NAMES_MAX	20000	/* of a directory service that lists its users, this many */

void
user_names_read(struct user_names *u)
{
	struct passwd *pw;
	size_t cap = 0;

	*u = (struct user_names){ .count = 0 };
	setpwent();
	while (u->count < NAMES_MAX && (pw = getpwent()) != NULL) {
		struct span name = span_str(pw->pw_name);
		if (name.len == 0 || name.len >= sizeof u->items->name)
			continue;
		if (u->count == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			u->items = mem_grow(u->items, cap, sizeof *u->items);
		}
		struct user_name *slot = &u->items[u->count++];
		slot->uid = pw->pw_uid;
		memcpy(slot->name, name.ptr, name.len + 1);
	}
	endpwent();
}

void
user_list_clear(struct user_list *list)
{
	free(list->rules);
	*list = (struct user_list){ .count = 0 };
}

void
user_names_clear(struct user_names *u)
{
	free(u->items);
	*u = (struct user_names){ .count = 0 };
}

static bool
find_uid(const struct user_names *u, struct span name, uid_t *uid)
{
	uint32_t n;

	for (size_t i = 0; i < u->count; i++) {
		if (!span_eqs(name, u->items[i].name))
			continue;
		*uid = u->items[i].uid;
		return true;
	}
	if (!num_u32(name, &n))
		return false;
	*uid = n;
	return true;
}

static bool
make_rule(const struct user_names *u, const char *parameter, struct span word, struct user_rule *rule)
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

void
user_list_make(struct user_list *list, const struct user_names *u, const char *parameter, const char *text)
{
	struct span left = span_str(text), word;

	user_list_clear(list);
	while (span_word(&left, "\t\r\n ,", &word)) {
		struct user_rule rule;
		if (!make_rule(u, parameter, word, &rule))
			continue;
		list->rules = mem_grow(list->rules, list->count + 1, sizeof *list->rules);
		list->rules[list->count++] = rule;
	}
}

bool
user_list_has(const struct user_list *list, uid_t uid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->rules[i].anyone || list->rules[i].uid == uid)
			return !list->rules[i].negated;
	return false;
}

void
user_names_text(const struct user_names *u, uid_t uid, struct buf *out)
{
	for (size_t i = 0; i < u->count; i++) {
		if (u->items[i].uid != uid)
			continue;
		buf_str(out, u->items[i].name);
		return;
	}
	buf_printf(out, "uid %u", (unsigned)uid);
}
