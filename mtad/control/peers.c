/*
 * debug peer: hosts whose dialogue is logged. main.cf's are known to the roles by their configuration; those that operators add live
 * here, and end with their time, or with this process.
 */
#include "control/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/pack.h"
#include "ctl/jsonl.h"
#include "smtp/transcript.h"

static void
send_rules(struct control *ctl, struct ipc *ipc)
{
	struct buf list = BUF_INIT(0);

	if (ipc_peer(ipc) != ROLE_RECEIVE && ipc_peer(ipc) != ROLE_SEND)
		return;
	for (size_t i = 0; i < ctl->rule_count; i++) {
		pack_span(&list, span_str(ctl->rules[i].pattern));
		pack_u8(&list, ctl->rules[i].level);
	}
	ipc_send_debug_peers(ipc, &(struct ipc_debug_peers){ .peers = buf_view(&list) }, -1);
	buf_clear(&list);
}

void
peers_greet(struct control *ctl, struct ipc *ipc)
{
	send_rules(ctl, ipc);
}

static void
rule_drop(struct control *ctl, size_t i)
{
	free(ctl->rules[i].pattern);
	free(ctl->rules[i].who);
	ctl->rules[i] = ctl->rules[--ctl->rule_count];
}

static void changed(struct control *);

static void
on_time(void *arg)
{
	struct control *ctl = arg;
	int64_t now = clock_wall();

	for (size_t i = ctl->rule_count; i-- > 0; ) {
		if (ctl->rules[i].until == 0 || ctl->rules[i].until > now)
			continue;
		log_info(NULL, "debug peer %s: its time is over", ctl->rules[i].pattern);
		rule_drop(ctl, i);
	}
	changed(ctl);
}

/* The roles hear of it; the timer waits for the first that ends. */
static void
changed(struct control *ctl)
{
	int64_t first = 0, now = clock_wall();

	for (unsigned i = 0; i < ctl->peer_count; i++)
		send_rules(ctl, ctl->peers[i]);
	for (size_t i = 0; i < ctl->rule_count; i++)
		if (ctl->rules[i].until != 0 && (first == 0 || ctl->rules[i].until < first))
			first = ctl->rules[i].until;
	if (!ctl->rule_timer.made)
		loop_timer_init(&ctl->rule_timer, on_time, ctl);
	loop_timer_stop(&ctl->rule_timer);
	if (first != 0)
		loop_timer_set(&ctl->rule_timer, first > now ? first - now : 0);
}

void
peers_clear(struct control *ctl)
{
	while (ctl->rule_count > 0)
		rule_drop(ctl, 0);
	free(ctl->rules);
	ctl->rules = NULL;
	if (ctl->rule_timer.made)
		loop_timer_stop(&ctl->rule_timer);
}

/* -- commands ------------------------------------------------------------------- */

static void
put_rule(struct ask *a, struct span peer, int64_t level, int64_t until, const char *who, const char *source)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "peer", peer);
	jsonl_i64(&j, "level", level);
	if (until != 0)
		jsonl_i64(&j, "until", until / SECOND);
	if (who != NULL)
		jsonl_str(&j, "who", span_str(who));
	jsonl_str(&j, "source", span_str(source));
	jsonl_end_object(&j);
	reply_row(a, buf_view(&row));
	buf_clear(&row);
}

static struct peer_rule *
find(struct control *ctl, struct span pattern)
{
	for (size_t i = 0; i < ctl->rule_count; i++)
		if (span_caseeqs(pattern, ctl->rules[i].pattern))
			return &ctl->rules[i];
	return NULL;
}

static bool
in_main_cf(const struct control *ctl, struct span pattern)
{
	struct span left = span_str(conf_str(conf_main(ctl->conf), P_debug_peer_list)), word;

	while (span_word(&left, "\t\r\n ,", &word))
		if (span_caseeq(word, pattern))
			return true;
	return false;
}

static int64_t
default_level(const struct control *ctl)
{
	int64_t level = conf_int(conf_main(ctl->conf), P_debug_peer_level);

	return level < 1 ? 1 : level > DEBUG_LEVELS ? DEBUG_LEVELS : level;
}

static bool
read_add(struct control *ctl, const struct request *req, int64_t *level, int64_t *until, struct err *err)
{
	struct span peer = SPAN(""), text;

	(void)request_get(req, "peer", &peer);
	struct match_list *list = transcript_pattern(ctl->conf, peer, err);
	match_list_free(list);
	if (list == NULL)
		return false;
	*level = default_level(ctl);
	if (request_get(req, "level", &text) && (!num_i64(text, level) || *level < 1 || *level > DEBUG_LEVELS)) {
		err_set(err, ERR_PERM, "a level is a number from 1 to %d", DEBUG_LEVELS);
		return false;
	}
	*until = 0;
	if (request_get(req, "for", &text)) {
		int64_t time;
		if (!duration_parse(text, &time) || time <= 0 || time > 365 * DAY) {
			err_set(err, ERR_PERM, "a time is at most a year");
			return false;
		}
		*until = clock_wall() + time;
	}
	return true;
}

static void
add(struct ask *a, const struct request *req)
{
	struct control *ctl = a->client->control;
	struct err err = { .kind = ERR_NONE };
	struct buf who = BUF_INIT(128);
	struct span peer = SPAN("");
	int64_t level, until;

	if (!read_add(ctl, req, &level, &until, &err)) {
		reply_done(a, 64, err.text);
		return;
	}
	(void)request_get(req, "peer", &peer);
	struct peer_rule *r = find(ctl, peer);
	if (r == NULL && ctl->rule_count == DEBUG_PEERS) {
		reply_done(a, 75, "there are 64 already; take one away with debug peer del");
		return;
	}
	if (r == NULL) {
		ctl->rules = mem_grow(ctl->rules, ctl->rule_count + 1, sizeof *ctl->rules);
		r = &ctl->rules[ctl->rule_count++];
		*r = (struct peer_rule){ .pattern = span_dup(peer) };
	}
	users_name(&ctl->users, a->client->uid, &who);
	free(r->who);
	r->who = span_dup(buf_view(&who));
	buf_clear(&who);
	r->level = (uint8_t)level;
	r->until = until;
	put_rule(a, peer, level, until, r->who, "operator");
	changed(ctl);
	reply_done(a, 0, NULL);
}

static void
list(struct ask *a)
{
	struct control *ctl = a->client->control;
	struct span left = span_str(conf_str(conf_main(ctl->conf), P_debug_peer_list)), word;

	while (span_word(&left, "\t\r\n ,", &word))
		put_rule(a, word, default_level(ctl), 0, NULL, "main.cf");
	for (size_t i = 0; i < ctl->rule_count; i++) {
		const struct peer_rule *r = &ctl->rules[i];
		put_rule(a, span_str(r->pattern), r->level, r->until, r->who, "operator");
	}
	reply_done(a, 0, NULL);
}

static void
del(struct ask *a, const struct request *req)
{
	struct control *ctl = a->client->control;
	struct span peer = SPAN("");

	(void)request_get(req, "peer", &peer);
	struct peer_rule *r = find(ctl, peer);
	if (r == NULL) {
		struct buf why = BUF_INIT(1000);
		buf_printf(&why, in_main_cf(ctl, peer) ? "%.*s stands in debug_peer_list of main.cf, where it has to be taken out" :
		    "%.*s is none of the peers that were added; \"debug peer ls\" lists them", SPAN_ARG(span_head(peer, 255)));
		reply_done(a, 1, why.ptr);
		buf_clear(&why);
		return;
	}
	put_rule(a, span_str(r->pattern), r->level, r->until, r->who, "operator");
	rule_drop(ctl, (size_t)(r - ctl->rules));
	changed(ctl);
	reply_done(a, 0, NULL);
}

void
peers_command(struct ask *a, const struct request *req)
{
	if (a->command == CMD_debug_peer_add)
		add(a, req);
	else if (a->command == CMD_debug_peer_del)
		del(a, req);
	else
		list(a);
}
