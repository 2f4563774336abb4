#include "local/names.h"

#include <string.h>

#include "conf/expand.h"
#include "mail/address.h"

#define VALUE_MAX	((size_t)8 << 10)

void
names_split(const struct job *job, struct span local, struct span *user, struct span *ext)
{
	if (address_extension(local, conf_str(job->view, P_recipient_delimiter), user, ext) && span_has(*ext, '/'))
		*ext = SPAN_NONE;
}

void
names_of(struct names *n, const struct job *job, struct span recipient, const struct passwd *pw)
{
	struct span local = address_local(recipient);

	*n = (struct names){ .job = job, .pw = pw, .recipient = recipient, .folded = BUF_INIT(VALUE_MAX), .value = BUF_INIT(VALUE_MAX) };
	for (size_t i = 0; i < local.len; i++)
		buf_char(&n->folded, local.ptr[i] >= 'A' && local.ptr[i] <= 'Z' ? (char)(local.ptr[i] + ('a' - 'A')) : local.ptr[i]);
	n->local = buf_view(&n->folded);
	names_split(job, n->local, &n->user, &n->ext);
}

void
names_clear(struct names *n)
{
	buf_clear(&n->folded);
	buf_clear(&n->value);
}

/* What it stands for; false: nothing. */
static bool
find(struct names *n, struct span name, struct span *v)
{
	const struct { const char *name; struct span value; } known[] = {
		{ "user", n->user }, { "local", n->local }, { "recipient", n->recipient }, { "domain", address_domain(n->recipient) },
		{ "home", n->pw == NULL ? SPAN_NONE : span_str(n->pw->pw_dir) },
		{ "shell", n->pw == NULL ? SPAN_NONE : span_str(n->pw->pw_shell) },
		{ "extension", n->ext },
		{ "recipient_delimiter", n->ext.len == 0 ? SPAN_NONE : span_head(span_skip(n->local, n->user.len), 1) },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_eqs(name, known[i].name)) {
			*v = known[i].value;
			n->extended = n->extended || (i == 6 && v->len > 0);
			return v->len > 0;
		}
	return false;
}

static const char *
value(void *arg, struct span name)
{
	struct names *n = arg;
	struct span v = SPAN_NONE;

	if (!find(n, name, &v))
		return NULL;
	buf_reset(&n->value);
	buf_str(&n->value, "");
	for (size_t i = 0; i < v.len; i++) {
		char c = v.ptr[i];
		if (c == '\0' || (n->filter != NULL && strchr(n->filter, c) == NULL))
			c = '_';
		if (c == '$')		/* what outsiders wrote is not expanded again */
			buf_char(&n->value, '$');
		buf_char(&n->value, c);
	}
	return n->value.over ? NULL : n->value.ptr;
}

bool
names_expand(struct names *n, struct span text, struct buf *out, bool *undefined, struct report *r)
{
	struct err err;

	buf_reset(out);
	buf_str(out, "");
	n->extended = false;
	if (expand_defined(text, value, n, out, undefined, &err) && !out->over)
		return true;
	report_warn(r, "\"%.*s\": %s", SPAN_ARG(span_head(text, 100)), out->over ? "too long" : err.text);
	return false;
}
