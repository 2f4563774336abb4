/*
 * The connection to the daemon: many questions under way, none waited for. A daemon that goes away is looked for again; what was
 * asked ends with status 75 then.
 */
#ifndef TUI_LINK_H
#define TUI_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "ctl/commands.h"

struct link;

/* What becomes of a question. done comes exactly once, unless link_forget was called; either may ask again, none may end the link. */
struct link_handler {
	void	(*row)(void *arg, struct span row);
	void	(*done)(void *arg, int status, struct span error);
	void	*arg;
};

struct link *link_new(const char *socket_path, bool readonly);
void	link_free(struct link *);

/* Connects where that is due. */
void	link_tick(struct link *, int64_t now);
int64_t	link_due(const struct link *);		/* of link_tick; INT64_MAX: connected */
int	link_fd(const struct link *);		/* -1: not connected */
/* What can be read now is handed out. */
void	link_read(struct link *);

bool	link_up(const struct link *);
const char *link_trouble(const struct link *);	/* why it is not up */
uint8_t	link_rights(const struct link *);
uint64_t link_count(const struct link *);	/* connections so far: another one is another daemon, perhaps */

/* Asks. False (done has been called) where it cannot be sent. */
bool	link_ask(struct link *, const struct request *, struct link_handler);
struct link_arg {
	const char	*name;
	struct span	 value;		/* an empty one is left out */
};
/* The same from arguments that end with a NULL name. */
bool	link_call(struct link *, enum command, const struct link_arg *, struct link_handler);
/* No handler with this arg is called any more; a stream (trace, log --follow) is ended. */
void	link_forget(struct link *, const void *arg);

#endif
