#include "mtactl/present.h"

#include <string.h>

#include "ctl/jsonl.h"

/* A comparison of lengths settles most: these run for each member of each row. */
#define KEY_IS(key, literal)	((key).len == sizeof (literal) - 1 && memcmp((key).ptr, literal, (key).len) == 0)

static const struct presenter *const presenters[COMMAND_COUNT] = {
#define COMMAND(ident, name, grammar, right, where, summary, example)	[CMD_##ident] = &present_##ident,
#include "ctl/commands.def"
#undef COMMAND
};

const struct presenter *
presenter_of(enum command c)
{
	return presenters[c];
}

void
queue_row_read(struct span row, struct queue_row *q)
{
	struct jsonl_walk w;
	struct span key, value;

	*q = (struct queue_row){ .arrival = 0 };
	if (!jsonl_walk_object(&w, row))
		return;
	while (jsonl_member_key(&w, &key)) {
		if (KEY_IS(key, "recipients")) {
			q->recipients = w.left;
			return;
		}
		if (!jsonl_member_value(&w, &value))
			return;
		if (KEY_IS(key, "queue_id"))
			q->id = value;
		else if (KEY_IS(key, "queue_name"))
			q->queue = value;
		else if (KEY_IS(key, "sender"))
			q->sender = value;
		else if (KEY_IS(key, "hold_reason"))
			q->hold_reason = value;
		else if (KEY_IS(key, "hold_by"))
			q->hold_by = value;
		else if (KEY_IS(key, "arrival_time"))
			jsonl_int(value, &q->arrival);
		else if (KEY_IS(key, "message_size"))
			jsonl_int(value, &q->size);
	}
}

bool
rcpt_row_next(struct jsonl_walk *recipients, struct rcpt_row *r)
{
	struct jsonl_walk w;
	struct span key, value;

	*r = (struct rcpt_row){ .next = 0 };
	if (!jsonl_element_object(recipients, &w))
		return false;
	while (jsonl_member(&w, &key, &value)) {
		if (KEY_IS(key, "address"))
			r->address = value;
		else if (KEY_IS(key, "state"))
			r->state = value;
		else if (KEY_IS(key, "delay_reason"))
			r->reason = value;
		else if (KEY_IS(key, "transport"))
			r->transport = value;
		else if (KEY_IS(key, "nexthop"))
			r->nexthop = value;
		else if (KEY_IS(key, "blocker"))
			r->blocker = value;
		else if (KEY_IS(key, "next_time"))
			jsonl_int(value, &r->next);
		else if (KEY_IS(key, "attempts"))
			jsonl_int(value, &r->attempts);
	}
	return jsonl_after(recipients, &w);
}
