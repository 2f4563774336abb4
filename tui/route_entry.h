/*
 * The entry of a table in transport_maps that says where a recipient's mail goes, in a text that can be edited here.
 */
#ifndef TUI_ROUTE_ENTRY_H
#define TUI_ROUTE_ENTRY_H

#include "table/named.h"
#include "tui/console.h"

struct route_entry {
	char		*spec;		/* of the table; NULL: there is no such entry */
	char		*key, *value;
	unsigned	 line;
};

/* Looks as the router does: the address, without its extension, its domain, those above it, "*". False: none. */
bool	route_entry_find(struct console *, struct span recipient, struct route_entry *);
void	route_entry_clear(struct route_entry *);

/* The table, with the entry's value in the prompt. Once it is written mtad reloads, and the selector's messages are to be routed anew. */
void	route_entry_edit(struct console *, const struct route_entry *, const char *selector);

#endif
