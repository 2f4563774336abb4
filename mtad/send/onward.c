/*
 * What is looked up for a delivery before its connection. Addresses as they go out (smtp_generic_maps): those of the envelope are made before a server is looked for. Those in headers are made with the
 * content, later; they are gone through here too, so that what tables that block say of them is known by then.
 */
#include <string.h>

#include "base/log.h"
#include "send/core.h"

static enum map_status
map_envelope(struct delivery *d, struct err *err)
{
	struct buf one = BUF_INIT(8192);
	enum map_status status = MAP_DONE, s;

	buf_reset(&d->onward);
	for (size_t i = 0; i <= d->count && status != MAP_FAULT; i++) {
		struct span from = i == 0 ? d->sender : d->rcpts[i - 1].address;
		if ((s = generic_map(d->settings->rewriting->generic, d->facts, from, &one, err)) != MAP_DONE)
			status = s;
		buf_span(&d->onward, buf_view(&one));
		buf_char(&d->onward, '\0');
	}
	buf_clear(&one);
	return status;
}

static enum map_status
try_headers(struct delivery *d, struct err *err)
{
	struct rewriter *r = rewriter_new(d->settings->rewriting, d->facts, NULL, NULL);
	struct buf out = BUF_INIT(0);

	rewriter_put(r, d->message.header, &out);
	enum map_status status = rewriter_status(r, err);
	rewriter_free(r);
	buf_clear(&out);
	return status;
}

/* The buffer does not move any more. The sender comes first. */
static void
take(struct delivery *d)
{
	const char *at = d->onward.ptr;

	for (size_t i = 0; i < d->count; i++) {
		at += strlen(at) + 1;
		d->rcpts[i].wire = span_str(at);
	}
	d->onward_known = true;
}

bool
delivery_map_addresses(struct delivery *d)
{
	struct err err = { ERR_NONE, "" };
	enum map_status status, headers;

	if (d->onward_known || d->settings->rewriting->generic == NULL)
		return true;
	if (!delivery_read_message(d))
		return false;
	(void)delivery_facts(d);
	d->onward.max = 0;
	do {
		status = map_envelope(d, &err);
		headers = status == MAP_FAULT || d->probe ? MAP_DONE : try_headers(d, &err);
		if (headers != MAP_DONE)
			status = headers;
	} while (status == MAP_PENDING && !facts_over(d->facts) && !delivery_ask(d, delivery_begin_again));
	if (status == MAP_DONE) {
		take(d);
		return true;
	}
	if (d->again != NULL)
		return false;
	log_warning(d->settings->program, "%s: %s", d->id_text, err.text);
	delivery_fail(d, SCOPE_MESSAGE, "4.3.0", "address lookup failed");
	return false;
}

/* -- who mtad is to the server ------------------------------------------------------------------ */

bool
delivery_find_login(struct delivery *d, const char *host, void (*again)(struct delivery *))
{
	const struct login_rules *rules = d->settings->login;
	struct err err = { ERR_NONE, "" };
	enum table_result got;

	d->has_login = false;
	if (rules == NULL)
		return true;
	(void)delivery_facts(d);
	do
		got = login_find(rules, d->facts, d->sender, span_str(host), d->destination, &d->login, &err);
	while (got == TABLE_PENDING && !facts_over(d->facts) && !delivery_ask(d, again));
	d->has_login = got == TABLE_FOUND;
	if (got == TABLE_FOUND || got == TABLE_ABSENT)
		return true;
	if (d->again != NULL)
		return false;
	log_warning(d->settings->program, "%s: %s", d->id_text, err.text);
	delivery_fail(d, SCOPE_DESTINATION, "4.3.0", "the login for the server cannot be looked up");
	return false;
}

/* -- whose mail it is ------------------------------------------------------------------------ */

const struct client_origin *
delivery_origin(struct delivery *d)
{
	struct envelope_client c;

	envelope_client(&d->message.envelope, &c);
	d->origin = (struct client_origin){ .name = c.name, .addr = c.addr, .port = c.port, .protocol = c.protocol, .helo = c.helo,
		.ident = c.ident.len > 0 ? c.ident : span_str(d->id_text), .local = c.local };
	return &d->origin;
}
