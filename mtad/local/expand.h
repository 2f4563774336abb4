/*
 * What a local recipient becomes: by aliases(5), :include:, .forward and the parameters for mailboxes. A list of items is worked off; each is delivered to
 * here, or becomes a recipient of a new message. Postfix's local(8), with its order of steps.
 */
#ifndef LOCAL_EXPAND_H
#define LOCAL_EXPAND_H

#include "local/actor.h"
#include "local/alias_text.h"
#include "local/command.h"
#include "local/user.h"
#include "route/route.h"

#define EXPAND_ITEMS	20000		/* more is a loop, or a mistake */
#define EXPAND_DEPTH	100

enum expand_from { FROM_ENVELOPE, FROM_ALIAS, FROM_FORWARD, FROM_INCLUDE };

struct item {
	enum alias_kind	 kind;
	enum expand_from from;
	char		*text;
	char		*parent;	/* the alias whose item it is, or the user whose .forward; NULL: none */
	char		*owner;		/* its sender, where the alias has an owner; NULL: the message's */
	char		*ext;		/* carried over to addresses; NULL: none */
	unsigned	 depth;
	struct actor	 actor;		/* with whose rights */
	bool		 as_user;	/* actor is a user, by name */
};

struct expand {
	struct job	*job;
	struct router	*router;	/* made when it is needed */
	struct item	*items;
	size_t		 count, at;
	char		**seen;		/* what was expanded */
	size_t		 seen_count;
	struct buf	 groups[64];	/* addresses of new messages, packed; by sender and filter */
	struct { char *sender, *filter; uint32_t count; } group[64];
	size_t		 group_count;
	unsigned	 done;		/* deliveries that succeeded */
	struct report	 worst;		/* of those that did not */
	bool		 failed;
	struct report	 last;		/* success */
};

/* -- expand.c -- */
void	expand_add(struct expand *, const struct item *from, enum alias_kind, enum expand_from, struct span text);
void	expand_list(struct expand *, const struct item *from, enum expand_from, struct span text);
void	expand_result(struct expand *, const struct report *);
void	expand_forward(struct expand *, const struct item *, struct span address, struct span filter);
/* True the first time. */
bool	expand_once(struct expand *, const char *what, const char *name);
/* With the actor's rights for this file alone; a plain file of at most 1 MiB. errno where it is none. */
bool	expand_slurp(const struct actor *, const char *path, bool careful, struct buf *out);

/* -- expand_user.c -- */
void	expand_user(struct expand *, const struct item *, struct span local, struct span user, struct span ext);
/* -- expand_item.c -- */
void	expand_command(struct expand *, const struct item *, const char *text, const struct passwd *);
void	expand_file(struct expand *, const struct item *, const char *path);

#endif
