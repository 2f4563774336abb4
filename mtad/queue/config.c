#include "queue/probes.h"
#include "queue/role.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"

static char *
class_recipient(const struct view *v, const char *class, enum param recipient)
{
	struct span rest = span_str(conf_str(v, P_notify_classes)), word;

	while (span_word(&rest, "\t\r\n ,", &word)) {
		if (!span_caseeqs(word, class))
			continue;
		const char *to = conf_str(v, recipient), *origin = conf_str(v, P_myorigin);
		struct buf b = BUF_INIT(1024);
		buf_str(&b, to);
		if (strchr(to, '@') == NULL)
			buf_printf(&b, "@%s", origin);
		return buf_take(&b);
	}
	return NULL;
}

static void
take_names(struct queue_conf *c, const struct view *v)
{
	free(c->double_bounce);
	free(c->myorigin);
	free(c->double_bounce_to);
	free(c->bounce_to);
	free(c->delay_to);
	struct span sender = span_str(conf_str(v, P_double_bounce_sender));
	c->double_bounce = span_dup(span_head(sender, span_find(sender, '@')));
	c->myorigin = mem_str(conf_str(v, P_myorigin));
	c->double_bounce_to = class_recipient(v, "2bounce", P_2bounce_notice_recipient);
	c->bounce_to = class_recipient(v, "bounce", P_bounce_notice_recipient);
	c->verp_bounces = !conf_bool(v, P_disable_verp_bounces);
	c->delay_to = class_recipient(v, "delay", P_delay_notice_recipient);
}

static uint32_t
bounded(int64_t n)
{
	return n < 1 ? 1 : n > 10000000 ? 10000000 : (uint32_t)n;
}

/* Takes the caller's reference. */
bool
config_take(struct role_queue *rq, struct conf *conf, struct err *err)
{
	struct router *router = router_new(conf, err);
	if (router == NULL)
		return false;
	const struct view *v = conf_program(conf, "qmgr");
	struct queue_conf *c = &rq->q.conf;
	c->minimal_backoff = conf_time(v, P_minimal_backoff_time);
	c->maximal_backoff = conf_time(v, P_maximal_backoff_time);
	c->maximal_lifetime = conf_time(v, P_maximal_queue_lifetime);
	c->bounce_lifetime = conf_time(v, P_bounce_queue_lifetime);
	c->delay_warning = conf_time(v, P_delay_warning_time);
	c->trash_time = conf_time(v, P_mtad_trash_time);
	c->active_limit = bounded(conf_int(v, P_qmgr_message_active_limit));
	c->recipient_limit = bounded(conf_int(v, P_qmgr_message_recipient_limit));
	c->soft_bounce = conf_bool(v, P_soft_bounce);
	c->generation++;
	take_names(c, conf_program(conf, "bounce"));
	if (c->minimal_backoff < SECOND)
		c->minimal_backoff = SECOND;
	if (c->maximal_backoff < c->minimal_backoff)
		c->maximal_backoff = c->minimal_backoff;
	rq->history_time = conf_time(v, P_mtad_history_time);
	rq->history_size = (uint64_t)conf_int(v, P_mtad_history_size);
	/* As Postfix: room for one and a half of the largest message at the least. */
	rq->minfree = conf_int(v, P_queue_minfree);
	int64_t largest = conf_int(conf_program(conf, "smtpd"), P_message_size_limit);
	if (rq->minfree < largest + largest / 2)
		rq->minfree = largest + largest / 2;
	rq->segment_size = (uint64_t)conf_int(v, P_mtad_segment_size);
	probes_configured();
	router_free(rq->router);
	conf_unref(rq->conf);
	rq->router = router;
	rq->conf = conf;
	return true;
}

static enum transport_kind
kind_of(const char *command)
{
	static const struct {
		const char *command;
		enum transport_kind kind;
	} rows[] = {
		{ "smtp", TRANSPORT_SEND }, { "lmtp", TRANSPORT_SEND }, { "relay", TRANSPORT_SEND },
		{ "local", TRANSPORT_LOCAL }, { "virtual", TRANSPORT_LOCAL }, { "pipe", TRANSPORT_LOCAL }, { "error", TRANSPORT_ERROR }, { "retry", TRANSPORT_ERROR },
		{ "discard", TRANSPORT_DISCARD },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(command, rows[i].command) == 0)
			return rows[i].kind;
	return TRANSPORT_NONE;
}

/* "1", "0.5", "1/concurrency", "0.5/sqrt_concurrency"; what is none of these or not between 0 and 1 is 1. */
static double
feedback(const struct conf *conf, const char *name, const char *suffix, enum feedback_by *by)
{
	struct buf value = BUF_INIT(256);
	char *end = NULL;
	double f = 1;

	*by = PER_NOTHING;
	if (conf_transport_str(conf, name, suffix, &value) && value.len > 0) {
		f = strtod(value.ptr, &end);
		struct span rest = span_trim(span_str(end));
		struct span per = span_starts(rest, "/") ? span_trim(span_skip(rest, 1)) : SPAN_NONE;
		*by = span_eqs(per, "concurrency") ? PER_CONCURRENCY : span_eqs(per, "sqrt_concurrency") ? PER_ROOT : PER_NOTHING;
	}
	buf_clear(&value);
	return f >= 0 && f <= 1 ? f : 1;
}

static double
number(const struct conf *conf, const char *name, const char *suffix, double otherwise)
{
	int64_t n;

	return conf_transport_int(conf, name, suffix, &n) && n >= 0 ? (double)n : otherwise;
}

static bool
lists(const char *list, const char *name)
{
	struct span rest = span_str(list), word;

	while (span_word(&rest, "\t\r\n ,", &word))
		if (span_eqs(word, name))
			return true;
	return false;
}

bool
config_transport(void *arg, struct span name, struct transport_limits *out)
{
	const struct role_queue *rq = arg;
	const struct service *s = conf_transport(rq->conf, name);

	*out = (struct transport_limits){ .kind = TRANSPORT_NONE };
	if (s == NULL)
		return false;
	out->kind = kind_of(s->command);
	out->maxproc = s->maxproc < 0 ? 0 : (uint32_t)s->maxproc;
	out->initial = number(rq->conf, s->name, "_initial_destination_concurrency", 5);
	out->limit = number(rq->conf, s->name, "_destination_concurrency_limit", 20);
	out->recipients = (uint32_t)number(rq->conf, s->name, "_destination_recipient_limit", 50);
	out->cohorts = number(rq->conf, s->name, "_destination_concurrency_failed_cohort_limit", 1);
	out->positive = feedback(rq->conf, s->name, "_destination_concurrency_positive_feedback", &out->positive_by);
	out->negative = feedback(rq->conf, s->name, "_destination_concurrency_negative_feedback", &out->negative_by);
	if (!conf_transport_time(rq->conf, s->name, "_destination_rate_delay", &out->rate_delay))
		out->rate_delay = 0;
	if (!conf_transport_time(rq->conf, s->name, "_transport_rate_delay", &out->pace))
		out->pace = 0;
	out->deferred = lists(conf_str(conf_program(rq->conf, "qmgr"), P_defer_transports), s->name);
	if (out->initial < 1)
		out->initial = 1;
	if (out->limit > 0 && out->initial > out->limit)
		out->initial = out->limit;
	return true;
}
