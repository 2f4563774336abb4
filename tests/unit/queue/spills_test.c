#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "queue/role.h"

/* A file is named once, by whom it was given; what an earlier queue role gave by whoever is first. */
static void
claims(void **state)
{
	static const struct { uint64_t spill; uint32_t slot, epoch; bool ok; } cases[] = {
		{ 9, 0, 1, false },		/* never given */
		{ 1, 1, 1, false },		/* another's */
		{ 1, 0, 2, false },		/* a predecessor's */
		{ 1, 0, 1, true }, { 1, 0, 1, false },	/* once */
		{ 2, 1, 1, true },
	};
	struct role_queue rq = { 0 };

	(void)state;
	spills_granted(&rq, 1, 0, 1);
	spills_granted(&rq, 2, 1, 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(spills_claim(&rq, cases[i].spill, cases[i].slot, cases[i].epoch), cases[i].ok);
	assert_int_equal(rq.grant_count, 0);
	free(rq.grants);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(claims) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
