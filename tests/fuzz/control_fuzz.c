/*
 * The control socket: lines from a user into the daemon, and lines from there into a client.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/log.h"
#include "control/private.h"
#include "ctl/client.h"
#include "ctl/jsonl.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct control ctl = { .listen_fd = -1 };

static void
nothing(void *arg)
{
	(void)arg;
}

/* Every line gets an answer, and every answer is a reply that the client side can read. */
static void
check_replies(struct span out)
{
	struct buf text = BUF_INIT(0);
	struct ctl_reply reply;
	struct span line;

	while (span_cut(&out, '\n', &line))
		if (line.len > 0 && !ctl_reply_parse(line, &text, &reply))
			__builtin_trap();
	buf_clear(&text);
}

static void
as_client(struct span input)
{
	struct buf text = BUF_INIT(65536);
	struct jsonl_walk w;
	struct ctl_reply reply;
	struct span key, value;

	(void)ctl_reply_parse(input, &text, &reply);
	if (jsonl_walk_object(&w, input))
		while (jsonl_member(&w, &key, &value)) {
			buf_reset(&text);
			(void)jsonl_text(value, &text);
		}
	if (jsonl_walk_array(&w, input))
		while (jsonl_element(&w, &value))
			;
	buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct span input = span_of(data, size), line;

	if (!started) {
		loop_init();
		log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "host", "mtad");
		started = true;
	}
	struct client c = { .control = &ctl, .fd = -1, .rights = CTL_ALL, .in = BUF_INIT(0), .out = BUF_INIT(0) };
	c.work = (struct loop_task){ .fn = nothing, .arg = &c };
	as_client(input);
	while (span_cut(&input, '\n', &line) && c.asks < ASKS_MAX)
		if (line.len > 0)
			request_line(&c, line);
	check_replies(buf_view(&c.out));
	while (ctl.asks != NULL)
		ask_free(ctl.asks);
	loop_undefer(&c.work);
	buf_clear(&c.out);
	return 0;
}
