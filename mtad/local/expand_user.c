/* What becomes of mail for a user: .forward, then the parameters for mailboxes; and of mail for nobody. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "local/expand.h"
#include "local/pipe.h"
#include "local/tables.h"
#include "mail/address.h"

struct names {
	const struct job *job;
	const struct passwd *pw;	/* NULL: none */
	struct span	 local, user, ext;
	char		 value[2048];
};

static const char *
name_value(void *arg, struct span name, struct span unused)
{
	struct names *n = arg;
	struct span v = SPAN_NONE;
	const char *delimiter = conf_str(n->job->view, P_recipient_delimiter);
	const char *filter = conf_str(n->job->view, P_forward_expansion_filter);

	(void)unused;
	if (span_eqs(name, "home") && n->pw != NULL)
		return n->pw->pw_dir;
	if (span_eqs(name, "shell") && n->pw != NULL)
		return n->pw->pw_shell;
	if (span_eqs(name, "user"))
		v = n->user;
	else if (span_eqs(name, "extension"))
		v = n->ext;
	else if (span_eqs(name, "local"))
		v = n->local;
	else if (span_eqs(name, "domain"))
		v = address_domain(n->job->recipient);
	else if (span_eqs(name, "recipient"))
		v = n->job->recipient;
	else if (span_eqs(name, "recipient_delimiter"))
		v = n->ext.len > 0 ? span_head(span_str(delimiter), 1) : SPAN_NONE;
	else
		return NULL;
	size_t len = v.len < sizeof n->value ? v.len : sizeof n->value - 1;
	for (size_t i = 0; i < len; i++)
		n->value[i] = v.ptr[i] != '\0' && strchr(filter, v.ptr[i]) != NULL ? v.ptr[i] : '_';
	n->value[len] = '\0';
	return n->value;
}

static bool
expand_names(struct names *n, struct span text, struct buf *out, struct report *r)
{
	struct span bad = SPAN_NONE;

	buf_reset(out);
	buf_str(out, "");
	if (pipe_expand(text, name_value, n, SPAN_NONE, out, &bad) && !out->over && !span_has(buf_view(out), '\0'))
		return true;
	report_warn(r, "\"%.*s\": there is no \"$%.*s\" here", SPAN_ARG(span_head(text, 100)), SPAN_ARG(span_head(bad, 40)));
	return false;
}

/* The first file of forward_path that is there and may be trusted. True: its items were added. */
static bool
forwarded(struct expand *x, const struct item *it, struct names *n)
{
	struct span list = span_str(conf_raw(x->job->view, SPAN("forward_path"))), one;
	struct buf path = BUF_INIT(4096), text = BUF_INIT((size_t)1 << 20);
	struct actor user = actor_of(n->pw);
	struct report r = { .status = OUTCOME_DEFERRED };
	bool done = false;

	while (!done && span_word(&list, "\t\r\n ,", &one)) {
		buf_reset(&text);
		buf_str(&text, "");
		if (!expand_names(n, one, &path, &r) || path.len == 0 || path.ptr[0] != '/')
			continue;
		if (!expand_slurp(&user, path.ptr, true, &text)) {
			if (errno != ENOENT && errno != ENOTDIR)
				report_warn(&r, "%.300s is passed over: %s", path.ptr, errno == EPERM ?
				    "not a plain file of the user's that nobody else may write to" : strerror(errno));
			continue;
		}
		struct item from = *it;
		from.actor = user;
		from.as_user = true;
		from.parent = n->pw->pw_name;
		size_t before = x->count;
		expand_list(x, &from, FROM_FORWARD, buf_view(&text));
		done = x->count > before;
		break;
	}
	if (r.warning[0] != '\0')
		report_warn(&x->last, "%s", r.warning);
	buf_clear(&path);
	buf_clear(&text);
	return done;
}

/* A transport of the tables, else of the parameter. True: it goes there, or cannot be told. */
static bool
passed(struct expand *x, const struct item *it, enum param maps, enum param single, struct span user)
{
	struct buf to = BUF_INIT(4096);
	struct report r = { .status = OUTCOME_DEFERRED };
	enum table_result got = local_ask(x->job, maps, user, &to, "mailbox transport lookup failure", &r);

	if (got == TABLE_ABSENT)
		buf_str(&to, conf_str(x->job->view, single));
	if (got == TABLE_FAILED)
		expand_result(x, &r);
	else if (to.len > 0)
		expand_forward(x, it, x->job->recipient, buf_view(&to));
	bool done = got == TABLE_FAILED || to.len > 0;
	buf_clear(&to);
	return done;
}

static void
to_mailbox(struct expand *x, const struct item *it, const struct passwd *pw, struct span user)
{
	struct buf command = BUF_INIT(8192);
	struct report r = { .status = OUTCOME_DEFERRED };
	enum table_result got;

	if (passed(x, it, P_mailbox_transport_maps, P_mailbox_transport, user))
		return;
	got = local_ask(x->job, P_mailbox_command_maps, user, &command, "mailbox command lookup failure", &r);
	if (got == TABLE_ABSENT)
		buf_str(&command, conf_str(x->job->view, P_mailbox_command));
	if (got == TABLE_FAILED) {
		expand_result(x, &r);
	} else if (command.len > 0) {
		struct item mine = *it;
		mine.actor = actor_of(pw);
		expand_command(x, &mine, command.ptr, pw);
	} else {
		user_deliver(x->job, pw, &r);
		expand_result(x, &r);
	}
	buf_clear(&command);
}

static void
to_nobody(struct expand *x, const struct item *it, struct names *n)
{
	struct buf to = BUF_INIT(4096);
	struct report r = { .status = OUTCOME_DEFERRED };
	struct span relay = span_str(conf_raw(x->job->view, SPAN("luser_relay")));

	if (passed(x, it, P_fallback_transport_maps, P_fallback_transport, n->user))
		return;
	if (relay.len > 0 && expand_names(n, relay, &to, &r) && expand_once(x, "luser", to.ptr)) {
		expand_list(x, it, FROM_ALIAS, buf_view(&to));
	} else {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.1.1", "unknown user: \"%.*s\"", SPAN_ARG(span_head(n->user, 200)));
		expand_result(x, &r);
	}
	buf_clear(&to);
}

void
expand_user(struct expand *x, const struct item *it, struct span local, struct span user, struct span ext)
{
	struct passwd pw;
	char room[USER_ROOM];
	struct report r = { .status = OUTCOME_DEFERRED };
	struct names n = { .job = x->job, .local = local, .user = user, .ext = ext };

	switch (user_find(user, &pw, room, sizeof room, &r)) {
	case USER_FAILED:
		expand_result(x, &r);
		return;
	case USER_UNKNOWN:
		if (!passed(x, it, P_mailbox_transport_maps, P_mailbox_transport, user))
			to_nobody(x, it, &n);
		return;
	case USER_FOUND:
		break;
	}
	n.pw = &pw;
	bool plain = it->kind == ALIAS_USER || !expand_once(x, "forward", pw.pw_name);
	if (!plain && forwarded(x, it, &n))
		return;
	if (expand_once(x, "user", pw.pw_name))
		to_mailbox(x, it, &pw, user);
}
