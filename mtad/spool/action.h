/*
 * What operators did, newest last: an action a command that changed something, each with a number of its own. The index keeps the last of them; each
 * is in the journal as an EVENT_ACTION that holds the whole of it as it then was, so the newest record of an action is all of it. The events of the messages that it
 * changed name it (spool_event.of), and so does the message's entry (entry.action), until another action changes that message.
 */
#ifndef SPOOL_ACTION_H
#define SPOOL_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct spool_event;

#define ACTIONS_MAX	2000u	/* kept; what cannot be taken back is forgotten first, then the oldest */
#define ACTION_TEXT_MAX	2000u	/* of each text */

/* What an action does, so that taking it back is doing the inverse. On disk: only append. */
enum action_effect {
	EFFECT_NONE,		/* cannot be taken back: flush, bounce */
	EFFECT_HOLD,
	EFFECT_RELEASE,
	EFFECT_DELETE,
	EFFECT_UNDELETE,
	EFFECT_SUSPEND,		/* of a destination: `argument` */
	EFFECT_RESUME,
	EFFECTS
};
enum action_effect action_inverse(enum action_effect);

enum action_flag {
	ACTION_OPEN	= 1,	/* under way; or a crash ended it, then its counts are of what was found */
	ACTION_KEPT	= 2,	/* not forgotten while this is set (a suspension that holds) */
	ACTION_PARTED	= 4,	/* a crash ended it in the middle */
};

struct action {
	uint32_t	 number;
	uint32_t	 segment;	/* of its newest journal record; 0: not written yet */
	uint64_t	 event;		/* the number of its newest event in this state */
	int64_t		 time;		/* wall */
	uint8_t		 effect;	/* enum action_effect */
	uint8_t		 flags;		/* enum action_flag */
	uint32_t	 undone_by, undoes;	/* numbers; 0: none */
	uint64_t	 messages;	/* that it changed */
	uint64_t	 reversible;	/* of them, those that can be taken back */
	int64_t		 until;		/* free for the action's owner: when it ends by itself; 0: never */
	char		*command;	/* "delete" */
	char		*who;
	char		*selector;	/* as asked; cut at ACTION_TEXT_MAX */
	char		*reason;
	char		*argument;	/* of what is no message: "smtp:example.com" */
	char		*before;	/* its former state, in its owner's words */
};

/* By number, rising. */
struct actions {
	struct action	**list;
	size_t		 count, cap;
	uint32_t	 last;		/* the highest number ever given */
};

/* Borrowed, until actions_add. NULL: none, or forgotten. */
struct action *actions_find(const struct actions *, uint32_t number);
/* A new one with that number (0: the next), or the one that is there; may forget another. */
struct action *actions_add(struct actions *, uint32_t number);
/* Its number may be given again where it was the last one: nothing was done under it. */
void	actions_forget(struct actions *, uint32_t number);
void	actions_clear(struct actions *);

/* All but number and segment, as in EVENT_ACTION's `state`. */
void	action_pack(struct buf *, const struct action *);
/* An EVENT_ACTION in recovery. False: bad bytes. */
bool	actions_apply(struct actions *, const struct spool_event *, uint32_t segment);
/* A message's event names an action: where its record is missing, what the event says of it has to do. */
void	actions_seen(struct actions *, const struct spool_event *);

/* The whole table, for the checkpoint's head. */
void	actions_encode(const struct actions *, struct buf *);
bool	actions_decode(struct actions *, struct span);

#endif
