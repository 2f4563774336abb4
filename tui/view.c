/*
 * What views have in common: questions to the daemon and when to ask again, tags, searching in lists.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/console.h"

#define REFRESH_TIME	(2 * SECOND)
#define REFRESH_SHARE	30	/* an answer that took long is asked for less often: 1/30 of the time at most */

struct view *
view_new(const struct view_ops *ops, struct console *con)
{
	struct view *v = mem_new(ops->size);

	v->ops = ops;
	v->con = con;
	return v;
}

void
view_refresh(struct view *v)
{
	v->due = 0;
}

void
view_done(void *view, int status, struct span error)
{
	struct view *v = view;
	int64_t now = clock_mono(), took = now - v->asked;

	if (v->pending > 0)
		v->pending--;
	if (status > 1 || (status == 1 && error.len > 0))
		snprintf(v->error, sizeof v->error, "%.*s", SPAN_ARG(span_head(error, sizeof v->error - 1)));
	v->con->redraw = true;
	if (v->pending > 0)
		return;
	v->known = v->known || status <= 1;
	/* A view that wanted more meanwhile has set it to 0. */
	if (v->due != 0)
		v->due = now + (took * REFRESH_SHARE > REFRESH_TIME ? took * REFRESH_SHARE : REFRESH_TIME);
}

void
view_ask(struct view *v, enum command c, const struct link_arg *args, void (*row)(void *, struct span),
    void (*done)(void *, int, struct span))
{
	v->pending++;
	link_call(v->con->link, c, args, (struct link_handler){ row, done != NULL ? done : view_done, v });
}

void
view_draw_empty(struct view *v, int y, int height, const char *text)
{
	struct line l;

	for (int i = 0; i < height; i++)
		line_begin(&l, y + i, STYLE_PLAIN, false);
	if (height < 2)
		return;
	line_begin(&l, y + 1, STYLE_PLAIN, false);
	l.x = 2;
	if (v->error[0] != '\0')
		line_text(&l, STYLE_BAD, span_str(v->error));
	else if (v->ops->fetch != NULL && !link_up(v->con->link))
		line_printf(&l, STYLE_WARN, "%s: the queue is shown when it is back", link_trouble(v->con->link));
	else if (!v->known)
		line_text(&l, STYLE_DIM, SPAN("..."));
	else
		line_text(&l, STYLE_DIM, span_str(text));
}

void
list_search(struct view *v, struct list *list, struct span wanted, bool backwards)
{
	size_t n = list->rows.count;

	for (size_t i = 1; i <= n; i++) {
		size_t at = (list->cursor - list->first + (backwards ? n - i : i)) % n;
		if (!text_has(span_of(list->rows.items[at].text, list->rows.items[at].len), wanted))
			continue;
		list_go(list, list->first + at);
		return;
	}
	console_say(v->con, STYLE_WARN, "not found: %.*s", SPAN_ARG(span_head(wanted, 80)));
}

/* -- tags: queue IDs ------------------------------------------------------ */

bool
tag_has(const struct console *con, const char *id)
{
	return map_get(&con->tags, span_str(id)) != NULL;
}

void
tag_set(struct console *con, const char *id, bool on)
{
	if (on && !tag_has(con, id))
		map_add(&con->tags, mem_str(id));
	else if (!on)
		free(map_del(&con->tags, span_str(id)));
}

void
tag_none(struct console *con)
{
	size_t at = 0;
	char *id;

	while ((id = map_next(&con->tags, &at)) != NULL)
		free(id);
	map_clear(&con->tags);
}

size_t
tag_count(const struct console *con)
{
	return con->tags.count;
}
