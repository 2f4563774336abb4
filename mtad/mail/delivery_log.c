#include "mail/delivery_log.h"

#include "base/clock.h"
#include "mail/address.h"
#include "mail/outcome.h"

#define SIGNIFICANT	100	/* two digits */

static int64_t finest = SECOND / 100;

void
delivery_log_resolution(unsigned digits)
{
	finest = SECOND;
	while (digits-- > 0 && finest > 1)
		finest /= 10;
}

static void
put_uint(struct buf *b, uint64_t v)
{
	char text[20];
	size_t n = sizeof text;
	do {
		text[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_put(b, text + n, sizeof text - n);
}

void
delivery_log_seconds(struct buf *b, int64_t usec)
{
	if (usec < 0)
		usec = 0;		/* the clock was set back */
	int64_t unit = finest;
	while (unit < SECOND && usec >= unit * SIGNIFICANT)
		unit *= 10;
	usec = (usec + unit / 2) / unit * unit;
	put_uint(b, (uint64_t)(usec / SECOND));
	int64_t fraction = usec % SECOND;
	if (fraction == 0)
		return;
	buf_char(b, '.');
	for (int64_t place = SECOND / 10; fraction > 0; place /= 10) {
		buf_char(b, (char)('0' + fraction / place));
		fraction %= place;
	}
}

const char *
outcome_status_text(uint8_t status)
{
	static const char *const text[] = {
		[OUTCOME_SENT] = "sent",
		[OUTCOME_RELAYED] = "sent",
		[OUTCOME_EXPANDED] = "expanded",
		[OUTCOME_DEFERRED] = "deferred",
		[OUTCOME_BOUNCED] = "bounced",
	};
	return status < sizeof text / sizeof text[0] ? text[status] : "unknown";
}

/* Before the queue manager; in it; setting up the connection; handing the message over. */
static void
put_delays(struct buf *b, const struct delivery_log *l)
{
	int64_t active = l->active > 0 ? l->active : l->arrival;
	int64_t handoff = l->handoff > 0 ? l->handoff : active;
	int64_t connected = l->connected > 0 ? l->connected : handoff;
	buf_span(b, SPAN(", delay="));
	delivery_log_seconds(b, l->done - l->arrival);
	buf_span(b, SPAN(", delays="));
	delivery_log_seconds(b, active - l->arrival);
	buf_char(b, '/');
	delivery_log_seconds(b, handoff - active);
	buf_char(b, '/');
	delivery_log_seconds(b, connected - handoff);
	buf_char(b, '/');
	delivery_log_seconds(b, l->done - connected);
}

void
delivery_log_put(struct buf *b, const struct delivery_log *l)
{
	buf_span(b, SPAN("to=<"));
	address_quote(b, l->recipient);
	buf_char(b, '>');
	if (l->orig_to.len > 0 && !span_caseeq(l->orig_to, l->recipient)) {
		buf_span(b, SPAN(", orig_to=<"));
		address_quote(b, l->orig_to);
		buf_char(b, '>');
	}
	buf_span(b, SPAN(", relay="));
	buf_span(b, l->relay);
	if (l->reuse > 0) {
		buf_span(b, SPAN(", conn_use="));
		put_uint(b, l->reuse + 1u);
	}
	put_delays(b, l);
	buf_span(b, SPAN(", dsn="));
	buf_span(b, l->dsn);
	buf_span(b, SPAN(", status="));
	buf_str(b, !l->probe ? outcome_status_text(l->status) : l->status <= OUTCOME_EXPANDED ? "deliverable" : "undeliverable");
	buf_span(b, SPAN(" ("));
	buf_span(b, l->text);
	buf_char(b, ')');
}
