#include "receive/session_rates.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "receive/session.h"
#include "receive/state.h"

#define KEY_MAX		320
#define REPLY_MAX	600

struct row {
	enum param	 limit;
	enum rate_event	 event;
	enum rate_key	 key;
	const char	*said, *logged;
};

static const struct row rows[] = {
#define RATE(p, e, k, s, l) { P_##p, e, k, s, l },
#include "receive/rates.def"
#undef RATE
};

#define ROW_COUNT	(sizeof rows / sizeof *rows)
_Static_assert(ROW_COUNT <= RATE_ROWS_MAX, "struct rate_limits has no room for all");

void
rate_limits_read(struct rate_limits *r, const struct view *v)
{
	*r = (struct rate_limits){
		.client4 = (unsigned)conf_int(v, P_smtpd_client_ipv4_prefix_length),
		.client6 = (unsigned)conf_int(v, P_smtpd_client_ipv6_prefix_length),
		.network4 = (unsigned)conf_int(v, P_mtad_network_ipv4_prefix_length),
		.network6 = (unsigned)conf_int(v, P_mtad_network_ipv6_prefix_length),
	};
	for (size_t i = 0; i < ROW_COUNT; i++) {
		int64_t n = conf_int(v, rows[i].limit);
		r->limit[i] = n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
		r->events |= r->limit[i] > 0 ? 1u << rows[i].event : 0u;
	}
}

/* -- keys -- */

static const char *
network_of(const char *addr, unsigned bits4, unsigned bits6, char out[RATE_CLIENT])
{
	unsigned char raw[16];
	char text[INET6_ADDRSTRLEN];
	bool six = strchr(addr, ':') != NULL;
	unsigned bits = six ? bits6 : bits4, size = six ? 128 : 32;

	if (bits >= size || inet_pton(six ? AF_INET6 : AF_INET, addr, raw) != 1) {
		snprintf(out, RATE_CLIENT, "%s", addr);
		return out;
	}
	for (unsigned i = bits; i < size; i++)
		raw[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	snprintf(out, RATE_CLIENT, "%s/%u", inet_ntop(six ? AF_INET6 : AF_INET, raw, text, sizeof text), bits);
	return out;
}

const char *
rate_client(const struct rate_limits *r, const char *addr, char out[RATE_CLIENT])
{
	return network_of(addr, r->client4, r->client6, out);
}

/* Case makes no other sender, user or domain; control bytes are not to get into the log. */
static void
put_key(char out[KEY_MAX], struct span text)
{
	size_t n = 0;

	for (; n < text.len && n + 1 < KEY_MAX; n++) {
		unsigned char c = (unsigned char)text.ptr[n];
		out[n] = (char)(c < ' ' || c == 0x7f ? '?' : c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	out[n] = '\0';
}

/* False: there is none, as with the null sender, or a client that has not logged in. */
static bool
key_of(const struct session *s, enum rate_key key, char out[KEY_MAX])
{
	const struct rate_limits *r = &s->settings->rates;
	struct span text = SPAN_NONE;
	char net[RATE_CLIENT];

	switch (key) {
	case RATE_BY_CLIENT:
		text = span_str(rate_client(r, s->addr, net));
		break;
	case RATE_BY_NETWORK:
		text = span_str(network_of(s->addr, r->network4, r->network6, net));
		break;
	case RATE_BY_SENDER:
		text = span_str(s->sender);
		break;
	case RATE_BY_USER:
		text = span_str(s->sasl_user);
		break;
	case RATE_BY_DOMAIN:
		text = span_str(s->rcpt.address);
		text = span_skip(text, span_rfind(text, '@') + 1);
		break;
	}
	put_key(out, text);
	return out[0] != '\0';
}

/* -- counting -- */

static void
finish(struct session *s)
{
	rates_fn *then = s->rates.then;
	char *reply = s->rates.reply;

	s->rates = (struct session_rates){ .then = NULL };
	then(s, reply);
	free(reply);
}

static void
exceeded(struct session *s, const struct row *row, uint32_t n)
{
	char key[KEY_MAX], client[CLIENT_TEXT], reply[REPLY_MAX];

	(void)key_of(s, row->key, key);
	session_client(s, client);
	if (row->key == RATE_BY_CLIENT) {
		log_warning(session_program(s), "%s limit exceeded: %u from %s for service %.*s", row->logged, n, client,
		    SPAN_ARG(s->settings->intake.service));
		snprintf(reply, sizeof reply, "%s %s", row->said, s->addr);
	} else {
		log_warning(session_program(s), "%s limit exceeded: %u of %s from %s for service %.*s", row->logged, n, key, client,
		    SPAN_ARG(s->settings->intake.service));
		snprintf(reply, sizeof reply, "%s %s", row->said, key);
	}
	if (s->rates.reply == NULL)
		s->rates.reply = mem_str(reply);
}

static void
counted(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct session *s = arg;

	if (a->ok && a->rate > s->settings->rates.limit[id])
		exceeded(s, &rows[id], a->rate);
	if (--s->rates.waits > 0)
		return;
	finish(s);
	session_continue(s);
}

/* Who is trusted with any number of connections is so with what comes over them; a sender, a user or a domain is nobody's address. */
static bool
is_exempt(struct session *s, enum rate_key key)
{
	return (key == RATE_BY_CLIENT || key == RATE_BY_NETWORK) && session_rate_exempt(s);
}

static void
ask(struct session *s, size_t i)
{
	char key[KEY_MAX];
	struct asks *counters = &s->rx->counters;

	if (!key_of(s, rows[i].key, key))
		return;
	s->rates.waits++;
	ipc_send_count_event(counters->ipc, &(struct ipc_count_event){
	    .request = asks_add(counters, counted, s, i), .event = (uint8_t)rows[i].event, .key = (uint8_t)rows[i].key,
	    .service = rows[i].key == RATE_BY_CLIENT ? s->settings->intake.service : SPAN_NONE, .client = span_str(key) }, -1);
}

void
session_rates(struct session *s, enum rate_event event, rates_fn *then)
{
	const struct rate_limits *r = &s->settings->rates;

	if ((r->events & 1u << event) != 0 && s->uid < 0 && s->rx->counters.ipc != NULL)
		for (size_t i = 0; i < ROW_COUNT; i++)
			if (rows[i].event == event && r->limit[i] > 0 && !is_exempt(s, rows[i].key))
				ask(s, i);
	if (s->rates.waits == 0)
		then(s, NULL);
	else
		s->rates.then = then;
}

void
session_rates_drop(struct session *s)
{
	if (s->rates.waits == 0)
		return;
	asks_drop(&s->rx->counters, s);
	free(s->rates.reply);
	s->rates = (struct session_rates){ .then = NULL };
}
