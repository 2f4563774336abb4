/*
 * route ADDRESS: what the daemon would decide about it now, by the daemon's own functions, with the configuration as it is on disk: whether it is taken at
 * RCPT, what canonical and virtual maps make of it, and for each address that comes of it its class, transport, next hop and hosts.
 */
#include "mtactl/route.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/facts.h"
#include "base/mem.h"
#include "mtactl/route_check.h"
#include "mtactl/route_steps.h"
#include "policy/policy.h"
#include "route/mapping.h"
#include "table/table.h"

struct route_check {
	struct session	*session;
	struct router	*router;
	struct mapper	*mapper;
	struct policy	*policy;
	struct tables	 aliases;
	struct facts	*facts;
	struct span	 given;
	struct buf	 address, sender;	/* as they are rewritten */
	struct steps	 steps;
	struct route	 route;
	struct policy_verdict verdict;
	bool		 dns;		/* look for hosts */
	bool		 unanswered;	/* something was asked that only the daemon can */
};

/* Users and groups are answered here; whatever else goes over the network is not asked. */
static void
answer(struct route_check *a, const struct fact_want *w)
{
	struct buf value = BUF_INIT(4096);
	char *key = span_dup(w->key);
	enum fact_state state = FACT_FAILED;

	if (span_eqs(w->source, "unix:passwd.byname")) {
		const struct passwd *pw = getpwnam(key);
		state = pw != NULL ? FACT_KNOWN : FACT_ABSENT;
		if (pw != NULL)
			buf_printf(&value, "%s:*:%u:%u::%s:%s", pw->pw_name, pw->pw_uid, pw->pw_gid, pw->pw_dir, pw->pw_shell);
	} else if (span_eqs(w->source, "unix:group.byname")) {
		const struct group *gr = getgrnam(key);
		state = gr != NULL ? FACT_KNOWN : FACT_ABSENT;
		if (gr != NULL)
			buf_printf(&value, "%s:*:%u:", gr->gr_name, gr->gr_gid);
	} else {
		buf_printf(&value, "only the daemon asks %.*s", SPAN_ARG(span_head(w->source, 200)));
		a->unanswered = true;
	}
	facts_answer(a->facts, w->id, state, buf_view(&value));
	buf_clear(&value);
	free(key);
}

/* A decision that waits for facts: gives them, and forgets the steps since `mark`, as it will be asked again. Each round answers at least one more. */
static bool
again(struct route_check *a, bool pending, size_t mark)
{
	struct fact_want w;

	if (!pending)
		return false;
	while (facts_wanted(a->facts, &w))
		answer(a, &w);
	steps_cut(&a->steps, mark);
	return true;
}

/* As if it came from this machine: relaying is allowed, unknown recipients are not. */
static void
check(struct route_check *a)
{
	struct policy_session session = {
		.client_name = SPAN("localhost"), .client_addr = SPAN("127.0.0.1"), .server_addr = SPAN("127.0.0.1"),
		.helo = SPAN("localhost"), .protocol = SPAN("ESMTP"), .sender = buf_view(&a->sender), .recipient = buf_view(&a->address),
		.has_sender = true, .has_recipient = true, .esmtp = true,
	};

	facts_reset(a->facts, clock_wall());
	while (again(a, policy_check(a->policy, POLICY_RECIPIENT, &session, a->facts, &a->verdict, NULL) == POLICY_PENDING, 0))
		continue;
	steps_cut(&a->steps, 0);	/* how it is routed is told below */
}

/* -- what is made of the address -- */

static void
fail(struct route_check *a, const struct err *err)
{
	steps_add(&a->steps, "%s", err->text);
	a->route.failed = true;
	a->route.dsn = "4.3.0";
	a->route.reason = *err;
}

static bool
canonical(struct route_check *a, enum map_class class, struct buf *address)
{
	struct buf out = BUF_INIT(8192);
	size_t mark = a->steps.trace.len;
	enum map_status status;
	struct err err;

	facts_reset(a->facts, clock_wall());
	do
		status = mapper_canonical(a->mapper, a->facts, class, buf_view(address), &out, &err);
	while (again(a, status == MAP_PENDING, mark));
	if (status == MAP_FAULT) {
		fail(a, &err);
	} else if (!span_eq(buf_view(&out), buf_view(address))) {
		steps_add(&a->steps, "canonical: %.*s becomes %.*s", SPAN_ARG(buf_view(address)), SPAN_ARG(buf_view(&out)));
		buf_reset(address);
		buf_span(address, buf_view(&out));
	}
	buf_clear(&out);
	return status == MAP_DONE;
}

static void
say_virtual(struct route_check *a, const struct map_list *list)
{
	struct span rest = buf_view(&list->text), each;
	struct buf all = BUF_INIT((size_t)1 << 20);

	while (map_list_next(&rest, &each))
		buf_printf(&all, "%s%.*s", all.len > 0 ? ", " : "", SPAN_ARG(each));
	if (!span_caseeq(buf_view(&all), buf_view(&a->address)))
		steps_add(&a->steps, "virtual_alias_maps: %.*s becomes %.*s", SPAN_ARG(buf_view(&a->address)), SPAN_ARG(buf_view(&all)));
	buf_clear(&all);
}

static bool
virtual(struct route_check *a, struct map_list *list)
{
	size_t mark = a->steps.trace.len;
	enum map_status status;
	struct err err;

	facts_reset(a->facts, clock_wall());
	do
		status = mapper_virtual(a->mapper, a->facts, buf_view(&a->address), list, &err);
	while (again(a, status == MAP_PENDING, mark));
	if (status == MAP_FAULT)
		fail(a, &err);
	else
		say_virtual(a, list);
	return status == MAP_DONE;
}

/* -- where it goes -- */

/* The first step of what local delivery will make of it. */
static void
say_alias(struct route_check *a)
{
	struct buf value = BUF_INIT(65536);
	size_t mark = a->steps.trace.len;
	struct span local = span_head(a->route.recipient, span_rfind(a->route.recipient, '@'));
	struct err err;
	enum table_result r;

	if (a->route.class != ROUTE_LOCAL || a->aliases.count == 0)
		return;
	facts_reset(a->facts, clock_wall());
	do
		r = tables_get(&a->aliases, a->facts, local, &value, &err);
	while (again(a, r == TABLE_PENDING, mark));
	if (r == TABLE_FOUND)
		steps_add(&a->steps, "alias_maps: %.*s becomes %.*s", SPAN_ARG(local), SPAN_ARG(buf_view(&value)));
	buf_clear(&value);
}

static void
resolve(struct route_check *a, struct span recipient)
{
	size_t mark = a->steps.trace.len;

	facts_reset(a->facts, clock_wall());
	while (again(a, route_resolve(a->router, a->facts, recipient, buf_view(&a->sender), &a->route, &a->steps.trace) == ROUTE_PENDING, mark))
		continue;
	if (!a->route.failed)
		say_alias(a);
}

static void
put_verdict(struct jsonl *j, const struct route_check *a)
{
	const struct policy_verdict *v = &a->verdict;

	jsonl_bool(j, "accepted", v->action == POLICY_OK);
	if (v->action == POLICY_OK)
		return;
	jsonl_i64(j, "code", v->code);
	jsonl_str(j, "dsn", span_str(v->dsn));
	jsonl_str(j, "reply", span_str(v->action == POLICY_DISCARD ? "taken and thrown away" : v->reply));
	jsonl_str(j, "restriction", span_str(v->restriction));
}

/* One of the addresses that came of it; false where it could not be delivered. */
static bool
put_row(struct route_check *a, struct span rewritten)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	const struct route *r = &a->route;
	bool none = false;

	jsonl_object(&j, NULL);
	jsonl_str(&j, "address", a->given);
	jsonl_str(&j, "rewritten", rewritten);
	put_verdict(&j, a);
	if (r->failed) {
		jsonl_str(&j, "failed", span_str(r->reason.text));
		jsonl_str(&j, "failed_dsn", span_str(r->dsn));
	} else {
		jsonl_str(&j, "class", span_str(route_class_name(r->class)));
		jsonl_str(&j, "transport", r->transport);
		jsonl_str(&j, "nexthop", r->nexthop);
		jsonl_str(&j, "recipient", r->recipient);
		if (a->dns)
			none = route_hosts_put(a->session, r, &j) == HOSTS_NONE;
	}
	steps_put(&a->steps, a->session->conf, 0, a->steps.trace.len, &j);
	jsonl_end_object(&j);
	session_row(a->session, buf_view(&row));
	buf_clear(&row);
	return !none && !r->failed && !span_eqs(r->transport, "error");
}

static bool
put_all(struct route_check *a)
{
	struct map_list list = { .text = BUF_INIT((size_t)4 << 20) };
	struct span rest, each;
	bool good = a->verdict.action == POLICY_OK;

	if (!canonical(a, MAP_ENVELOPE_SENDER, &a->sender) || !canonical(a, MAP_ENVELOPE_RECIPIENT, &a->address) || !virtual(a, &list)) {
		good = put_row(a, buf_view(&a->address)) && good;
		map_list_clear(&list);
		return good;
	}
	size_t mark = a->steps.trace.len;
	rest = buf_view(&list.text);
	while (map_list_next(&rest, &each)) {
		resolve(a, each);
		good = put_row(a, each) && good;
		steps_cut(&a->steps, mark);
	}
	map_list_clear(&list);
	return good;
}

/* -- the command -- */

static bool
open_all(struct route_check *a)
{
	struct conf *c = a->session->conf;
	struct err err = { .kind = ERR_NONE };

	a->router = router_new(c, &err);
	if (a->router != NULL)
		a->mapper = mapper_new(c, conf_program(c, "cleanup"), a->router, &err);
	if (a->mapper != NULL)
		a->policy = policy_new(conf_program(c, "smtpd"), a->router, &err);
	if (a->policy == NULL)
		local_fail(a->session, &err);
	else
		(void)tables_open(&a->aliases, c, conf_str(conf_program(c, "local"), P_alias_maps), &err);
	return a->policy != NULL;
}

static void
close_all(struct route_check *a)
{
	policy_verdict_clear(&a->verdict);
	route_clear(&a->route);
	policy_free(a->policy);
	mapper_free(a->mapper);
	router_free(a->router);
	tables_clear(&a->aliases);
	facts_free(a->facts);
	buf_clear(&a->address);
	buf_clear(&a->sender);
	steps_clear(&a->steps);
}

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	struct route_check *a = arg;

	session_say(a->session, "warning: %s, line %u: %s", path, line, text);
}

static void
told(void *arg, const struct table *t, struct span key, unsigned line, struct span value)
{
	struct route_check *a = arg;

	steps_told(&a->steps, t, key, line, value);
}

int
route_run(struct session *s, const struct request *req)
{
	struct route_check a = { .session = s, .facts = facts_new(), .dns = !local_flag(req, "no-dns") };
	const struct table_env env = { .warn = warn, .told = told, .arg = &a, .blocks = true };
	struct span sender = SPAN_NONE;
	int status = 78;

	a.steps.trace = BUF_INIT((size_t)1 << 20);
	a.route.text = a.verdict.text = a.verdict.log = BUF_INIT(0);
	table_use(&env);
	if (session_configure(s) && request_get(req, "address", &a.given) && open_all(&a)) {
		(void)request_get(req, "from", &sender);
		route_rewrite(a.router, a.given, true, &a.address);
		route_rewrite(a.router, sender, true, &a.sender);
		check(&a);
		status = put_all(&a) ? 0 : 1;
		if (a.unanswered)
			session_say(s, "some of it depends on what only the daemon asks, over the network");
	}
	close_all(&a);
	table_use(&(struct table_env){ .open = NULL });
	return status;
}

/* -- for others ------------------------------------------------------------------------------------- */

struct route_check *
route_check_new(struct session *s)
{
	struct route_check *a;

	MEM_NEW(a);
	*a = (struct route_check){ .session = s, .facts = facts_new() };
	a->steps.trace = BUF_INIT((size_t)1 << 20);
	a->route.text = a->verdict.text = a->verdict.log = BUF_INIT(0);
	if (session_configure(s) && open_all(a))
		return a;
	route_check_free(a);
	return NULL;
}

void
route_check_free(struct route_check *a)
{
	if (a == NULL)
		return;
	close_all(a);
	free(a);
}

bool
route_check_refused(struct route_check *a, struct span address, struct buf *why)
{
	buf_reset(&a->address);
	a->unanswered = false;
	route_rewrite(a->router, address, true, &a->address);
	check(a);
	if (a->verdict.action == POLICY_OK || a->unanswered || a->verdict.code < 500)
		return false;
	buf_printf(why, "%d %s %s", a->verdict.code, a->verdict.dsn, a->verdict.reply);
	return true;
}
