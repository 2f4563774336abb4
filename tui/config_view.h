/*
 * The configuration view: what its drawing (view_config.c) and its changes (config_change.c) share.
 */
#ifndef TUI_CONFIG_VIEW_H
#define TUI_CONFIG_VIEW_H

#include "tui/config_text.h"
#include "tui/console.h"

struct config_view {
	struct view	 view;
	struct config_text text;
	struct list	 list;		/* only its cursor: the rows are text's */
	int		 width;		/* the rows are made for */
	int		 shift;		/* columns that are out of sight at the left */
	bool		 lint_due;
	char		*draft;		/* of the file being edited: what the editor left, and was wrong; NULL: none */
	size_t		 draft_file;
};

/* The row under the cursor; NULL: there is none. */
const struct config_row *config_current(const struct config_view *);

/* Keys. */
void	config_key_edit(struct view *);
void	config_key_add(struct view *);
void	config_key_unset(struct view *);
void	config_key_editor(struct view *);
void	config_key_undo(struct view *);
void	config_key_reload(struct view *);
/* What a parameter is: default, meaning, value here. */
void	config_lookup(struct console *, struct span name);

#endif
