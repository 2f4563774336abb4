/* What simulate tells: each restriction with what it went by and where its list is set; and the reply that the client would see. */
#include "mtactl/simulate.h"

#include "ctl/jsonl.h"

/* Where the parameter is set for this service: in its line of master.cf, or in main.cf. Nothing where it has its default. */
static void
put_set(const struct simulation *m, struct span param, struct jsonl *j)
{
	const struct conf *conf = m->session->conf;
	const struct service *s = view_service(m->view);
	bool own = s != NULL && conf_raw(m->view, param) != conf_raw(conf_main(conf), param);
	unsigned line = own ? s->line : conf_line(conf, param);
	struct buf file = BUF_INIT(4096);

	if (line > 0) {
		buf_printf(&file, "%s/%s", conf_dir(conf), own ? "master.cf" : "main.cf");
		jsonl_str(j, "file", buf_view(&file));
		jsonl_i64(j, "set", line);
	}
	buf_clear(&file);
}

static void
put_rule(struct simulation *m, enum policy_stage stage, const char *command, struct span line)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	struct span list, rule, result;
	size_t at = (size_t)(line.ptr - m->steps.trace.ptr);

	(void)span_cut(&line, '\t', &list);
	(void)span_cut(&line, '\t', &rule);
	(void)span_cut(&line, '\t', &result);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "command", span_str(command));
	if (stage == POLICY_CLIENT)
		jsonl_str(&j, "client", buf_view(&m->name));
	jsonl_str(&j, "list", list);
	put_set(m, list, &j);
	jsonl_str(&j, "restriction", rule);
	jsonl_str(&j, "result", result);
	if (line.len > 0)
		jsonl_str(&j, "fact", line);
	steps_put_place(&m->steps, at, &j);
	jsonl_end_object(&j);
	session_row(m->session, buf_view(&row));
	buf_clear(&row);
}

/* Lines without tabs are routing's, of an address that is resolved once for all restrictions. */
static bool
next_line(struct span *rest, bool of_routing, struct span *line)
{
	while (span_cut(rest, '\n', line))
		if (line->len > 0 && span_has(*line, '\t') != of_routing)
			return true;
	return false;
}

static void
put_rules(struct simulation *m, enum policy_stage stage, const char *command)
{
	struct span rest = buf_view(&m->steps.trace), line;

	while (next_line(&rest, false, &line))
		put_rule(m, stage, command, line);
}

static void
put_lines(struct jsonl *j, const char *key, const struct buf *lines)
{
	struct span rest = buf_view(lines), line;

	if (lines->len == 0)
		return;
	jsonl_array(j, key);
	while (span_cut(&rest, '\n', &line))
		jsonl_str(j, NULL, line);
	jsonl_end_array(j);
}

static void
put_routing(struct jsonl *j, const struct buf *trace)
{
	struct span rest = buf_view(trace), line;
	bool any = false;

	while (next_line(&rest, true, &line)) {
		if (!any)
			jsonl_array(j, "routing");
		any = true;
		jsonl_str(j, NULL, line);
	}
	if (any)
		jsonl_end_array(j);
}

static void
put_effects(struct jsonl *j, const struct policy_verdict *v)
{
	static const char *const names[] = { [POLICY_PREPEND] = "PREPEND", [POLICY_REDIRECT] = "REDIRECT", [POLICY_BCC] = "BCC",
		[POLICY_FILTER] = "FILTER", [POLICY_HOLD] = "HOLD" };
	struct span left = buf_view(&v->effects), text;
	enum policy_effect what;

	if (left.len == 0)
		return;
	jsonl_array(j, "effects");
	while (policy_effect_next(&left, &what, &text)) {
		struct buf one = BUF_INIT(65536);
		buf_printf(&one, "%s %.*s", names[what], SPAN_ARG(text));
		jsonl_str(j, NULL, buf_view(&one));
		buf_clear(&one);
	}
	jsonl_end_array(j);
}

/* What a server that has nothing against it answers; the first line of what may be several. */
static void
put_usual_reply(const struct simulation *m, enum policy_stage stage, struct buf *out)
{
	switch (stage) {
	case POLICY_CLIENT:
		buf_printf(out, "220 %s", conf_str(m->view, P_smtpd_banner));
		break;
	case POLICY_HELO:
		buf_printf(out, "250-%s", conf_str(m->view, P_myhostname));
		break;
	case POLICY_SENDER:
		buf_str(out, "250 2.1.0 Ok");
		break;
	case POLICY_RECIPIENT:
		buf_str(out, "250 2.1.5 Ok");
		break;
	case POLICY_DATA:
		buf_str(out, "354 End data with <CR><LF>.<CR><LF>");
		break;
	default:
		buf_str(out, "250 2.0.0 Ok: queued");
		break;
	}
}

static void
put_decision(struct jsonl *j, const struct policy_verdict *v)
{
	if (v->action == POLICY_REFUSE && v->restriction[0] != '\0')
		jsonl_str(j, "decided_by", span_str(v->restriction));
	if (v->discard)
		jsonl_bool(j, "discard", true);
	put_effects(j, v);
	put_lines(j, "log", &v->log);
	put_lines(j, "warnings", &v->warnings);
}

static void
put_reply(struct simulation *m, enum policy_stage stage, const char *command)
{
	struct buf row = BUF_INIT(0), reply = BUF_INIT(65536), footed = BUF_INIT(65536);
	struct jsonl j = { .out = &row };
	const struct policy_verdict *v = &m->verdict;
	bool refused = v->action == POLICY_REFUSE;

	if (refused)
		buf_printf(&reply, "%d %s %s", v->code, v->dsn, v->reply);
	else
		put_usual_reply(m, stage, &reply);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "command", span_str(command));
	if (stage == POLICY_CLIENT) {
		jsonl_str(&j, "client", buf_view(&m->name));
		jsonl_str(&j, "reverse_client_name", m->client.reverse_client_name);
	}
	jsonl_bool(&j, "accepted", !refused);
	jsonl_str(&j, "reply", refused && policy_footer(m->policy, &m->client, reply.ptr, &footed) ? buf_view(&footed) : buf_view(&reply));
	put_decision(&j, v);
	put_routing(&j, &m->steps.trace);
	jsonl_end_object(&j);
	session_row(m->session, buf_view(&row));
	buf_clear(&row);
	buf_clear(&reply);
	buf_clear(&footed);
}

void
simulate_rows(struct simulation *m, enum policy_stage stage, const char *command)
{
	put_rules(m, stage, command);
	put_reply(m, stage, command);
}

void
simulate_own_reply(struct simulation *m, const char *command, const char *reply, const char *param)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "command", span_str(command));
	jsonl_bool(&j, "accepted", false);
	jsonl_str(&j, "reply", span_str(reply));
	jsonl_str(&j, "decided_by", span_str(param));
	put_set(m, span_str(param), &j);
	jsonl_end_object(&j);
	session_row(m->session, buf_view(&row));
	buf_clear(&row);
}
