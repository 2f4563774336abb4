/*
 * What changes messages: a row a message that the selector matches.
 */
#include "queue/query.h"

#include "ctl/commands.h"

static bool
act_flush(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_flush(q, e, span_str(a->who));
}

static bool
act_hold(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_hold(q, e, span_str(a->who), span_str(a->reason));
}

static bool
act_release(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_release(q, e, span_str(a->who));
}

static bool
act_requeue(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_requeue(q, e, span_str(a->who));
}

static bool
act_delete(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_delete(q, e, span_str(a->who));
}

static bool
act_undelete(struct queue *q, struct entry *e, const struct ask *a)
{
	return queue_undelete(q, e, span_str(a->who));
}

static const struct {
	const char	*command, *did, *skipped;
	bool		(*act)(struct queue *, struct entry *, const struct ask *);
	bool		 durable;
} rows[] = {
	{ "flush", "flushed", "nothing of it waits", act_flush, false },
	{ "hold", "held", "it is on hold already, or in the trash", act_hold, true },
	{ "release", "released", "it is not on hold", act_release, true },
	{ "requeue", "requeued", "it is in the trash", act_requeue, true },
	{ "delete", "deleted", "it is in the trash already", act_delete, true },
	{ "undelete", "undeleted", "it is not in the trash", act_undelete, true },
};

static void
put_result(struct buf *out, struct qid id, bool did, const char *what, const char *detail)
{
	struct jsonl j = { .out = out };
	char text[QID_TEXT];

	jsonl_object(&j, NULL);
	jsonl_str(&j, "queue_id", span_str(qid_text(id, text)));
	jsonl_str(&j, "result", span_str(did ? what : "skipped"));
	if (!did)
		jsonl_str(&j, "detail", span_str(detail));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

static const char *
skipped_text(const struct ask *a)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].act == a->act)
			return rows[i].skipped;
	return "";
}

bool
act_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, out, &pause)) != NULL) {
		struct qid id = e->id;
		bool did = a->act(&rq->q, e, a);
		a->acted += did;
		if (did || a->by_id)	/* what it has nothing to do with is not worth a row */
			put_result(out, id, did, a->did, skipped_text(a));
	}
	if (pause)
		return false;
	if (a->acted == 0)
		a->status = 1;
	return true;
}

bool
admin_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	struct span reason;

	(void)rq;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!span_eqs(command, rows[i].command))
			continue;
		if (args_get(args, "reason", &reason))
			a->reason = span_dup(span_head(reason, 500));
		a->act = rows[i].act;
		a->did = rows[i].did;
		a->durable = rows[i].durable;
		a->slice = act_slice;
		a->trash = a->trash || a->act == act_undelete;
		return true;
	}
	return false;
}
