/*
 * route ADDRESS: what the daemon would decide about it now, by the daemon's own functions, with the configuration as it is on disk.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/facts.h"
#include "base/mem.h"
#include "mtactl/local.h"
#include "mtactl/route_check.h"
#include "policy/policy.h"
#include "route/route.h"
#include "table/table.h"

struct route_check {
	struct session	*session;
	struct router	*router;
	struct policy	*policy;
	struct facts	*facts;
	struct buf	 address, sender, trace, policy_trace;
	struct route	 route;
	struct policy_verdict verdict;
	bool		 unanswered;	/* something was asked that only the daemon can */
};

/* Users and groups are answered here; whatever goes over the network is not asked. */
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

static void
answer_all(struct route_check *a)
{
	struct fact_want w;

	while (facts_wanted(a->facts, &w))
		answer(a, &w);
}

/* Every round answers at least one question more; facts are bounded. */
static void
resolve(struct route_check *a)
{
	facts_reset(a->facts, clock_wall());
	buf_reset(&a->trace);
	while (route_resolve(a->router, a->facts, buf_view(&a->address), buf_view(&a->sender), &a->route, &a->trace) == ROUTE_PENDING) {
		answer_all(a);
		buf_reset(&a->trace);
	}
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
	while (policy_check(a->policy, POLICY_RECIPIENT, &session, a->facts, &a->verdict, &a->policy_trace) == POLICY_PENDING) {
		answer_all(a);
		buf_reset(&a->policy_trace);
	}
}

static void
put_steps(struct jsonl *j, struct span trace)
{
	struct span line;

	jsonl_array(j, "steps");
	while (span_cut(&trace, '\n', &line))
		if (line.len > 0)
			jsonl_str(j, NULL, line);
	jsonl_end_array(j);
}

static bool
is_refused(const struct route_check *a)
{
	return a->route.failed || a->verdict.action != POLICY_OK || span_eqs(a->route.transport, "error");
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

static void
put_row(struct route_check *a, struct span given)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	const struct route *r = &a->route;

	jsonl_object(&j, NULL);
	jsonl_str(&j, "address", given);
	jsonl_str(&j, "rewritten", buf_view(&a->address));
	if (r->failed) {
		jsonl_str(&j, "failed", span_str(r->reason.text));
		jsonl_str(&j, "dsn", span_str(r->dsn));
	} else {
		jsonl_str(&j, "class", span_str(route_class_name(r->class)));
		jsonl_str(&j, "transport", r->transport);
		jsonl_str(&j, "nexthop", r->nexthop);
		jsonl_str(&j, "recipient", r->recipient);
		put_verdict(&j, a);
	}
	put_steps(&j, buf_view(&a->trace));
	jsonl_end_object(&j);
	session_row(a->session, buf_view(&row));
	buf_clear(&row);
}

static bool
open_all(struct route_check *a)
{
	struct conf *c = a->session->conf;
	struct err err = { .kind = ERR_NONE };
	const struct view *view = conf_program(c, "smtpd");

	a->router = router_new(c, &err);
	if (a->router != NULL)
		a->policy = policy_new(view, a->router, &err);
	if (a->policy == NULL)
		local_fail(a->session, &err);
	return a->policy != NULL;
}

static void
clear(struct route_check *a)
{
	policy_verdict_clear(&a->verdict);
	route_clear(&a->route);
	policy_free(a->policy);
	router_free(a->router);
	facts_free(a->facts);
	buf_clear(&a->address);
	buf_clear(&a->sender);
	buf_clear(&a->trace);
	buf_clear(&a->policy_trace);
}

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	session_say(arg, "warning: %s, line %u: %s", path, line, text);
}

int
route_run(struct session *s, const struct request *req)
{
	const struct table_env env = { .warn = warn, .arg = s, .blocks = true };
	struct route_check a = { .session = s, .facts = facts_new() };
	struct span address, sender = SPAN_NONE;
	int status = 78;

	a.route.text = a.verdict.text = a.verdict.log = BUF_INIT(0);
	table_use(&env);
	if (session_configure(s) && request_get(req, "address", &address) && open_all(&a)) {
		(void)request_get(req, "sender", &sender);
		route_rewrite(a.router, address, true, &a.address);
		route_rewrite(a.router, sender, true, &a.sender);
		check(&a);
		resolve(&a);
		put_row(&a, address);
		if (a.unanswered)
			session_say(s, "some of it depends on what only the daemon asks, over the network");
		status = is_refused(&a) ? 1 : 0;
	}
	clear(&a);
	return status;
}

/* -- for others ------------------------------------------------------------------------------------- */

struct route_check *
route_check_new(struct session *s)
{
	struct route_check *a;

	MEM_NEW(a);
	*a = (struct route_check){ .session = s, .facts = facts_new() };
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
	clear(a);
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
