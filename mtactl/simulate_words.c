/* What simulate is asked: key=value words. */
#include "mtactl/simulate.h"

#include "base/near.h"
#include "base/num.h"
#include "mtactl/local.h"
#include "net/addr.h"

enum word {
#define WORD(key, value, summary)	WORD_##key,
#include "mtactl/simulate.def"
#undef WORD
	WORD_COUNT
};

static const struct word_row { const char *key, *value, *summary; } rows[] = {
#define WORD(key, value, summary)	{ #key, value, summary },
#include "mtactl/simulate.def"
#undef WORD
};

void
simulate_words_help(struct display *d)
{
	put(d, "\nwords:\n");
	for (unsigned i = 0; i < WORD_COUNT; i++) {
		struct buf word = BUF_INIT(100);
		buf_printf(&word, "%s=%s", rows[i].key, rows[i].value);
		put(d, "  %-20s %s\n", word.ptr, rows[i].summary);
		buf_clear(&word);
	}
	put(d, "\nNothing is sent, stored or counted. Exit status 1: something is refused.\n");
}

static bool
wrong(struct simulation *m, enum word w, struct span value, const char *why)
{
	session_say(m->session, "%s=%.*s: %s", rows[w].key, SPAN_ARG(span_head(value, 200)), why);
	return false;
}

static bool
set_client(struct simulation *m, struct span value)
{
	size_t comma = span_find(value, ',');
	struct net_addr a;

	m->client.client_addr = span_head(value, comma);
	if (!net_addr_parse(m->client.client_addr, 0, &a))
		return wrong(m, WORD_client, value, "an address is needed: client=192.0.2.1 or client=192.0.2.1,host.example");
	if (comma + 1 == value.len)
		return wrong(m, WORD_client, value, "a name is needed behind the comma, or no comma (the name is looked up)");
	m->has_name = comma < value.len;
	if (m->has_name)
		m->client.client_name = m->client.reverse_client_name = span_skip(value, comma + 1);
	return true;
}

static struct span
address_of(struct span value)
{
	bool brackets = value.len >= 2 && value.ptr[0] == '<' && value.ptr[value.len - 1] == '>';

	return brackets ? span_of(value.ptr + 1, value.len - 2) : value;
}

static bool
set_from(struct simulation *m, struct span value)
{
	if (m->client.has_sender)
		return wrong(m, WORD_from, value, "a message has one sender, and from= was given before");
	m->client.sender = address_of(value);
	m->client.has_sender = true;
	return true;
}

static bool
set_rcpt(struct simulation *m, struct span value)
{
	if (address_of(value).len == 0)
		return wrong(m, WORD_rcpt, value, "an address is needed");
	buf_span(&m->rcpts, address_of(value));
	buf_char(&m->rcpts, '\n');
	return true;
}

static bool
set_server(struct simulation *m, struct span value)
{
	struct net_addr a;

	if (!net_addr_parse(value, 0, &a))
		return wrong(m, WORD_server, value, "one of this machine's addresses is needed");
	m->client.server_addr = value;
	return true;
}

static bool
set_size(struct simulation *m, struct span value)
{
	uint64_t size;

	if (!num_u64(value, &size))
		return wrong(m, WORD_size, value, "a number of bytes is needed");
	m->client.size = size;
	return true;
}

static bool
set_word(struct simulation *m, enum word w, struct span value)
{
	struct policy_session *c = &m->client;

	switch (w) {
	case WORD_client:
		return set_client(m, value);
	case WORD_helo:
		c->helo = value;
		return value.len > 0 || wrong(m, w, value, "a name is needed; without helo= the client says none");
	case WORD_from:
		return set_from(m, value);
	case WORD_rcpt:
		return set_rcpt(m, value);
	case WORD_auth:
		c->sasl_user = value;
		c->sasl_method = SPAN("PLAIN");
		return value.len > 0 || wrong(m, w, value, "a login is needed; without auth= the client does not log in");
	case WORD_tls:
		c->tls.protocol = span_eqs(value, "yes") ? SPAN("TLSv1.3") : span_eqs(value, "no") ? SPAN_NONE : value;
		return value.len > 0 || wrong(m, w, value, "yes, no or a protocol (TLSv1.2) is needed");
	case WORD_ccert:
		c->tls.ccert_fingerprint = value;
		return value.len > 0 || wrong(m, w, value, "a fingerprint is needed (AA:BB:...)");
	case WORD_size:
		return set_size(m, value);
	case WORD_server:
		return set_server(m, value);
	case WORD_COUNT:
		break;
	}
	return false;
}

static bool
unknown_word(struct simulation *m, struct span word)
{
	struct near near = { .word = span_head(word, span_find(word, '=')) };
	struct buf all = BUF_INIT(1000);

	for (unsigned i = 0; i < WORD_COUNT; i++) {
		near_try(&near, rows[i].key);
		buf_printf(&all, " %s=", rows[i].key);
	}
	if (near.best != NULL)
		session_say(m->session, "\"%.*s\" is no word of simulate; did you mean %s=?", SPAN_ARG(span_head(word, 200)), near.best);
	else
		session_say(m->session, "\"%.*s\" is no word of simulate; known are%s", SPAN_ARG(span_head(word, 200)), all.ptr);
	buf_clear(&all);
	return false;
}

static bool
take_word(struct simulation *m, struct span word)
{
	size_t at = span_find(word, '=');

	for (unsigned i = 0; i < WORD_COUNT && at < word.len; i++)
		if (span_eqs(span_head(word, at), rows[i].key))
			return set_word(m, (enum word)i, span_skip(word, at + 1));
	return unknown_word(m, word);
}

/* What a client without a certificate, or a server without logins, cannot do. */
static bool
fits_together(struct simulation *m)
{
	const struct policy_session *c = &m->client;

	if (c->client_addr.len == 0)
		session_say(m->session, "who connects? client=IP or client=IP,NAME is needed; \"help simulate\" lists the words");
	else if (m->rcpts.len > 0 && !c->has_sender)
		session_say(m->session, "rcpt= needs a sender before it: from=ADDRESS, or from= for the null sender");
	else if (c->tls.ccert_fingerprint.len > 0 && c->tls.protocol.len == 0)
		session_say(m->session, "ccert= needs TLS: add tls=yes");
	else
		return true;
	return false;
}

bool
simulate_words(struct simulation *m, struct span words)
{
	struct span word;

	while (span_word(&words, " ", &word))
		if (!take_word(m, word))
			return false;
	return fits_together(m);
}
