/*
 * Tables that change what is said: commands as they come (smtpd_command_filter), refusals as they go (smtpd_reject_filter_maps), and what EHLO tells to whom
 * (smtpd_discard_ehlo_keyword_address_maps). They are asked in the middle of the dialogue, so only tables that this process has can serve.
 */
#include "receive/session_filter.h"

#include "base/log.h"
#include "base/num.h"
#include "receive/state.h"
#include "smtp/ehlo.h"

static bool
open_here(const struct settings *s, enum param param, struct tables *t, struct err *err)
{
	const char *value = conf_str(s->view, param);

	if (value[0] == '\0')
		return true;
	if (!tables_open(t, s->generation->conf, value, err)) {
		err_prefix(err, "%s", param_row(param)->name);
		return false;
	}
	for (size_t i = 0; i < t->count; i++) {
		struct span name = span_str(table_name(t->list[i]));
		if (table_type_blocks(span_head(name, span_find(name, ':')))) {
			err_set(err, ERR_PERM, "%s: %.*s is answered by another process, which a dialogue cannot wait for; use a table on this machine",
			    param_row(param)->name, SPAN_ARG(span_head(name, 100)));
			return false;
		}
	}
	return true;
}

bool
filters_open(struct settings *s, struct err *err)
{
	return open_here(s, P_smtpd_command_filter, &s->command_filter, err) && open_here(s, P_smtpd_reject_filter_maps, &s->reject_filter, err) &&
	    open_here(s, P_smtpd_discard_ehlo_keyword_address_maps, &s->discard_maps, err);
}

void
filters_clear(struct settings *s)
{
	tables_clear(&s->command_filter);
	tables_clear(&s->reject_filter);
	tables_clear(&s->discard_maps);
}

/* FOUND: *out has it. A table that fails is warned of. */
static enum table_result
ask(const struct session *s, const struct tables *t, struct span key, struct buf *out)
{
	struct err err = { ERR_NONE, "" };

	buf_reset(out);
	enum table_result got = tables_get(t, NULL, key, out, &err);
	if (got == TABLE_FAILED)
		log_warning(session_program(s), "%s lookup error for \"%.*s\": %s", table_name(t->list[0]), SPAN_ARG(span_head(key, 100)), err.text);
	return got;
}

struct span
session_command(void *arg, struct span line)
{
	struct session *s = arg;
	struct span key = span_ltrim(line), to;
	char client[CLIENT_TEXT];

	if (s->settings->command_filter.count == 0)
		return line;
	if (ask(s, &s->settings->command_filter, key, &s->rx->command) != TABLE_FOUND)
		return line;
	to = buf_view(&s->rx->command);
	/* What the table says is one command. */
	to = span_head(to, span_find(to, '\n'));
	log_info(session_program(s), "%s: replacing command \"%.*s\" with \"%.*s\"", session_client(s, client),
	    SPAN_ARG(span_head(transcript_public(line), 100)), SPAN_ARG(span_head(transcript_public(to), 100)));
	return to;
}

static bool
is_refusal(struct span reply)
{
	uint32_t code;

	return reply.len > 4 && (reply.ptr[0] == '4' || reply.ptr[0] == '5') && num_u32(span_head(reply, 3), &code) && reply.ptr[3] == ' ' &&
	    !span_has(reply, '\n') && !span_has(reply, '\r');
}

/* A refusal stays one: another reply would be read as the answer to a command that was not obeyed. */
const char *
session_refusal(struct session *s, const char *reply)
{
	struct buf *to = &s->rx->reply;

	if (s->settings->reject_filter.count == 0 || ask(s, &s->settings->reject_filter, span_str(reply), to) != TABLE_FOUND)
		return reply;
	if (!to->over && is_refusal(buf_view(to)))
		return to->ptr;
	log_warning(session_program(s), "smtpd_reject_filter_maps: \"%.*s\" is no refusal, and cannot stand for \"%.100s\"",
	    SPAN_ARG(span_head(buf_view(to), 100)), reply);
	return reply;
}

void
session_offer_less(struct session *s)
{
	unsigned discard = s->settings->discard;
	struct buf *text = &s->rx->text;

	if (s->settings->discard_maps.count > 0 && ask(s, &s->settings->discard_maps, span_str(s->addr), text) == TABLE_FOUND)
		discard = smtp_ehlo_list(buf_view(text));
	smtp_server_discard(s->server, discard);
	if (discard == 0 || (discard & EHLO_SILENT_DISCARD) != 0 || s->uid >= 0)
		return;
	buf_reset(text);
	smtp_ehlo_names(discard, text);
	log_info(session_program(s), "discarding EHLO keywords: %s", text->ptr);
}
