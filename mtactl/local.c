#include "mtactl/local.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct conf *
local_conf(struct session *s)
{
	struct conf_problems problems = { .count = 0 };

	s->hush = true;
	if (session_configure(s))
		return s->conf;
	s->conf = conf_parse(s->conf_dir, SPAN_NONE, SPAN_NONE, &problems);
	conf_problems_clear(&problems);
	if (s->conf == NULL)
		panic("an empty configuration is wrong");
	return s->conf;
}

int
local_fail(struct session *s, const struct err *err)
{
	struct buf safe = BUF_INIT(0);

	safe_text(&safe, span_str(err->text), true);
	session_say(s, "%s", safe.len > 0 ? safe.ptr : "it failed");
	buf_clear(&safe);
	if (err->kind == ERR_TEMP)
		return 75;
	bool denied = span_ends(span_str(err->text), strerror(EACCES)) || span_ends(span_str(err->text), strerror(EPERM));
	return denied ? 77 : 65;
}

bool
local_flag(const struct request *req, const char *option)
{
	struct span value;

	return request_get(req, option, &value);
}

static void
put_known(struct jsonl *j, const char *key, struct span value)
{
	if (value.ptr != NULL)
		jsonl_str(j, key, value);
}

void
local_change_row(struct session *s, const struct change *c)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	put_known(&j, "file", c->file);
	put_known(&j, "key", c->key);
	put_known(&j, "old", c->old);
	put_known(&j, "new", c->new);
	put_known(&j, "diff", c->diff);
	jsonl_bool(&j, "done", c->done);
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
}

static void
ignore_row(void *arg, struct span row)
{
	(void)arg;
	(void)row;
}

/* Whether somebody answers on the control socket; refusing us is an answer. */
static bool
is_running(struct session *s)
{
	struct err err = { .kind = ERR_NONE };
	struct buf path = BUF_INIT(4096);
	bool down = true;

	session_locate(s);
	session_path(s, "ctl", &path);
	struct ctl_client *client = ctl_client_open(path.ptr, &down, &err);
	ctl_client_close(client);
	buf_clear(&path);
	return client != NULL || !down;
}

int
local_take_effect(struct session *s, const struct request *req)
{
	static const struct span words[] = { { "reload", 6 } };

	if (!is_running(s)) {
		if (!local_flag(req, "reload"))
			return 0;
		session_say(s, "mtad is not running; it reads the change when it starts");
		return 69;
	}
	if (!local_flag(req, "reload")) {
		session_say(s, "takes effect with: mtactl reload");
		return 0;
	}
	/* The display belongs to this command, whose rows are told apart from the reload's by nobody reading those. */
	const struct request *mine = s->display.request;
	int status = session_ask(s, words, 1, ignore_row, NULL);
	s->display.request = mine;
	if (status == 0)
		session_say(s, "reloaded: the change is in use");
	return status;
}

/* -- changed tables ------------------------------------------------------------------------------------- */

struct looking {
	const char	*file;
	struct buf	 refused;	/* why the daemon does not use it */
};

/* {"text":"refused: FILE:LINE: why"} */
static void
take_refusal(void *arg, struct span row)
{
	struct looking *l = arg;
	struct buf space = BUF_INIT(65536);
	struct span value, text;

	if (jsonl_find(row, "text", &value)) {
		(void)jsonl_text(value, &space);
		text = buf_view(&space);
		if (span_starts(text, "refused: ") && span_starts(span_skip(text, 9), l->file) &&
		    span_starts(span_skip(text, 9 + strlen(l->file)), ":")) {
			buf_reset(&l->refused);
			buf_span(&l->refused, span_skip(text, 9));
			buf_str(&l->refused, "");
		}
	}
	buf_clear(&space);
}

int
local_tables_look(struct session *s, const char *file)
{
	static const struct span words[] = { { "map", 3 }, { "look", 4 } };
	struct looking l = { .file = file, .refused = BUF_INIT(65536) };
	struct buf safe = BUF_INIT(0);

	if (!is_running(s))
		return 69;
	const struct request *mine = s->display.request;
	int status = session_ask(s, words, 2, take_refusal, &l);
	s->display.request = mine;
	if (status == 0 && l.refused.len > 0) {
		safe_text(&safe, buf_view(&l.refused), true);
		session_say(s, "mtad keeps the table that it has: %s", safe.ptr);
		status = 65;
	}
	buf_clear(&safe);
	buf_clear(&l.refused);
	return status;
}
