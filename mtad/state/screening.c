#include "state/screening.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/role.h"
#include "state/keep.h"
#include "state/screened.h"

static struct {
	struct screened_clients clients;
	struct keep	*keep;		/* NULL: in memory alone */
	char		*map;
	bool		 started;
	int64_t		 clean_every, retention;
	struct loop_timer clean;
} screening;

static void
keep(void *arg, struct span address, const char *record)
{
	(void)arg;
	keep_put(screening.keep, address, record);
}

static bool
load(void *arg, struct span address, struct span record)
{
	(void)arg;
	return screened_load(&screening.clients, address, record);
}

static void
keep_all(void *arg, struct keep *k)
{
	(void)arg;
	screening.keep = k;
	screened_keep_all(&screening.clients);
}

static void
use_file(void)
{
	static const struct keep_ops ops = { .load = load, .all = keep_all };

	if (keep_is(screening.keep, screening.map))
		return;
	keep_close(screening.keep);
	screening.keep = NULL;
	screening.keep = keep_open(role_fd("data"), "postscreen_cache_map", screening.map, &ops, NULL);
	screened_keep_all(&screening.clients);
}

static void
clean(void *arg)
{
	(void)arg;
	screened_expire(&screening.clients, clock_wall() / SECOND, screening.retention / SECOND);
	if (screening.clean_every > 0)
		loop_timer_set(&screening.clean, screening.clean_every);
}

/* The view of the line that runs postscreen; without one there is no file. */
static const struct view *
view_of(const struct conf *conf)
{
	for (size_t i = 0; i < conf_service_count(conf); i++) {
		const struct service *s = conf_service(conf, i);
		if (s->type == SERVICE_INET && span_eqs(span_str(s->command), "postscreen"))
			return conf_view(conf, s);
	}
	return NULL;
}

void
screening_configure(const struct conf *conf)
{
	const struct view *v = view_of(conf);

	free(screening.map);
	screening.map = mem_str(v == NULL ? "" : conf_str(v, P_postscreen_cache_map));
	screening.clean_every = v == NULL ? 0 : conf_time(v, P_postscreen_cache_cleanup_interval);
	screening.retention = v == NULL ? 0 : conf_time(v, P_postscreen_cache_retention_time);
	if (screening.started && (v != NULL || screening.clients.map.count > 0)) {
		use_file();
		clean(NULL);
	}
}

void
screening_start(void)
{
	screened_init(&screening.clients);
	screening.clients.keep = keep;
	loop_timer_init(&screening.clean, clean, NULL);
	screening.started = true;
	use_file();
	clean(NULL);
}

void
screening_stop(void)
{
	keep_close(screening.keep);
	screening.keep = NULL;
}

bool
screening_row(size_t *at, struct jsonl *j)
{
	static const char *const names[SCREEN_TESTS] = { "greet", "dnsbl", "pipelining", "non_smtp_command", "bare_newline" };
	struct span address;
	const struct screen_record *r = screened_next(&screening.clients, at, &address);

	if (r == NULL)
		return false;
	jsonl_object(j, NULL);
	jsonl_str(j, "cache", SPAN("screen"));
	jsonl_str(j, "address", address);
	for (int i = 0; i < SCREEN_TESTS; i++)
		if (r->until[i] > SCREEN_OFF)
			jsonl_i64(j, names[i], r->until[i]);
	jsonl_end_object(j);
	return true;
}

bool
screening_drop(struct span key)
{
	return screened_drop(&screening.clients, key);
}

size_t
screening_count(void)
{
	return screening.clients.map.count;
}

void
screening_on_ask(void *arg, struct ipc *c, const struct ipc_screen_ask *m, int fd)
{
	const struct screen_record *r = screened_get(&screening.clients, m->address);
	char text[SCREEN_RECORD_TEXT] = "";

	(void)arg;
	(void)fd;
	if (r != NULL)
		screen_record_print(r, text);
	ipc_send_screen_told(c, &(struct ipc_screen_told){ .request = m->request, .record = span_str(text) }, -1);
}

void
screening_on_passed(void *arg, struct ipc *c, const struct ipc_screen_passed *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	(void)screened_put(&screening.clients, m->address, m->record, clock_wall() / SECOND);
}
