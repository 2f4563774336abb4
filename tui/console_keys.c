/*
 * The keys of every view.
 */
#include "tui/nc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tui/console.h"
#include "tui/term.h"

static void
key_back(struct view *v)
{
	console_back(v->con);
}

static void
key_quit(struct view *v)
{
	v->con->quit = true;
}

static void
key_help(struct view *v)
{
	console_push(v->con, help_new(v->con, v));
}

static void
key_tab(struct view *v)
{
	console_show(v->con, (v->con->main + 1) % CONSOLE_MAINS);
}

static void
key_back_tab(struct view *v)
{
	console_show(v->con, (v->con->main + CONSOLE_MAINS - 1) % CONSOLE_MAINS);
}

static void
key_refresh(struct view *v)
{
	v->con->stats_due = 0;
	view_refresh(v);
	clearok(curscr, TRUE);
}

static void
key_enter(struct view *v)
{
	if (v->ops->enter != NULL)
		v->ops->enter(v);
}

static void
run_command(struct view *v, struct span text)
{
	if (span_trim(text).len > 0)
		command_line(v->con, text);
}

static void
key_command(struct view *v)
{
	prompt_open(&v->con->prompt, v, ":", NULL, run_command);
}

static void
search_again(struct view *v, bool backwards)
{
	if (v->ops->search != NULL && v->wanted != NULL)
		v->ops->search(v, span_str(v->wanted), backwards);
	else if (v->ops->move != NULL)		/* all rows of a filter are found ones */
		v->ops->move(v, backwards ? MOVE_UP : MOVE_DOWN);
}

static void
search_for(struct view *v, struct span text)
{
	if (text.len > 0) {
		free(v->wanted);
		v->wanted = span_dup(text);
	}
	search_again(v, false);
}

static void
key_search(struct view *v)
{
	if (v->ops->search != NULL)
		prompt_open(&v->con->prompt, v, "search: ", NULL, search_for);
}

static void
key_next(struct view *v)
{
	search_again(v, false);
}

static void
key_previous(struct view *v)
{
	search_again(v, true);
}

static void
key_undo(struct view *v)
{
	act_undo(v->con);
}

static void
key_sessions(struct view *v)
{
	console_show(v->con, MAIN_SESSIONS);
}

static void
key_log(struct view *v)
{
	console_show(v->con, MAIN_LOG);
}

static void
key_journal(struct view *v)
{
	console_show(v->con, MAIN_JOURNAL);
}

static void
key_maps(struct view *v)
{
	console_show(v->con, MAIN_MAPS);
}

static void
key_config(struct view *v)
{
	console_show(v->con, MAIN_CONFIG);
}

static void
key_suspend(struct view *v)
{
	term_suspend();
	v->con->redraw = true;
}

#define QUEUE_KEY(name, selector) \
	static void name(struct view *v) { console_queue(v->con, selector); }
QUEUE_KEY(key_all, NULL)
QUEUE_KEY(key_deferred, "state = deferred")
QUEUE_KEY(key_active, "state = active")
QUEUE_KEY(key_incoming, "state = incoming")
QUEUE_KEY(key_hold, "state = hold")
QUEUE_KEY(key_corrupt, "state = corrupt")
QUEUE_KEY(key_trash, "state = trash")

#define MOVE_KEY(name, how) \
	static void name(struct view *v) { if (v->ops->move != NULL) v->ops->move(v, how); }
MOVE_KEY(key_up, MOVE_UP)
MOVE_KEY(key_down, MOVE_DOWN)
MOVE_KEY(key_page_up, MOVE_PAGE_UP)
MOVE_KEY(key_page_down, MOVE_PAGE_DOWN)
MOVE_KEY(key_first, MOVE_FIRST)
MOVE_KEY(key_last, MOVE_LAST)

const struct key console_keys[] = {
	{ FN(KEY_DOWN), "down", key_down }, { 'j', NULL, key_down },
	{ FN(KEY_UP), "up", key_up }, { 'k', NULL, key_up },
	{ FN(KEY_NPAGE), "a page down", key_page_down }, { CTRL('f'), NULL, key_page_down },
	{ FN(KEY_PPAGE), "a page up", key_page_up }, { CTRL('b'), NULL, key_page_up },
	{ FN(KEY_HOME), "to the first", key_first }, { 'g', NULL, key_first },
	{ FN(KEY_END), "to the last", key_last }, { 'G', NULL, key_last },
	{ KEY_RETURN, "open what is under the cursor", key_enter }, { FN(KEY_ENTER), NULL, key_enter },
	{ 'q', "back; at the overview: leave", key_back }, { KEY_ESCAPE, NULL, key_back },
	{ '\t', "the next of the main views", key_tab },
	{ FN(KEY_BTAB), "the one before", key_back_tab },
	{ '/', "search for a text (in the queue: filter)", key_search }, { FN(KEY_F(3)), NULL, key_search },
	{ 'n', "the next one found", key_next }, { 'N', "the one before", key_previous },
	{ ':', "run any mtactl command", key_command }, { FN(KEY_F(2)), NULL, key_command },
	{ '1', "the deferred queue", key_deferred }, { '2', "the active queue", key_active },
	{ '3', "the incoming queue", key_incoming }, { '4', "the hold queue", key_hold },
	{ '5', "the corrupt queue", key_corrupt }, { '6', "the trash", key_trash }, { '0', "all queues", key_all },
	{ '7', "SMTP sessions, in and out; their dialogues", key_sessions }, { 'P', NULL, key_sessions },
	{ '8', "the log: warnings and errors, or live", key_log }, { 'L', NULL, key_log },
	{ '9', "the journal: what operators did, and its undo", key_journal }, { 'J', NULL, key_journal },
	{ 'M', "lookup tables", key_maps }, { 'C', "configuration, with what the linter says of it", key_config },
	{ 'z', "take the last action back", key_undo },
	{ FN(KEY_F(5)), "ask again now (it is done every 2 seconds)", key_refresh }, { CTRL('l'), NULL, key_refresh },
	{ '?', "help", key_help }, { FN(KEY_F(1)), NULL, key_help },
	{ CTRL('z'), "to the shell (fg comes back)", key_suspend },
	{ FN(KEY_F(10)), "leave", key_quit }, { 'Q', NULL, key_quit }, { CTRL('c'), NULL, key_quit },
	{ 0, NULL, NULL },
};
