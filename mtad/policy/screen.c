#include "policy/screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "policy/dnsbl.h"
#include "table/match_list.h"
#include "table/table.h"

struct screen_site {
	struct dnsbl	 list;
	int64_t		 weight;
};

/* Of postscreen_access_list: one of them is set. */
struct screen_rule {
	struct match_list *networks;
	struct table	*table;
	enum screen_access result;
};

#define SITES_MAX	100

static bool
set_action(const struct view *v, enum param p, enum screen_action *out, struct err *err)
{
	static const char *const names[] = { [SCREEN_IGNORE] = "ignore", [SCREEN_ENFORCE] = "enforce", [SCREEN_DROP] = "drop" };
	struct span text = span_str(conf_str(v, p));

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_caseeqs(text, names[i])) {
			*out = (enum screen_action)i;
			return true;
		}
	err_set(err, ERR_PERM, "%s: \"%.*s\" is none of ignore, enforce, drop", param_row(p)->name, SPAN_ARG(span_head(text, 40)));
	return false;
}

/* -- the access list ------------------------------------------------------------------------ */

static bool
result_of(struct span word, enum screen_access *out)
{
	static const struct {
		const char	*word;
		enum screen_access result;
	} results[] = { { "permit", SCREEN_PERMIT }, { "reject", SCREEN_REJECT }, { "dunno", SCREEN_DUNNO } };

	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (span_caseeqs(span_trim(word), results[i].word)) {
			*out = results[i].result;
			return true;
		}
	return false;
}

static bool
add_rule(struct screen *s, const struct view *v, struct span word, struct err *err)
{
	struct screen_rule r = { .result = SCREEN_DUNNO };

	if (span_caseeqs(word, "permit_mynetworks")) {
		r.networks = match_list_new(view_conf(v), "mynetworks", conf_str(v, P_mynetworks), MATCH_CLIENT, err);
		if (r.networks == NULL)
			return false;
	} else if (span_has(word, ':')) {
		if ((r.table = table_open(view_conf(v), word, err)) == NULL)
			return false;
	} else if (!result_of(word, &r.result)) {
		err_set(err, ERR_PERM, "\"%.*s\" is no rule: permit_mynetworks, permit, reject, dunno, or type:table", SPAN_ARG(span_head(word, 40)));
		return false;
	}
	s->rules = mem_grow(s->rules, s->rule_count + 1, sizeof *s->rules);
	s->rules[s->rule_count++] = r;
	return true;
}

static bool
set_rules(struct screen *s, const struct view *v, struct err *err)
{
	struct span list = span_str(conf_str(v, P_postscreen_access_list)), word;

	while (table_word(&list, &word))
		if (!add_rule(s, v, word, err)) {
			err_prefix(err, "postscreen_access_list");
			return false;
		}
	return true;
}

static enum screen_access
ask_table(const struct table *t, struct span addr)
{
	struct buf value = BUF_INIT(1024);
	enum screen_access result = SCREEN_DUNNO;

	if (table_get(t, NULL, addr, &value, NULL) == TABLE_FOUND)
		(void)result_of(buf_view(&value), &result);
	buf_clear(&value);
	return result;
}

enum screen_access
screen_access(const struct screen *s, struct span addr)
{
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct screen_rule *r = &s->rules[i];
		enum screen_access result = r->result;
		if (r->networks != NULL)
			result = match_list_client(r->networks, NULL, SPAN("unknown"), addr, NULL) == MATCH_YES ? SCREEN_PERMIT : SCREEN_DUNNO;
		else if (r->table != NULL)
			result = ask_table(r->table, addr);
		if (result != SCREEN_DUNNO)
			return result;
	}
	return SCREEN_DUNNO;
}

/* -- DNS lists -------------------------------------------------------------------------------- */

/* "zen.example=127.0.0.[2..11]*3" */
static bool
add_site(struct screen *s, struct span word, struct err *err)
{
	size_t star = span_rfind(word, '*');
	struct screen_site site = { .weight = 1 };

	if (star < word.len && !num_i64(span_skip(word, star + 1), &site.weight)) {
		err_set(err, ERR_PERM, "postscreen_dnsbl_sites: \"%.*s\": the weight is no number", SPAN_ARG(span_head(word, 80)));
		return false;
	}
	if (s->site_count == SITES_MAX || !dnsbl_parse(span_head(word, star), &site.list, err)) {
		if (s->site_count == SITES_MAX)
			err_set(err, ERR_PERM, "more than %d lists", SITES_MAX);
		err_prefix(err, "postscreen_dnsbl_sites");
		dnsbl_clear(&site.list);
		return false;
	}
	s->sites = mem_grow(s->sites, s->site_count + 1, sizeof *s->sites);
	s->sites[s->site_count++] = site;
	return true;
}

static bool
set_sites(struct screen *s, const struct view *v, struct err *err)
{
	struct span list = span_str(conf_str(v, P_postscreen_dnsbl_sites)), word;

	while (span_word(&list, "\t\r\n ,", &word))
		if (!add_site(s, word, err))
			return false;
	return true;
}

/* 1: hit. 0: none. -1: awaited. */
static int
ask_site(const struct screen_site *site, struct span addr, struct facts *facts)
{
	struct buf key = BUF_INIT(1024);
	struct span value = SPAN_NONE, line;
	enum fact_state state = FACT_ABSENT;

	buf_str(&key, "A ");
	if (dnsbl_query(&site->list, addr, &key) && !key.over)
		state = facts_get(facts, FACT_PURE, SPAN("dns"), buf_view(&key), &value);
	buf_clear(&key);
	if (state == FACT_PENDING)
		return -1;
	while (state == FACT_KNOWN && span_cut(&value, '\n', &line))
		if (dnsbl_hit(&site->list, line))
			return 1;
	return 0;
}

bool
screen_score(const struct screen *s, struct span addr, struct facts *facts, int64_t *score, const char **worst)
{
	int64_t most = 0;
	bool known = true;

	*score = 0;
	*worst = NULL;
	/* All are asked at once. */
	for (size_t i = 0; i < s->site_count; i++) {
		const struct screen_site *site = &s->sites[i];
		int hit = ask_site(site, addr, facts);
		known = known && hit >= 0;
		if (hit <= 0)
			continue;
		*score += site->weight;
		if (site->weight > most) {
			most = site->weight;
			*worst = site->list.domain;
		}
	}
	return known;
}

const struct service *
screen_behind(const struct conf *conf, const struct view *v)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		if (s->type == SERVICE_PASS && strcmp(s->command, "smtpd") == 0 && strcmp(s->name, conf_str(v, P_smtpd_service_name)) == 0)
			return s;
	}
	return NULL;
}

/* -- settings ------------------------------------------------------------------------------------ */

struct screen *
screen_new(const struct view *v, struct err *err)
{
	struct screen *s;

	MEM_NEW(s);
	s->banner = conf_str(v, P_postscreen_greet_banner);
	s->greet_wait = conf_time(v, P_postscreen_greet_wait);
	s->greet_ttl = conf_time(v, P_postscreen_greet_ttl);
	s->dnsbl_timeout = conf_time(v, P_postscreen_dnsbl_timeout);
	s->dnsbl_ttl = conf_time(v, P_postscreen_dnsbl_max_ttl);
	s->threshold = conf_int(v, P_postscreen_dnsbl_threshold);
	s->allow_threshold = conf_int(v, P_postscreen_dnsbl_allowlist_threshold);
	s->pre_limit = (uint32_t)conf_int(v, P_postscreen_pre_queue_limit);
	if (set_action(v, P_postscreen_denylist_action, &s->deny_action, err) && set_action(v, P_postscreen_greet_action, &s->greet_action, err) &&
	    set_action(v, P_postscreen_dnsbl_action, &s->dnsbl_action, err) && set_rules(s, v, err) && set_sites(s, v, err))
		return s;
	screen_free(s);
	return NULL;
}

void
screen_free(struct screen *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->rule_count; i++) {
		match_list_free(s->rules[i].networks);
		table_free(s->rules[i].table);
	}
	for (size_t i = 0; i < s->site_count; i++)
		dnsbl_clear(&s->sites[i].list);
	free(s->rules);
	free(s->sites);
	free(s);
}
