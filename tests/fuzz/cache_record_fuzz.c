/* Records out of the files of the state role's caches, a line each: "key<tab>value". What is taken is written down again as something that is taken, and says the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "state/screened.h"
#include "state/verify.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct again {
	struct verified	 verified;
	struct screened_clients screened;
};

static void
keep_address(void *arg, struct span address, const char *value)
{
	struct again *a = arg;

	if (value != NULL && !verify_load(&a->verified, address, span_str(value)))
		panic("what was written down of an address is not taken: %s", value);
}

static void
keep_client(void *arg, struct span address, const char *record)
{
	struct again *a = arg;
	const struct screen_record *r;
	char text[SCREEN_RECORD_TEXT];

	if (record == NULL)
		return;
	if (!screened_load(&a->screened, address, span_str(record)) || (r = screened_get(&a->screened, address)) == NULL)
		panic("what was written down of a client is not taken: %s", record);
	screen_record_print(r, text);
	if (strcmp(text, record) != 0)
		panic("\"%s\" became \"%s\"", record, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct verify_times times = { .positive_expire = 100 * SECOND, .positive_refresh = 50 * SECOND, .negative_expire = 30 * SECOND,
		.negative_refresh = 10 * SECOND, .negative = true, .pending_limit = 2 };
	struct span all = span_of(data, size), line, key;
	struct screened_clients screened;
	struct verified verified;
	struct again again;
	const char *text;
	uint64_t probe;

	verify_init(&verified, &times);
	verify_init(&again.verified, &times);
	screened_init(&screened);
	screened_init(&again.screened);
	while (span_cut(&all, '\n', &line)) {
		if (!span_cut(&line, '\t', &key) || line.ptr == NULL)
			continue;
		(void)verify_load(&verified, key, line);
		(void)screened_load(&screened, key, line);
		if (verify_ask(&verified, key, 1000 * SECOND, &text, &probe) > VERIFY_TODO || strlen(text) > VERIFY_TEXT)
			panic("an answer that is none");
	}
	verified.keep = keep_address;
	screened.keep = keep_client;
	verified.arg = screened.arg = &again;
	verify_keep_all(&verified);
	screened_keep_all(&screened);
	if (again.screened.map.count != screened.map.count)
		panic("a client was lost");
	screened_expire(&screened, INT64_MAX / 2, 0);
	if (screened.map.count != 0)
		panic("a client that never ends");
	verify_clear(&verified);
	verify_clear(&again.verified);
	screened_clear(&screened);
	screened_clear(&again.screened);
	return 0;
}
