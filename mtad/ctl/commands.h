/*
 * Commands: commands.def as an enum and a table, and the way from words (a command line, here or later in the REPL) to a request: a command and
 * its named arguments. Command words may be shortened while they stay unambiguous ("q l").
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "ctl/rights.h"
#include "ctl/selector.h"

enum command {
#define COMMAND(ident, name, grammar, right, where, summary, example)	CMD_##ident,
#include "ctl/commands.def"
#undef COMMAND
	COMMAND_COUNT
};

enum command_where {
	ASK_QUEUE	= 1,
	ASK_CONTROL	= 2,
	ASK_MASTER	= 4,
	LOCAL		= 8,
	OR_FILES	= 16,	/* with ASK_QUEUE: the files answer when mtad is down */
};

struct command_row {
	const char	*name;
	const char	*grammar;
	uint8_t		 right;		/* enum ctl_rights, one */
	uint8_t		 where;		/* enum command_where */
	const char	*summary;
	const char	*example;
};

const struct command_row *command_row(enum command);

/* Commands as bits. */
__extension__ typedef unsigned __int128 command_set;
_Static_assert(COMMAND_COUNT < 128, "commands are kept as bits of a word");
#define COMMAND_SET_ALL	(((command_set)1 << COMMAND_COUNT) - 1)

static inline bool
command_set_single(command_set s)
{
	return s != 0 && (s & (s - 1)) == 0;
}

/* Of a set that is not empty. */
static inline enum command
command_set_first(command_set s)
{
	return (enum command)((uint64_t)s != 0 ? __builtin_ctzll((uint64_t)s) : 64 + __builtin_ctzll((uint64_t)(s >> 64)));
}

bool	command_find(struct span name, enum command *);	/* the whole name */

#define REQUEST_ARGS	16

struct request_arg {
	struct span	name, value;
};
struct request {
	enum command	 command;
	struct request_arg args[REQUEST_ARGS];
	size_t		 count;
	struct arena	 arena;		/* holds what args point to */
};

/* False with the err saying what is wrong and what is expected. Clear the request in either case. */
bool	request_parse(struct request *, const struct span *words, size_t n, struct err *);
void	request_clear(struct request *);
bool	request_get(const struct request *, const char *name, struct span *value);
/* Adds an argument that the grammar knows and whose value is of its type; false with the err where it does not or is not. Copies both. */
bool	request_add(struct request *, struct span name, struct span value, struct err *);
/* All that the grammar requires is there. */
bool	request_complete(const struct request *, struct err *);

/* What the command's SELECTOR picks. */
enum selector_kind request_selects(enum command);

/* "90s", "10m", "1h30m", "2d"; a number alone is seconds. Microseconds; false where it is no time. */
bool	duration_parse(struct span, int64_t *);

/* Arguments as in the message `ask`: name, value, name, value, packed. */
void	args_pack(struct buf *, const struct request *);
bool	args_get(struct span packed, const char *name, struct span *value);

/* The grammar, walked: for the parser, help and completion. Start with { .left = span_str(row->grammar) }. */
enum placeholder {
	PLACE_NONE, PLACE_SELECTOR, PLACE_ID, PLACE_COUNT, PLACE_FIELD, PLACE_TEXT, PLACE_FILE, PLACE_COMMAND,
	PLACE_TIME,		/* "10m", "1h30m": duration_parse */
	PLACE_DEST,		/* a destination: "smtp:example.com", or a next hop over every transport */
	PLACE_COLUMN,		/* a field of the command's own rows */
	PLACE_TABLE,		/* "type:name", "/path", or a parameter that names a table */
	PLACE_KEY,		/* of the table before it */
	PLACE_PARAM,		/* a parameter's name, "name=value" too */
	PLACE_VALUE,
	PLACE_ADDRESS,
	PLACE_FORMAT,		/* of lint */
	PLACE_CODE,		/* of a lint rule */
};
struct grammar {
	struct span	left;
	bool		optional;
	struct span	option;		/* "limit" of --limit; empty: a positional argument */
	struct span	word;		/* the placeholder as written; empty: an option without a value */
	enum placeholder place;
	bool		many;		/* "NAME...": all words that are left, a blank between them */
};
bool	grammar_next(struct grammar *);

#endif
