/*
 * A request line: what is asked, by whom, and to which role it goes. Lines come from users, so jansson reads them.
 */
#include "control/private.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/role.h"
#include "ctl/jsonl.h"

/* -- replies -------------------------------------------------------------- */

void
reply_row(struct ask *a, struct span row)
{
	struct buf *out = &a->client->out;
	struct jsonl j = { .out = out };

	jsonl_object(&j, NULL);
	jsonl_i64(&j, "id", a->id);
	jsonl_raw(&j, "row", row);	/* last: clients may rely on it */
	buf_put(out, "}\n", 2);
}

static void
put_done(struct client *c, const int64_t *id, int status, const char *error)
{
	struct jsonl j = { .out = &c->out };

	jsonl_object(&j, NULL);
	if (id == NULL)
		jsonl_raw(&j, "id", SPAN("null"));
	else
		jsonl_i64(&j, "id", *id);
	jsonl_bool(&j, "done", true);
	jsonl_i64(&j, "status", status);
	if (error != NULL && *error != '\0')
		jsonl_str(&j, "error", span_str(error));
	jsonl_end_object(&j);
	buf_char(&c->out, '\n');
	client_wake(c);
}

void
reply_plain(struct client *c, int64_t id, int status, const char *error)
{
	put_done(c, &id, status, error);
}

void
reply_done(struct ask *a, int status, const char *error)
{
	put_done(a->client, &a->id, status, error);
	/* The other role has ended it as well. */
	a->number = 0;
	ask_free(a);
}

/* -- asks ----------------------------------------------------------------- */

static struct ask *
ask_new(struct client *c, int64_t id, enum command command)
{
	struct ask *a = mem_new(sizeof *a);

	a->client = c;
	a->id = id;
	a->command = command;
	a->number = ++c->control->last_number;
	a->next = c->control->asks;
	c->control->asks = a;
	c->asks++;
	return a;
}

struct ask *
ask_find(struct control *ctl, uint64_t number)
{
	for (struct ask *a = ctl->asks; a != NULL; a = a->next)
		if (a->number == number)
			return a;
	return NULL;
}

void
ask_free(struct ask *a)
{
	struct control *ctl = a->client->control;
	struct ask **at = &ctl->asks;

	if (a->number != 0 && a->content == NULL && !a->is_held && command_row(a->command)->where & ASK_QUEUE)
		ipc_send_ask_drop(ctl->queue, &(struct ipc_ask_drop){ .request = a->number }, -1);
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->client->asks--;
	loop_timer_stop(&a->timer);
	content_free(a->content);
	stream_free(a);
	buf_clear(&a->held);
	free(a);
}

void
asks_queue_gone(struct control *ctl)
{
	struct ask *next;

	for (struct ask *a = ctl->asks; a != NULL; a = next) {
		next = a->next;
		if (command_row(a->command)->where & ASK_QUEUE && a->content == NULL && !a->is_held)
			reply_done(a, 75, "the queue role ended meanwhile; what was done of it stands, ask again");
	}
}

void
asks_resume(struct client *c)
{
	struct ask *next;

	for (struct ask *a = c->control->asks; a != NULL; a = next) {
		next = a->next;
		if (a->client != c)
			continue;
		if (a->stream != NULL) {
			stream_resume(a);
		} else if (a->command == CMD_session_ls || a->command == CMD_cache_ls) {
			sessions_resume(a);
		} else if (a->content != NULL) {
			content_fill(a);
		} else if (a->paused) {
			a->paused = false;
			ipc_send_ask_more(c->control->queue,
			    &(struct ipc_ask_more){ .request = a->number }, -1);
		}
	}
}

/* -- requests ------------------------------------------------------------- */

static void
note(struct ask *a, const struct request *req)
{
	struct buf text = BUF_INIT(600);
	struct span unused;

	if (!(command_row(a->command)->right & (CTL_ADMINISTER | CTL_READ | CTL_FLUSH)))
		return;
	/* A console asks for the last warnings every other second. */
	if (a->command == CMD_log && !request_get(req, "follow", &unused))
		return;
	users_name(&a->client->control->users, a->client->uid, &text);
	buf_printf(&text, ": %s", command_row(a->command)->name);
	for (size_t i = 0; i < req->count; i++)
		buf_printf(&text, " %.*s=<%.*s>", SPAN_ARG(req->args[i].name),
		    SPAN_ARG(span_head(req->args[i].value, 200)));
	log_info(NULL, "%s", text.ptr);
	buf_clear(&text);
}

static void
send_ask(struct ask *a, struct span args)
{
	struct control *ctl = a->client->control;
	struct buf who = BUF_INIT(128);

	users_name(&ctl->users, a->client->uid, &who);
	ipc_send_ask(ctl->queue, &(struct ipc_ask){
		.request = a->number,
		.command = span_str(command_row(a->command)->name),
		.rights = a->client->rights,
		.who = buf_view(&who),
		.args = args,
	}, -1);
	buf_clear(&who);
}

static void
on_impatience(void *arg)
{
	struct ask *a = arg;

	reply_done(a, 75, "the queue role is still starting; try again in a moment");
}

static void
ask_queue(struct ask *a, const struct request *req)
{
	struct span unused;

	a->want_header = !request_get(req, "body", &unused) || request_get(req, "headers", &unused);
	a->want_body = !request_get(req, "headers", &unused) || request_get(req, "body", &unused);
	args_pack(&a->held, req);
	if (a->client->control->queue != NULL) {
		send_ask(a, buf_view(&a->held));
		buf_clear(&a->held);
		return;
	}
	a->is_held = true;
	loop_timer_init(&a->timer, on_impatience, a);
	loop_timer_set(&a->timer, QUEUE_PATIENCE);
}

void
asks_queue_here(struct control *ctl)
{
	for (struct ask *a = ctl->asks; a != NULL; a = a->next) {
		if (!a->is_held)
			continue;
		loop_timer_stop(&a->timer);
		send_ask(a, buf_view(&a->held));
		buf_clear(&a->held);
		a->is_held = false;
	}
}

/* What this role knows itself, or gathers from the others. */
static void
answer_here(struct ask *a, const struct request *req)
{
	switch (a->command) {
	case CMD_session_ls:
	case CMD_cache_ls:
	case CMD_cache_del:
		sessions_begin(a, req);
		break;
	case CMD_trace:
		trace_begin(a, req);
		break;
	case CMD_log:
		log_begin(a, req);
		break;
	case CMD_debug_peer_add:
	case CMD_debug_peer_ls:
	case CMD_debug_peer_del:
		peers_command(a, req);
		break;
	default:
		status_begin(a);
	}
}

static void
dispatch(struct ask *a, const struct request *req)
{
	const struct command_row *row = command_row(a->command);

	note(a, req);
	if (row->where & ASK_QUEUE) {
		ask_queue(a, req);
	} else if (row->where & ASK_MASTER) {
		ipc_send_master_do(role_master(), &(struct ipc_master_do){
			.request = a->number, .verb = span_str(row->name) }, -1);
	} else if (row->where & ASK_CONTROL) {
		answer_here(a, req);
	} else {
		reply_done(a, 64, "mtactl answers this itself; the daemon does not");
	}
}

static bool
refused(struct client *c, int64_t id, enum command command)
{
	const struct command_row *row = command_row(command);
	char text[200];

	if (c->rights & row->right)
		return false;
	snprintf(text, sizeof text, "%s needs the right to %s, which you have not on this connection", row->name,
	    rights_name((enum ctl_rights)row->right));
	put_done(c, &id, 77, text);
	return true;
}

static struct span
value_span(json_t *string)
{
	return span_of(json_string_value(string), json_string_length(string));
}

/* A value may be given as text, number or true. */
static bool
add_argument(struct request *req, const char *key, json_t *value, struct err *err)
{
	char digits[32];

	if (json_is_string(value))
		return request_add(req, span_str(key), value_span(value), err);
	if (json_is_true(value))
		return request_add(req, span_str(key), SPAN("1"), err);
	if (json_is_false(value) || json_is_null(value))
		return true;
	if (!json_is_integer(value)) {
		err_set(err, ERR_PERM, "\"%.40s\" is given as something else than a text, a number or true", key);
		return false;
	}
	snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
	return request_add(req, span_str(key), span_str(digits), err);
}

static bool
add_arguments(struct request *req, json_t *args, struct err *err)
{
	const char *key;
	json_t *value;

	if (args == NULL)
		return request_complete(req, err);
	if (!json_is_object(args)) {
		err_set(err, ERR_PERM, "\"args\" must be an object");
		return false;
	}
	json_object_foreach(args, key, value)
		if (!add_argument(req, key, value, err))
			return false;
	return request_complete(req, err);
}

static void
take_request(struct client *c, int64_t id, struct span name, json_t *args)
{
	struct request req = { .count = 0 };
	struct err err = { .kind = ERR_NONE };
	char text[100];

	if (!command_find(name, &req.command)) {
		snprintf(text, sizeof text, "there is no command \"%.*s\"", SPAN_ARG(span_head(name, 40)));
		put_done(c, &id, 64, text);
		return;
	}
	if (refused(c, id, req.command))
		return;
	if (!add_arguments(&req, args, &err))
		put_done(c, &id, 64, err.text);
	else
		dispatch(ask_new(c, id, req.command), &req);
	request_clear(&req);
}

static void
cancel(struct client *c, int64_t id, json_t *of)
{
	if (json_is_integer(of))
		stream_cancel(c, json_integer_value(of), id);
	else
		put_done(c, &id, 64, "cancel needs \"of\", the number of the request that is to end");
}

static const char *
read_request(struct client *c, json_t *root)
{
	json_t *id = json_object_get(root, "id");
	json_t *cmd = json_object_get(root, "cmd");

	if (!json_is_object(root))
		return "a request is an object: {\"id\":1,\"cmd\":\"queue ls\",\"args\":{}}";
	if (!json_is_integer(id))
		return "a request needs an \"id\", a number";
	if (!json_is_string(cmd))
		return "a request needs a \"cmd\", a text";
	/* Once said, it holds for the connection. */
	if (json_is_true(json_object_get(root, "readonly")))
		c->rights &= CTL_VIEW | CTL_READ;
	if (span_eqs(value_span(cmd), "cancel"))
		cancel(c, json_integer_value(id), json_object_get(json_object_get(root, "args"), "of"));
	else
		take_request(c, json_integer_value(id), value_span(cmd), json_object_get(root, "args"));
	return NULL;
}

void
request_line(struct client *c, struct span line)
{
	json_error_t where;
	json_t *root;

	c->control->requests++;
	if (line.len > LINE_MAX_BYTES) {
		put_done(c, NULL, 65, "a request is at most 65536 bytes");
		return;
	}
	root = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &where);
	if (root == NULL) {
		char text[JSON_ERROR_TEXT_LENGTH + 40];
		snprintf(text, sizeof text, "this is not JSON: %s (byte %d)", where.text, where.position);
		put_done(c, NULL, 65, text);
		return;
	}
	const char *fault = read_request(c, root);
	if (fault != NULL)
		put_done(c, NULL, 65, fault);
	json_decref(root);
}
