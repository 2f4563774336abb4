/*
 * What a local recipient becomes: by aliases(5), :include:, .forward and the parameters for mailboxes. A list of items is worked off; each is delivered to
 * here, or becomes a recipient of a new message. Postfix's local(8), with its order of steps.
 */
#ifndef LOCAL_EXPAND_H
#define LOCAL_EXPAND_H

#include "local/actor.h"
#include "local/alias_text.h"
#include "local/command.h"
#include "local/names.h"
#include "local/user.h"
#include "route/route.h"

#define EXPAND_ITEMS	20000		/* more is a loop, or a mistake */
#define EXPAND_DEPTH	51		/* of expansions in each other */

enum expand_from { FROM_ENVELOPE, FROM_ALIAS, FROM_FORWARD, FROM_INCLUDE };

/* Strings live until the process ends. */
struct item {
	enum alias_kind	 kind;
	enum expand_from from;
	const char	*text;
	const char	*rcpt;		/* the recipient that it is part of: what commands are told, and headers show */
	const char	*parent;	/* the name whose expansion it is; NULL: none */
	const char	*owner;		/* whose list it is: others of it get a message of their own; NULL: the sender hears of it */
	const char	*sender;	/* in place of the message's; NULL: that */
	const char	*ext;		/* carried over to addresses, without delimiter; NULL: none */
	const char	*delivered;	/* for Delivered-To: */
	unsigned	 depth;
	struct actor	 actor;		/* with whose rights; uid 0: nobody's in particular (default_privs) */
	struct passwd	*pw;		/* the account of the actor; NULL: none in particular */
};

struct expand {
	struct job	*job;
	struct router	*router;	/* made when it is needed */
	struct item	*items;
	size_t		 count, at;
	char		**seen;		/* what was done */
	size_t		 seen_count;
	struct buf	 groups[64];	/* addresses of new messages, packed; by sender and filter */
	struct { const char *sender, *filter, *delivered; bool listed; uint32_t count; } group[64];
	size_t		 group_count;
	bool		 travelled;	/* the message has Delivered-To: headers */
	unsigned	 done;		/* deliveries that succeeded */
	struct report	 worst;		/* of those that did not */
	bool		 failed;
	struct report	 last;		/* success */
	struct buf	 leaves;	/* what became of each, for the log: packed */
	unsigned	 leaf_count;
	bool		 leaf_other;	/* of others than the recipient */
};

/* -- expand.c -- */
char	*expand_str(struct span);	/* kept until the process ends */
void	expand_add(struct expand *, const struct item *from, enum alias_kind, struct span text);
/* The number of items in it. */
size_t	expand_list(struct expand *, const struct item *from, struct span text);
void	expand_result(struct expand *, const struct item *, const struct report *);
void	expand_forward(struct expand *, const struct item *, struct span address, struct span filter);
/* True the first time. */
bool	expand_once(struct expand *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	expand_failed(struct expand *, const struct item *, enum outcome_status, const char *dsn, const char *text);
/* The job for an item: its sender, its headers. */
struct job expand_job(const struct expand *, const struct item *, bool delivered);
/* Whether a parameter's list of words has this one. */
bool	expand_lists(const struct expand *, enum param, const char *word);
/* Whose rights it has, where that is nobody in particular: default_privs. False with the report set. */
bool	expand_actor(const struct expand *, const struct item *, struct actor *, struct report *);

/* Whether the message came by this recipient before; false with the report set. */
bool	expand_no_loop(struct expand *, struct span recipient, struct report *);

/* -- expand_alias.c -- */
/* True: an alias was found (or cannot be asked for). */
bool	expand_alias(struct expand *, const struct item *, struct span name, struct span unmatched);
void	expand_include(struct expand *, const struct item *);
/* With the actor's rights for this file alone; a plain file of at most 1 MiB. errno where it is none. */
bool	expand_slurp(const struct actor *, const char *path, struct buf *out);

/* -- expand_user.c -- */
void	expand_user(struct expand *, const struct item *);
/* -- expand_item.c -- */
/* A recipient, by its local part: aliases first. */
void	expand_recipient(struct expand *, const struct item *, struct span address);
void	expand_address(struct expand *, const struct item *, struct span address);
void	expand_command(struct expand *, const struct item *, const char *text);
void	expand_file(struct expand *, const struct item *, const char *path);

#endif
