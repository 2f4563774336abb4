/*
 * A client's side of SASL exchanges. The first byte chooses the mechanism and the channel; lines of the rest are its responses, in clear (they are
 * put into base64 here) or, where a line begins with "!", as they are. Nobody knows the password.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "policy/sasl_exchange.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define SECRET	"SCRAM-SHA-256$$4096:W22ZaJ0SNY7soEsUEjb6gQ==$$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= " \
	"SCRAM-SHA-1$$4096:QSXCR+Q6sek8bf92$$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="

static struct sasl *
site(void)
{
	static struct sasl *sasl;
	struct conf_problems problems = { .count = 0 };
	struct err err = { ERR_NONE, "" };

	if (sasl != NULL)
		return sasl;
	struct conf *conf = conf_parse("/nowhere", SPAN("myhostname = mx.test\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = gsasl\n"
	    "mtad_sasl_password_maps = inline:{ { . = " SECRET " } { user = " SECRET " } }\nsmtpd_sasl_mechanism_filter = static:all\n"),
	    SPAN_NONE, &problems);
	if (conf == NULL || !sasl_new(conf_main(conf), &sasl, &err) || sasl == NULL)
		panic("the site does not open: %s", err.text);
	conf_problems_clear(&problems);
	return sasl;
}

static void
respond(struct span line, struct buf *out)
{
	buf_reset(out);
	buf_str(out, "");
	if (span_starts(line, "!"))
		buf_span(out, span_skip(line, 1));
	else
		base64_encode(out, line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sasl_channel channel = { .tls = false };
	struct buf response = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	enum sasl_status status = SASL_MORE;
	struct span in, line;

	if (size < 1 || size > 10000)
		return 0;
	const struct sasl_mechanism *m = sasl_mechanism(data[0] % 7u);
	if (m->binding || (data[0] & 0x80))
		channel = (struct sasl_channel){ .tls = true, .exporter = SPAN("01234567890123456789012345678901") };
	if (m->certificate)
		channel = (struct sasl_channel){ .tls = true, .certificate = SPAN("nobody") };
	struct sasl_exchange *x = sasl_exchange_new(site(), span_str(m->name), &channel);
	if (x == NULL)
		panic("%s cannot be had", m->name);
	if (data[0] & 0x40)
		status = sasl_exchange_step(x, SPAN_NONE, NULL, &out);
	in = span_of(data + 1, size - 1);
	for (int i = 0; i < 8 && status == SASL_MORE && span_cut(&in, '\n', &line); i++) {
		respond(line, &response);
		buf_reset(&out);
		status = sasl_exchange_step(x, buf_view(&response), NULL, &out);
	}
	if (status == SASL_DONE && !span_eqs(span_str(sasl_exchange_user(x)), "user"))
		panic("somebody came in as \"%s\"", sasl_exchange_user(x));
	if (status == SASL_PENDING)
		panic("pending without facts to come");
	sasl_exchange_free(x);
	buf_clear(&response);
	buf_clear(&out);
	return 0;
}
