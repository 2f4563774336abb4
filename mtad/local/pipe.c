#include "local/pipe.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"

#define CONFIG_ERROR	"mail system configuration error"
#define ARGS_MAX	4000

struct piping {
	const struct job *job;
	const struct message *message;
	struct pipe_spec spec;
	struct buf	 value;		/* of the macro asked last */
	size_t		 count;		/* words in argv */
};

bool
pipe_takes_all(const struct view *v)
{
	struct pipe_spec spec;

	return view_service(v) != NULL && pipe_parse(view_service(v)->argv, &spec, NULL) &&
	    !(spec.flags & (COMMAND_DELIVERED_TO | COMMAND_ORIGINAL_TO));
}

/* -- who it runs as ------------------------------------------------------------------------------------- */

static bool
find_actor(const struct job *job, const struct pipe_spec *spec, struct actor *a, struct report *r)
{
	char name[sizeof spec->user];
	snprintf(name, sizeof name, "%s", spec->user);
	char *colon = strchr(name, ':');
	if (colon != NULL)
		*colon = '\0';
	const struct passwd *pw = getpwnam(name);
	const struct group *gr = colon != NULL && colon[1] != '\0' ? getgrnam(colon + 1) : NULL;
	const char *owner = conf_str(job->view, P_mail_owner);

	if (pw == NULL || (gr == NULL && colon != NULL && colon[1] != '\0'))
		report_warn(r, "user=%s: there is no such %s", spec->user, pw == NULL ? "account" : "group");
	else if (geteuid() == 0 && strcmp(pw->pw_name, owner) == 0)
		report_warn(r, "user=%s: no program is run as the owner of the mail system", spec->user);
	else {
		*a = (struct actor){ pw->pw_uid, gr != NULL ? gr->gr_gid : pw->pw_gid, NULL };
		return true;
	}
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
	return false;
}

/* -- macros ----------------------------------------------------------------------------------------------- */

static void
put_lower(struct buf *out, struct span s, bool lower)
{
	for (size_t i = 0; i < s.len; i++)
		buf_char(out, lower && s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + ('a' - 'A')) : s.ptr[i]);
}

static void
put_address(const struct piping *p, struct buf *out, struct span address)
{
	struct buf folded = BUF_INIT(2 * ADDRESS_MAX);
	struct span local = address_local(address);

	put_lower(&folded, local, p->spec.lower_user);
	put_lower(&folded, span_skip(address, local.len), p->spec.lower_domain);
	if (p->spec.quote)
		address_quote(out, buf_view(&folded));
	else
		buf_span(out, buf_view(&folded));
	buf_clear(&folded);
}

/* Of the recipient. False: it is no macro of that kind. */
static bool
recipient_macro(struct piping *p, struct span name, struct span recipient)
{
	struct span local = address_local(recipient), user, ext;

	address_extension(local, conf_str(p->job->view, P_recipient_delimiter), &user, &ext);
	if (span_eqs(name, "recipient"))
		put_address(p, &p->value, recipient);
	else if (span_eqs(name, "original_recipient"))
		put_address(p, &p->value, p->job->original.len > 0 ? p->job->original : recipient);
	else if (span_eqs(name, "user"))
		put_lower(&p->value, user, p->spec.lower_user);
	else if (span_eqs(name, "extension"))
		put_lower(&p->value, ext, p->spec.lower_user);
	else if (span_eqs(name, "mailbox"))
		put_lower(&p->value, local, p->spec.lower_user);
	else if (span_eqs(name, "domain"))
		put_lower(&p->value, address_domain(recipient), p->spec.lower_domain);
	else
		return false;
	return true;
}

static bool
message_macro(struct piping *p, struct span name)
{
	const struct envelope *e = &p->message->envelope;
	struct envelope_client c;
	char id[QID_TEXT];

	envelope_client(e, &c);
	const struct { const char *name; struct span value; } known[] = {
		{ "nexthop", p->job->nexthop }, { "client_address", c.addr }, { "client_hostname", c.name }, { "client_helo", c.helo },
		{ "client_protocol", c.protocol }, { "client_port", c.port }, { "sasl_username", e->sasl_user },
		{ "sasl_method", e->sasl_method }, { "sasl_sender", e->sasl_sender }, { "envid", e->envid },
	};

	if (span_eqs(name, "sender")) {
		if (p->message->envelope.sender.len > 0 && p->spec.quote)
			address_quote(&p->value, p->job->sender);
		else
			buf_span(&p->value, p->job->sender);
	} else if (span_eqs(name, "size")) {
		buf_printf(&p->value, "%llu", (unsigned long long)e->size);
	} else if (span_eqs(name, "queue_id")) {
		buf_str(&p->value, qid_text(p->job->id, id));
	} else {
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (span_eqs(name, known[i].name)) {
				buf_span(&p->value, known[i].value);
				return true;
			}
		return false;
	}
	return true;
}

static const char *
macro(void *arg, struct span name, struct span recipient)
{
	struct piping *p = arg;

	buf_reset(&p->value);
	buf_str(&p->value, "");
	if (!recipient_macro(p, name, recipient) && !message_macro(p, name))
		return NULL;
	buf_str(&p->value, "");
	return p->value.over || span_has(buf_view(&p->value), '\0') ? NULL : p->value.ptr;
}

static bool
add_word(struct piping *p, struct command *c, struct span word, struct span recipient, struct report *r)
{
	struct buf out = BUF_INIT(65536);
	struct span bad = SPAN_NONE;

	buf_str(&out, "");
	bool ok = pipe_expand(word, macro, p, recipient, &out, &bad) && !out.over && p->count < ARGS_MAX;
	if (ok) {
		c->argv[p->count++] = buf_take(&out);
		return true;
	}
	buf_clear(&out);
	report_warn(r, "argv: there is no macro \"$%.*s\"", SPAN_ARG(span_head(bad, 60)));
	report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
	return false;
}

/* A word with a macro of the recipient stands there once for each. */
static bool
add_words(struct piping *p, struct command *c, struct span word, struct report *r)
{
	struct unpack all = { .left = p->job->recipients };
	struct recipient rcpt;

	if (all.left.len == 0 || !pipe_has_recipient(word) || !pipe_takes_all(p->job->view))
		return add_word(p, c, word, p->job->recipient, r);
	while (recipient_next(&all, &rcpt))
		if (!add_word(p, c, word, rcpt.address, r))
			return false;
	return true;
}

static bool
prepare(void *arg, const struct job *job, const struct message *m, struct command *c, struct report *r)
{
	struct piping *p = arg;

	p->message = m;
	if (p->spec.size > 0 && m->envelope.size > p->spec.size) {
		report_set(r, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "5.2.3", "message too large");
		return false;
	}
	c->argv = mem_array(ARGS_MAX + 1, sizeof *c->argv);
	for (size_t i = 0; p->spec.argv[i] != NULL; i++)
		if (!add_words(p, c, span_str(p->spec.argv[i] + (i == 0 ? 5 : 0)), r))
			return false;
	command_env_base(c, job);
	return true;
}

void
pipe_deliver(struct job *job, struct report *r)
{
	struct piping p = { .job = job, .value = BUF_INIT(65536) };
	struct actor a;
	struct err err;

	if (view_service(job->view) == NULL || !pipe_parse(view_service(job->view)->argv, &p.spec, &err)) {
		report_set(r, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "4.3.5", CONFIG_ERROR);
		report_warn(r, "master.cf, service %s: %s", job->transport, err.text);
		return;
	}
	if (!find_actor(job, &p.spec, &a, r))
		return;
	if (job->probe) {
		report_probed(r, "delivers to command: ", p.spec.argv[0] + 5);
		return;
	}
	if (job->sender.len == 0)
		job->sender = span_str(p.spec.null_sender);
	job->loops = !(p.spec.flags & COMMAND_DELIVERED_TO);
	struct command c = { .text = p.spec.argv[0] + 5, .directory = p.spec.directory != NULL || p.spec.chroot != NULL ? p.spec.directory :
		conf_str(job->view, P_queue_directory), .chroot = p.spec.chroot,
		.time_limit = conf_time(job->view, P_command_time_limit), .flags = p.spec.flags,
		.eol = span_of(p.spec.eol, p.spec.eol_len), .final = p.spec.final, .prepare = prepare, .arg = &p };
	(void)conf_transport_time(view_conf(job->view), job->transport, "_time_limit", &c.time_limit);
	snprintf(c.done, sizeof c.done, "delivered via %.100s service", job->transport);
	command_deliver(job, &a, &c, r);
	command_free(&c);
	buf_clear(&p.value);
}
