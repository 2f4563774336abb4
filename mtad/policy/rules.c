/* Restriction lists, compiled. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/num.h"
#include "policy/dnsbl.h"
#include "policy/private.h"

#define RULES_MAX	1000
#define CLASSES_DEEP	20	/* classes within classes */
#define RESULTS_MAX	1000	/* different lists that tables give; kept, as they are used by what runs */

static const struct restriction all[] = {
#define RESTRICTION(name, arg, check)	{ #name, arg, check },
#include "policy/restrictions.def"
#undef RESTRICTION
};
#define COUNT	(sizeof all / sizeof *all)

const struct restriction *
restriction_find(struct span name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (span_caseeqs(name, all[i].name))
			return &all[i];
	return NULL;
}

const char *
restriction_nearest(struct span name)
{
	struct near near = { .word = name };

	for (size_t i = 0; i < COUNT; i++)
		near_try(&near, all[i].name);
	return near.best;
}

static bool
is_class(const struct view *v, struct span name)
{
	struct span rest = span_str(conf_str(v, P_smtpd_restriction_classes)), word;
	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_eq(word, name))
			return true;
	return false;
}

static bool
fail_unknown(struct span word, struct err *err)
{
	const char *near = restriction_nearest(word);

	if (near != NULL)
		err_set(err, ERR_SYS, "\"%.*s\" is no restriction; did you mean %s?", SPAN_ARG(span_head(word, 80)), near);
	else
		err_set(err, ERR_SYS, "\"%.*s\" is no restriction; see access restrictions in the manual", SPAN_ARG(span_head(word, 80)));
	return false;
}

/* -- what stands behind a name ------------------------------------------------------------ */

struct named_access {
	struct table	*table;
};

static struct span
access_key(const void *item)
{
	return span_str(table_name(((const struct named_access *)item)->table));
}

void
policy_tables_clear(struct policy *p)
{
	size_t at = 0;
	struct named_access *n;

	while ((n = map_next(&p->tables, &at)) != NULL) {
		table_free(n->table);
		free(n);
	}
	map_clear(&p->tables);
}

/* Roles get descriptors for what the configuration names, so a table's result cannot bring another in. */
static const struct table *
table_for(struct policy *p, struct span spec, struct err *err)
{
	struct named_access *n;

	if (p->tables.key == NULL)
		p->tables = MAP_INIT(access_key);
	if ((n = map_get(&p->tables, spec)) != NULL)
		return n->table;
	if (!p->opening) {
		err_set(err, ERR_SYS, "table \"%.*s\" is named by no parameter: define a restriction class for it", SPAN_ARG(span_head(spec, 80)));
		return NULL;
	}
	struct table *t = table_open(view_conf(p->view), spec, err);
	if (t == NULL)
		return NULL;
	if (map_get(&p->tables, span_str(table_name(t))) != NULL) {	/* the same in other words: without "proxy:" */
		n = map_get(&p->tables, span_str(table_name(t)));
		table_free(t);
		return n->table;
	}
	MEM_NEW(n);
	n->table = t;
	map_add(&p->tables, n);
	return t;
}

static bool
set_seconds(struct span arg, struct err *err)
{
	uint32_t seconds;

	if (num_u32(arg, &seconds) && seconds <= 3600)
		return true;
	err_set(err, ERR_SYS, "sleep %.*s: write a number of seconds up to 3600", SPAN_ARG(span_head(arg, 40)));
	return false;
}

/* "{ type:name, { search_order = cert_fingerprint, pubkey_fingerprint } }" */
static bool
take_search_order(struct rule *r, struct span *arg, struct err *err)
{
	struct span rest = span_of(arg->ptr + 1, arg->len - 2), table, order = SPAN_NONE, name;

	if (!table_word(&rest, &table))
		table = SPAN_NONE;
	if (table_word(&rest, &order)) {
		size_t eq = span_find(order, '=');
		name = span_trim(span_skip(span_head(order, eq), 1));
		if (order.ptr[0] != '{' || !span_eqs(name, "search_order")) {
			err_set(err, ERR_SYS, "check_ccert_access: \"%.*s\" is not { search_order = ... }", SPAN_ARG(span_head(order, 60)));
			return false;
		}
		order = span_skip(order, eq + 1);
		r->order = span_dup(span_head(order, order.len - 1));
		for (order = span_str(r->order); span_word(&order, "\t\r\n ,", &name);)
			if (!ccert_search_known(name)) {
				err_set(err, ERR_SYS, "check_ccert_access: unknown search type '%.*s'", SPAN_ARG(span_head(name, 60)));
				return false;
			}
	}
	*arg = table;
	return true;
}

static bool
set_table(struct rule *r, struct policy *p, struct span arg, struct err *err)
{
	if (r->what->check == check_ccert_access && arg.len > 1 && arg.ptr[0] == '{' && !take_search_order(r, &arg, err))
		return false;
	if (!span_has(arg, ':')) {
		err_set(err, ERR_SYS, "%s wants a table behind it (type:name), not \"%.*s\"", r->what->name, SPAN_ARG(span_head(arg, 60)));
		return false;
	}
	r->table = table_for(p, arg, err);
	return r->table != NULL;
}

static bool
set_dnsbl(struct rule *r, struct span arg, struct err *err)
{
	MEM_NEW(r->dnsbl);
	return dnsbl_parse(arg, r->dnsbl, err);
}

static void
rule_clear(struct rule *r)
{
	free(r->arg);
	free(r->order);
	if (r->dnsbl != NULL)
		dnsbl_clear(r->dnsbl);
	free(r->dnsbl);
}

static bool
set_argument(struct rule *r, struct policy *p, struct span arg, struct err *err)
{
	switch (r->what->arg) {
	case ARG_NONE:
		return true;
	case ARG_SECONDS:
		return set_seconds(arg, err);
	case ARG_TABLE:
		return set_table(r, p, arg, err);
	case ARG_DOMAIN:
		return set_dnsbl(r, arg, err);
	case ARG_SERVER:
		r->server = policy_servers_add(&p->servers, p->view, arg, err);
		return r->server != NULL;
	}
	return false;
}

/* -- lists -------------------------------------------------------------------------------- */

struct compiling {
	struct rules	*rules;
	struct policy	*policy;
	enum list	 list;
	struct err	*err;
	bool		 warned;	/* in a class behind warn_if_reject, which means all of it */
};

static bool
add_with(struct compiling *c, const struct restriction *what, struct span arg)
{
	struct rule rule = { .what = what };

	if (c->warned && what->check != check_warn_if_reject) {
		c->warned = false;
		bool ok = add_with(c, restriction_find(SPAN("warn_if_reject")), SPAN_NONE);
		c->warned = true;
		if (!ok)
			return false;
	}
	if (c->rules->count == RULES_MAX) {
		err_set(c->err, ERR_SYS, "more than %d restrictions", RULES_MAX);
		return false;
	}
	if (!set_argument(&rule, c->policy, arg, c->err)) {
		rule_clear(&rule);
		return false;
	}
	rule.arg = what->arg == ARG_NONE ? NULL : span_dup(arg);
	c->rules->list = mem_grow(c->rules->list, c->rules->count + 1, sizeof *c->rules->list);
	c->rules->list[c->rules->count++] = rule;
	return true;
}

static bool
add_rule(struct compiling *c, const struct restriction *what, struct span *rest)
{
	struct span arg = SPAN_NONE;

	if (what->arg != ARG_NONE && !table_word(rest, &arg)) {
		err_set(c->err, ERR_SYS, "%s wants an argument behind it", what->name);
		return false;
	}
	return add_with(c, what, arg);
}

/* A table alone is asked for what the list is about. */
static bool
add_table(struct compiling *c, struct span word)
{
	static const char *const usual[LIST_COUNT] = { "check_client_access", "check_helo_access", "check_sender_access",
		"check_recipient_access", "check_recipient_access", NULL, NULL, "check_etrn_access" };

	if (usual[c->list] != NULL)
		return add_with(c, restriction_find(span_str(usual[c->list])), word);
	err_set(c->err, ERR_SYS, "write check_client_access, check_sender_access or the like before \"%.*s\"", SPAN_ARG(span_head(word, 80)));
	return false;
}

static bool add_words(struct compiling *, struct span text, unsigned depth);

static bool
add_class(struct compiling *c, struct span name, unsigned depth)
{
	struct buf value = BUF_INIT(65536);
	bool ok = conf_raw(c->policy->view, name) != NULL;

	if (!ok)
		err_set(c->err, ERR_SYS, "smtpd_restriction_classes names it, and it is not set");
	else
		ok = conf_expanded(c->policy->view, name, &value, c->err) && add_words(c, buf_view(&value), depth + 1);
	buf_clear(&value);
	if (!ok)
		err_prefix(c->err, "%.*s", SPAN_ARG(span_head(name, 60)));
	return ok;
}

static bool
is_table_word(struct span word)
{
	size_t at = span_find(word, ':');

	return at < word.len && (span_eqs(span_head(word, at), "proxy") || table_type_known(span_head(word, at)));
}

/* Recursion ends at CLASSES_DEEP. A group in braces is a list of its own words. */
static bool
add_words(struct compiling *c, struct span text, unsigned depth)
{
	struct span word;

	if (depth > CLASSES_DEEP) {
		err_set(c->err, ERR_SYS, "restriction classes within each other, more than %d deep", CLASSES_DEEP);
		return false;
	}
	while (table_word(&text, &word)) {
		const struct restriction *what;
		bool ok, was = c->warned;
		c->warned = was || (c->rules->count > 0 && c->rules->list[c->rules->count - 1].what->check == check_warn_if_reject &&
		    (word.ptr[0] == '{' || is_class(c->policy->view, word)));
		if (word.ptr[0] == '{' && word.ptr[word.len - 1] == '}')
			ok = add_words(c, span_of(word.ptr + 1, word.len - 2), depth + 1);
		else if (is_class(c->policy->view, word))
			ok = add_class(c, word, depth);
		else if ((what = restriction_find(word)) != NULL)
			ok = add_rule(c, what, &text);
		else if (is_table_word(word))
			ok = add_table(c, word);
		else
			ok = fail_unknown(word, c->err);
		c->warned = was;
		if (!ok)
			return false;
	}
	return true;
}

bool
rules_open(struct rules *r, struct policy *p, enum list list, struct span value, struct err *err)
{
	struct compiling c = { .rules = r, .policy = p, .list = list, .err = err };

	*r = (struct rules){ NULL, 0 };
	if (add_words(&c, value, 0))
		return true;
	rules_clear(r);
	return false;
}

void
rules_clear(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		rule_clear(&r->list[i]);
	free(r->list);
	*r = (struct rules){ NULL, 0 };
}

bool
rules_have(const struct rules *r, const char *const *names)
{
	for (size_t i = 0; i < r->count; i++)
		for (size_t n = 0; names[n] != NULL; n++)
			if (strcmp(r->list[i].what->name, names[n]) == 0)
				return true;
	return false;
}

/* -- lists that tables give --------------------------------------------------------------------- */

struct action_rules {
	char		*key;		/* the list's number, a blank, the text */
	struct rules	 rules;
};

static struct span
action_key(const void *item)
{
	return span_str(((const struct action_rules *)item)->key);
}

void
policy_actions_clear(struct policy *p)
{
	size_t at = 0;
	struct action_rules *a;

	while ((a = map_next(&p->actions, &at)) != NULL) {
		rules_clear(&a->rules);
		free(a->key);
		free(a);
	}
	map_clear(&p->actions);
}

const struct rules *
rules_for_result(struct policy *p, enum list list, struct span value, struct err *err)
{
	struct buf key = BUF_INIT(65536);
	struct action_rules *a;

	if (p->actions.key == NULL)
		p->actions = MAP_INIT(action_key);
	buf_printf(&key, "%d %.*s", (int)list, SPAN_ARG(value));
	a = map_get(&p->actions, buf_view(&key));
	if (a == NULL && (p->actions.count >= RESULTS_MAX || span_has(value, '\0') || key.over)) {
		err_set(err, ERR_SYS, "more than %d different lists of restrictions in tables", RESULTS_MAX);
	} else if (a == NULL) {
		MEM_NEW(a);
		if (rules_open(&a->rules, p, list, value, err)) {
			a->key = mem_str(key.ptr);
			map_add(&p->actions, a);
		} else {
			free(a);
			a = NULL;
		}
	}
	buf_clear(&key);
	return a == NULL ? NULL : &a->rules;
}
