/*
 * A trouble: messages that wait for the same cause, or for the same destination. Why, by one of them; what helps, with the key that does it to all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/jsonl.h"
#include "mtactl/present.h"
#include "tui/text_view.h"
#include "tui/list_view.h"
#include "tui/route_entry.h"

#define SHOWN_MAX	((size_t)1 << 20)

struct trouble_view {
	struct text_view base;
	char		*selector, *title;
	char		*dest;		/* "smtp:example.com"; NULL: of several */
	struct display	 why;
	struct request	 request;	/* what the presenter looks at */
	struct buf	 code, help, recipient;	/* of the one that is explained */
	struct route_entry route;	/* in a table: what sends it there */
	int64_t		 messages, recipients, size;
};

static struct trouble_view *
of(struct view *v)
{
	return (struct trouble_view *)v;
}

/* -- what helps ----------------------------------------------------------- */

static const struct remedy {
	char		 key;
	const char	*word;		/* in the help of why */
	const char	*codes;		/* causes that it mends, a blank around each */
	const char	*does;
} remedies[] = {
	{ 'e', NULL, " loop no-transport relay-denied no-such-domain null-mx refused-connection connect-timeout no-route dns-trouble ",
	    "" },
	{ 'C', NULL, " loop no-transport relay-denied no-route rate-limited ", "mend the configuration (then r here)" },
	{ 'M', NULL, " loop no-transport relay-denied ", "mend a lookup table (then r here)" },
	{ 'R', "resume", NULL, "resume the destination: deliver to it again" },
	{ 'l', "release", NULL, "release them from hold" },
	{ 'U', "undelete", NULL, "take them back from the trash" },
	{ 'f', "flush", NULL, "try them now" },
	{ 'r', NULL, " loop no-transport relay-denied ", "requeue: forget back-off, route anew" },
	{ 'b', NULL, " loop no-such-domain null-mx no-such-user refused failed no-smtputf8 too-large policy relay-denied no-transport mailbox-full ",
	    "bounce: give up, and tell the senders" },
	{ 'd', NULL, NULL, "delete them (to the trash; z takes it back)" },
	{ 'h', NULL, NULL, "hold them until they are released" },
	{ 'S', NULL, NULL, "suspend the destination: deliver nothing to it" },
};
#define REMEDIES	(sizeof remedies / sizeof remedies[0])

static bool
helps(const struct trouble_view *t, const struct remedy *r)
{
	struct buf code = BUF_INIT(128);

	buf_printf(&code, " %s ", t->code.len > 0 ? t->code.ptr : "-");
	bool is = (r->word != NULL && t->help.len > 0 && strstr(t->help.ptr, r->word) != NULL) ||
	    (r->codes != NULL && strstr(r->codes, code.ptr) != NULL);
	buf_clear(&code);
	return is;
}

static void
put_route(const struct trouble_view *t, struct buf *out)
{
	const char *slash = strrchr(t->route.spec, '/');

	buf_printf(out, "  \033[1me\033[0m  edit line %u of ", t->route.line);
	safe_text(out, span_head(span_str(slash == NULL ? t->route.spec : slash + 1), 100), false);
	buf_str(out, ": ");
	safe_text(out, span_head(span_str(t->route.key), 200), false);
	buf_str(out, "  ");
	safe_text(out, span_head(span_str(t->route.value), 200), false);
	buf_char(out, '\n');
}

static void
put_remedies(struct trouble_view *t, struct buf *out, bool helping)
{
	bool resumes = t->help.len > 0 && strstr(t->help.ptr, "resume") != NULL;

	for (size_t i = 0; i < REMEDIES; i++) {
		const struct remedy *r = &remedies[i];
		bool of_dest = r->key == 'S' || r->key == 'R';
		if (helps(t, r) != helping || (of_dest && (t->dest == NULL || resumes != (r->key == 'R'))))
			continue;
		if ((!helping && strchr("CMlUR", r->key) != NULL) || r->key == (t->route.spec == NULL ? 'e' : 'M'))
			continue;
		if (r->key == 'e') {
			put_route(t, out);
			continue;
		}
		buf_printf(out, "  \033[1m%c\033[0m  %s\n", r->key, r->does);
	}
}

static void
heading(struct buf *out, const char *text)
{
	buf_printf(out, "\033[32m%s\033[0m\n", text);
}

static void
compose(struct trouble_view *t)
{
	struct buf all = BUF_INIT(0), size = BUF_INIT(32);

	buf_str(&all, "\033[1m");
	safe_text(&all, span_str(t->title), false);
	buf_str(&all, "\033[0m\n");
	size_text(&size, t->size);
	buf_printf(&all, "  %lld message%s, %lld recipient%s, %s; Enter lists them\n\n", (long long)t->messages, t->messages == 1 ? "" : "s",
	    (long long)t->recipients, t->recipients == 1 ? "" : "s", size.ptr);
	if (t->messages == 0) {
		buf_str(&all, "  It is over: nothing waits for this any more.\n");
	} else {
		heading(&all, "What helps");
		put_remedies(t, &all, true);
		heading(&all, "Why, by one of them");
		buf_span(&all, buf_view(&t->why.out));
		heading(&all, "What else can be done with all of them");
		put_remedies(t, &all, false);
	}
	buf_clear(&size);
	text_take(&t->base.text, &all);
}

/* -- the answers ---------------------------------------------------------- */

static void
count_row(void *arg, struct span row)
{
	struct trouble_view *t = arg;

	t->messages += row_number(row, "messages");
	t->recipients += row_number(row, "recipients");
	t->size += row_number(row, "size");
}

/* Its table is not read again each time. */
static void
look_for_route(struct trouble_view *t, struct span row)
{
	struct buf recipient = BUF_INIT(2048);

	if (row_text(row, "recipient", &recipient) && !span_eq(buf_view(&recipient), buf_view(&t->recipient))) {
		buf_reset(&t->recipient);
		buf_span(&t->recipient, buf_view(&recipient));
		route_entry_clear(&t->route);
		route_entry_find(t->base.view.con, buf_view(&recipient), &t->route);
	}
	buf_clear(&recipient);
}

static void
why_row(void *arg, struct span row)
{
	struct trouble_view *t = arg;

	if (t->why.out.len > SHOWN_MAX)
		return;
	if (t->why.out.len == 0) {
		buf_reset(&t->code);
		buf_reset(&t->help);
		row_text(row, "code", &t->code);
		row_text(row, "help", &t->help);
		look_for_route(t, row);
	}
	presenter_of(CMD_why)->row(&t->why, row);
}

static void
why_done(void *arg, int status, struct span error)
{
	struct trouble_view *t = arg;

	if (status > 1)
		safe_text(&t->why.out, error, false);
	compose(t);
	view_done(arg, status, error);
}

static void
fetch(struct view *v)
{
	struct trouble_view *t = of(v);

	t->messages = t->recipients = t->size = 0;
	display_clear(&t->why);
	t->why = (struct display){ .tty = true, .colored = true, .now = console_now(), .request = &t->request };
	view_ask(v, CMD_queue_count, (const struct link_arg[]){ { "selector", span_str(t->selector) }, { NULL, SPAN_NONE } }, count_row, NULL);
	view_ask(v, CMD_why, (const struct link_arg[]){ { "selector", span_str(t->selector) }, { "limit", SPAN("1") },
	    { NULL, SPAN_NONE } }, why_row, why_done);
}

/* -- keys ----------------------------------------------------------------- */

static void
enter(struct view *v)
{
	console_push(v->con, queue_new(v->con, of(v)->selector));
}

#define ACT_KEY(name, command) \
	static void name(struct view *v) { act_on_selector(v->con, command, of(v)->selector); }
ACT_KEY(key_delete, CMD_delete)
ACT_KEY(key_hold, CMD_hold)
ACT_KEY(key_release, CMD_release)
ACT_KEY(key_requeue, CMD_requeue)
ACT_KEY(key_flush, CMD_flush)
ACT_KEY(key_undelete, CMD_undelete)
ACT_KEY(key_bounce, CMD_bounce)

static void
key_suspend(struct view *v)
{
	act_suspend(v->con, of(v)->dest);
}

static void
key_resume(struct view *v)
{
	act_resume(v->con, of(v)->dest);
}

/* What has been edited since is looked at anew. */
static void
key_route(struct view *v)
{
	struct trouble_view *t = of(v);

	if (t->route.spec == NULL) {
		console_say(v->con, STYLE_WARN, "no entry of a table says where it goes (M: tables, C: configuration)");
	} else {
		route_entry_edit(v->con, &t->route, t->selector);
		buf_reset(&t->recipient);
	}
}

static const struct key keys[] = {
	{ KEY_RETURN, "the messages", enter },
	{ 'e', "edit the table's entry that says where they go; mtad reloads, and routes them anew", key_route },
	{ 'f', "try them now", key_flush },
	{ 'r', "requeue: forget back-off, route anew", key_requeue },
	{ 'b', "bounce: give up, and tell the senders", key_bounce },
	{ 'd', "delete (to the trash)", key_delete },
	{ 'h', "hold", key_hold }, { 'l', "release from hold", key_release },
	{ 'U', "undelete: back from the trash", key_undelete },
	{ 'S', "suspend the destination", key_suspend }, { 'R', "resume it", key_resume },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "Enter", "List" }, { "f", "Try" }, { "r", "Requeue" }, { "b", "Bounce" }, { "h", "Hold" }, { "d", "Delete" }, { "S", "Suspend" },
	{ "R", "Resume" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	struct trouble_view *t = of(v);

	text_view_clear(v);
	display_clear(&t->why);
	buf_clear(&t->code);
	buf_clear(&t->help);
	buf_clear(&t->recipient);
	route_entry_clear(&t->route);
	free(t->selector);
	free(t->title);
	free(t->dest);
}

static const struct view_ops ops = {
	.name = "trouble",
	.size = sizeof(struct trouble_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = text_view_draw,
	.move = text_view_move,
	.enter = enter,
	.search = text_view_search,
};

struct view *
trouble_new(struct console *con, const char *selector, const char *title, const char *dest)
{
	struct view *v = view_new(&ops, con);

	of(v)->selector = mem_str(selector);
	of(v)->title = mem_str(title);
	of(v)->dest = dest == NULL ? NULL : mem_str(dest);
	of(v)->request.command = CMD_why;
	console_echo(con, "why '%s' --limit 1", selector);
	return v;
}
