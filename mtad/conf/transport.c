/* Parameters that each transport has under its own name, with the one that holds where it is not set. */
#include "conf/private.h"

#include <string.h>

static const struct transport_param known[] = {
	{ "_destination_concurrency_limit", P_default_destination_concurrency_limit, PARAM_INT },
	{ "_initial_destination_concurrency", P_initial_destination_concurrency, PARAM_INT },
	{ "_destination_concurrency_failed_cohort_limit",
	    P_default_destination_concurrency_failed_cohort_limit, PARAM_INT },
	{ "_destination_concurrency_positive_feedback",
	    P_default_destination_concurrency_positive_feedback, PARAM_STR },
	{ "_destination_concurrency_negative_feedback",
	    P_default_destination_concurrency_negative_feedback, PARAM_STR },
	{ "_destination_recipient_limit", P_default_destination_recipient_limit, PARAM_INT },
	{ "_destination_rate_delay", P_default_destination_rate_delay, PARAM_TIME },
	{ "_transport_rate_delay", P_default_transport_rate_delay, PARAM_TIME },
	{ "_extra_recipient_limit", P_default_extra_recipient_limit, PARAM_INT },
	{ "_recipient_limit", P_default_recipient_limit, PARAM_INT },
	{ "_recipient_refill_limit", P_default_recipient_refill_limit, PARAM_INT },
	{ "_recipient_refill_delay", P_default_recipient_refill_delay, PARAM_TIME },
	{ "_minimum_delivery_slots", P_default_minimum_delivery_slots, PARAM_INT },
	{ "_delivery_slot_cost", P_default_delivery_slot_cost, PARAM_INT },
	{ "_delivery_slot_discount", P_default_delivery_slot_discount, PARAM_INT },
	{ "_delivery_slot_loan", P_default_delivery_slot_loan, PARAM_INT },
	{ "_time_limit", P_command_time_limit, PARAM_TIME },
};

const struct transport_param *
transport_param_find(struct span suffix)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_eqs(suffix, known[i].suffix))
			return &known[i];
	return NULL;
}

bool
transport_param_split(const struct conf *c, struct span name, const struct transport_param **row)
{
	/* The longest suffix counts: "_destination_recipient_limit" ends in "_recipient_limit" too. */
	for (size_t at = 0; at < name.len; at++) {
		if (name.ptr[at] != '_')
			continue;
		const struct transport_param *p = transport_param_find(span_skip(name, at));
		if (p != NULL && conf_transport(c, span_head(name, at)) != NULL) {
			*row = p;
			return true;
		}
	}
	return false;
}

/* As the queue manager reads them: the -o of the qmgr line counts. */
static const struct view *
queue_view(const struct conf *c)
{
	return conf_program(c, "qmgr");
}

/* The text for TRANSPORT + suffix, expanded, or that of the parameter it falls back to. */
static bool
transport_text(const struct conf *c, const char *transport, const struct transport_param *p,
    struct buf *out)
{
	const struct view *v = queue_view(c);
	struct buf name = BUF_INIT(512);

	buf_str(&name, transport);
	buf_str(&name, p->suffix);
	const char *raw = name.over ? NULL : view_raw(v, buf_view(&name), NULL);
	if (raw == NULL)
		raw = view_raw(v, span_str(param_row(p->fallback)->name), NULL);
	buf_clear(&name);
	return view_expand(v, span_str(raw), out, NULL);
}

static bool
transport_number(const struct conf *c, const char *transport, const char *suffix,
    enum param_type type, int64_t *out)
{
	const struct transport_param *p = transport_param_find(span_str(suffix));
	struct buf text = BUF_INIT(CONF_VALUE_MAX);
	union value v = { .num = 0 };

	if (p == NULL || p->type != type)
		return false;
	struct param_row row = *param_row(p->fallback);
	row.min = row.max = 0;
	bool ok = transport_text(c, transport, p, &text) &&
	    value_parse(&row, buf_view(&text), &v, NULL);
	buf_clear(&text);
	if (ok)
		*out = v.num;
	return ok;
}

bool
conf_transport_int(const struct conf *c, const char *transport, const char *suffix, int64_t *out)
{
	return transport_number(c, transport, suffix, PARAM_INT, out);
}

bool
conf_transport_time(const struct conf *c, const char *transport, const char *suffix, int64_t *out)
{
	return transport_number(c, transport, suffix, PARAM_TIME, out);
}

bool
conf_transport_str(const struct conf *c, const char *transport, const char *suffix, struct buf *out)
{
	const struct transport_param *p = transport_param_find(span_str(suffix));
	return p != NULL && transport_text(c, transport, p, out);
}
