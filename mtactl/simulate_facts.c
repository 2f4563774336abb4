#include "mtactl/simulate.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/num.h"

static void
answer_user(struct asker *a, const struct fact_want *w)
{
	struct buf value = BUF_INIT(4096);
	char *key = span_dup(w->key);
	enum fact_state state = FACT_ABSENT;

	if (span_eqs(w->source, "unix:passwd.byname")) {
		const struct passwd *pw = getpwnam(key);
		if (pw != NULL) {
			state = FACT_KNOWN;
			buf_printf(&value, "%s:*:%u:%u::%s:%s", pw->pw_name, pw->pw_uid, pw->pw_gid, pw->pw_dir, pw->pw_shell);
		}
	} else {
		const struct group *gr = getgrnam(key);
		if (gr != NULL) {
			state = FACT_KNOWN;
			buf_printf(&value, "%s:*:%u:", gr->gr_name, gr->gr_gid);
		}
	}
	facts_answer(a->facts, w->id, state, buf_view(&value));
	buf_clear(&value);
	free(key);
}

static void
answer_server(struct asker *a, const struct policy_server *server, const struct fact_want *w)
{
	struct buf action = BUF_INIT(65536);

	if (!a->ask_servers) {
		a->not_asked = true;
		facts_answer(a->facts, w->id, FACT_KNOWN, SPAN("DUNNO"));
	} else {
		bool ok = ask_server(a->session, server, w->key, &action);
		facts_answer(a->facts, w->id, ok ? FACT_KNOWN : FACT_FAILED, buf_view(&action));
	}
	buf_clear(&action);
}

static void
on_dns(void *arg, uint64_t id, enum fact_state state, struct span value)
{
	struct asker *a = arg;

	facts_answer(a->facts, id, state, value);
	loop_stop(0);
}

static void
answer(struct asker *a, const struct fact_want *w)
{
	const struct policy_server *server = policy_server(a->policy, w->source);
	uint32_t seconds = 0;

	if (server != NULL) {
		answer_server(a, server, w);
	} else if (span_eqs(w->source, "sleep")) {
		(void)num_u32(w->key, &seconds);
		a->slept += seconds;
		facts_answer(a->facts, w->id, FACT_ABSENT, SPAN_NONE);
	} else if (span_eqs(w->source, "unix:passwd.byname") || span_eqs(w->source, "unix:group.byname")) {
		answer_user(a, w);
	} else if (!dns_facts_fetch(a->dns, &a->under_way, w, on_dns, a)) {
		a->unanswered = true;
		facts_answer(a->facts, w->id, FACT_FAILED, SPAN("only the daemon asks this"));
	}
}

void
asker_answer(struct asker *a)
{
	struct fact_want w;

	while (facts_wanted(a->facts, &w))
		answer(a, &w);
	while (facts_open(a->facts) > 0)
		(void)loop_run();
}

enum fact_state
asker_dns(struct asker *a, const char *type, const char *name, struct buf *value)
{
	struct buf key = BUF_INIT(1024);
	enum fact_state state;
	struct span found;

	facts_reset(a->facts, clock_wall());
	buf_printf(&key, "%s %s", type, name);
	while ((state = facts_get(a->facts, FACT_PURE, SPAN("host"), buf_view(&key), &found)) == FACT_PENDING)
		asker_answer(a);
	if (state == FACT_KNOWN)
		buf_span(value, found);
	buf_clear(&key);
	return state;
}
