#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "send/tls_sessions.h"

static struct tls_sessions store;

static void
put(const char *key, const char *data, int64_t now)
{
	tls_sessions_put(&store, span_str(key), span_str(data), now);
}

static struct span
get(const char *key, int64_t now)
{
	return tls_sessions_get(&store, span_str(key), now, 10 * SECOND);
}

static void
test_kept_and_outlived(void **state)
{
	(void)state;
	store.by_key = MAP_INIT(tls_saved_key);
	put("a", "first", SECOND);
	assert_true(span_eqs(get("a", 10 * SECOND), "first"));
	assert_int_equal(get("b", 10 * SECOND).len, 0);
	assert_int_equal(get("a", 11 * SECOND).len, 0);
	put("a", "second", 11 * SECOND);
	assert_true(span_eqs(get("a", 12 * SECOND), "second"));
	assert_int_equal(store.by_key.count, 1);
	tls_sessions_forget(&store);
	assert_int_equal(get("a", 12 * SECOND).len, 0);
}

/* More servers than there is room for: the oldest go, and what is too large never comes. */
static void
test_bounded(void **state)
{
	static char large[TLS_SESSION_BYTES + 1];
	char key[20];

	(void)state;
	store.by_key = MAP_INIT(tls_saved_key);
	for (unsigned i = 0; i < TLS_SESSIONS_MAX + 5; i++) {
		(void)snprintf(key, sizeof key, "k%u", i);
		put(key, key, SECOND);
	}
	assert_int_equal(store.by_key.count, TLS_SESSIONS_MAX);
	assert_int_equal(get("k4", SECOND).len, 0);
	assert_true(span_eqs(get("k5", SECOND), "k5"));
	assert_true(span_eqs(get(key, SECOND), key));
	tls_sessions_put(&store, SPAN("k5"), span_of(large, sizeof large), SECOND);
	assert_true(span_eqs(get("k5", SECOND), "k5"));
	tls_sessions_forget(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_and_outlived),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
