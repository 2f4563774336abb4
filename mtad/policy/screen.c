#include "policy/screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "policy/dnsbl.h"
#include "smtp/ehlo.h"
#include "table/match_list.h"
#include "table/table.h"

struct screen_site {
	struct dnsbl	 list;
	int64_t		 weight;
	char		*told;		/* by postscreen_dnsbl_reply_map; NULL: its domain */
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

static enum fact_state
site_fact(const struct screen_site *site, struct span addr, struct facts *facts, struct span *value)
{
	struct buf key = BUF_INIT(1024);
	enum fact_state state = FACT_ABSENT;

	buf_str(&key, "A ");
	if (dnsbl_query(&site->list, addr, &key) && !key.over)
		state = facts_get(facts, FACT_PURE, SPAN("dns"), buf_view(&key), value);
	buf_clear(&key);
	return state;
}

/* 1: hit. 0: none. -1: awaited. */
static int
ask_site(const struct screen_site *site, struct span addr, struct facts *facts)
{
	struct span value = SPAN_NONE, line;
	enum fact_state state = site_fact(site, addr, facts, &value);

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
			*worst = site->told != NULL ? site->told : site->list.domain;
		}
	}
	return known;
}

/* One domain may stand there with several filters, and is asked once. */
static bool
stands_before(const struct screen *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s->sites[i].list.domain, s->sites[n].list.domain) == 0)
			return true;
	return false;
}

void
screen_listed(const struct screen *s, struct span addr, struct facts *facts, void (*fn)(struct span addr, const char *list, struct span as))
{
	for (size_t i = 0; i < s->site_count; i++) {
		struct span value = SPAN_NONE, line;
		if (stands_before(s, i) || site_fact(&s->sites[i], addr, facts, &value) != FACT_KNOWN)
			continue;
		while (span_cut(&value, '\n', &line))
			if (line.len > 0)
				fn(addr, s->sites[i].list.domain, line);
	}
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

/* -- tables ---------------------------------------------------------------------------------------- */

bool
screen_interface(const struct screen *s, struct span ours)
{
	return match_list_client(s->interfaces, NULL, SPAN("unknown"), ours, NULL) == MATCH_YES;
}

unsigned
screen_discard(const struct screen *s, struct span addr)
{
	struct buf words = BUF_INIT(4096);
	unsigned bits = s->discard;

	if (s->discard_by_address.count > 0 && tables_get(&s->discard_by_address, NULL, addr, &words, NULL) == TABLE_FOUND)
		bits = smtp_ehlo_list(buf_view(&words));
	buf_clear(&words);
	return bits;
}

bool
screen_filter(const struct screen *s, struct span line, struct buf *out)
{
	return s->filter != NULL && table_get(s->filter, NULL, span_ltrim(line), out, NULL) == TABLE_FOUND;
}

/* The names are looked up once. */
static bool
set_told(struct screen *s, const struct view *v, struct err *err)
{
	struct span map = span_trim(span_str(conf_str(v, P_postscreen_dnsbl_reply_map)));

	if (map.len == 0)
		return true;
	struct table *t = table_open(view_conf(v), map, err);
	if (t == NULL) {
		err_prefix(err, "postscreen_dnsbl_reply_map");
		return false;
	}
	for (size_t i = 0; i < s->site_count; i++) {
		struct buf value = BUF_INIT(512);
		if (table_get(t, NULL, span_str(s->sites[i].list.domain), &value, NULL) == TABLE_FOUND && value.len > 0)
			s->sites[i].told = buf_take(&value);
		buf_clear(&value);
	}
	table_free(t);
	return true;
}

static bool
set_tables(struct screen *s, const struct view *v, struct err *err)
{
	struct span filter = span_trim(span_str(conf_str(v, P_postscreen_command_filter)));

	s->interfaces = match_list_new(view_conf(v), "postscreen_allowlist_interfaces", conf_str(v, P_postscreen_allowlist_interfaces),
	    MATCH_CLIENT, err);
	if (s->interfaces == NULL) {
		err_prefix(err, "postscreen_allowlist_interfaces");
		return false;
	}
	if (filter.len > 0 && (s->filter = table_open(view_conf(v), filter, err)) == NULL) {
		err_prefix(err, "postscreen_command_filter");
		return false;
	}
	if (!tables_open(&s->discard_by_address, view_conf(v), conf_str(v, P_postscreen_discard_ehlo_keyword_address_maps), err)) {
		err_prefix(err, "postscreen_discard_ehlo_keyword_address_maps");
		return false;
	}
	if (tables_open(&s->footers, view_conf(v), conf_str(v, P_postscreen_reject_footer_maps), err))
		return true;
	err_prefix(err, "postscreen_reject_footer_maps");
	return false;
}

/* -- settings ------------------------------------------------------------------------------------ */

static uint32_t
small(const struct view *v, enum param p)
{
	int64_t n = conf_int(v, p);

	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void
set_times(struct screen *s, const struct view *v)
{
	static const enum param ttls[SCREEN_TESTS] = {
		[SCREEN_GREET] = P_postscreen_greet_ttl, [SCREEN_DNSBL] = P_postscreen_dnsbl_max_ttl,
		[SCREEN_PIPELINING] = P_postscreen_pipelining_ttl, [SCREEN_NON_SMTP] = P_postscreen_non_smtp_command_ttl,
		[SCREEN_BARE_NEWLINE] = P_postscreen_bare_newline_ttl,
	};

	s->greet_wait = conf_time(v, P_postscreen_greet_wait);
	s->command_time = conf_time(v, P_postscreen_command_time_limit);
	s->dnsbl_timeout = conf_time(v, P_postscreen_dnsbl_timeout);
	s->dnsbl_least = conf_time(v, P_postscreen_dnsbl_min_ttl);
	s->dnsbl_most = conf_time(v, P_postscreen_dnsbl_max_ttl);
	s->least_ttl = INT64_MAX;
	for (int i = 0; i < SCREEN_TESTS; i++) {
		s->ttl[i] = conf_time(v, ttls[i]);
		int64_t least = i == SCREEN_DNSBL ? s->dnsbl_least : s->ttl[i];
		s->least_ttl = least < s->least_ttl ? least : s->least_ttl;
	}
}

static bool
set_actions(struct screen *s, const struct view *v, struct err *err)
{
	static const enum param actions[SCREEN_TESTS] = {
		[SCREEN_GREET] = P_postscreen_greet_action, [SCREEN_DNSBL] = P_postscreen_dnsbl_action,
		[SCREEN_PIPELINING] = P_postscreen_pipelining_action, [SCREEN_NON_SMTP] = P_postscreen_non_smtp_command_action,
		[SCREEN_BARE_NEWLINE] = P_postscreen_bare_newline_action,
	};

	for (int i = 0; i < SCREEN_TESTS; i++)
		if (!set_action(v, actions[i], &s->actions[i], err))
			return false;
	return set_action(v, P_postscreen_denylist_action, &s->deny_action, err);
}

/* The dialogue's own words for them: it knows no screen.h. */
static enum screen_talk_action
talk_action(enum screen_action a)
{
	return a == SCREEN_DROP ? TALK_DROP : a == SCREEN_ENFORCE ? TALK_ENFORCE : TALK_IGNORE;
}

static void
set_talk(struct screen *s, const struct view *v)
{
	s->talk = (struct screen_talk_config){
		.hostname = conf_str(v, P_myhostname),
		.banner = conf_str(v, P_smtpd_banner),
		.forbidden_commands = conf_str(v, P_postscreen_forbidden_commands),
		.helo_required = conf_bool(v, P_postscreen_helo_required),
		.disable_vrfy = conf_bool(v, P_postscreen_disable_vrfy_command),
		.tell_vrfy = !conf_bool(v, P_disable_vrfy_command),
		.smtputf8 = conf_bool(v, P_smtputf8_enable),
		.soft_bounce = conf_bool(v, P_soft_bounce),
		.size_limit = (uint64_t)conf_int(v, P_message_size_limit),
		.line_limit = small(v, P_line_length_limit),
		.command_limit = small(v, P_postscreen_command_count_limit),
		.actions = { talk_action(s->actions[SCREEN_PIPELINING]), talk_action(s->actions[SCREEN_NON_SMTP]),
		    talk_action(s->actions[SCREEN_BARE_NEWLINE]) },
	};
	s->discard = smtp_ehlo_list(span_str(conf_str(v, P_postscreen_discard_ehlo_keywords)));
	s->footer = conf_str(v, P_postscreen_reject_footer);
	/* It is not expanded before it is used, and its default is a name. */
	if (strcmp(s->footer, "$smtpd_reject_footer") == 0)
		s->footer = conf_str(v, P_smtpd_reject_footer);
}

static bool
set_tls(struct screen *s, const struct view *v, struct err *err)
{
	struct span level = span_trim(span_str(conf_str(v, P_postscreen_tls_security_level)));

	s->tls = SCREEN_TLS_NONE;
	if (span_caseeqs(level, "encrypt") || (level.len == 0 && strcmp(conf_str(v, P_postscreen_enforce_tls), "yes") == 0))
		s->tls = SCREEN_TLS_ENCRYPT;
	else if (span_caseeqs(level, "may") || (level.len == 0 && conf_bool(v, P_postscreen_use_tls)))
		s->tls = SCREEN_TLS_MAY;
	if (level.len == 0 || s->tls != SCREEN_TLS_NONE || span_caseeqs(level, "none"))
		return true;
	err_set(err, ERR_PERM, "postscreen_tls_security_level: \"%.*s\" is none of none, may, encrypt", SPAN_ARG(span_head(level, 40)));
	return false;
}

static bool
set_proxy(struct screen *s, const struct view *v, struct err *err)
{
	const char *protocol = conf_str(v, P_postscreen_upstream_proxy_protocol);

	s->proxy = strcmp(protocol, "haproxy") == 0;
	s->proxy_timeout = conf_time(v, P_postscreen_upstream_proxy_timeout);
	if (s->proxy || protocol[0] == '\0')
		return true;
	err_set(err, ERR_PERM, "postscreen_upstream_proxy_protocol: \"%.60s\" is no protocol; write haproxy, or nothing", protocol);
	return false;
}

struct screen *
screen_new(const struct view *v, struct err *err)
{
	struct screen *s;

	MEM_NEW(s);
	s->view = v;
	s->banner = conf_str(v, P_postscreen_greet_banner);
	s->threshold = conf_int(v, P_postscreen_dnsbl_threshold);
	s->allow_threshold = conf_int(v, P_postscreen_dnsbl_allowlist_threshold);
	s->pre_limit = small(v, P_postscreen_pre_queue_limit);
	s->client_limit = small(v, P_postscreen_client_connection_count_limit);
	s->respectful = conf_bool(v, P_respectful_logging);
	set_times(s, v);
	if (!set_actions(s, v, err) || !set_rules(s, v, err) || !set_sites(s, v, err) || !set_told(s, v, err) || !set_tables(s, v, err) ||
	    !set_tls(s, v, err) || !set_proxy(s, v, err)) {
		screen_free(s);
		return NULL;
	}
	set_talk(s, v);
	s->enabled = (*s->banner != '\0' ? SCREEN_BIT(SCREEN_GREET) : 0u) | (s->site_count > 0 ? SCREEN_BIT(SCREEN_DNSBL) : 0u) |
	    (conf_bool(v, P_postscreen_pipelining_enable) ? SCREEN_BIT(SCREEN_PIPELINING) : 0u) |
	    (conf_bool(v, P_postscreen_non_smtp_command_enable) ? SCREEN_BIT(SCREEN_NON_SMTP) : 0u) |
	    (conf_bool(v, P_postscreen_bare_newline_enable) ? SCREEN_BIT(SCREEN_BARE_NEWLINE) : 0u);
	return s;
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
	for (size_t i = 0; i < s->site_count; i++) {
		dnsbl_clear(&s->sites[i].list);
		free(s->sites[i].told);
	}
	match_list_free(s->interfaces);
	table_free(s->filter);
	tables_clear(&s->discard_by_address);
	tables_clear(&s->footers);
	free(s->rules);
	free(s->sites);
	free(s);
}
