/*
 * The log as it is told by every role: warnings and errors are kept for who asks later, all of it goes to those that follow.
 */
#include "control/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "ctl/jsonl.h"
#include "mail/queue_id.h"

#define TEXT_MAX	4096	/* as base/log.c cuts them; a role that is not itself any more is held to it */
#define PROGRAM_MAX	40

/*
 * Lines of several processes that belong together ("to=<...>" of the one, then "removed" of the other) may arrive the wrong way round: those that are
 * followed wait a moment, and go on in the order of their times.
 */
#define HOLD		(SECOND / 100)
#define HELD_MAX	1000

static struct control *own;	/* whose log_watch it is */
static bool busy;		/* what goes wrong here is logged, too, and seen the next time */

struct span
log_queue_id(struct span text)
{
	struct span id = span_head(text, span_find(text, ':'));
	struct qid parsed;

	return id.len < text.len && id.len < QID_TEXT && qid_parse(id, &parsed) ? id : SPAN_NONE;
}

void
log_row(const struct log_entry *e, struct buf *out)
{
	static const char *const severity[] = { "info", "warning", "error", "fatal", "panic" };
	struct span id = log_queue_id(e->text);
	struct jsonl j = { .out = out };
	char time[48];

	snprintf(time, sizeof time, "%lld.%06lld", (long long)(e->time / SECOND), (long long)(e->time % SECOND));
	jsonl_object(&j, NULL);
	jsonl_raw(&j, "time", span_str(time));
	jsonl_str(&j, "severity", span_str(severity[e->level]));
	jsonl_str(&j, "program", e->program);
	jsonl_str(&j, "role", span_str(role_name(e->role)));
	jsonl_i64(&j, "slot", e->slot);
	if (id.len > 0)
		jsonl_str(&j, "queue_id", id);
	jsonl_str(&j, "text", e->text);
	jsonl_end_object(&j);
}

/* *to is the entry with bytes of its own, which are returned. */
static char *
copy(struct log_entry *to, const struct log_entry *e)
{
	char *bytes = mem_new(e->program.len + e->text.len + 1);

	*to = *e;
	to->program = span_of(bytes, e->program.len);
	to->text = span_of(bytes + e->program.len, e->text.len);
	if (e->program.len > 0)
		memcpy(bytes, e->program.ptr, e->program.len);
	if (e->text.len > 0)
		memcpy(bytes + e->program.len, e->text.ptr, e->text.len);
	return bytes;
}

static void
keep(struct control *ctl, const struct log_entry *e)
{
	struct kept_line *k = &ctl->kept[ctl->kept_count++ % LOG_KEPT];

	free(k->bytes);
	k->bytes = copy(&k->entry, e);
}

static void
let_go(void *arg)
{
	struct control *ctl = arg;

	busy = true;
	for (size_t i = 0; i < ctl->held_count; i++) {
		stream_log(ctl, &ctl->held[i].entry);
		free(ctl->held[i].bytes);
	}
	busy = false;
	ctl->held_count = 0;
}

static void
hold(struct control *ctl, const struct log_entry *e)
{
	size_t at = ctl->held_count;

	if (ctl->held == NULL) {
		ctl->held = mem_array(HELD_MAX, sizeof *ctl->held);
		loop_timer_init(&ctl->held_timer, let_go, ctl);
	}
	if (at == 0)
		loop_timer_set(&ctl->held_timer, HOLD);
	for (; at > 0 && ctl->held[at - 1].entry.time > e->time; at--)
		ctl->held[at] = ctl->held[at - 1];
	ctl->held[at].bytes = copy(&ctl->held[at].entry, e);
	if (++ctl->held_count == HELD_MAX)
		let_go(ctl);
}

void
logs_take(struct control *ctl, const struct log_entry *line)
{
	struct log_entry e = *line;

	if (busy)
		return;
	busy = true;
	e.program = span_head(e.program, PROGRAM_MAX);
	e.text = span_head(e.text, TEXT_MAX);
	if (e.level > LOG_LEVEL_PANIC)
		e.level = LOG_LEVEL_PANIC;
	if (e.level >= LOG_LEVEL_WARNING)
		keep(ctl, &e);
	if (streams_follow(ctl))
		hold(ctl, &e);
	busy = false;
}

void
logs_told(struct control *ctl, struct ipc *ipc, const struct ipc_log_line *m)
{
	bool master = ipc == role_master();

	if (m->lost > 0)
		streams_lost(ctl, false, m->lost);
	logs_take(ctl, &(struct log_entry){ .time = m->time < 0 ? 0 : m->time, .level = m->level,
	    .role = master ? ROLE_MASTER : ipc_peer(ipc), .slot = master ? 0 : ipc_slot(ipc),
	    .program = m->program, .text = m->text });
}

static void
on_own_line(enum log_level level, const char *program, const char *text)
{
	logs_take(own, &(struct log_entry){ .time = clock_wall(), .level = (uint8_t)level, .role = ROLE_CONTROL,
	    .slot = role_slot(), .program = span_str(program), .text = span_str(text) });
}

void
logs_begin(struct control *ctl)
{
	own = ctl;
	log_watch = on_own_line;
}

void
logs_clear(struct control *ctl)
{
	log_watch = NULL;
	for (size_t i = 0; i < LOG_KEPT; i++) {
		free(ctl->kept[i].bytes);
		ctl->kept[i].bytes = NULL;
	}
	ctl->kept_count = 0;
	while (ctl->held_count > 0)
		free(ctl->held[--ctl->held_count].bytes);
	if (ctl->held != NULL)
		loop_timer_stop(&ctl->held_timer);
	free(ctl->held);
	ctl->held = NULL;
}
