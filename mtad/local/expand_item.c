#include <stdio.h>
#include <unistd.h>

#include "local/expand.h"
#include "local/mailbox.h"
#include "mail/address.h"

static bool
allowed(const struct expand *x, const struct item *it, enum param p)
{
	static const char *const names[] = { [FROM_ENVELOPE] = "alias", [FROM_ALIAS] = "alias", [FROM_FORWARD] = "forward",
	    [FROM_INCLUDE] = "include" };
	struct span list = span_str(conf_str(x->job->view, p)), word;

	while (span_word(&list, "\t\r\n ,", &word))
		if (span_caseeqs(word, names[it->from]))
			return true;
	return false;
}

/* What outsiders wrote goes into the environment with nothing that a shell could take for its own. */
static void
env_safe(struct command *c, const struct job *job, const char *name, struct span value)
{
	const char *filter = conf_str(job->view, P_command_expansion_filter);
	struct buf out = BUF_INIT(8192);

	buf_str(&out, "");
	for (size_t i = 0; i < value.len; i++)
		buf_char(&out, value.ptr[i] != '\0' && strchr(filter, value.ptr[i]) != NULL ? value.ptr[i] : '_');
	command_env(c, name, buf_view(&out));
	buf_clear(&out);
}

static bool
prepare(void *arg, const struct job *job, const struct message *m, struct command *c, struct report *r)
{
	const struct passwd *pw = arg;
	struct span local = address_local(job->recipient), user, ext;

	(void)r;
	address_extension(local, conf_str(job->view, P_recipient_delimiter), &user, &ext);
	command_env_base(c, job);
	if (pw != NULL) {
		command_env(c, "HOME", span_str(pw->pw_dir));
		command_env(c, "LOGNAME", span_str(pw->pw_name));
		command_env(c, "USER", span_str(pw->pw_name));
		command_env(c, "SHELL", span_str(pw->pw_shell));
	}
	env_safe(c, job, "LOCAL", local);
	env_safe(c, job, "EXTENSION", ext);
	env_safe(c, job, "DOMAIN", address_domain(job->recipient));
	env_safe(c, job, "RECIPIENT", job->recipient);
	env_safe(c, job, "ORIGINAL_RECIPIENT", job->original.len > 0 ? job->original : job->recipient);
	env_safe(c, job, "SENDER", job->sender.len > 0 ? job->sender : SPAN("MAILER-DAEMON"));
	env_safe(c, job, "CLIENT_ADDRESS", m->envelope.client_addr);
	env_safe(c, job, "CLIENT_HELO", m->envelope.helo);
	env_safe(c, job, "CLIENT_HOSTNAME", m->envelope.client_name);
	env_safe(c, job, "CLIENT_PROTOCOL", m->envelope.protocol);
	env_safe(c, job, "SASL_USERNAME", m->envelope.sasl_user);
	return true;
}

void
expand_command(struct expand *x, const struct item *it, const char *text, const struct passwd *pw)
{
	struct report r = { .status = OUTCOME_DEFERRED };
	struct command c = { .flags = COMMAND_FROM | COMMAND_RETURN_PATH | COMMAND_ORIGINAL_TO | COMMAND_DELIVERED_TO, .eol = SPAN("\n"),
		.time_limit = conf_time(x->job->view, P_command_time_limit), .final = true, .prepare = prepare };
	union { const struct passwd *in; void *out; } p = { .in = pw };

	if (pw == NULL && !allowed(x, it, P_allow_mail_to_commands)) {
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.7.1", "mail to command is restricted");
		expand_result(x, &r);
		return;
	}
	struct passwd *user = pw == NULL && it->as_user ? getpwuid(it->actor.uid) : NULL;
	c.arg = user != NULL ? user : p.out;
	c.directory = user != NULL && access(user->pw_dir, X_OK) == 0 ? user->pw_dir : pw != NULL ? pw->pw_dir : NULL;
	if (c.directory != NULL && access(c.directory, X_OK) != 0)
		c.directory = NULL;
	command_words(&c, text, conf_str(x->job->view, P_local_command_shell));
	snprintf(c.done, sizeof c.done, "delivered to command: %.150s", text);
	command_deliver(x->job, &it->actor, &c, &r);
	command_free(&c);
	expand_result(x, &r);
}

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
		} else if (mbox_open(&box, f->job, f->path, "of an alias", geteuid(), getegid(), false, r)) {
			mbox_append(&box, f->job, &m, r);
			mbox_close(&box);
		}
		if (r->status == OUTCOME_SENT)
			report_set(r, OUTCOME_SENT, SCOPE_RECIPIENT, "2.0.0", "delivered to file: %.300s", f->path);
	}
	message_clear(&m);
}

void
expand_file(struct expand *x, const struct item *it, const char *path)
{
	struct report r = { .status = OUTCOME_DEFERRED };

	if (!allowed(x, it, P_allow_mail_to_files))
		report_set(&r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.7.1", "mail to file is restricted");
	else
		actor_run(x->job, &it->actor, put_file, &(struct filing){ x->job, path }, &r);
	expand_result(x, &r);
}
