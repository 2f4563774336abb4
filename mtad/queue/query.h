/*
 * Questions of the control role: each is a small machine that is given slices of time and of buffer, with a cursor by queue ID, so
 * that it survives every change in between and a slow client holds up nothing but itself.
 */
#ifndef QUEUE_QUERY_H
#define QUEUE_QUERY_H

#include "base/map.h"
#include "ctl/jsonl.h"
#include "ctl/selector.h"
#include "queue/role.h"
#include "spool/message.h"

#define SLICE_BYTES	((size_t)192 << 10)
#define IDS_MAX		256

struct sort_item {
	struct qid	 id;
	int64_t		 number;
	char		 text[24];	/* the first bytes, folded to lower case */
};

struct group {
	uint64_t	 messages, recipients, bytes;
	struct qid	 last;		/* the message counted last: each once a group */
	size_t		 len;
	char		 name[];
};

struct ask;
/* Puts rows; true when it is done. */
typedef bool slice_fn(struct role_queue *, struct ask *, struct buf *rows);

struct ask {
	uint64_t	 request;
	slice_fn	*slice;
	struct selector	*selector;
	struct qid	 ids[IDS_MAX];	/* the selector names only these */
	size_t		 id_count, id_at;
	bool		 by_id;
	bool		 trash;		/* what is in the trash counts as well: it was asked for by name */
	struct qid	 at;
	uint64_t	 limit;		/* 0: none */
	uint64_t	 matched, acted;
	bool		 reverse, detail;
	bool		 window, total;	/* a part of the list only: from `offset` on, or around a message; and where it stands */
	uint64_t	 offset;
	struct qid	 around;
	int		 field;		/* enum selector_field, -1: none */
	char		*who, *reason;
	uint8_t		 status;	/* exit status at the end */
	char		*error;
	bool		 durable;	/* the end is told when the journal is synced */
	bool		 waiting;	/* for ask_more */
	bool		 finished;
	int64_t		 until;		/* of this slice, monotonic */
	unsigned	 steps;
	struct sort_item *items;	/* a sorted list */
	size_t		 item_count, item_cap, item_at, item_end;
	bool		 collected;
	struct map	 groups;
	size_t		 group_at;
	bool		(*act)(struct queue *, struct entry *, const struct ask *);
	const char	*did;		/* "held" */
	struct ask	*next;
};

/* -- queries.c */
/* The next entry that the selector matches; NULL at the end, or (with *pause) where the slice is over. */
struct entry *ask_next(struct role_queue *, struct ask *, const struct buf *rows, bool *pause);
void	ask_fail(struct ask *, uint8_t status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* -- query_row.c */
struct row {			/* what selectors look at */
	struct role_queue *rq;
	const struct entry *e;
	struct message	 message;
	bool		 have_message;
};
extern const struct selector_row_ops row_ops;
void	row_clear(struct row *);
bool	row_text(struct row *, enum selector_field, uint32_t rcpt, struct span *);
bool	row_number(struct row *, enum selector_field, uint32_t rcpt, int64_t *);
void	row_put(struct role_queue *, struct buf *, const struct entry *, bool detail);
const char *row_rcpt_state(const struct entry *, uint32_t rcpt);

/* -- query_list.c, query_admin.c, query_why.c */
slice_fn list_slice, sorted_slice, count_slice, act_slice, why_slice, doctor_slice, dest_slice;
/* Sets the ask up for the command; false: no such command. */
bool	list_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	admin_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	why_begin(struct role_queue *, struct ask *, struct span command, struct span args);
void	stats_put(struct role_queue *, struct buf *);

#endif
