/*
 * Workarounds for firewalls that spoil SMTP (smtp_pix_workarounds): which, and the pause before the end of the content.
 */
#include "base/clock.h"
#include "base/log.h"
#include "send/core.h"

unsigned
pix_parse(struct span words)
{
	struct span word;
	unsigned pix = 0;

	while (span_word(&words, "\t\r\n ,", &word)) {
		if (span_caseeqs(word, "disable_esmtp"))
			pix |= PIX_DISABLE_ESMTP;
		else if (span_caseeqs(word, "delay_dotcrlf"))
			pix |= PIX_DELAY_DOTCRLF;
	}
	return pix;
}

const char *
pix_names(unsigned pix)
{
	static const char *const names[] = { "", "disable_esmtp", "delay_dotcrlf", "disable_esmtp delay_dotcrlf" };

	return names[pix & (PIX_DISABLE_ESMTP | PIX_DELAY_DOTCRLF)];
}

/* Not for mail that is new: most servers with such a greeting work, and it is slow. */
void
conn_pix_take(struct conn *c, struct span address)
{
	const struct settings *s = c->settings;
	struct buf words = BUF_INIT(4096);
	struct err err = { ERR_NONE, "" };

	if ((s->pix == 0 && s->pix_maps.count == 0) || clock_wall() - c->delivery->arrival < s->pix_age)
		return;
	c->options.pix = s->pix;
	enum table_result got = s->pix_maps.count == 0 ? TABLE_ABSENT : tables_get(&s->pix_maps, NULL, address, &words, &err);
	if (got == TABLE_FOUND)
		c->options.pix = pix_parse(buf_view(&words));
	else if (got != TABLE_ABSENT)
		log_warning(s->program, "pix_workaround_maps: %s", err.text);
	buf_clear(&words);
}

void
conn_pix_tell(struct conn *c)
{
	if (c->pix_told || !smtp_client_is_pix(c->client))
		return;
	c->pix_told = true;
	log_info(c->settings->program, "%s: enabling PIX workarounds: %s for %s", c->delivery == NULL ? "NOQUEUE" : c->delivery->id_text,
	    pix_names(c->options.pix), c->relay);
}

static void
on_pause_over(void *arg)
{
	struct conn *c = arg;

	c->pausing = false;
	conn_handle(c, smtp_client_end_content(c->client));
}

void
conn_pix_pause(struct conn *c)
{
	if (c->pausing)		/* something came, and was no reply yet */
		return;
	conn_set_deadline(c, c->settings->stage_timeout[CLIENT_BODY] + c->settings->pix_delay);
	loop_io_watch(&c->io, EV_READ);
	loop_timer_init(&c->pause, on_pause_over, c);
	loop_timer_set(&c->pause, c->settings->pix_delay);
	c->pausing = true;
}

void
conn_pix_end(struct conn *c)
{
	if (c->pausing)
		loop_timer_stop(&c->pause);
	c->pausing = false;
}
