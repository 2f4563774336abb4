/*
 * A client's bytes against the screener's dialogue. The first byte chooses the configuration; the second how the bytes are cut. Whatever it is told is whole lines, each a
 * reply; no recipient is ever accepted; and a test that was failed is not passed as well.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "smtp/ehlo.h"
#include "smtp/screen_talk.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { STRICT = 1, DROP = 2, ENFORCE = 4, FILTER = 8, WITH_TLS = 16, MUST_TLS = 32, SOFT = 64 };

struct play {
	unsigned	 failed, lines;
};

static void
on_log(void *arg, const char *text)
{
	(void)arg;
	for (const char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			panic("a byte that turns the log");
}

static void
on_failed(void *arg, enum screen_talk_test test, enum screen_talk_action action)
{
	struct play *p = arg;

	if ((p->failed & 1u << test) != 0)
		panic("a test is failed twice");
	p->failed |= 1u << test;
	(void)action;
}

static void
on_passed(void *arg, unsigned tests)
{
	const struct play *p = arg;

	if ((tests & p->failed) != 0)
		panic("passed after it was failed");
}

static bool
on_filter(void *arg, struct span line, struct buf *out)
{
	(void)arg;
	if (!span_starts(line, "FROB"))
		return false;
	buf_str(out, "NOOP");
	return true;
}

static void
look_at(struct play *p, const struct buf *out)
{
	struct span rest = out->len == 0 ? SPAN_NONE : buf_view(out), line;

	if (out->len > 0 && !span_ends(rest, "\r\n"))
		panic("half a reply");
	while (span_cut(&rest, '\n', &line) && rest.ptr != NULL) {
		p->lines++;
		if (line.len < 5 || line.ptr[line.len - 1] != '\r' || (line.ptr[3] != ' ' && line.ptr[3] != '-') || !span_has(SPAN("245"), line.ptr[0]))
			panic("no reply: %.*s", SPAN_ARG(line));
		if (span_starts(line, "250 2.1.5") || span_starts(line, "354"))
			panic("mail is taken");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct screen_talk_ops ops = { .log = on_log, .failed = on_failed, .passed = on_passed };

	if (size < 2)
		return 0;
	unsigned how = data[0];
	enum screen_talk_action action = how & DROP ? TALK_DROP : how & ENFORCE ? TALK_ENFORCE : TALK_IGNORE;
	struct screen_talk_config config = { .hostname = "mx.test", .banner = "mx.test ESMTP", .forbidden_commands = "GET, POST", .helo_required = how & STRICT,
	    .disable_vrfy = how & STRICT, .tell_vrfy = !(how & STRICT), .smtputf8 = how & STRICT, .soft_bounce = how & SOFT, .size_limit = 1000,
	    .line_limit = 200, .command_limit = 30, .actions = { action, action, action } };
	struct buf out = BUF_INIT(1 << 20);
	struct play p = { .lines = 0 };
	struct screen_talk t = { .config = &config, .ops = &ops, .arg = &p, .who = "[192.0.2.1]:4711", .out = &out, .todo = 7,
	    .discard = how & STRICT ? EHLO_DSN | EHLO_CHUNKING : 0, .tls = how & WITH_TLS, .tls_required = how & MUST_TLS };
	struct span in = span_of(data + 2, size - 2);

	ops.filter = how & FILTER ? on_filter : NULL;
	memcpy(t.refusal, TALK_REFUSAL, sizeof TALK_REFUSAL);
	screen_talk_begin(&t);
	while (in.len > 0 && t.state != TALK_OVER) {
		struct span part = span_head(in, data[1] % 64u + 1);
		screen_talk_run(&t, part);
		in = span_skip(in, part.len);
		if (t.state == TALK_TLS)
			screen_talk_secured(&t);
		look_at(&p, &out);
		buf_reset(&out);
	}
	if (t.state != TALK_OVER)
		screen_talk_late(&t);
	look_at(&p, &out);
	screen_talk_clear(&t);
	buf_clear(&out);
	return 0;
}
