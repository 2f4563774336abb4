/*
 * One lookup table on the screen: what its drawing (view_table.c) and its changes (table_change.c) share. And the question what a table answers.
 */
#ifndef TUI_TABLE_VIEW_H
#define TUI_TABLE_VIEW_H

#include <sys/stat.h>

#include "table/named.h"
#include "table/source.h"
#include "tui/console.h"

struct table_view {
	struct view	 view;
	char		*spec, *path;	/* "texthash:/etc/mtad/transport"; the file as the configuration names it */
	char		*grammar;	/* for source_open */
	bool		 compiled;	/* a file is built from the text */
	bool		 aliases;
	struct source	*source;	/* NULL: it cannot be read; view.error says why */
	struct stat	 stat;		/* of the file when it was read */
	struct list	 list;		/* only its cursor: rows are the source's entries */
	char		*key;		/* of the entry that is being added, until its value is typed */
	char		*draft;		/* what the editor left, and was wrong; NULL: none */
	char		*mend;		/* selector of messages that a change is to help; NULL: none */
};

/* The view of a table whose text can be shown. */
struct view *table_new(struct console *, const struct named_table *);
/* The entry under the cursor; until the next look at the source. */
bool	table_current(struct table_view *, struct source_entry *);
/* Puts the cursor on the entry with this key, where there is one. */
void	table_go(struct table_view *, struct span key);
/* Begins to edit that entry. Once it is written mtad reloads, and the messages are to be requeued. */
void	table_mend(struct view *, struct span key, const char *selector);

/* Says what the table answers for the key, as `mtactl map query` does. False: it gives no answer. */
bool	table_query(struct console *, const char *spec, struct span key);
/* A path, safe, in so many columns: of a long one the end, which tells more. */
void	put_path(struct buf *, struct span path, int width);
/* A word of a command, in quotes where the shell wants them. */
void	put_shell_word(struct buf *, struct span word);
bool	file_changed(const char *path, const struct stat *was);	/* since it was looked at */
void	file_look(const char *path, struct stat *);

/* Keys. */
void	table_key_edit(struct view *);
void	table_key_add(struct view *);
void	table_key_delete(struct view *);
void	table_key_editor(struct view *);
void	table_key_undo(struct view *);
void	table_key_reload(struct view *);

#endif
