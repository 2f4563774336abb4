#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/notify.h"

static void
receive(const char *name, const char *state_text)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char text[100];
	size_t n = strlen(name);

	memcpy(sun.sun_path, name, n);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_init();
	assert_null(getenv("NOTIFY_SOCKET"));
	notify(state_text);
	ssize_t got = recv(fd, text, sizeof text, MSG_DONTWAIT);
	assert_int_equal(got, strlen(state_text));
	assert_memory_equal(text, state_text, strlen(state_text));
	close(fd);
}

static void
test_both_kinds(void **state)
{
	char name[80];

	(void)state;
	notify("READY=1");		/* nobody asked */
	(void)snprintf(name, sizeof name, "@mtad-unit-%d", (int)getpid());
	receive(name, "READY=1");
	(void)snprintf(name, sizeof name, "/tmp/mtad-unit-notify-%d", (int)getpid());
	receive(name, "STOPPING=1");
	assert_int_equal(unlink(name), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_both_kinds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
