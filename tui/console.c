#include "tui/console.h"
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/jsonl.h"
#include "tui/term.h"

#define STATS_TIME	(2 * SECOND)

static struct span
tag_key(const void *item)
{
	return span_str(item);
}

int64_t
console_now(void)
{
	return clock_wall() / SECOND;
}

void
console_say(struct console *con, enum style style, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(con->status, sizeof con->status, fmt, ap);
	va_end(ap);
	con->status_style = style;
	con->redraw = true;
}

void
console_echo(struct console *con, const char *fmt, ...)
{
	char text[sizeof con->status - 16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	console_say(con, STYLE_DIM, "$ mtactl %s", text);
}

bool
console_may(struct console *con, uint8_t right)
{
	if (!link_up(con->link))
		console_say(con, STYLE_BAD, "%s", link_trouble(con->link));
	else if (con->readonly)
		console_say(con, STYLE_WARN, "this console is read-only (--readonly)");
	else if (!(link_rights(con->link) & right))
		console_say(con, STYLE_WARN, "not allowed: this takes the right to %s",
		    right == CTL_FLUSH ? "flush (authorized_flush_users)" : "administer (mtad_admin_users)");
	else
		return true;
	return false;
}

/* -- the stack ------------------------------------------------------------ */

static void
view_free(struct view *v)
{
	link_forget(v->con->link, v);
	if (v->con->prompt.view == v)
		v->con->prompt.open = false;
	if (v->ops->clear != NULL)
		v->ops->clear(v);
	free(v->wanted);
	free(v);
}

void
console_push(struct console *con, struct view *v)
{
	v->below = con->top;
	con->top = v;
	con->redraw = true;
}

void
console_show(struct console *con, enum main_view n)
{
	while (con->top != NULL && con->top->below != NULL) {
		struct view *v = con->top;
		con->top = v->below;
		view_free(v);
	}
	con->main = n;
	con->top = con->mains[n];
	if (con->top->due > 0)
		view_refresh(con->top);
	con->redraw = true;
}

void
console_back(struct console *con)
{
	struct view *v = con->top;

	con->status[0] = '\0';
	if (v->below != NULL) {
		con->top = v->below;
		view_free(v);
		view_refresh(con->top);
	} else if (con->main != 0) {
		console_show(con, 0);
	} else {
		con->quit = true;
	}
	con->redraw = true;
}

void
console_queue(struct console *con, const char *selector)
{
	if (!queue_is(con->top))
		console_show(con, MAIN_QUEUE);
	queue_filter(con->top, selector);
}

void
console_init(struct console *con, struct link *link)
{
	struct request doctor = { .command = CMD_doctor };

	con->link = link;
	con->tags = MAP_INIT(tag_key);
	con->mains[MAIN_OVERVIEW] = overview_new(con);
	con->mains[MAIN_QUEUE] = queue_new(con, NULL);
	con->mains[MAIN_DEST] = dest_new(con);
	con->mains[MAIN_DOCTOR] = command_new(con, &doctor, false);
	con->mains[MAIN_SESSIONS] = session_new(con);
	con->mains[MAIN_LOG] = log_new(con, NULL, false);
	con->mains[MAIN_JOURNAL] = journal_new(con);
	con->mains[MAIN_MAPS] = maps_new(con);
	con->mains[MAIN_CONFIG] = config_new(con);
	con->status[0] = '\0';
	console_show(con, 0);
}

void
console_clear(struct console *con)
{
	console_show(con, 0);
	for (size_t i = 0; i < CONSOLE_MAINS; i++)
		view_free(con->mains[i]);
	plan_free(con);
	prompt_clear(&con->prompt);
	tag_none(con);
	free(con->suspending);
	free(con->mending);
}

/* -- keys ----------------------------------------------------------------- */

static bool
use_key(const struct key *keys, struct view *v, int key)
{
	for (; keys != NULL && keys->code != 0; keys++) {
		if (keys->code != key)
			continue;
		keys->fn(v);
		return true;
	}
	return false;
}

void
console_key(struct console *con, int key)
{
	con->redraw = true;
	if (key == '\n')
		key = KEY_RETURN;
	if (con->prompt.open) {
		prompt_key(&con->prompt, key);
	} else if (con->plan != NULL) {
		plan_key(con, key);
	} else {
		con->status[0] = '\0';
		if (!use_key(con->top->ops->keys, con->top, key))
			use_key(console_keys, con->top, key);
	}
}

/* -- drawing -------------------------------------------------------------- */

static void
title_count(struct line *l, const char *name, int64_t n, enum style style)
{
	if (n > 0)
		line_printf(l, style, "  %lld %s", (long long)n, name);
}

static void
draw_title(struct console *con)
{
	const struct stats *s = &con->stats;
	struct buf right = BUF_INIT(1024);
	struct line l;

	line_begin(&l, 0, STYLE_BAR, false);
	line_printf(&l, STYLE_PLAIN, " mtad %s", con->instance);
	if (!link_up(con->link)) {
		line_text(&l, STYLE_PLAIN, SPAN("  "));
		line_printf(&l, STYLE_ALARM, " %s ", link_trouble(con->link)[0] != '\0' ? link_trouble(con->link) : "connecting");
	} else if (s->known) {
		if (s->incoming + s->active + s->deferred + s->hold + s->corrupt == 0)
			line_text(&l, STYLE_PLAIN, SPAN("  queue empty"));
		title_count(&l, "active", s->incoming + s->active, STYLE_PLAIN);
		title_count(&l, "deferred", s->deferred, STYLE_PLAIN);
		title_count(&l, "hold", s->hold, STYLE_PLAIN);
		title_count(&l, "corrupt", s->corrupt, STYLE_ALARM);
	}
	if (tag_count(con) > 0)
		line_printf(&l, STYLE_PLAIN, "  [%zu tagged]", tag_count(con));
	if (con->readonly || (link_up(con->link) && !(link_rights(con->link) & CTL_ADMINISTER)))
		line_text(&l, STYLE_PLAIN, SPAN("  [read-only]"));
	buf_printf(&right, " %s", con->top->ops->name);
	if (con->top->ops->label != NULL)
		con->top->ops->label(con->top, &right);
	buf_char(&right, ' ');
	int room = l.end - l.x - 1;
	if (paint_width(buf_view(&right)) <= room)
		line_right(&l, STYLE_PLAIN, buf_view(&right));
	buf_clear(&right);
}

#define HINT_ROOM	2	/* a blank in the key's colour, one behind it */

static int
hint_width(const struct hint *h)
{
	return (int)strlen(h->key) + (int)strlen(h->does) + HINT_ROOM;
}

static int
hints_width(const struct hint *h)
{
	int width = 0;

	for (; h->key != NULL; h++)
		width += hint_width(h);
	return width;
}

/* Those that fit in front of what has to stand behind them. */
static void
put_hints(struct line *l, const struct hint *h, int behind)
{
	for (; h->key != NULL && l->x + hint_width(h) + behind <= l->end; h++) {
		line_text(l, STYLE_BOLD, span_str(h->key));
		line_printf(l, STYLE_KEY, "%s ", h->does);
		line_text(l, STYLE_PLAIN, SPAN(" "));
	}
}

static void
draw_keys(const struct console *con, int y)
{
	static const struct hint first[] = { { "?", "Help" }, { ":", "Command" }, { NULL, NULL } };
	static const struct hint usual[] = { { "F3", "Search" }, { "F5", "Refresh" }, { "F6", "Sort" }, { "F9", "Delete" }, { NULL, NULL } };
	static const struct hint last[] = { { "Tab", "Next" }, { "F10", "Quit" }, { NULL, NULL } };
	const struct hint *hints = con->top->ops->hints;
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, false);
	put_hints(&l, first, 0);
	put_hints(&l, hints != NULL ? hints : usual, hints_width(last));
	put_hints(&l, last, 0);
}

static void
draw_bottom(struct console *con, int rows)
{
	struct line l;

	draw_keys(con, rows - 1);
	if (con->prompt.open) {
		prompt_draw(&con->prompt, rows - 2);
		return;
	}
	line_begin(&l, rows - 2, STYLE_PLAIN, false);
	line_text(&l, con->status_style, span_str(con->status));
}

void
console_draw(struct console *con)
{
	con->redraw = false;
	paint_cursor(0, -1);
	if (LINES < 4 || COLS < 20) {
		erase();
		refresh();
		return;
	}
	draw_title(con);
	con->top->ops->draw(con->top, 1, LINES - 3);
	draw_bottom(con, LINES);
	if (con->plan != NULL)
		plan_draw(con, LINES);
	refresh();
}

/* -- time ----------------------------------------------------------------- */

static void
stats_member(struct stats *s, struct span key, struct span value)
{
	const struct { const char *key; int64_t *to; } numbers[] = {
		{ "incoming", &s->incoming }, { "active", &s->active }, { "deferred", &s->deferred }, { "hold", &s->hold },
		{ "corrupt", &s->corrupt }, { "trash", &s->trash }, { "recipients", &s->recipients }, { "bytes", &s->bytes },
		{ "free", &s->free }, { "submitted", &s->submitted }, { "sent", &s->sent }, { "deferrals", &s->deferrals },
		{ "bounced", &s->bounced }, { "expired", &s->expired }, { "removed", &s->removed }, { "deliveries", &s->deliveries },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (span_eqs(key, numbers[i].key))
			jsonl_int(value, numbers[i].to);
	if (span_eqs(key, "full"))
		s->full = jsonl_true(value);
}

static void
stats_row(void *arg, struct span row)
{
	struct console *con = arg;
	struct span value, key;
	struct jsonl_walk w;

	if (!jsonl_find(row, "role", &value) || !span_eqs(value, "\"queue\"") || !jsonl_find(row, "stats", &value))
		return;
	struct stats s = { .known = true };
	if (!jsonl_walk_object(&w, value))
		return;
	while (jsonl_member(&w, &key, &value))
		stats_member(&s, key, value);
	con->stats = s;
	con->samples[con->sample_at++ % RATE_SAMPLES] = (struct rate_sample){ clock_mono(), s };
}

static void
stats_done(void *arg, int status, struct span error)
{
	struct console *con = arg;

	(void)status;
	(void)error;
	con->stats_pending = false;
	con->stats_due = clock_mono() + STATS_TIME;
	con->redraw = true;
}

static void
tick_view(struct view *v, int64_t now)
{
	uint64_t count = link_count(v->con->link);

	if (v->ops->fetch == NULL || v->pending > 0 || !link_up(v->con->link))
		return;
	if (now < v->due && v->link_count == count)
		return;
	v->link_count = count;
	v->asked = now;
	v->due = INT64_MAX;
	v->error[0] = '\0';
	v->ops->fetch(v);
}

/* What is asked of the daemon; when to ask again. */
static int64_t
tick_link(struct console *con, int64_t now)
{
	bool was_up = link_up(con->link);

	link_tick(con->link, now);
	if (!was_up)
		con->redraw = con->redraw || link_up(con->link) || link_due(con->link) > now;
	if (!link_up(con->link)) {
		memset(con->samples, 0, sizeof con->samples);
		return link_due(con->link);
	}
	if (!con->stats_pending && now >= con->stats_due) {
		con->stats_pending = true;
		link_call(con->link, CMD_status, NULL, (struct link_handler){ stats_row, stats_done, con });
	}
	tick_view(con->top, now);
	int64_t next = con->top->ops->fetch != NULL && con->top->pending == 0 ? con->top->due : now + STATS_TIME;
	return !con->stats_pending && con->stats_due < next ? con->stats_due : next;
}

int64_t
console_tick(struct console *con, int64_t now)
{
	int64_t next = tick_link(con, now);
	struct view *top = con->top;

	if (top->ops->tick == NULL)
		return next;
	int64_t again = top->ops->tick(top, now);
	return again < next ? again : next;
}
