#include "net/dovecot_auth.h"

#include <string.h>

#include "base/num.h"

#define LINE_MAX_LEN	65536
#define MAJOR		1

static const struct {
	const char	*word;
	unsigned	 bit;
} properties[] = {
	{ "plaintext", DOVECOT_PLAINTEXT }, { "active", DOVECOT_ACTIVE }, { "dictionary", DOVECOT_DICTIONARY },
	{ "anonymous", DOVECOT_ANONYMOUS }, { "forward-secrecy", DOVECOT_FORWARD_SECRECY },
	{ "mutual-auth", DOVECOT_MUTUAL_AUTH }, { "private", DOVECOT_PRIVATE },
};

void
dovecot_auth_begin(struct dovecot_auth *d, uint32_t pid, struct buf *out)
{
	dovecot_auth_clear(d);
	*d = (struct dovecot_auth){ .line = BUF_INIT(LINE_MAX_LEN), .text = BUF_INIT(2 * LINE_MAX_LEN) };
	buf_printf(out, "VERSION\t%d\t1\nCPID\t%u\n", MAJOR, pid);
}

void
dovecot_auth_clear(struct dovecot_auth *d)
{
	buf_clear(&d->line);
	buf_clear(&d->text);
	d->mechanism_count = 0;
	d->version = d->done = false;
}

/* -- the handshake ---------------------------------------------------------------------- */

static bool
on_version(struct dovecot_auth *d, struct span rest, struct err *err)
{
	struct span major = SPAN_NONE;
	uint32_t n;

	if (!span_cut(&rest, '\t', &major) || !num_u32(major, &n) || n != MAJOR) {
		err_set(err, ERR_PERM, "it speaks version %.*s of the protocol, mtad version %d", SPAN_ARG(span_head(major, 20)), MAJOR);
		return false;
	}
	d->version = true;
	return true;
}

/* One that does not fit is left out: it could not be offered either. */
static void
on_mechanism(struct dovecot_auth *d, struct span rest)
{
	struct dovecot_mechanism *m = &d->mechanisms[d->mechanism_count];
	struct span name, word;

	if (!span_cut(&rest, '\t', &name) || name.len == 0 || name.len >= sizeof m->name || d->mechanism_count == DOVECOT_MECHANISMS)
		return;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return;
	*m = (struct dovecot_mechanism){ .properties = 0 };
	memcpy(m->name, name.ptr, name.len);
	while (span_cut(&rest, '\t', &word))
		for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
			if (span_eqs(word, properties[i].word))
				m->properties |= properties[i].bit;
	d->mechanism_count++;
}

static bool
on_done(struct dovecot_auth *d, struct err *err)
{
	d->done = d->version;
	if (!d->done)
		err_set(err, ERR_PERM, "it ends the handshake before it told its version");
	return d->done;
}

const struct dovecot_mechanism *
dovecot_auth_mechanism(const struct dovecot_auth *d, struct span name)
{
	for (size_t i = 0; i < d->mechanism_count; i++)
		if (span_caseeqs(name, d->mechanisms[i].name))
			return &d->mechanisms[i];
	return NULL;
}

/* -- replies ---------------------------------------------------------------------------- */

/* Fields have \001 for what would end them. */
static struct span
unescape(struct buf *b, struct span s)
{
	size_t at = b->len;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '\001' && i + 1 < s.len) {
			c = s.ptr[++i];
			c = c == '0' ? '\0' : c == '1' ? '\001' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'n' ? '\n' : c;
		}
		buf_char(b, c);
	}
	return span_skip(buf_view(b), at);
}

static void
take_fields(struct dovecot_auth *d, struct span rest, struct dovecot_reply *r)
{
	struct span word;

	buf_reset(&d->text);
	/* One piece of memory for both, so that it does not move between them. */
	if (buf_room(&d->text, rest.len + 1) == NULL)
		return;
	while (span_cut(&rest, '\t', &word)) {
		if (span_starts(word, "user="))
			r->user = unescape(&d->text, span_skip(word, 5));
		else if (span_starts(word, "reason="))
			r->reason = unescape(&d->text, span_skip(word, 7));
		else if (span_eqs(word, "temp"))
			r->temporary = true;
	}
}

static bool
on_reply(struct dovecot_auth *d, enum dovecot_answer answer, struct span rest, dovecot_reply_fn *fn, void *arg, struct err *err)
{
	struct dovecot_reply r = { .answer = answer };
	struct span id;

	if (!d->done || !span_cut(&rest, '\t', &id) || !num_u32(id, &r.id)) {
		err_set(err, ERR_PERM, "it sends an answer without a number, or too early");
		return false;
	}
	if (answer != DOVECOT_CONT)
		take_fields(d, rest, &r);
	else if (!span_cut(&rest, '\t', &r.data))
		r.data = SPAN_NONE;
	fn(arg, &r);
	return true;
}

static bool
on_line(struct dovecot_auth *d, struct span line, dovecot_reply_fn *fn, void *arg, struct err *err)
{
	struct span rest = line, word;

	if (!span_cut(&rest, '\t', &word))
		return true;
	if (span_eqs(word, "CONT"))
		return on_reply(d, DOVECOT_CONT, rest, fn, arg, err);
	if (span_eqs(word, "OK"))
		return on_reply(d, DOVECOT_OK, rest, fn, arg, err);
	if (span_eqs(word, "FAIL"))
		return on_reply(d, DOVECOT_FAIL, rest, fn, arg, err);
	if (span_eqs(word, "VERSION"))
		return on_version(d, rest, err);
	if (span_eqs(word, "DONE"))
		return on_done(d, err);
	if (span_eqs(word, "MECH") && !d->done)
		on_mechanism(d, rest);
	/* SPID, CUID, COOKIE and what newer servers add say nothing that is needed here. */
	return true;
}

bool
dovecot_auth_input(struct dovecot_auth *d, struct span in, dovecot_reply_fn *fn, void *arg, struct err *err)
{
	while (in.len > 0) {
		size_t len = span_find(in, '\n');
		bool whole = len < in.len;

		buf_span(&d->line, span_head(in, len));
		if (d->line.over) {
			err_set(err, ERR_PERM, "it sends a line of over %d bytes", LINE_MAX_LEN);
			return false;
		}
		in = span_skip(in, whole ? len + 1 : len);
		if (!whole)
			return true;
		if (!on_line(d, buf_view(&d->line), fn, arg, err))
			return false;
		buf_reset(&d->line);
	}
	return true;
}

/* -- requests --------------------------------------------------------------------------- */

/* Names and addresses; base64 has the same few bytes. */
static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
			return false;
	return true;
}

bool
dovecot_auth_request(struct buf *out, const struct dovecot_request *r)
{
	if (!is_plain(r->mechanism) || !is_plain(r->service) || !is_plain(r->local_addr) || !is_plain(r->remote_addr) ||
	    !is_plain(r->response) || r->mechanism.len == 0)
		return false;
	buf_printf(out, "AUTH\t%u\t%.*s\tservice=%.*s\tnologin\tlip=%.*s\trip=%.*s%s", r->id, SPAN_ARG(r->mechanism), SPAN_ARG(r->service),
	    SPAN_ARG(r->local_addr), SPAN_ARG(r->remote_addr), r->secured ? "\tsecured" : "");
	/* The last field. */
	if (r->response.ptr != NULL)
		buf_printf(out, "\tresp=%.*s", SPAN_ARG(r->response));
	buf_char(out, '\n');
	return true;
}

bool
dovecot_auth_continue(struct buf *out, uint32_t id, struct span response)
{
	if (!is_plain(response))
		return false;
	buf_printf(out, "CONT\t%u\t%.*s\n", id, SPAN_ARG(response));
	return true;
}

void
dovecot_auth_cancel(struct buf *out, uint32_t id)
{
	buf_printf(out, "CANCEL\t%u\n", id);
}
