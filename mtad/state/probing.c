#include "state/probing.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "state/verify.h"

static struct {
	struct verified	 known;
	struct verify_times times;
	bool		 started;
	char		*sender;
	int64_t		 clean_every;
	struct loop_timer clean;
	struct ipc	*queue;
} probing;

static void
clean(void *arg)
{
	(void)arg;
	verify_expire(&probing.known, clock_wall());
	if (probing.clean_every > 0)
		loop_timer_set(&probing.clean, probing.clean_every);
}

/* With a domain, where it has none; "<>" and nothing are the null sender. */
static char *
sender_of(const struct view *v)
{
	const char *s = conf_str(v, P_address_verify_sender);
	struct buf b = BUF_INIT(2048);

	buf_str(&b, "");
	if (strcmp(s, "<>") != 0 && *s != '\0') {
		buf_str(&b, s);
		if (strchr(s, '@') == NULL)
			buf_printf(&b, "@%s", conf_str(v, P_myorigin));
	}
	return buf_take(&b);
}

void
probing_configure(const struct conf *conf)
{
	const struct view *v = conf_program(conf, "verify");

	probing.times = (struct verify_times){
		.positive_expire = conf_time(v, P_address_verify_positive_expire_time),
		.positive_refresh = conf_time(v, P_address_verify_positive_refresh_time),
		.negative_expire = conf_time(v, P_address_verify_negative_expire_time),
		.negative_refresh = conf_time(v, P_address_verify_negative_refresh_time),
		.negative = conf_bool(v, P_address_verify_negative_cache),
		.pending_limit = (uint32_t)conf_int(v, P_address_verify_pending_request_limit),
	};
	probing.clean_every = conf_time(v, P_address_verify_cache_cleanup_interval);
	free(probing.sender);
	probing.sender = sender_of(v);
	probing.known.times = probing.times;
	if (probing.started)
		clean(NULL);
}

void
probing_start(void)
{
	verify_init(&probing.known, &probing.times);
	loop_timer_init(&probing.clean, clean, NULL);
	probing.started = true;
	clean(NULL);
}

void
probing_queue(struct ipc *c)
{
	probing.queue = c;
	if (c == NULL)
		verify_lost(&probing.known);
}

struct ipc *
probing_queue_channel(void)
{
	return probing.queue;
}

size_t
probing_count(void)
{
	return probing.known.map.count;
}

void
probing_on_ask(void *arg, struct ipc *c, const struct ipc_verify_ask *m, int fd)
{
	const char *text;
	uint64_t probe;

	(void)arg;
	(void)fd;
	enum verify_status status = verify_ask(&probing.known, m->address, clock_wall(), &text, &probe);
	ipc_send_verify_told(c, &(struct ipc_verify_told){ .request = m->request, .status = (uint8_t)status, .text = span_str(text) }, -1);
	if (probe == 0)
		return;
	if (probing.queue != NULL)
		ipc_send_verify_probe(probing.queue, &(struct ipc_verify_probe){ .probe = probe, .sender = span_str(probing.sender),
		    .address = m->address }, -1);
	else
		verify_lost(&probing.known);
}

void
probing_on_probed(void *arg, struct ipc *c, const struct ipc_verify_probed *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	if (m->status <= VERIFY_BOUNCE)
		(void)verify_probed(&probing.known, m->probe, (enum verify_status)m->status, m->text, clock_wall());
}
