/*
 * mtactl tls probe: what each level makes of a server.
 */
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "mtactl/tls_probe.h"

struct finding {
	struct tls_plan	*plan;
	const struct tls_route *route;
	bool		 waiting;
};

static void
on_records(void *arg, const struct dane_answer *a)
{
	struct finding *f = arg;

	tls_plan_dane(f->plan, f->route, a);
	f->waiting = false;
	loop_stop(0);
}

/* Tables that only the daemon asks fail here; that is said by the warning. */
static void
by_configuration(struct probe *p, const struct tls_route *r, struct tls_plan *plan, enum tls_plan_state *state)
{
	struct facts *facts = facts_new();
	struct fact_want w;

	facts_reset(facts, clock_wall());
	*state = tls_plan_begin(plan, &p->client, facts, r);
	while (*state == TLS_PLAN_PENDING) {
		while (facts_wanted(facts, &w))
			(void)facts_answer(facts, w.id, FACT_FAILED, SPAN("only the daemon asks it"));
		tls_plan_clear(plan);
		*state = tls_plan_begin(plan, &p->client, facts, r);
	}
	facts_free(facts);
}

void
probe_plan(struct probe *p, enum tls_level level, const struct tls_route *r, struct tls_plan *plan)
{
	enum tls_plan_state state;
	struct finding f = { .plan = plan, .route = r };

	if (level == TLS_LEVEL_INVALID)
		by_configuration(p, r, plan, &state);
	else
		state = tls_plan_at(plan, &p->trial, level, r);
	if (state != TLS_PLAN_DANE)
		return;
	struct dane_host h = { .name = r->host, .final = r->final, .secure = r->secure, .port = r->port, .force = p->client.force_tlsa };
	f.waiting = true;
	(void)dane_lookup_start(p->dns, &h, on_records, &f);
	while (f.waiting)
		(void)loop_run();
}

/* -- one level --------------------------------------------------------------------------- */

struct verdict {
	bool		 delivered;
	bool		 in_clear;
	struct tls_judgement judgement;
	const char	*reason;	/* of a refusal; "" */
};

static void
decide(const struct tls_plan *plan, const struct tls_session *s, struct verdict *v)
{
	*v = (struct verdict){ .reason = "" };
	if (plan->level == TLS_LEVEL_INVALID) {
		v->reason = plan->why;
	} else if (plan->level == TLS_LEVEL_NONE) {
		v->delivered = v->in_clear = s->reached != REACHED_NOTHING;
	} else if (s->tls == NULL || s->handshake_failed) {
		v->delivered = v->in_clear = !tls_level_encrypts(plan->level) && s->reached != REACHED_NOTHING;
		v->reason = v->delivered ? "" : s->handshake_failed ? "Cannot start TLS: handshake failure" : s->error;
	} else {
		tls_judge(plan, s->tls, &v->judgement);
		const char *refusal = tls_judgement_refusal(plan, &v->judgement);
		v->delivered = refusal == NULL;
		v->reason = refusal == NULL ? "" : refusal;
	}
}

static void
put_verdict(struct jsonl *j, const struct tls_plan *plan, const struct verdict *v)
{
	bool tls = plan->level > TLS_LEVEL_NONE && !v->in_clear;

	jsonl_str(j, "level", span_str(tls_level_name(plan->asked)));
	if (plan->level != plan->asked && plan->level != TLS_LEVEL_INVALID)
		jsonl_str(j, "as", span_str(tls_level_name(plan->level)));
	jsonl_bool(j, "delivered", v->delivered);
	if (v->in_clear)
		jsonl_bool(j, "clear_text", true);
	else if (tls && v->judgement.present)
		jsonl_str(j, "tls", span_str(tls_judgement_word(&v->judgement)));
	if (v->reason[0] != '\0')
		jsonl_str(j, "reason", span_str(v->reason));
	else if (plan->why[0] != '\0')
		jsonl_str(j, "note", span_str(plan->why));
	if (v->judgement.reason[0] != '\0')
		jsonl_str(j, "detail", span_str(v->judgement.reason));
	if (v->judgement.name != NULL)
		jsonl_str(j, "name", span_str(v->judgement.name));
}

static void
put_names(struct jsonl *j, const struct tls_plan *plan)
{
	if (plan->names.count == 0)
		return;
	jsonl_array(j, "names_wanted");
	for (size_t i = 0; i < plan->names.count; i++)
		jsonl_str(j, NULL, span_str(plan->names.list[i]));
	jsonl_end_array(j);
}

static void
put_level(struct probe *p, enum tls_level level, const struct tls_route *r, const struct tls_session *s, struct jsonl *j)
{
	struct tls_plan plan;
	struct verdict v;

	probe_plan(p, level, r, &plan);
	decide(&plan, s, &v);
	jsonl_object(j, NULL);
	put_verdict(j, &plan, &v);
	put_names(j, &plan);
	jsonl_end_object(j);
	tls_plan_clear(&plan);
}

void
probe_put_levels(struct probe *p, const struct tls_plan *plan, const struct tls_route *r, const struct tls_session *s, struct jsonl *j)
{
	static const enum tls_level levels[] = { TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT, TLS_LEVEL_DANE, TLS_LEVEL_DANE_ONLY,
		TLS_LEVEL_VERIFY, TLS_LEVEL_SECURE };
	struct verdict v;

	decide(plan, s, &v);
	p->delivered = v.delivered;
	put_verdict(j, plan, &v);
	put_names(j, plan);
	jsonl_array(j, "levels");
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		put_level(p, levels[i], r, s, j);
	jsonl_end_array(j);
}

/* -- DANE ------------------------------------------------------------------------------------ */

static bool
fits(const struct tls_plan *plan, size_t i, struct tls *tls)
{
	struct span chain[DANE_CHAIN];
	struct tlsa one = plan->dane.list[i];
	struct dane alone = { .list = &one, .count = 1, .usable = 1 };
	struct dane_result result;
	size_t n = tls_peer_count(tls);

	if (n > DANE_CHAIN)
		n = DANE_CHAIN;
	for (size_t k = 0; k < n; k++)
		chain[k] = tls_peer_der(tls, k);
	dane_check(&alone, chain, n, &result);
	return result.verdict == DANE_MATCH_EE || result.verdict == DANE_MATCH_TA;
}

static void
put_record(const struct tls_plan *plan, size_t i, struct tls *tls, struct jsonl *j)
{
	const struct tlsa *t = &plan->dane.list[i];
	struct buf text = BUF_INIT(65536);

	dane_text(t, 0, &text);
	jsonl_object(j, NULL);
	jsonl_str(j, "record", buf_view(&text));
	jsonl_bool(j, "usable", t->fault == TLSA_USABLE);
	if (t->fault != TLSA_USABLE)
		jsonl_str(j, "why", span_str(tlsa_fault_text(t->fault)));
	else if (tls != NULL)
		jsonl_bool(j, "fits", fits(plan, i, tls));
	jsonl_end_object(j);
	buf_clear(&text);
}

void
probe_put_dane(struct probe *p, const struct tls_route *r, struct tls *tls, struct jsonl *j)
{
	struct tls_plan plan;

	jsonl_object(j, "dane");
	jsonl_bool(j, "checked", p->checks);
	if (p->checks) {
		probe_plan(p, TLS_LEVEL_DANE, r, &plan);
		if (r->mx)
			jsonl_bool(j, "mx_secure", r->mx_secure);
		jsonl_bool(j, "address_secure", r->secure);
		if (plan.base != NULL)
			jsonl_str(j, "base", span_str(plan.base));
		if (plan.why[0] != '\0')
			jsonl_str(j, "why", span_str(plan.why));
		jsonl_array(j, "records");
		for (size_t i = 0; i < plan.dane.count; i++)
			put_record(&plan, i, tls, j);
		jsonl_end_array(j);
		tls_plan_clear(&plan);
	}
	jsonl_end_object(j);
}
