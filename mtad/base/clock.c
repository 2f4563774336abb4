#include "base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/err.h"

static bool is_virtual;
static int64_t virtual_mono, virtual_wall;
static bool is_seeded;
static uint64_t seed;

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		panic("clock_gettime(%d) failed", (int)id);
	return ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}

int64_t
clock_mono(void)
{
	return is_virtual ? virtual_mono : read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall(void)
{
	return is_virtual ? virtual_wall : read_clock(CLOCK_REALTIME);
}

void
clock_virtual(int64_t wall)
{
	is_virtual = true;
	virtual_mono = 0;
	virtual_wall = wall;
}

void
clock_advance(int64_t by)
{
	virtual_mono += by;
	virtual_wall += by;
}

void
clock_step_wall(int64_t by)
{
	virtual_wall += by;
}

/* splitmix64: enough for tests, which is all that a seed is for. */
static uint64_t
next_seeded(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
clock_random_bytes(void *out, size_t len)
{
	char *p = out;

	while (len > 0) {
		size_t n = len < 256 ? len : 256;
		if (is_seeded) {
			uint64_t v = next_seeded();
			n = len < sizeof v ? len : sizeof v;
			memcpy(p, &v, n);
		} else if (getrandom(p, n, 0) != (ssize_t)n) {
			panic("getrandom failed");
		}
		p += n;
		len -= n;
	}
}

uint64_t
clock_random(void)
{
	uint64_t v;

	clock_random_bytes(&v, sizeof v);
	return v;
}

void
clock_seed(uint64_t s)
{
	is_seeded = true;
	seed = s;
}
