/*
 * SMTP sessions, in and out, as they are now. Enter shows the dialogue with the one under the cursor; t writes its peer's dialogues to the log (debug_peer), or
 * ends that.
 */
#include <stdio.h>
#include <string.h>

#include "mtactl/display.h"
#include "tui/list_view.h"

#define DEBUG_LEVEL	"2"
#define DEBUG_TIME	"1h"	/* nobody has to remember it */
#define PEERS_SHOWN	2000	/* bytes of their names kept */

struct session_view {
	struct list_view base;
	struct buf	 peers, coming_peers;	/* those with debug_peer by an operator: "\nADDRESS\n" each */
};

static struct session_view *
of(struct view *v)
{
	return (struct session_view *)v;
}

/* -- fetching ------------------------------------------------------------- */

static void
peer_row(void *arg, struct span row)
{
	struct session_view *s = arg;
	struct buf source = BUF_INIT(64);

	if (row_text(row, "source", &source) && span_eqs(buf_view(&source), "operator") && s->coming_peers.len < PEERS_SHOWN) {
		buf_char(&s->coming_peers, '\n');
		row_text(row, "peer", &s->coming_peers);
		buf_char(&s->coming_peers, '\n');
	}
	buf_clear(&source);
}

static void
peers_done(void *arg, int status, struct span error)
{
	struct session_view *s = arg;

	buf_clear(&s->peers);
	s->peers = s->coming_peers;
	s->coming_peers = BUF_INIT(0);
	view_done(arg, status, error);
}

static void
fetch(struct view *v)
{
	list_view_ask(v, CMD_session_ls, NULL);
	buf_clear(&of(v)->coming_peers);
	view_ask(v, CMD_debug_peer_ls, NULL, peer_row, peers_done);
}

/* The address in "name[address]", else all of it. */
static struct span
address_of(struct span peer)
{
	size_t open = span_find(peer, '['), close = span_find(peer, ']');

	return open < close && close < peer.len ? span_of(peer.ptr + open + 1, close - open - 1) : peer;
}

static bool
is_debugged(struct session_view *s, struct span address)
{
	struct buf wanted = BUF_INIT(1024);

	buf_printf(&wanted, "\n%.*s\n", SPAN_ARG(address));
	bool is = s->peers.len > 0 && strstr(s->peers.ptr, wanted.ptr) != NULL;
	buf_clear(&wanted);
	return is;
}

/* -- on the screen -------------------------------------------------------- */

static void
show_debug(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	struct buf peer = BUF_INIT(1024);

	(void)value;
	row_text(row, "peer", &peer);
	if (row_number(row, "debug") > 0 || is_debugged(of(v), address_of(buf_view(&peer))))
		buf_char(out, 'D');
	*style = STYLE_WARN;
	buf_clear(&peer);
}

/* A role that did not answer has a row without a session. */
static void
show_peer(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v;
	(void)value;
	if (row_text(row, "peer", out))
		return;
	row_text(row, "role", out);
	buf_str(out, ": ");
	row_text(row, "error", out);
	*style = STYLE_BAD;
}

static void
show_state(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v;
	(void)value;
	row_text(row, "state", out);
	if (row_number(row, "idle") >= 60)
		*style = STYLE_WARN;
}

static void
show_sender(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v;
	(void)value;
	(void)style;
	if (!row_text(row, "sender", out) && row_number(row, "recipients") > 0)
		buf_str(out, "<>");
}

static const struct column columns[] = {
	{ NULL, "D", 1, 0, show_debug }, { "direction", "WAY", 3, 0, NULL }, { "service", "SERVICE", 10, 120, NULL },
	{ NULL, "PEER", 28, 0, show_peer }, { "state", "STATE", 9, 0, show_state },
	{ "since", "AGE", -4, 0, column_age }, { "idle", "IDLE", -4, 0, column_seconds }, { "bytes", "BYTES", -5, 0, column_size },
	{ "recipients", "RCPT", -4, 120, column_count }, { "queue_id", "QUEUE ID", 15, 100, NULL },
	{ "helo", "HELO", 24, 140, NULL }, { "sender", "SENDER", 0, 0, show_sender },
	{ NULL, NULL, 0, 0, NULL },
};

static void
bar(struct view *v, struct span row, struct buf *out)
{
	(void)v;
	row_text(row, "session", out);
	buf_str(out, "  ");
	row_text(row, "peer", out);
	if (row_number(row, "port") > 0)
		buf_printf(out, " port %lld", (long long)row_number(row, "port"));
}

static void
text(struct view *v, struct span row, struct buf *out)
{
	static const struct { const char *key, *label; } parts[] = {
		{ "helo", "helo " }, { "sender", "from " }, { "recipients", "recipients " }, { "queue_id", "message " }, { "service", "service " },
	};
	size_t start = out->len;

	(void)v;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t was = out->len;
		buf_printf(out, "%s%s", was > start ? ", " : "", parts[i].label);
		if (!row_text(row, parts[i].key, out))
			buf_cut(out, was);
	}
}

static const struct list_shape shape = {
	.columns = columns,
	.keys = { "session", "since", "role" },
	.empty = "no SMTP session now; T shows the dialogue of those to come",
	.detail = 3,
	.bar = bar,
	.text = text,
};

/* -- keys ----------------------------------------------------------------- */

static bool
peer_of(struct view *v, struct buf *out)
{
	struct buf peer = BUF_INIT(1024);
	bool ok = row_text(list_view_row(v), "peer", &peer);

	if (ok)
		buf_span(out, address_of(buf_view(&peer)));
	buf_clear(&peer);
	return ok;
}

static void
enter(struct view *v)
{
	struct buf peer = BUF_INIT(1024);

	if (peer_of(v, &peer))
		trace_show(v->con, buf_view(&peer));
	buf_clear(&peer);
}

static void
key_trace_all(struct view *v)
{
	trace_show(v->con, SPAN_NONE);
}

static void
toggled(void *arg, int status, struct span error)
{
	struct view *v = arg;

	if (status != 0)
		console_say(v->con, STYLE_BAD, "%.*s", SPAN_ARG(span_head(error, 300)));
	view_refresh(v);
	view_done(v, 0, SPAN_NONE);
}

static void
key_debug(struct view *v)
{
	struct buf peer = BUF_INIT(1024);

	if (!peer_of(v, &peer) || !console_may(v->con, CTL_ADMINISTER)) {
		buf_clear(&peer);
		return;
	}
	if (is_debugged(of(v), buf_view(&peer))) {
		console_echo(v->con, "debug peer del %s", peer.ptr);
		view_ask(v, CMD_debug_peer_del, (const struct link_arg[]){ { "peer", buf_view(&peer) }, { NULL, SPAN_NONE } }, NULL, toggled);
	} else {
		console_echo(v->con, "debug peer add %s " DEBUG_LEVEL " --for " DEBUG_TIME "   (its dialogues go to the log: 8)", peer.ptr);
		view_ask(v, CMD_debug_peer_add, (const struct link_arg[]){ { "peer", buf_view(&peer) }, { "level", SPAN(DEBUG_LEVEL) },
		    { "for", SPAN(DEBUG_TIME) }, { NULL, SPAN_NONE } }, NULL, toggled);
	}
	buf_clear(&peer);
}

static void
key_message(struct view *v)
{
	struct buf id = BUF_INIT(64);

	if (row_text(list_view_row(v), "queue_id", &id))
		console_push(v->con, message_new(v->con, id.ptr));
	else
		console_say(v->con, STYLE_WARN, "this session has no message now");
	buf_clear(&id);
}

static const struct key keys[] = {
	{ KEY_RETURN, "watch the dialogue with this peer, both ways", enter },
	{ 'T', "watch the dialogues with all peers", key_trace_all },
	{ 't', "debug_peer for this peer: its dialogues in the log for an hour, or no longer", key_debug },
	{ 'm', "the message that this session has", key_message },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "Enter", "Trace" }, { "t", "debug_peer" }, { "T", "Trace all" }, { "m", "Message" }, { "F3", "Search" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	list_view_clear(v);
	buf_clear(&of(v)->peers);
	buf_clear(&of(v)->coming_peers);
}

static const struct view_ops ops = {
	.name = "sessions",
	.size = sizeof(struct session_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = list_view_draw,
	.move = list_view_move,
	.enter = enter,
	.search = list_view_search,
	.label = list_view_label,
};

struct view *
session_new(struct console *con)
{
	return list_view_new(&ops, &shape, con);
}
