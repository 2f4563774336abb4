/* What one item of a list becomes: a recipient here or elsewhere, a command, a file. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/expand.h"
#include "local/mailbox.h"
#include "mail/address.h"

/* -- addresses ------------------------------------------------------------------------------------------ */

/* Others of an owner's list, and all of an included one, get a message of their own, so that each has its own outcome. */
static bool
is_passed_on(const struct item *it, struct span user)
{
	if (it->from == FROM_INCLUDE)
		return true;
	return it->owner != NULL && !span_caseeqs(user, it->owner);
}

static void
pass_on(struct expand *x, const struct item *it, struct span address)
{
	char text[ADDRESS_MAX + 1];

	snprintf(text, sizeof text, "%.*s", SPAN_ARG(address));
	if (x->job->probe) {
		struct report r = { .status = OUTCOME_SENT };
		report_probed(&r, "forwards to ", text);
		expand_result(x, it, &r);
	} else if (expand_once(x, "indirect %s", text))
		expand_forward(x, it, address, SPAN_NONE);
}

void
expand_recipient(struct expand *x, const struct item *it, struct span address)
{
	struct item here = *it;
	struct report r = { .status = OUTCOME_DEFERRED };
	struct span user, ext, local;

	here.rcpt = expand_str(address);
	if (!conf_bool(x->job->view, P_frozen_delivered_to))
		here.delivered = here.rcpt;
	if (!expand_once(x, "recipient %u %s", it->depth, here.rcpt))
		return;
	if (it->depth > 0 && x->travelled && !expand_no_loop(x, address, &r)) {
		expand_result(x, &here, &r);
		return;
	}
	if (it->depth == 0 && span_starts(address, "\\")) {
		here.kind = ALIAS_USER;
		here.rcpt++;
	}
	local = address_local(span_str(here.rcpt));
	if (it->depth >= EXPAND_DEPTH) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.4.6", "alias database loop for %.*s", SPAN_ARG(span_head(local, 200)));
		expand_result(x, &here, &r);
		return;
	}
	if (here.kind == ALIAS_USER) {
		expand_user(x, &here);
		return;
	}
	names_split(x->job, local, &user, &ext);
	if (ext.len == 0)	/* also where what stands there is none */
		local = user;
	if (expand_alias(x, &here, local, SPAN_NONE))
		return;
	if (ext.len > 0 && expand_alias(x, &here, user, ext))
		return;
	here.ext = ext.len > 0 ? expand_str(ext) : NULL;
	if (is_passed_on(&here, user)) {
		here.delivered = it->delivered;	/* it has not come to this one yet */
		pass_on(x, &here, address);
	} else {
		expand_user(x, &here);
	}
}

static bool
have_router(struct expand *x)
{
	struct err err;

	if (x->router == NULL)
		x->router = router_new(view_conf(x->job->view), &err);
	return x->router != NULL;
}

/* Whether it is delivered to here; else it goes into a new message. */
static bool
is_local(struct expand *x, struct span address)
{
	struct route route = { .text = BUF_INIT(0) };

	if (!have_router(x))
		return false;	/* what cannot be told now, the queue tells */
	bool known = route_resolve(x->router, NULL, address, x->job->sender, &route, NULL) == ROUTE_DONE && !route.failed;
	bool local = known && route.class == ROUTE_LOCAL && span_eqs(route.transport, x->job->transport);
	route_clear(&route);
	return local;
}

void
expand_address(struct expand *x, const struct item *it, struct span address)
{
	struct buf whole = BUF_INIT(4 * ADDRESS_MAX), plain = BUF_INIT(4 * ADDRESS_MAX);
	struct item here = *it;

	if (have_router(x))
		route_rewrite(x->router, address, true, &plain);
	else
		buf_span(&plain, address);
	struct span full = buf_view(&plain), local = address_local(full);
	const char *delimiter = conf_str(x->job->view, P_recipient_delimiter);
	buf_span(&whole, local);
	if (it->ext != NULL && delimiter[0] != '\0') {
		buf_char(&whole, delimiter[0]);
		buf_str(&whole, it->ext);
	}
	buf_span(&whole, span_skip(full, local.len));
	here.ext = NULL;
	here.rcpt = buf_take(&whole);
	if (it->kind == ALIAS_USER)
		expand_recipient(x, &here, span_str(here.rcpt));
	else if (is_local(x, span_str(here.rcpt)))
		expand_recipient(x, &here, span_str(here.rcpt));
	else
		pass_on(x, &here, span_str(here.rcpt));
	buf_clear(&plain);
}

/* -- commands ------------------------------------------------------------------------------------------- */

static const char *
word_of(enum expand_from from)
{
	return from == FROM_FORWARD ? "forward" : from == FROM_INCLUDE ? "include" : "alias";
}

struct errand {
	const struct item *item;
};

/* What outsiders wrote goes into the environment with nothing that a shell could take for its own. */
static void
env_safe(struct command *c, const struct job *job, const char *name, struct span value)
{
	const char *filter = conf_str(job->view, P_command_expansion_filter);
	struct buf out = BUF_INIT(8192);

	buf_str(&out, "");
	for (size_t i = 0; i < value.len; i++)
		buf_char(&out, value.ptr[i] != '\0' && strchr(filter, value.ptr[i]) != NULL ? value.ptr[i] : '_');
	if (value.len > 0)
		command_env(c, name, buf_view(&out));
	buf_clear(&out);
}

static bool
prepare(void *arg, const struct job *job, const struct message *m, struct command *c, struct report *r)
{
	const struct item *it = ((struct errand *)arg)->item;
	struct envelope_client client;
	struct names n;

	(void)r;
	envelope_client(&m->envelope, &client);
	names_of(&n, job, job->recipient, it->pw);
	command_env_base(c, job);
	if (it->pw != NULL) {
		env_safe(c, job, "HOME", span_str(it->pw->pw_dir));
		env_safe(c, job, "SHELL", span_str(it->pw->pw_shell));
	}
	env_safe(c, job, "LOGNAME", n.user);
	env_safe(c, job, "USER", n.user);
	env_safe(c, job, "LOCAL", n.local);
	env_safe(c, job, "EXTENSION", n.ext);
	env_safe(c, job, "DOMAIN", address_domain(job->recipient));
	env_safe(c, job, "RECIPIENT", job->recipient);
	env_safe(c, job, "ORIGINAL_RECIPIENT", job->original);
	env_safe(c, job, "SENDER", job->sender.len > 0 ? job->sender : SPAN("MAILER-DAEMON"));
	env_safe(c, job, "CLIENT_ADDRESS", client.addr);
	env_safe(c, job, "CLIENT_HELO", client.helo);
	env_safe(c, job, "CLIENT_HOSTNAME", client.name);
	env_safe(c, job, "CLIENT_PROTOCOL", client.protocol);
	env_safe(c, job, "SASL_USERNAME", m->envelope.sasl_user);
	names_clear(&n);
	return true;
}

/* command_execution_directory; empty: the queue directory. */
static bool
find_directory(struct expand *x, const struct item *it, struct buf *out, struct report *r)
{
	struct names n;
	bool undefined;
	struct span text = span_str(conf_raw(x->job->view, SPAN("command_execution_directory")));

	names_of(&n, x->job, span_str(it->rcpt), it->pw);
	n.filter = conf_str(x->job->view, P_execution_directory_expansion_filter);
	bool ok = names_expand(&n, text, out, &undefined, r);
	names_clear(&n);
	if (ok && out->len == 0)
		buf_str(out, conf_str(x->job->view, P_queue_directory));
	else if (!ok)
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", "mail system configuration error");
	return ok;
}

void
expand_command(struct expand *x, const struct item *it, const char *text)
{
	struct report r = { .status = OUTCOME_DEFERRED };
	struct errand errand = { it };
	struct command c = { .flags = COMMAND_FROM | COMMAND_RETURN_PATH | COMMAND_ORIGINAL_TO, .eol = SPAN("\n"), .quiet = true,
		.time_limit = conf_time(x->job->view, P_command_time_limit), .final = true, .prepare = prepare, .arg = &errand };
	bool delivered = expand_lists(x, P_prepend_delivered_header, "command");
	struct job job = expand_job(x, it, delivered);
	struct buf dir = BUF_INIT(4096);
	struct actor a;

	if (it->kind == ALIAS_COMMAND && !expand_lists(x, P_allow_mail_to_commands, word_of(it->from))) {
		expand_failed(x, it, OUTCOME_BOUNCED, "5.7.1", "mail to command is restricted");
		return;
	}
	if (x->job->probe) {
		report_probed(&r, "delivers to command: ", text);
		expand_result(x, it, &r);
		return;
	}
	bool ready = expand_actor(x, it, &a, &r) && find_directory(x, it, &dir, &r);
	if (ready && !expand_once(x, "command %u %s", (unsigned)a.uid, text))
		return;
	if (ready) {
		c.flags |= delivered ? COMMAND_DELIVERED_TO : 0u;
		c.directory = dir.ptr;
		command_words(&c, text, conf_str(x->job->view, P_local_command_shell));
		snprintf(c.done, sizeof c.done, "delivered to command: %.460s", text);
		command_deliver(&job, &a, &c, &r);
		command_free(&c);
	}
	buf_clear(&dir);
	expand_result(x, it, &r);
}

/* -- files ------------------------------------------------------------------------------------------------- */

struct filing {
	const struct job *job;
	const char	*path;
};

static void
put_file(void *arg, struct report *r)
{
	const struct filing *f = arg;
	struct message m = { 0 };
	struct mbox box = { .fd = -1 };

	if (job_read(f->job, &m, r)) {
		if (f->path[strlen(f->path) - 1] == '/') {
			maildir_deliver(f->job, &m, f->path, r);
		} else if (mbox_open_file(&box, f->job, f->path, r)) {
			if (mbox_append(&box, f->job, &m, r))
				report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "delivered to file: %.460s", f->path);
			mbox_close(&box);
		}
	}
	message_clear(&m);
}

void
expand_file(struct expand *x, const struct item *it, const char *path)
{
	struct report r = { .status = OUTCOME_DEFERRED };
	struct job job = expand_job(x, it, expand_lists(x, P_prepend_delivered_header, "file"));
	struct actor a;

	if (!expand_lists(x, P_allow_mail_to_files, word_of(it->from))) {
		expand_failed(x, it, OUTCOME_BOUNCED, "5.7.1", "mail to file is restricted");
		return;
	}
	if (x->job->probe) {
		report_probed(&r, "delivers to file: ", path);
	} else if (expand_actor(x, it, &a, &r)) {
		if (!expand_once(x, "file %u %s", (unsigned)a.uid, path))
			return;
		actor_run(x->job, &a, put_file, &(struct filing){ &job, path }, &r);
	}
	expand_result(x, it, &r);
}
