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
#include "queue/sorter.h"
#include "spool/message.h"

#define SLICE_BYTES	((size_t)192 << 10)
#define IDS_MAX		2000	/* as many as a selector has room for */
#define AHEAD		8u

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
	struct qid	*ids;		/* the selector names only these */
	size_t		 id_count, id_at;
	bool		 by_id;
	bool		 trash;		/* what is in the trash counts as well: it was asked for by name */
	struct qid	 at;
	uint32_t	 hint;		/* of the index, for the entry that ask_next gave last */
	uint64_t	 limit;		/* 0: none */
	uint64_t	 matched, acted;
	bool		 reverse, detail;
	bool		 window, total;	/* a part of the list only: from `offset` on, or around a message; and where it stands */
	uint64_t	 offset;
	struct qid	 around;
	int		 field;		/* enum selector_field, -1: none */
	char		*who;
	uint8_t		 status;	/* exit status at the end */
	char		*error;
	bool		 durable;	/* the end is told when the journal is synced */
	bool		 waiting;	/* for ask_more */
	bool		 finished;
	int64_t		 until;		/* of this slice, monotonic */
	unsigned	 steps;
	bool		 any_order;	/* all that match are wanted, in whatever order ask_next gives them */
	bool		 by_reason;	/* the selector looks at the reason before all else */
	enum ask_need {
		NEEDS_NOTHING,
		NEEDS_ROUTE,	/* where it went last */
		NEEDS_REASON,
	}		 needs;		/* what who asks will want to know of the last outcome of each */
	struct sorter	 places;	/* any_order: entries that are looked at when their journal records' turn comes */
	struct ahead {
		struct qid	 id;
		uint32_t	 hint;
	}		 ahead[AHEAD];	/* taken from there, on their way into the processor's cache */
	unsigned	 ahead_at, ahead_count;
	bool		 walked;	/* the index, to its end */
	struct sorter	 keys;		/* a sorted list */
	struct sort_item around_key;
	bool		 around_found;
	size_t		 passed, item_at, item_end;	/* of keys: taken; next to be shown, and where to end */
	size_t		 item_count;	/* dest ls: its lines */
	bool		 collected;
	struct map	 groups;
	size_t		 group_at;
	uint64_t	 top;		/* query_top.c: rows shown; 0: as usual */
	struct dest_line *lines;	/* query_dest.c */
	char		*dest, *dest_reason;
	int64_t		 for_time;
	struct story	*story;		/* query_story.c */
	uint8_t		 rights;	/* of who asks */
	struct acting	*acting;	/* of what changes messages: acting.h */
	struct ask	*next;
};

/* -- queries.c */
/* The next entry that the selector matches, by queue ID or (ask.any_order) as the journal is best read; NULL at the end, or (with *pause) where the slice is over. */
struct entry *ask_next(struct role_queue *, struct ask *, const struct buf *rows, bool *pause);
/* The slice used up its time or its room. */
bool	ask_slice_is_over(struct ask *, const struct buf *rows);
void	ask_fail(struct ask *, uint8_t status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* -- reader.c */
/* The message's envelope, unpacked from `bytes`. False: it cannot be read. */
bool	reader_envelope(struct role_queue *, const struct entry *, struct buf *bytes, struct envelope *);

/* -- query_row.c */
/* What selectors look at: one at a time, as they share the memory for what is read. */
struct row {
	struct role_queue *rq;
	const struct entry *e;
	bool		 have_message;	/* it was read, or (no_message) cannot be */
	bool		 no_message;
	bool		 shallow;	/* no journal record is read that lies far from the one before */
	bool		 deep;		/* but one was needed: what was answered does not count */
};
extern const struct selector_row_ops row_ops;
bool	row_text(struct row *, enum selector_field, uint32_t rcpt, struct span *);
bool	row_number(struct row *, enum selector_field, uint32_t rcpt, int64_t *);
void	row_clear(struct row *);
void	row_put(struct role_queue *, struct buf *, const struct entry *, bool detail);
const char *row_rcpt_state(const struct entry *, uint32_t rcpt);

/* -- query_list.c, query_admin.c, query_why.c */
slice_fn list_slice, sorted_slice, count_slice, act_slice, why_slice, doctor_slice, dest_slice;
/* Sets the ask up for the command; false: no such command. */
bool	list_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	admin_begin(struct role_queue *, struct ask *, struct span command, struct span args);
/* The ID that was asked for is not in the queue: what became of it, from the journal. */
bool	story_ends(struct role_queue *, struct ask *, struct buf *rows);
/* query_dest.c, query_story.c, query_top.c: the same; their selectors and options are their own. */
bool	dest_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	story_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	top_begin(struct role_queue *, struct ask *, struct span command, struct span args);
bool	why_begin(struct role_queue *, struct ask *, struct span command, struct span args);
void	stats_put(struct role_queue *, struct buf *);

#endif
