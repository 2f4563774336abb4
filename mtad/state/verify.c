#include "state/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"

#define PROBE_TIME	(1000 * SECOND)		/* a probe without an answer for so long is lost */
#define ADDRESS_BYTES	2048u
#define UNKNOWN_TEXT	"Address verification in progress"

struct verified_address {
	uint8_t		 status;
	int64_t		 probed, updated;	/* wall; 0: never */
	char		*text;
	size_t		 len;
	char		 address[];
};

struct verify_probe {
	uint64_t	 number;
	size_t		 len;
	char		 address[];
};

static struct span
address_key(const void *item)
{
	const struct verified_address *a = item;
	return span_of(a->address, a->len);
}

static struct span
probe_key(const void *item)
{
	const struct verify_probe *p = item;
	return span_of(&p->number, sizeof p->number);
}

void
verify_init(struct verified *v, const struct verify_times *times)
{
	*v = (struct verified){ .map = MAP_INIT(address_key), .probes = MAP_INIT(probe_key), .times = *times };
}

static void
drop(struct verified *v, struct verified_address *a)
{
	if (v->keep != NULL)
		v->keep(v->arg, address_key(a), NULL);
	map_del(&v->map, address_key(a));
	free(a->text);
	free(a);
}

void
verify_lost(struct verified *v)
{
	struct verify_probe *p;
	size_t at = 0;

	while ((p = map_next(&v->probes, &at)) != NULL) {
		struct verified_address *a = map_get(&v->map, span_of(p->address, p->len));
		if (a != NULL)
			a->probed = 0;	/* the next who asks begins another */
		free(p);
	}
	map_clear(&v->probes);
	v->probes = MAP_INIT(probe_key);
}

void
verify_clear(struct verified *v)
{
	struct verified_address *a;
	size_t at = 0;

	v->keep = NULL;
	verify_lost(v);
	while ((a = map_next(&v->map, &at)) != NULL) {
		free(a->text);
		free(a);
	}
	map_clear(&v->map);
	map_clear(&v->probes);
}

static struct span
fold(struct span s, char room[ADDRESS_BYTES])
{
	size_t n = s.len < ADDRESS_BYTES ? s.len : ADDRESS_BYTES;

	for (size_t i = 0; i < n; i++)
		room[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + ('a' - 'A')) : s.ptr[i];
	return span_of(room, n);
}

static bool
is_over(const struct verified *v, const struct verified_address *a, int64_t now)
{
	int64_t limit = a->status == VERIFY_OK ? v->times.positive_expire : v->times.negative_expire;

	return a->updated == 0 || a->updated + limit < now;
}

static bool
wants_refresh(const struct verified *v, const struct verified_address *a, int64_t now)
{
	int64_t limit = a->status == VERIFY_OK ? v->times.positive_refresh : v->times.negative_refresh;

	return a->updated + limit < now;
}

static void
write_down(struct verified *v, const struct verified_address *a)
{
	char value[VERIFY_TEXT + 80];

	if (v->keep == NULL || a->updated == 0)
		return;
	snprintf(value, sizeof value, "%u:%" PRId64 ":%" PRId64 ":%s", a->status, a->probed / SECOND, a->updated / SECOND, a->text);
	v->keep(v->arg, address_key(a), value);
}

bool
verify_next(const struct verified *v, size_t *at, struct verify_row *row)
{
	const struct verified_address *a;

	while ((a = map_next(&v->map, at)) != NULL) {
		if (a->updated == 0)
			continue;
		*row = (struct verify_row){ address_key(a), (enum verify_status)a->status, a->updated, a->text };
		return true;
	}
	return false;
}

bool
verify_drop(struct verified *v, struct span address)
{
	char room[ADDRESS_BYTES];
	struct verified_address *a = map_get(&v->map, fold(address, room));

	if (a != NULL)
		drop(v, a);
	return a != NULL;
}

void
verify_keep_all(struct verified *v)
{
	struct verified_address *a;
	size_t at = 0;

	while ((a = map_next(&v->map, &at)) != NULL)
		write_down(v, a);
}

static struct verified_address *
add(struct verified *v, struct span key)
{
	if (v->map.count >= VERIFY_MAX)
		return NULL;
	struct verified_address *a = mem_new(sizeof *a + key.len);
	*a = (struct verified_address){ .status = VERIFY_TODO, .text = mem_str(UNKNOWN_TEXT), .len = key.len };
	memcpy(a->address, key.ptr, key.len);
	map_add(&v->map, a);
	return a;
}

static uint64_t
begin_probe(struct verified *v, struct span key)
{
	if (v->probes.count >= v->times.pending_limit)
		return 0;
	struct verify_probe *p = mem_new(sizeof *p + key.len);
	*p = (struct verify_probe){ .number = ++v->number, .len = key.len };
	memcpy(p->address, key.ptr, key.len);
	map_add(&v->probes, p);
	return p->number;
}

enum verify_status
verify_ask(struct verified *v, struct span address, int64_t now, const char **text, uint64_t *probe)
{
	char room[ADDRESS_BYTES];
	struct span key = fold(address, room);
	struct verified_address *a = map_get(&v->map, key);

	*probe = 0;
	*text = UNKNOWN_TEXT;
	if (a == NULL && (a = add(v, key)) == NULL)
		return VERIFY_TODO;
	bool unknown = is_over(v, a, now);
	enum verify_status status = unknown ? VERIFY_TODO : (enum verify_status)a->status;
	if (!unknown)
		*text = a->text;
	if ((unknown || wants_refresh(v, a, now)) && (a->probed == 0 || now - a->probed > PROBE_TIME || now < a->probed)) {
		*probe = begin_probe(v, key);
		if (*probe != 0)
			a->probed = now;
	}
	return status;
}

bool
verify_probed(struct verified *v, uint64_t number, enum verify_status status, struct span text, int64_t now)
{
	struct verify_probe *p = map_get(&v->probes, span_of(&number, sizeof number));

	if (p == NULL)
		return false;
	map_del(&v->probes, span_of(&number, sizeof number));
	struct span key = span_of(p->address, p->len);
	struct verified_address *a = map_get(&v->map, key);
	if (a == NULL)
		a = add(v, key);
	free(p);
	if (a == NULL)
		return true;
	a->probed = 0;
	/* As long as some probes succeed it stays known as good. */
	if (status != VERIFY_OK && ((a->status == VERIFY_OK && !is_over(v, a, now)) || !v->times.negative))
		return true;
	free(a->text);
	a->text = span_dup(span_head(text, VERIFY_TEXT));
	a->status = (uint8_t)status;
	a->updated = now;
	write_down(v, a);
	return true;
}

void
verify_expire(struct verified *v, int64_t now)
{
	struct verified_address *a, **old = NULL;
	size_t at = 0, n = 0;

	while ((a = map_next(&v->map, &at)) != NULL) {
		int64_t since = a->updated > a->probed ? a->updated : a->probed;
		if (since + (a->status == VERIFY_OK ? v->times.positive_expire : v->times.negative_expire) >= now)
			continue;
		old = mem_grow(old, n + 1, sizeof *old);
		old[n++] = a;
	}
	for (size_t i = 0; i < n; i++)
		drop(v, old[i]);
	free(old);
}

static bool
take_number(struct span *rest, int64_t *n)
{
	struct span word;
	uint64_t value;

	if (!span_cut(rest, ':', &word) || !num_u64(word, &value) || value > (uint64_t)INT64_MAX / SECOND)
		return false;
	*n = (int64_t)value;
	return true;
}

bool
verify_load(struct verified *v, struct span address, struct span value)
{
	int64_t status, probed, updated;
	char room[ADDRESS_BYTES];

	if (address.len == 0 || address.len > ADDRESS_BYTES || !take_number(&value, &status) || status > VERIFY_BOUNCE ||
	    !take_number(&value, &probed) || !take_number(&value, &updated) || value.ptr == NULL)
		return false;
	struct span key = fold(address, room);
	struct verified_address *a = map_get(&v->map, key);
	if (a == NULL && (a = add(v, key)) == NULL)
		return false;
	a->status = (uint8_t)status;
	a->updated = updated * SECOND;
	free(a->text);
	a->text = span_dup(span_head(value, VERIFY_TEXT));
	return true;
}
