#include "smtp/sasl_client.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define STEPS_MAX	10	/* no mechanism here has so many */

enum made { BY_LIBRARY, BY_PLAIN, BY_LOGIN, BY_XOAUTH2, BY_BEARER };

static const struct mechanism {
	const char	*name;
	unsigned	 bit;
	enum made	 made;
	bool		 first;		/* the client begins */
	unsigned	 lacks;		/* enum sasl_client_forbid that rules it out */
} mechanisms[] = {
	{ "SCRAM-SHA-256", MECH_SCRAM_SHA_256, BY_LIBRARY, true, MECH_NO_DICTIONARY | MECH_FORWARD_SECRECY },
	{ "SCRAM-SHA-1", MECH_SCRAM_SHA_1, BY_LIBRARY, true, MECH_NO_DICTIONARY | MECH_FORWARD_SECRECY },
	{ "CRAM-MD5", MECH_CRAM_MD5, BY_LIBRARY, false,
	    MECH_NO_DICTIONARY | MECH_NO_ACTIVE | MECH_FORWARD_SECRECY | MECH_MUTUAL_AUTH },
	{ "OAUTHBEARER", MECH_OAUTHBEARER, BY_BEARER, true, MECH_NO_PLAINTEXT | MECH_NO_ACTIVE | MECH_FORWARD_SECRECY | MECH_MUTUAL_AUTH },
	{ "XOAUTH2", MECH_XOAUTH2, BY_XOAUTH2, true, MECH_NO_PLAINTEXT | MECH_NO_ACTIVE | MECH_FORWARD_SECRECY | MECH_MUTUAL_AUTH },
	{ "PLAIN", MECH_PLAIN, BY_PLAIN, true,
	    MECH_NO_PLAINTEXT | MECH_NO_ACTIVE | MECH_NO_DICTIONARY | MECH_FORWARD_SECRECY | MECH_MUTUAL_AUTH },
	{ "LOGIN", MECH_LOGIN, BY_LOGIN, false,
	    MECH_NO_PLAINTEXT | MECH_NO_ACTIVE | MECH_NO_DICTIONARY | MECH_FORWARD_SECRECY | MECH_MUTUAL_AUTH },
};

static const struct {
	const char	*name;
	unsigned	 bit;
} options[] = {
	{ "noplaintext", MECH_NO_PLAINTEXT }, { "noactive", MECH_NO_ACTIVE }, { "nodictionary", MECH_NO_DICTIONARY },
	{ "noanonymous", MECH_NO_ANONYMOUS }, { "forward_secrecy", MECH_FORWARD_SECRECY }, { "mutual_auth", MECH_MUTUAL_AUTH },
};

struct sasl_client {
	const struct mechanism *mechanism;
	struct buf	 user, password, tail;
	Gsasl_session	*session;
	unsigned	 steps;
	bool		 done;
};

static Gsasl *library;

#define COUNT(a)	(sizeof (a) / sizeof (a)[0])

unsigned
sasl_client_mechanism(struct span name)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (span_caseeqs(name, mechanisms[i].name))
			return mechanisms[i].bit;
	return 0;
}

const char *
sasl_client_name(unsigned bit)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (mechanisms[i].bit == bit)
			return mechanisms[i].name;
	return "";
}

bool
sasl_client_forbids(struct span list, unsigned *bits, struct span *bad)
{
	struct span word;

	*bits = 0;
	while (span_word(&list, "\t\r\n ,", &word)) {
		size_t i = 0;
		while (i < COUNT(options) && !span_caseeqs(word, options[i].name))
			i++;
		if (i == COUNT(options)) {
			*bad = word;
			return false;
		}
		*bits |= options[i].bit;
	}
	return true;
}

unsigned
sasl_client_choose(unsigned offered, unsigned forbidden)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if ((offered & mechanisms[i].bit) != 0 && (forbidden & mechanisms[i].lacks) == 0)
			return mechanisms[i].bit;
	return 0;
}

bool
sasl_client_setup(void)
{
	char byte;

	if (library == NULL && gsasl_init(&library) != GSASL_OK)
		library = NULL;
	/* The first random byte may open something. */
	return library != NULL && gsasl_nonce(&byte, 1) == GSASL_OK;
}

static bool
begin_library(struct sasl_client *c)
{
	if (!sasl_client_setup() || gsasl_client_start(library, c->mechanism->name, &c->session) != GSASL_OK)
		return false;
	return gsasl_property_set(c->session, GSASL_AUTHID, c->user.ptr) == GSASL_OK &&
	    gsasl_property_set(c->session, GSASL_PASSWORD, c->password.ptr) == GSASL_OK;
}

struct sasl_client *
sasl_client_new(unsigned bit, const struct sasl_who *who)
{
	struct sasl_client *c;

	MEM_NEW(c);
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (mechanisms[i].bit == bit)
			c->mechanism = &mechanisms[i];
	c->user = c->password = c->tail = BUF_INIT(64 << 10);
	buf_span(&c->user, who->user);
	buf_span(&c->password, who->password);
	/* One of them empty still is a string. */
	buf_char(&c->user, '\0');
	buf_char(&c->password, '\0');
	c->user.len--;
	c->password.len--;
	buf_printf(&c->tail, "host=%.*s\1port=%u\1", SPAN_ARG(who->host), who->port);
	if (c->mechanism != NULL && !c->user.over && !c->password.over && (c->mechanism->made != BY_LIBRARY || begin_library(c)))
		return c;
	sasl_client_free(c);
	return NULL;
}

static void
wipe(struct buf *b)
{
	if (b->ptr != NULL)
		explicit_bzero(b->ptr, b->len);
	buf_clear(b);
}

void
sasl_client_free(struct sasl_client *c)
{
	if (c == NULL)
		return;
	if (c->session != NULL)
		gsasl_finish(c->session);
	wipe(&c->user);
	wipe(&c->password);
	buf_clear(&c->tail);
	free(c);
}

bool
sasl_client_first(const struct sasl_client *c)
{
	return c->mechanism->first;
}

bool
sasl_client_satisfied(const struct sasl_client *c)
{
	return c->mechanism->made != BY_LIBRARY || c->done;
}

static bool
step_library(struct sasl_client *c, struct span challenge, struct buf *out)
{
	char *answer = NULL;
	size_t len = 0;

	/* A server may send its last word in a challenge of its own, and another empty one behind it. */
	if (c->done)
		return challenge.len == 0;
	int rc = gsasl_step(c->session, challenge.ptr == NULL ? "" : challenge.ptr, challenge.len, &answer, &len);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		buf_put(out, answer, len);
	if (answer != NULL)
		explicit_bzero(answer, len);
	gsasl_free(answer);
	c->done = rc == GSASL_OK;
	return rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
}

/* RFC 7628 3.2.3: a challenge says why it was refused; an answer that is none brings the refusal itself. */
static void
step_token(struct sasl_client *c, struct buf *out)
{
	bool bearer = c->mechanism->made == BY_BEARER;

	if (c->steps > 1) {
		if (bearer)
			buf_char(out, '\1');
		return;
	}
	buf_str(out, bearer ? "n,a=" : "user=");
	/* gs2: "=" and "," of the name are written otherwise. */
	for (size_t i = 0; i < c->user.len; i++)
		if (bearer && (c->user.ptr[i] == ',' || c->user.ptr[i] == '='))
			buf_str(out, c->user.ptr[i] == ',' ? "=2C" : "=3D");
		else
			buf_char(out, c->user.ptr[i]);
	buf_str(out, bearer ? ",\1" : "\1");
	if (bearer)
		buf_span(out, buf_view(&c->tail));
	buf_str(out, "auth=Bearer ");
	buf_span(out, buf_view(&c->password));
	buf_str(out, "\1\1");
}

bool
sasl_client_step(struct sasl_client *c, struct span challenge, struct buf *out)
{
	if (++c->steps > STEPS_MAX)
		return false;
	switch (c->mechanism->made) {
	case BY_LIBRARY:
		return step_library(c, challenge, out);
	case BY_PLAIN:
		buf_char(out, '\0');
		buf_span(out, buf_view(&c->user));
		buf_char(out, '\0');
		buf_span(out, buf_view(&c->password));
		return c->steps == 1;
	case BY_LOGIN:		/* what is asked for is not looked at: the order is always this one */
		buf_span(out, buf_view(c->steps == 1 ? &c->user : &c->password));
		return c->steps <= 2;
	case BY_XOAUTH2:
	case BY_BEARER:
		step_token(c, out);
		return c->steps <= 2;
	}
	return false;
}
