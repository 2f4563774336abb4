#include "state/probing.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/role.h"
#include "state/keep.h"
#include "state/verify.h"

#define MAP	"address_verify_map"

static struct {
	struct verified	 known;
	struct keep	*keep;		/* NULL: in memory alone */
	char		*map;
	struct verify_times times;
	bool		 started;
	char		*sender;
	int64_t		 sender_ttl;	/* 0: always the same */
	int64_t		 clean_every;
	struct loop_timer clean;
	struct ipc	*queue;
} probing;

/* -- the file -- */

static void
keep(void *arg, struct span address, const char *value)
{
	(void)arg;
	keep_put(probing.keep, address, value);
}

static bool
load(void *arg, struct span address, struct span value)
{
	(void)arg;
	return verify_load(&probing.known, address, value);
}

static void
keep_all(void *arg, struct keep *k)
{
	(void)arg;
	probing.keep = k;
	verify_keep_all(&probing.known);
}

/* A reload may name another one; what is known goes there too. */
static void
use_file(void)
{
	static const struct keep_ops ops = { .load = load, .all = keep_all };

	if (keep_is(probing.keep, probing.map))
		return;
	keep_close(probing.keep);
	probing.keep = NULL;
	probing.keep = keep_open(role_fd("data"), MAP, probing.map, &ops, NULL);
	verify_keep_all(&probing.known);
}

void
probing_stop(void)
{
	keep_close(probing.keep);
	probing.keep = NULL;
}

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

/* address_verify_sender_ttl: the number of the period in base 31, behind the local part, so that an address that was harvested is soon nobody's. */
static void
sender_now(int64_t now, struct buf *out)
{
	static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZ";
	struct span s = span_str(probing.sender);
	char text[16];
	size_t at = span_rfind(s, '@'), n = sizeof text;

	if (s.len == 0 || probing.sender_ttl <= 0) {
		buf_span(out, s);
		return;
	}
	uint64_t period = (uint64_t)(now / probing.sender_ttl);
	do
		text[--n] = digits[period % 31];
	while ((period /= 31) > 0 && n > 0);
	buf_span(out, span_head(s, at));
	buf_put(out, text + n, sizeof text - n);
	buf_span(out, span_skip(s, at));
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
	probing.sender_ttl = conf_time(v, P_address_verify_sender_ttl);
	probing.known.times = probing.times;
	free(probing.map);
	probing.map = mem_str(conf_str(v, P_address_verify_map));
	if (probing.started) {
		use_file();
		clean(NULL);
	}
}

void
probing_start(void)
{
	verify_init(&probing.known, &probing.times);
	probing.known.keep = keep;
	use_file();
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

bool
probing_row(size_t *at, struct jsonl *j)
{
	static const char *const words[] = { "deliverable", "deferred", "undeliverable", "unknown" };
	struct verify_row row;

	if (!verify_next(&probing.known, at, &row))
		return false;
	jsonl_object(j, NULL);
	jsonl_str(j, "cache", SPAN("verify"));
	jsonl_str(j, "address", row.address);
	jsonl_str(j, "status", span_str(words[row.status]));
	jsonl_i64(j, "updated", row.updated / SECOND);
	jsonl_str(j, "text", span_str(row.text));
	jsonl_end_object(j);
	return true;
}

bool
probing_drop(struct span key)
{
	return verify_drop(&probing.known, key);
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
	if (probing.queue == NULL) {
		verify_lost(&probing.known);
		return;
	}
	struct buf sender = BUF_INIT(4096);
	buf_str(&sender, "");
	sender_now(clock_wall(), &sender);
	ipc_send_verify_probe(probing.queue, &(struct ipc_verify_probe){ .probe = probe, .sender = buf_view(&sender), .address = m->address }, -1);
	buf_clear(&sender);
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
